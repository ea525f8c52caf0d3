"""`octoroute stats` reads the store that the configuration names."""

from __future__ import annotations

import asyncio
import csv
import io
import json

import pytest

from octoroute.cli import main
from octoroute.runtime.persistence import sqlite_file
from octoroute.store.durable import DurableHistory
from octoroute.store.sqlite import SqliteDatabase
from octoroute.store.writer_thread import BatchWriter, WriterThread
from tests.support.history import START_S, add, entry

CONFIG = '[store]\nurl = "{url}"\n[[models.fast]]\nname = "m"\nbase_url = "http://127.0.0.1:9/v1"\n'
TIMES = ("--from", str(START_S), "--to", str(START_S + 7200))


@pytest.fixture
def config(tmp_path, monkeypatch):
    """A configuration, and a store with three requests."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "config.toml"
    path.write_text(CONFIG.format(url=f"sqlite:///{tmp_path}/history.db"))

    async def fill() -> None:
        database = SqliteDatabase(sqlite_file(f"sqlite:///{tmp_path}/history.db"))
        store = DurableHistory(
            database, WriterThread(BatchWriter(database, None, kept_since=lambda: (0, 0), count=lambda result, by: None))
        )
        add(
            store,
            entry(START_S + 1, "a", tier="fast", cost_nusd=1_000_000),
            entry(START_S + 3700, "b", tier="deep", ending="failed", status="502", first_event_us=None),
            entry(START_S + 3701, "c", tier="deep", key="", cost_nusd=3_000_000),
        )
        await store.close()

    asyncio.run(fill())
    return path


def test_plots_and_a_table_for_a_terminal(config, capsys):
    assert main(["stats", "-c", str(config), *TIMES, "--by", "tier,key"]) == 0
    text = capsys.readouterr().out
    assert "2027-01-15T08:00:00Z to 2027-01-15T10:00:00Z, by hour" in text
    assert "requests   ▅█  3" in text
    assert "errors     .█  1 (33.3 %)" in text
    assert "$0.004000 (no price is known of 1)" in text
    header, *rows = text.splitlines()[-4:]
    assert header.split()[:3] == ["tier", "key", "requests"]
    assert [row.split()[:3] for row in rows] == [["fast", "team", "1"], ["deep", "-", "1"], ["deep", "team", "1"]]


def test_json_and_csv(config, capsys):
    assert main(["stats", "-c", str(config), *TIMES, "--by", "tier", "--json"]) == 0
    tree = json.loads(capsys.readouterr().out)
    assert (tree["total"]["requests"], tree["total"]["cost_micros"]) == (3, 4000)
    assert main(["stats", "-c", str(config), *TIMES, "--where", "tier=deep", "--bucket", "all", "--csv"]) == 0
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert (row["requests"], row["failed"], row["cost_usd"]) == ("2", "1", "0.003000")


def test_an_analysis_as_text_and_json(config, capsys):
    assert main(["stats", "--analysis", "-c", str(config), *TIMES]) == 0
    text = capsys.readouterr().out
    assert "Cost by reason\n  $0.004000 (100.0%)" in text
    assert "m@127.0.0.1:9 (m, fast, priority 1)" in text
    assert main(["stats", "--analysis", "-c", str(config), *TIMES, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cost_by_reason"][0]["requests"] == 3
    assert main(["stats", "--analysis", "-c", str(config), "--csv"]) == 2


def test_a_time_without_requests(config, capsys):
    assert main(["stats", "-c", str(config), "--from", "2h"]) == 0
    assert capsys.readouterr().out.endswith("no requests\n")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--by", "colour"], "by: 'colour' is nothing to group by"),
        (["--from", "soon"], "from: 'soon' is no time"),
        (["--where", "key"], "--where: write NAME=VALUE"),
        (["--where", "colour=red"], "colour: there is no parameter"),
    ],
)
def test_a_wrong_question_is_one_message_and_exit_2(config, capsys, more, words):
    assert main(["stats", "-c", str(config), *more]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("none", "there is no history"),
        ("sqlite:///missing.db", "there is no history yet"),
        ("", "the history is in the gateway's memory"),
    ],
)
def test_a_history_that_is_not_there_is_said_and_none_is_made(tmp_path, monkeypatch, capsys, url, words):
    monkeypatch.chdir(tmp_path)
    for name in ("OCTOROUTE_STATE_DIR", "STATE_DIRECTORY", "XDG_STATE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "config.toml").write_text(CONFIG.format(url=url))
    code = main(["stats"])
    error = capsys.readouterr().err
    assert code == 2
    assert words in error
    assert not (tmp_path / "missing.db").exists()


def test_a_database_that_cannot_be_read_is_one_message(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.db").write_bytes(b"no database" * 1000)
    (tmp_path / "config.toml").write_text(CONFIG.format(url="sqlite:///other.db"))
    assert main(["stats"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("octoroute: the history cannot be read: other.db: is damaged or no database")
    assert error.count("\n") == 1
