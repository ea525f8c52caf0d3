"""`octoroute migrate`: another program's environment variables become a configuration that works the same."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from octoroute.cli import main
from octoroute.cli.migrate import guess
from octoroute.config import loads
from octoroute.config.importers import dispatcher, legacy

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "migrating.md").read_text("utf-8")


@pytest.fixture(autouse=True)
def clean(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    known = {*legacy.LegacyVariables.__struct_fields__, *legacy.ServerVariables.__struct_fields__}
    for name in (*known, *(name for vendor in dispatcher.DISPATCHER_VENDORS for name in dispatcher.variables_of(vendor))):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.mark.parametrize("form", ["toml", "json"])
def test_a22_migrate_then_start(form, clean, monkeypatch, capsys):
    (clean / ".env").write_text("OPENAI_API_KEY=sk-s3cret\nBIG_MODEL=gpt-4o\nSMALL_MODEL=gpt-4o-mini\nHOST=127.0.0.1\nPORT=9000\n")
    assert main(["check"]) == 0
    before = capsys.readouterr().out
    assert main(["migrate", "--from-env", "--format", form]) == 0
    done = capsys.readouterr()
    assert "s3cret" not in done.out + done.err
    assert "assuming the variables of claude-code-proxy" in done.err
    name = "config.toml" if form == "toml" else "providers.json"
    (clean / name).write_text(done.out)
    assert main(["check"]) == 0
    after = capsys.readouterr().out
    assert f"{name} is valid" in after
    assert "the file takes precedence" in after

    def endpoints(text):
        return re.findall(r"provider after .* priority|http://\S+|model \S+|priority \d+", text.replace("legacy", "openai"))

    assert endpoints(before) == endpoints(after)


def test_migrate_wants_the_variables_it_needs(capsys):
    assert main(["migrate", "--from-env"]) == 2
    assert "OPENAI_API_KEY: is missing" in capsys.readouterr().err
    assert main(["migrate"]) == 2
    assert main(["migrate", "--from-env", "--program", "dispatcher"]) == 2


def test_b4_migrate_from_the_dispatcher(monkeypatch, capsys):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-s3cret")
    assert main(["migrate", "--from-env"]) == 0
    done = capsys.readouterr()
    assert "assuming the variables of dispatcher" in done.err
    assert tomllib.loads(done.out)["providers"]["anthropic"]["api_key"] == "${ANTHROPIC_API_KEY}"
    assert "s3cret" not in done.out + done.err
    assert main(["migrate", "--from-env", "--format", "json"]) == 2
    assert "TOML" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("names", "program"),
    [
        ("", "claude-code-proxy"),
        ("OPENAI_API_KEY", "claude-code-proxy"),
        ("OPENAI_API_KEY OPENAI_BASE_URL ANTHROPIC_API_KEY", "claude-code-proxy"),
        ("OPENAI_API_KEY GOOGLE_API_KEY", "dispatcher"),
        ("OPENAI_API_KEY OPENAI_TIMEOUT", "dispatcher"),
        ("OPENAI_API_KEY GOOGLE_API_KEY BIG_MODEL", "claude-code-proxy"),
        ("ANTHROPIC_API_KEY", "dispatcher"),
    ],
)
def test_d2_whose_variables_they_are(names, program):
    assert guess(dict.fromkeys(names.split(), "x")) == program


def test_c30_every_documented_variable_is_read_and_the_other_way_round():
    vendors = dispatcher.DISPATCHER_VENDORS
    keys = [name for vendor in vendors for name in dispatcher.variables_of(vendor)]
    read = {*legacy.LegacyVariables.__struct_fields__, *legacy.ServerVariables.__struct_fields__, *keys}
    ours = PAGE.partition("## From another gateway")[0]
    shown = set(re.findall(r"`\$?\{?([A-Z]+(?:_[A-Z]+)+)\}?`", ours)) | {"HOST", "PORT"}
    assert {name for name in shown - read if not name.startswith(legacy.HEADER)} == set()
    suffixes = ("_TIMEOUT", "_RATE_LIMIT_REQUESTS_PER_MINUTE", "_RATE_LIMIT_TOKENS_PER_MINUTE", "_BASE_URL", "_ENDPOINT")
    assert {name for name in read - shown if not name.endswith(suffixes)} == set()
    assert all(f"…{suffix}" in PAGE for suffix in suffixes[:3])


def test_c30_every_documented_key_of_the_file_is_read():
    from octoroute.config.importers import providers_json

    for table in (providers_json.ProvidersFile, providers_json.ProviderRow):
        for name in table.__struct_fields__:
            assert name in {"providers", "name", "api_key", "base_url", "models"} or f"`{name}`" in PAGE, name
    minimal = {"name": "a", "api_key": "k", "base_url": "http://h/v1", "models": {"big": "x"}}
    assert loads(json.dumps({"providers": [minimal]}), Path("p.json"), {}).endpoints
