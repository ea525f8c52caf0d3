"""The command line: exit codes, messages, and the places of --config."""

from __future__ import annotations

import argparse

import pytest

from octoroute import __version__
from octoroute.cli import COMMANDS, config_error_text, main
from octoroute.errors import ConfigError

ENDPOINT = '[[models.balanced]]\nname = "m"\nbase_url = "http://127.0.0.1:1/v1"\n'


@pytest.fixture
def good(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "good.toml"
    path.write_text('[server]\nhost = "::"\n' + ENDPOINT)
    return path


def test_config_may_stand_before_or_after_the_command(good, capsys):
    for words in (["-c", "good.toml", "check"], ["check", "--config", "good.toml"], ["--config=good.toml", "check"]):
        assert main(words) == 0
        assert "good.toml is valid" in capsys.readouterr().out
    assert main(["-c", "nope.toml", "check", "-c", "good.toml"]) == 0


@pytest.mark.parametrize(
    "words", [["--version"], ["-V"], ["--help"], ["-h"], ["check", "--help"], ["config", "-h"], ["init", "--help"]]
)
def test_asking_for_help_is_success(words, capsys):
    assert main(words) == 0
    assert capsys.readouterr().out


def test_the_version_is_the_packages(capsys):
    main(["--version"])
    assert capsys.readouterr().out == f"octoroute {__version__}\n"


@pytest.mark.parametrize("words", [["--nope"], ["nope"], ["check", "--nope"], ["check", "extra"], ["--conf", "x", "check"], ["-c"]])
def test_wrong_usage_exits_2(words, capsys):
    assert main(words) == 2
    assert "usage: octoroute" in capsys.readouterr().err


def test_a_configuration_that_cannot_be_used_exits_2(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["check"]) == 2
    assert "octoroute demo" in capsys.readouterr().err
    (tmp_path / "config.toml").write_text("[server]\nport = -1\n")
    assert main(["check"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == f"octoroute: {tmp_path / 'config.toml'} cannot be used: 2 problems"
    assert [line.split(":")[0] for line in lines[1:]] == ["  server.port", "  models"]


def test_a_problem_with_the_file_itself_stands_alone():
    assert config_error_text(ConfigError(["x: is empty; remove it"])) == "octoroute: x: is empty; remove it"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_can_be_loaded(name):
    import importlib

    module = importlib.import_module(COMMANDS[name][0])
    module.arguments(argparse.ArgumentParser())
    assert callable(module.run)
