"""Every line is read once, compressed or not, also while the file is rotated; a filter accepts what matches all of it."""

from __future__ import annotations

import pytest

from octoroute.telemetry.traffic_log.reader import RecordFilter, lines, read, writers
from octoroute.telemetry.traffic_log.rotation import pack


def test_what_is_put_aside_and_packed_while_it_is_read_is_read_once(tmp_path):
    first, second = (tmp_path / f"traffic.20260301_14305{n}.ndjson" for n in (1, 2))
    live = tmp_path / "traffic.ndjson"
    first.write_bytes(b'{"n": 0}\n')
    live.write_bytes(b'{"n": 1}\n')
    reading = lines(tmp_path, "traffic")
    found = [next(reading)]
    live.rename(second)
    pack(second)
    live.write_bytes(b'{"n": 2}\n')
    assert [read(line)["n"] for line in (*found, *reading)] == [0, 1]


def test_a_line_that_is_still_being_written_is_left_out(tmp_path):
    (tmp_path / "traffic.ndjson").write_bytes(b'{"n": 0}\n{"n": 1')
    assert list(lines(tmp_path, "traffic")) == [b'{"n": 0}\n']


@pytest.mark.parametrize("line", [b'{"n": 1', b"[1]\n", b"\xff\n", b"\n"])
def test_a_line_that_is_no_record_is_none(line):
    assert read(line) is None


def test_writers_are_listed_by_number_and_foreign_files_are_not(tmp_path):
    for name in ("traffic-10.ndjson", "traffic.ndjson", "traffic-2.20260301_120000.ndjson.gz", "other.ndjson", "traffic.txt"):
        (tmp_path / name).write_bytes(b"")
    assert writers(tmp_path, "traffic") == ["traffic", "traffic-2", "traffic-10"]
    assert writers(tmp_path / "none", "traffic") == []


def test_filters():
    assert RecordFilter().takes({})
    assert not RecordFilter(endpoint="a").takes({})
    record = {"request_id": "r", "endpoint": "a", "ending": "answered"}
    assert RecordFilter(request_id="r", endpoint="a", ending="answered").takes(record)
    assert not RecordFilter(endpoint="a", ending="failed").takes(record)
