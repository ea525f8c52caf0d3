"""`octoroute logs`: shows, counts, and cleans up traffic logs."""

from __future__ import annotations

import json
import time

import pytest

from octoroute.cli import main
from octoroute.telemetry.traffic_log.rotation import pack, rotated_files
from tests.support.traffic_logs import log_file


@pytest.fixture
def filled(tmp_path):
    file = log_file(tmp_path, limit=200)
    rows = [
        {"request_id": "r1", "ending": "answered", "endpoint": "a", "time": "2026-01-01T00:00:00.000Z"},
        {"request_id": "r2", "ending": "failed", "endpoint": "b", "time": "2026-01-02T00:00:00.000Z"},
        {"request_id": "r3", "ending": "answered", "endpoint": "b", "time": "2026-01-03T00:00:00.000Z"},
    ]
    file.write([json.dumps(row).encode() + b"\n" for row in rows for _ in range(2)])
    file.close()
    pack(rotated_files(tmp_path, "traffic")[0].path)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], ["r1", "r1", "r2", "r2", "r3", "r3"]),
        (["--request-id", "r2"], ["r2", "r2"]),
        (["--endpoint", "b"], ["r2", "r2", "r3", "r3"]),
        (["--endpoint", "b", "--ending", "answered"], ["r3", "r3"]),
        (["--ending", "broken"], []),
    ],
)
def test_c28_cat_reads_packed_files_too_and_filters(filled, capfdbinary, words, expected):
    assert main(["logs", "cat", "--directory", str(filled), *words]) == 0
    assert [json.loads(line)["request_id"] for line in capfdbinary.readouterr().out.splitlines()] == expected


def test_c28_stats(filled, capsys):
    assert main(["logs", "stats", "--directory", str(filled)]) == 0
    told = capsys.readouterr().out
    assert "3 files" in told
    assert "6 requests" in told
    assert "from 2026-01-01T00:00:00.000Z to 2026-01-03T00:00:00.000Z" in told
    assert "answered     4" in told
    assert "failed       2" in told


def test_c28_cleanup_follows_the_configuration(tmp_path, capsys, monkeypatch):
    directory = tmp_path / "logs"
    directory.mkdir()
    stamps = ["20200101_000000", *(time.strftime("%Y%m%d_%H%M%S", time.gmtime(time.time() - 60 * at)) for at in range(4))]
    for stamp in stamps:
        (directory / f"traffic.{stamp}.ndjson").write_bytes(b"{}\n")
    (tmp_path / "config.toml").write_text(
        '[[models.fast]]\nname = "m"\nbase_url = "http://h/v1"\n[logging.rotation]\nmax_backups = 3\n', "utf-8"
    )
    monkeypatch.chdir(tmp_path)
    assert main(["logs", "cleanup"]) == 0
    assert "2 removed, 3 packed" in capsys.readouterr().out
    assert len(list(directory.glob("*.gz"))) == 3


def test_c28_nothing_there(tmp_path, capsys):
    for what in ("stats", "cleanup", "cat"):
        assert main(["logs", what, "--directory", str(tmp_path / "none")]) == 0
    assert "0 files" in capsys.readouterr().out


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


def test_f9_json_has_what_the_text_has(directory, capsys):
    assert main(["logs", "stats", "--json", "--directory", str(directory)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["path"] == str(directory / "traffic")
    assert (found["files"], found["requests"], found["unreadable_lines"]) == (1, 1, 2)
    assert found["endings"] == {"answered": 1}
    assert found["endpoints"] == {"a": 1}
    assert found["first"] == found["last"] == RECORD["time"]
    assert main(["logs", "cleanup", "--json", "--directory", str(directory)]) == 0
    assert json.loads(capsys.readouterr().out) == {"path": str(directory / "traffic"), "removed": [], "packed": [], "troubles": []}
    assert main(["logs", "stats", "--json", "--directory", str(directory / "none")]) == 0
    assert json.loads(capsys.readouterr().out)["first"] is None
