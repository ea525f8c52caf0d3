"""Stored responses in memory: bounded in bytes and in time, one owner's invisible to another, and fair among owners."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.domain.stored_response import StoredResponse
from octoroute.gateway.response_store import ConnectionMemory, MemoryResponseStore
from tests.support.live_gateway import Clock


def turn(id: str, previous: str | None = None, owner: str = "ann", size: int = 0, items: tuple[str, ...] = ()) -> StoredResponse:
    body = json.dumps({"id": id, "output": [{"id": item} for item in items], "pad": "x" * size}).encode()
    return StoredResponse(id=id, owner=owner, previous=previous, input=b"[]", body=body)


def store(clock: Clock | None = None, ttl_s: float = 100.0, max_bytes: int = 1_000_000) -> MemoryResponseStore:
    return MemoryResponseStore(ttl_s=ttl_s, max_bytes=max_bytes, clock=clock or Clock())


async def chain(of: MemoryResponseStore, id: str, limit: int = 10, owner: str = "ann") -> list[str]:
    return [response.id for response in await of.chain(owner, id, limit)]


async def test_a_chain_goes_back_as_far_as_it_is_here():
    memory = store()
    for id, previous in (("a", None), ("b", "a"), ("c", "b"), ("d", "elsewhere")):
        await memory.put(turn(id, previous))
    assert await chain(memory, "c") == ["a", "b", "c"]
    assert await chain(memory, "c", limit=2) == ["b", "c"]
    assert await chain(memory, "d") == ["d"]
    assert await chain(memory, "none") == []
    assert await memory.delete("ann", "b")
    assert await chain(memory, "c") == ["c"]


async def test_a_circle_ends_at_the_limit():
    memory = store()
    await memory.put(turn("a", "b"))
    await memory.put(turn("b", "a"))
    assert await chain(memory, "a", limit=5) == ["a", "b", "a", "b", "a"]


async def test_another_owner_sees_nothing_and_may_have_the_same_ids():
    memory = store()
    await memory.put(turn("a", items=("i",)))
    assert await memory.get("bob", "a") is None
    assert await memory.find("bob", "i") is None
    assert not await memory.delete("bob", "a")
    assert await chain(memory, "a", owner="bob") == []
    mine = turn("a", owner="bob", items=("i",), size=7)
    await memory.put(mine)
    assert await memory.get("bob", "a") == mine
    assert await memory.get("ann", "a") != mine


async def test_items_are_found_until_their_response_is_gone():
    memory = store()
    await memory.put(turn("a", items=("i", "j")))
    await memory.put(turn("b", items=("j",)))
    assert [(await memory.find("ann", item)).id for item in ("i", "j")] == ["a", "b"]
    await memory.delete("ann", "b")
    assert await memory.find("ann", "j") is None
    assert (await memory.find("ann", "i")).id == "a"


async def test_time_begins_anew_with_a_use():
    clock = Clock()
    memory = store(clock)
    for id, previous, items in (("a", None, ("i",)), ("b", "a", ()), ("c", None, ())):
        await memory.put(turn(id, previous, items=items))
    clock.pass_(60)
    assert await chain(memory, "b") == ["a", "b"]
    clock.pass_(60)
    assert await memory.get("ann", "c") is None
    assert await memory.find("ann", "i")
    clock.pass_(60)
    assert await memory.get("ann", "a")
    assert await memory.get("ann", "b") is None
    clock.pass_(100)
    await memory.put(turn("z"))
    assert await memory.get("ann", "a") is None
    assert memory.size < 2000


async def test_the_owner_with_the_most_loses_what_it_has_not_used_for_longest():
    memory = store(max_bytes=40_000)
    await memory.put(turn("small", owner="bob"))
    for n in range(20):
        await memory.put(turn(f"large{n}", size=5000))
        await memory.get("ann", "large0")
    assert await memory.get("bob", "small")
    kept = [n for n in range(20) if await memory.get("ann", f"large{n}")]
    assert kept == list(range(20 - len(kept), 20))
    assert len(kept) > 3
    assert memory.size <= 40_000


async def test_one_that_exceeds_the_bounds_replaces_nothing_but_itself():
    memory = store(max_bytes=10_000)
    await memory.put(turn("a"))
    await memory.put(turn("b", size=20_000))
    assert await memory.get("ann", "a")
    assert await memory.get("ann", "b") is None


@pytest.mark.parametrize("limits", [{"ttl_s": 0}, {"max_bytes": 0}])
async def test_no_time_or_no_room_stores_nothing(limits):
    memory = store(**limits)
    await memory.put(turn("a"))
    assert await memory.get("ann", "a") is None
    assert memory.size == 0


async def test_new_limits_apply_to_what_is_stored():
    clock = Clock()
    memory = store(clock)
    for id in "abc":
        await memory.put(turn(id, size=3000))
    memory.configure(ttl_s=200, max_bytes=9000)
    assert [bool(await memory.get("ann", id)) for id in "abc"] == [False, True, True]
    memory.configure(ttl_s=10, max_bytes=9000)
    clock.pass_(10)
    assert not any([await memory.get("ann", id) for id in "abc"])


async def test_a_connections_memory_is_its_own_and_ends_with_it():
    shared = store(max_bytes=20_000)
    one, other = ConnectionMemory(shared, "1"), ConnectionMemory(shared, "2")
    await one.put(turn("a", items=("i",)))
    await one.put(turn("b", "a"))
    assert [response.id for response in await one.chain("anyone", "b", 10)] == ["a", "b"]
    assert (await one.find("", "i")).id == "a"
    assert await other.get("ann", "a") is None
    assert await shared.get("ann", "a") is None
    for n in range(10):
        await other.put(turn(f"n{n}", size=5000))
    assert await one.get("ann", "a")
    assert await one.delete("ann", "a")
    one.forget()
    other.forget()
    assert shared.size == 0


@given(
    st.lists(st.tuples(st.sampled_from("pdc"), st.sampled_from("ab"), st.integers(0, 5), st.integers(0, 3000), st.integers(0, 30)))
)
async def test_the_size_is_that_of_what_is_there(steps):
    clock = Clock()
    memory = store(clock, ttl_s=50, max_bytes=12_000)
    for step, owner, id, size, seconds in steps:
        clock.pass_(seconds)
        if step == "p":
            await memory.put(turn(str(id), str(id + 1), owner, size, items=(f"i{id}",)))
        elif step == "d":
            await memory.delete(owner, str(id))
        else:
            await memory.chain(owner, str(id), 10)
        held = [entry for one in memory._owners.values() for entry in one.entries.values()]
        assert memory.size == sum(entry.size for entry in held) == sum(one.size for one in memory._owners.values())
        assert memory.size <= 12_000
        assert all(one.entries for one in memory._owners.values())
        for one in memory._owners.values():
            assert set(one.items.values()) <= set(one.entries)
            assert [entry.expires_at for entry in one.entries.values()] == sorted(
                entry.expires_at for entry in one.entries.values()
            )
