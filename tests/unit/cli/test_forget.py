"""`octoroute forget` deletes in the store that the configuration names, and says how much."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from octoroute.access.audit import verify
from octoroute.cli import main
from octoroute.gateway.response_store import MemoryResponseStore
from octoroute.store.base import Body, HistoryFilter
from octoroute.store.responses import DurableResponses
from octoroute.store.spool import Spool
from octoroute.store.sqlite import SqliteDatabase
from octoroute.store.stored_history import StoredHistory
from octoroute.store.writer_thread import BatchWriter
from tests.support.history import entry, turn

NOW = time.time()
CONFIG = """
[store]
url = "sqlite:///history.db"
[audit]
file = "audit.ndjson"
[[models.fast]]
name = "m"
base_url = "http://127.0.0.1:9/v1"
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A store with requests and responses of two keys, some of them in the spool of a gateway that is gone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OCTOROUTE_STATE_DIR", str(tmp_path / "state"))
    (tmp_path / "config.toml").write_text(CONFIG)
    database = SqliteDatabase(tmp_path / "history.db")
    batches = BatchWriter(database, None, kept_since=lambda: (0, 0), count=lambda result, by: None)
    body = Body(request=b'{"user": "jane"}', response=b"")
    batches.write([entry(NOW - 9, "a", key="ann", record=b"r", body=body), entry(NOW - 8, "b", key="bob")])
    batches.close()
    spool = Spool(tmp_path / "history.db-spool")
    spool.append([entry(NOW - 7, "c", key="ann"), entry(NOW - 6, "d", key="bob")])
    spool._close()
    responses = DurableResponses(database, MemoryResponseStore(ttl_s=0, max_bytes=0, clock=time.time), time.time)
    responses.configure(ttl_s=100, max_bytes=1 << 20)
    asyncio.run(responses.put(turn("r", owner="client:ann")))
    asyncio.run(responses.put(turn("r", owner="client:bob")))
    responses.close()
    return tmp_path


def ids(place) -> set[str]:
    history = StoredHistory(SqliteDatabase(place / "history.db"))
    try:
        return {row.id for row in asyncio.run(history.page(HistoryFilter(), limit=99)).rows}
    finally:
        history.close()


def test_all_of_a_key_is_deleted_and_counted(place, capsys):
    assert main(["forget", "--key", "ann"]) == 0
    assert capsys.readouterr().out == "deleted of key 'ann': 2 requests, 1 decision record, 1 body, 1 stored response\n"
    assert ids(place) == {"b", "d"}
    assert main(["forget", "--key", "ann", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"key": "ann", "requests": 0, "records": 0, "bodies": 0, "responses": 0}


def test_all_of_an_end_user_is_deleted(place, capsys):
    assert main(["forget", "--user", "jane"]) == 0
    assert "1 request, 1 decision record, 1 body, 0 stored responses" in capsys.readouterr().out
    assert ids(place) == {"b", "c", "d"}


def test_it_is_in_the_audit_log(place, capsys):
    main(["forget", "--key", "ann"])
    assert verify(place / "audit.ndjson").lines == 1
    line = json.loads((place / "audit.ndjson").read_text())
    assert (line["action"], line["outcome"], line["details"]) == ("forget", "done", {"key": "ann"})


def test_a_database_that_cannot_be_written_is_one_message(place, capsys):
    (place / "history.db").write_bytes(b"no database" * 1000)
    assert main(["forget", "--key", "ann"]) == 1
    assert capsys.readouterr().err.startswith("octoroute: not everything was deleted; try again: ")
    assert json.loads((place / "audit.ndjson").read_text())["outcome"] == "failed"


@pytest.mark.parametrize("words", [[], ["--key", "a", "--user", "b"]])
def test_one_person_is_named(place, words):
    assert main(["forget", *words]) == 2
