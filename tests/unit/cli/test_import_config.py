"""`octoroute import`: TOML on standard output, everything else on standard error."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from octoroute.cli import main
from octoroute.config.importers import dispatcher, legacy

ROOT = Path(__file__).parents[3]
DATA = ROOT / "tests" / "data" / "providers_json"


@pytest.fixture(autouse=True)
def clean(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    known = {*legacy.LegacyVariables.__struct_fields__, *legacy.ServerVariables.__struct_fields__}
    for name in (*known, *(name for vendor in dispatcher.DISPATCHER_VENDORS for name in dispatcher.variables_of(vendor))):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_import_writes_toml_and_says_what_to_set(capsys):
    assert main(["import", str(DATA / "high_availability.json")]) == 0
    done = capsys.readouterr()
    assert list(tomllib.loads(done.out)["providers"]) == ["openai-primary", "azure-backup", "local-ollama"]
    assert "dummy-key" not in done.out + done.err
    assert done.err == "octoroute: set LOCAL_OLLAMA_API_KEY to the secret that was at providers.local-ollama.api_key\n"


def test_import_refuses_what_load_would(clean, capsys):
    (clean / "p.json").write_text('{"providers": [{"name": "a"}, {"nam": 1}], "x": 1}')
    assert main(["import", "p.json"]) == 2
    done = capsys.readouterr()
    assert done.out == ""
    assert done.err.startswith(f"octoroute: {clean / 'p.json'} cannot be used: 9 problems")
    assert main(["import", "nowhere.json"]) == 2
    assert main(["import"]) == 2
