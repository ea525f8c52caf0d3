"""`octoroute serve`: what it reads, and when it shows the banner. The process itself is tested in tests/behaviour and tests/e2e."""

from __future__ import annotations

import argparse
import io

import pytest

from octoroute.cli import serve
from octoroute.errors import ConfigError
from octoroute.server import process

CONFIG = '[observability]\nlog_format = "{style}"\n[[models.fast]]\nname = "small"\nbase_url = "http://127.0.0.1:1/v1"\n'


class Terminal(io.StringIO):
    encoding = "utf-8"

    def __init__(self, *, tty: bool) -> None:
        super().__init__()
        self._tty = tty

    def isatty(self) -> bool:
        return self._tty


@pytest.fixture
def served(monkeypatch, tmp_path):
    """What the server process is given."""
    calls = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(process, "serve", lambda config, *, load, file=None: calls.append((config, load, file)) or 7)
    monkeypatch.setattr("octoroute.telemetry.logging.configure", lambda **_: None)
    return calls


@pytest.mark.parametrize(("tty", "style", "shown"), [(True, "console", True), (True, "json", False), (False, "console", False)])
def test_the_banner_is_for_terminals(served, tmp_path, monkeypatch, tty, style, shown):
    out = Terminal(tty=tty)
    monkeypatch.setattr("sys.stdout", out)
    path = tmp_path / "c.toml"
    path.write_text(CONFIG.format(style=style))
    assert serve.run(argparse.Namespace(config=path)) == 7
    assert ("SMALL (HAIKU): small" in out.getvalue()) is shown


def test_a_file_is_read_again_and_may_be_rewritten(served, tmp_path):
    path = tmp_path / "c.toml"
    path.write_text(CONFIG.format(style="json"))
    serve.run(argparse.Namespace(config=path))
    config, load, file = served[0]
    assert file is not None
    assert [endpoint.name for endpoint in config.endpoints] == ["small"]
    path.write_text(CONFIG.format(style="json").replace("small", "other"))
    assert [endpoint.name for endpoint in load().endpoints] == ["other"]


def test_without_a_file_the_environment_counts_and_nothing_can_be_rewritten(served, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    serve.run(argparse.Namespace(config=None))
    config, load, file = served[0]
    assert file is None
    assert load().endpoints == config.endpoints


def test_an_invalid_configuration_starts_nothing(served, tmp_path):
    path = tmp_path / "c.toml"
    path.write_text("[server]\nport = -1\n")
    with pytest.raises(ConfigError):
        serve.run(argparse.Namespace(config=path))
    assert served == []
