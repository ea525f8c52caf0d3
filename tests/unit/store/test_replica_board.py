"""The board of replicas in a real Redis."""

from __future__ import annotations

import pytest

from octoroute.store.base import StoreUnavailable
from octoroute.store.replica_board import RedisBoard


async def test_replicas_read_each_others_reports_and_every_news_once(redis):
    a, b = RedisBoard(redis.url, "a"), RedisBoard(redis.url, "b")
    await a.exchange(b"a1", b"first")
    await a.exchange(b"a2", b"second")
    found = await b.exchange(b"b1", b"own")
    assert (found.reports, found.news) == ({}, [b"first", b"second"]), "a replica that starts later gets what was told before"
    await a.exchange(b"a3", None)
    found = await b.exchange(b"b2", None)
    assert (found.reports, found.news) == ({"a": b"a3"}, [])
    found = await a.exchange(b"a4", None)
    assert (found.reports, found.news) == ({"b": b"b2"}, []), "the news of b were there before"
    await a.close()
    assert (await b.exchange(b"b3", None)).reports == {}
    assert (await b.exchange(b"b4", None)).reports == {}
    await b.close()


async def test_a_server_that_is_away_is_an_error_and_no_more():
    pytest.importorskip("redis")
    board = RedisBoard("redis://:secret@127.0.0.1:1/0", "a")
    with pytest.raises(StoreUnavailable) as raised:
        await board.exchange(b"", None)
    assert "secret" not in str(raised.value)
    await board.close()
