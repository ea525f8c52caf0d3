"""What `octoroute --version --verbose` prints."""

from __future__ import annotations

import platform
import re

import pytest

from octoroute.cli import main
from octoroute.cli.versions import versions


def test_every_dependency_has_a_line():
    lines = list(versions())
    assert re.fullmatch(r"octoroute \d+\.\d+\.\d+\S*", lines[0])
    assert platform.python_version() in lines[1]
    assert any(re.fullmatch(r"uvicorn [\d.]+", line) for line in lines)
    assert all(re.fullmatch(r"[\w.-]+ (\S+|is not installed)( \(extra [\w-]+\))?", line) for line in lines[2:])


@pytest.mark.parametrize("words", [["--version", "--verbose"], ["--verbose", "-V"]])
def test_both_orders(capsys, words):
    assert main(words) == 0
    assert "uvicorn" in capsys.readouterr().out


def test_one_line_without_it(capsys):
    assert main(["--version"]) == 0
    assert re.fullmatch(r"octoroute \S+\n", capsys.readouterr().out)
