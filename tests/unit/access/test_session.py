from __future__ import annotations

import stat

import pytest

from octoroute.access.session import ENDED_FILE, SECRET_FILE, EndedSessions, Session, session_secret

ONE, OTHER = Session(id="one", expires_at=100.0), Session(id="other", expires_at=100.0)


def test_every_process_of_a_state_directory_has_the_same_secret_and_other_users_cannot_read_it(tmp_path):
    directory = tmp_path / "state"
    secret = session_secret(directory)
    assert session_secret(directory) == secret
    assert len(secret) == 32
    assert stat.S_IMODE((directory / SECRET_FILE).stat().st_mode) == 0o600
    assert [path.name for path in directory.iterdir()] == [SECRET_FILE]


def test_a_secret_that_cannot_be_kept_or_is_too_short_is_of_this_process(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / SECRET_FILE).write_bytes(b"short")
    for directory in (None, tmp_path / "file", tmp_path):
        first, second = session_secret(directory), session_secret(directory)
        assert first != second
        assert len(first) == 32


@pytest.mark.parametrize("shared", [True, False])
def test_a_session_that_was_ended_stays_ended_until_it_expires(tmp_path, shared):
    ended = EndedSessions(tmp_path if shared else None)
    assert "one" not in ended
    ended.end(ONE, 1.0)
    assert "one" in ended
    assert "other" not in ended
    assert ("one" in EndedSessions(tmp_path)) is shared
    ended.end(OTHER, 101.0)
    assert "one" not in ended


def test_a_store_that_cannot_be_read_accepts_no_session(tmp_path):
    (tmp_path / ENDED_FILE).write_bytes(b"no database" * 100)
    assert "one" in EndedSessions(tmp_path)
