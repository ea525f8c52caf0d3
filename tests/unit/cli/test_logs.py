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
