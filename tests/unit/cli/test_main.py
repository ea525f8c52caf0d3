"""The command line's manners: exit codes, messages, where --config may stand."""

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


def test_check_says_what_becomes_of_the_file(good, capsys):
    assert main(["check", "-c", "good.toml"]) == 0
    out = capsys.readouterr().out
    for part in ("http://[::]:3000", "hybrid", "m@127.0.0.1:1", "fast       no endpoint", "WARNING    server.host: "):
        assert part in out


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


def test_the_template_goes_to_standard_output_alone(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["config", "-c", "does-not-exist.toml"]) == 0
    streams = capsys.readouterr()
    assert streams.out.startswith("# octoroute configuration\n")
    assert streams.err == ""
    assert list(tmp_path.iterdir()) == []


def test_the_template_is_written_once_and_never_over_something(capsys, tmp_path):
    path = tmp_path / "new.toml"
    assert main(["config", "-o", str(path)]) == 0
    streams = capsys.readouterr()
    assert streams.out == ""
    assert f"--config {path}" in streams.err
    assert main(["check", "-c", str(path)]) == 0
    path.write_text("mine")
    for taken in (path, tmp_path):
        assert main(["config", "-o", str(taken)]) == 1
        assert "already exists; remove it" in capsys.readouterr().err
    assert path.read_text() == "mine"
    assert main(["config", "-o", str(tmp_path / "no" / "c.toml")]) == 1
    assert "does not exist; create it first" in capsys.readouterr().err
    assert main(["config", "-o", str(path / "c.toml")]) == 1
    assert main(["config", "-o", "\0"]) == 1


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_can_be_loaded(name):
    import importlib

    module = importlib.import_module(COMMANDS[name][0])
    module.arguments(argparse.ArgumentParser())
    assert callable(module.run)
