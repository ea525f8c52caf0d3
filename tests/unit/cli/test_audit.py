"""`octoroute audit verify`."""

from __future__ import annotations

import json

import pytest

from octoroute.access.audit import AuditEvent, AuditLog
from octoroute.cli import main


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "audit.ndjson"
    AuditLog(path).append([AuditEvent(at=0.0, actor="a", action="b", outcome="done")] * 2)
    return path


def test_a_log_that_is_right(file, capsys):
    assert main(["audit", "verify", str(file)]) == 0
    assert "2 lines are right" in capsys.readouterr().out


def test_a_log_that_was_changed(file, capsys):
    file.write_bytes(file.read_bytes().replace(b'"actor":"a"', b'"actor":"x"', 1))
    assert main(["audit", "verify", str(file), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["lines"], told["problem"]) == (0, "line 1 was changed")


def test_a_head_that_is_not_there(file, capsys):
    assert main(["audit", "verify", str(file), "--head", "00"]) == 1
    assert "cut off" in capsys.readouterr().out


def test_the_file_of_the_configuration(file, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    one = '[[models.fast]]\nname = "m"\nbase_url = "http://127.0.0.1:9/v1"\n'
    (tmp_path / "config.toml").write_text(one)
    assert main(["audit", "verify"]) == 2
    (tmp_path / "config.toml").write_text(f'{one}[audit]\nfile = "{file}"\n')
    assert main(["audit", "verify"]) == 0
    assert main(["audit", "verify", "nowhere"]) == 1
    assert "cannot be read" in capsys.readouterr().err


def test_key_changes_are_in_the_log(file, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("OCTOROUTE_STATE_DIR", str(tmp_path / "state"))
    config = tmp_path / "c.toml"
    config.write_text(f'[[models.fast]]\nname = "m"\nbase_url = "http://127.0.0.1:9/v1"\n[audit]\nfile = "{file}"\n')
    assert main(["keys", "add", "team", "-c", str(config)]) == 0
    text = capsys.readouterr().out.strip()
    assert main(["keys", "revoke", "team", "-c", str(config)]) == 0
    added, revoked = (json.loads(line) for line in file.read_text().splitlines()[2:])
    assert (added["action"], revoked["action"], added["details"]["name"]) == ("keys add", "keys revoke", "team")
    assert added["actor"].startswith("cli:")
    assert text not in file.read_text()
