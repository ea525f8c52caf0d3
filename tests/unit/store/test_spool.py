"""The spool: what was appended comes back in order, within its size, and a frame that a crash cut off is ignored."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from octoroute.store.base import Body
from octoroute.store.spool import Spool
from octoroute.store.vault import Vault
from tests.support.history import START_S, entry

ENTRIES = [
    entry(START_S, "a", record=b"\x00r", settings=b"s" * 50, body=Body(request=b"q\xff", response=b"")),
    entry(START_S, "a2", record=b"\x00r2", settings=b"s" * 50),
    entry(START_S + 1, "b", error="timeout"),
]


def test_entries_come_back_once_and_in_order(tmp_path):
    spool = Spool(tmp_path / "deep" / "spool")
    assert list(spool.batches()) == []
    assert spool.append(ENTRIES[:1])
    assert spool.append(ENTRIES[1:])
    assert list(spool.batches()) == [ENTRIES[:1], ENTRIES[1:]]
    assert list(spool.batches()) == []
    assert spool.append(ENTRIES)
    assert list(spool.batches()) == [ENTRIES]


def test_it_has_a_size(tmp_path):
    spool = Spool(tmp_path, max_bytes=700)
    assert spool.append(ENTRIES[:1])
    assert not spool.append(ENTRIES)
    assert list(spool.batches()) == [ENTRIES[:1]]


def test_what_a_crash_cut_off_is_ignored(tmp_path):
    crashed = Spool(tmp_path)
    crashed.append(ENTRIES)
    crashed.append(ENTRIES)
    crashed._close()
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-20])
    assert list(Spool(tmp_path).batches()) == [ENTRIES]


def test_the_file_of_a_living_process_is_its_own(tmp_path):
    living, other = Spool(tmp_path), Spool(tmp_path)
    living.append(ENTRIES)
    assert list(other.batches()) == []
    assert list(living.batches()) == [ENTRIES]


def test_a_directory_that_cannot_be_written_has_no_room(tmp_path):
    (tmp_path / "file").write_text("")
    assert not Spool(tmp_path / "file").append(ENTRIES)


def test_sealed_entries_stay_on_disk_for_the_key_that_opens_them(tmp_path):
    pytest.importorskip("cryptography", reason="the extra octoroute[encryption]")
    kept = entry(START_S, "a", body=Body(request=b"a prompt", response=b""))
    first = Spool(tmp_path, vault=Vault([b"\x01" * 32]))
    assert first.append([kept])
    first._close()  # as the end of its process would
    (file,) = tmp_path.iterdir()
    assert b"a prompt" not in file.read_bytes()
    other = Spool(tmp_path, vault=Vault([b"\x02" * 32]))
    with capture_logs() as logs:
        assert [*other.batches(), *other.batches()] == []
    assert [log["event"] for log in logs] == ["history on disk cannot be read, and stays there"]
    assert list(Spool(tmp_path, vault=Vault([b"\x02" * 32, b"\x01" * 32])).batches()) == [[kept]]
    assert not list(tmp_path.iterdir())
