"""`octoroute serve`: when it shows the banner, and where it reads the configuration again.

The process itself is tested in tests/behaviour and tests/e2e.
"""

from __future__ import annotations

import argparse
import io

import pytest

from octoroute.cli import serve
from octoroute.config import load
from octoroute.errors import ConfigError

CONFIG = '[observability]\nlog_format = "{style}"\n[[models.fast]]\nname = "small"\nbase_url = "http://127.0.0.1:1/v1"\n'


class Terminal(io.StringIO):
    encoding = "utf-8"

    def __init__(self, *, tty: bool) -> None:
        super().__init__()
        self._tty = tty

    def isatty(self) -> bool:
        return self._tty


@pytest.fixture
def path(tmp_path):
    found = tmp_path / "c.toml"
    found.write_text(CONFIG.format(style="console"))
    return found


@pytest.mark.parametrize(("tty", "style", "shown"), [(True, "console", True), (True, "json", False), (False, "console", False)])
def test_the_banner_is_for_terminals(path, tmp_path, tty, style, shown):
    path.write_text(CONFIG.format(style=style))
    out = Terminal(tty=tty)
    serve.show_banner(load(path, {}, tmp_path), out, {})
    assert ("SMALL (HAIKU): small" in out.getvalue()) is shown
    assert shown or out.getvalue() == ""


def test_a_file_is_read_again_and_may_be_rewritten(path, tmp_path):
    load_again, file = serve.source_of(load(path, {}, tmp_path), tmp_path)
    assert file is not None
    path.write_text(path.read_text().replace("small", "other"))
    assert [endpoint.name for endpoint in load_again().endpoints] == ["other"]


def test_without_a_file_the_environment_counts_and_nothing_can_be_rewritten(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    config = load(None, {"OPENAI_API_KEY": "sk-1"}, tmp_path)
    load_again, file = serve.source_of(config, tmp_path)
    assert file is None
    assert load_again().endpoints == config.endpoints


def test_an_invalid_configuration_starts_nothing(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path.write_text("[server]\nport = -1\n")
    with pytest.raises(ConfigError):
        serve.run(argparse.Namespace(config=path))
