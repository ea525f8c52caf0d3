"""`octoroute logs`: what becomes of lines that are no records, and whose settings count."""

from __future__ import annotations

import json

import pytest

from octoroute.cli import main

RECORD = {"request_id": "r1", "ending": "answered", "endpoint": "a", "time": "2026-01-01T00:00:00.000Z"}


@pytest.fixture
def directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "traffic.ndjson").write_bytes(json.dumps(RECORD).encode() + b"\n{half a line\n[]\n")
    return tmp_path


def test_stats_count_what_cannot_be_read(directory, capsys):
    assert main(["logs", "stats", "--directory", str(directory)]) == 0
    lines = capsys.readouterr().out.splitlines()
    size = (directory / "traffic.ndjson").stat().st_size
    assert lines[0] == f"{directory / 'traffic'}: 1 file, {size} bytes, 1 request"
    assert lines[-1] == "  2 lines not readable"


def test_cat_prints_records_only_and_as_they_are(directory, capfdbinary):
    assert main(["logs", "cat", "--directory", str(directory)]) == 0
    assert capfdbinary.readouterr().out == json.dumps(RECORD).encode() + b"\n"


def test_directory_and_name_are_the_configurations_unless_they_are_given(directory, capsys):
    (directory / "c.toml").write_text(
        f'[[models.fast]]\nname = "m"\nbase_url = "http://h/v1"\n[logging.traffic]\ndirectory = "{directory}"\nname = "other"\n'
    )
    assert main(["-c", str(directory / "c.toml"), "logs", "stats"]) == 0
    assert capsys.readouterr().out.startswith(f"{directory / 'other'}: 0 files")
    assert main(["-c", str(directory / "c.toml"), "logs", "stats", "--name", "traffic"]) == 0
    assert capsys.readouterr().out.startswith(f"{directory / 'traffic'}: 1 file,")
