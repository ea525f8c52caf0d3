"""Texts by content: each made once, the oldest dropped, failures not kept."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.gateway.content_cache import ContentCache
from tests.support.virtual import run


def test_a_text_is_made_once_even_for_several_at_once():
    async def story():
        cache, made = ContentCache(10_000), []

        async def make():
            made.append(1)
            await asyncio.sleep(1)
            return "text"

        assert await asyncio.gather(*(cache.get_or_make(b"k", make) for _ in range(5))) == ["text"] * 5
        assert await cache.get_or_make(b"k", make) == "text"
        assert len(made) == 1

    run(story())


def test_a_failure_or_a_cancellation_leaves_it_to_the_next():
    async def story():
        cache = ContentCache(10_000)

        async def fail():
            await asyncio.sleep(1)
            raise ValueError

        async def make():
            return "text"

        first = asyncio.ensure_future(cache.get_or_make(b"k", fail))
        await asyncio.sleep(0.1)
        second = asyncio.ensure_future(cache.get_or_make(b"k", make))
        with pytest.raises(ValueError):
            await first
        assert await second == "text"
        third = asyncio.ensure_future(cache.get_or_make(b"l", fail))
        await asyncio.sleep(0.1)
        third.cancel()
        assert await cache.get_or_make(b"l", make) == "text"

    run(story())


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3000)), max_size=40))
def test_its_size_is_bounded_and_counted(puts):
    async def story():
        cache = ContentCache(4000)
        for key, length in puts:

            async def make(length=length):
                return "é" * (length // 2)

            await cache.get_or_make(b"%d" % key, make)
            assert 0 <= cache.size <= 4000

    run(story())


def test_the_least_used_goes_first():
    async def story():
        cache = ContentCache(3 * (256 + 1 + 1000))

        async def make():
            return "x" * 1000

        for key in (b"a", b"b", b"c"):
            await cache.get_or_make(key, make)
        cache.get(b"a")
        await cache.get_or_make(b"d", make)
        assert [cache.get(key) is None for key in (b"a", b"b", b"c", b"d")] == [False, True, False, False]

    run(story())
