"""The audit log: whatever is done to the file afterwards is found."""

from __future__ import annotations

import json
import os
import stat
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octoroute.access.audit import MAX_TEXT_CHARS, START, AuditEvent, AuditLog, verify


def event(at: int, **more) -> AuditEvent:
    return AuditEvent(**{"at": float(at), "actor": "boss", "action": "PUT /admin/config", "outcome": "done", **more})


@pytest.fixture
def log(tmp_path):
    made = AuditLog(tmp_path / "logs" / "audit.ndjson")
    made.append([event(0), event(1, actor="", outcome="refused", status=401)])
    made.append([event(2, details={"name": "é\ud800\n"})])
    return made


def test_each_line_has_the_hash_of_the_one_before(log):
    lines = [json.loads(line) for line in log.path.read_text().splitlines()]
    assert [line["seq"] for line in lines] == [1, 2, 3]
    assert [line["previous"] for line in lines] == [START, lines[0]["hash"], lines[1]["hash"]]
    assert lines[0]["at"] == "1970-01-01T00:00:00.000+00:00"
    found = verify(log.path)
    assert (found.lines, found.head, found.problem) == (3, lines[2]["hash"], None)


def test_the_file_is_for_its_owner_only(log):
    assert stat.S_IMODE(log.path.stat().st_mode) == 0o600


def test_what_a_stranger_sends_is_cut(log):
    log.append([event(3, action="x" * 10_000)])
    assert len(json.loads(log.path.read_text().splitlines()[-1])["action"]) == MAX_TEXT_CHARS


@pytest.mark.parametrize("changed", [b'"\xb1"', b"[" * 200_000, b'"\x00"'])
def test_what_is_no_text_or_has_no_end_is_no_traceback(log, changed):
    log.path.write_bytes(log.path.read_bytes().replace(b'"boss"', changed, 1))
    assert verify(log.path).problem == "line 1 is not a line of the audit log"


@settings(max_examples=25)
@given(st.data())
def test_any_changed_byte_is_found(data):
    import tempfile

    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "a")
        AuditLog(path).append([event(0), event(1), event(2)])
        raw = bytearray(path.read_bytes())
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at] ^= data.draw(st.integers(1, 255))
        path.write_bytes(bytes(raw))
        assert verify(path).problem is not None


@pytest.mark.parametrize("order", [[1, 2], [0, 2], [1, 0, 2], [0, 1, 1, 2], [2]])
def test_lines_that_are_removed_moved_or_repeated_are_found(log, order):
    lines = log.path.read_bytes().splitlines(keepends=True)
    log.path.write_bytes(b"".join(lines[at] for at in order))
    assert "does not follow" in (verify(log.path).problem or "")


def test_a_cut_end_is_found_by_a_hash_that_was_noted(log):
    head = verify(log.path).head
    lines = log.path.read_bytes().splitlines(keepends=True)
    log.path.write_bytes(b"".join(lines[:2]))
    assert verify(log.path).problem is None
    assert "lines were cut off" in (verify(log.path, head).problem or "")


def test_a_line_that_a_crash_cut_off_is_named_and_the_next_one_is_written_after_it(log):
    with log.path.open("ab") as file:
        file.write(b'{"seq": 4, "at"')
    log.append([event(9)])
    assert "line 4" in (verify(log.path).problem or "")
    assert json.loads(log.path.read_bytes().splitlines()[-1])["seq"] == 4


def append_many(path: str) -> None:
    for at in range(20):
        AuditLog(Path(path)).append([event(at, actor=str(os.getpid()))])


def test_processes_that_write_at_once_make_one_chain(tmp_path):
    path = tmp_path / "a"
    with ProcessPoolExecutor(3) as pool:
        list(pool.map(append_many, [str(path)] * 3))
    assert (verify(path).lines, verify(path).problem) == (60, None)
