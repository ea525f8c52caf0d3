"""`octoroute demo`: its options."""

import argparse

import pytest

from octoroute.cli.demo import command


def parsed(*words):
    parser = argparse.ArgumentParser(exit_on_error=False)
    command.arguments(parser)
    return parser.parse_args(words)


@pytest.mark.parametrize(("text", "port"), [("0", 0), ("3000", 3000), ("65535", 65535)])
def test_a_port_is_a_number(text, port):
    assert parsed("--port", text).port == port


@pytest.mark.parametrize("text", ["65536", "x", "", "1.5", "٣", "1e3"])
def test_what_is_no_port_is_refused(text):
    with pytest.raises(argparse.ArgumentError, match="not a port"):
        parsed("--port", text)


def test_by_default_the_port_is_chosen_and_the_gateway_stays():
    options = parsed()
    assert options.port is None
    assert options.once is False
