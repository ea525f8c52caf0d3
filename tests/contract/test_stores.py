"""Every history store answers the same questions alike."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from octoroute.domain.endpoint import Secret
from octoroute.domain.erasure import Erasure
from octoroute.errors import StorageUnavailable
from octoroute.gateway.response_store import MemoryResponseStore
from octoroute.store.base import DIMENSIONS, Body, HistoryFilter, HistoryStore, StoreUnavailable
from octoroute.store.database import Database, day_at
from octoroute.store.durable import DurableHistory
from octoroute.store.key_rotation import seal_all
from octoroute.store.memory import MemoryHistory
from octoroute.store.postgresql import PostgresqlDatabase
from octoroute.store.responses import DurableResponses
from octoroute.store.sqlite import SqliteDatabase
from octoroute.store.vault import Vault
from octoroute.store.writer_thread import BatchWriter, WriterThread
from tests.support import postgresql
from tests.support.history import START_S, add, entry, turn


@pytest.fixture(scope="module")
def server():
    if postgresql.programs() is None:
        pytest.skip("PostgreSQL is not installed (Debian: postgresql)")
    with postgresql.running() as running:
        yield running


def database_of(kind: str, request, tmp_path) -> Database:
    if kind == "sqlite":
        return SqliteDatabase(tmp_path / "history.db")
    server = request.getfixturevalue("server")
    server.empty()
    return PostgresqlDatabase(Secret(server.url))


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, tmp_path) -> Database:
    return database_of(request.param, request, tmp_path)


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
async def store(request, tmp_path) -> AsyncIterator[HistoryStore]:
    made = MemoryHistory() if request.param == "memory" else durable(database_of(request.param, request, tmp_path))
    yield made
    await made.close()


def durable(database: Database) -> DurableHistory:
    batches = BatchWriter(database, None, kept_since=lambda: (0, 0), count=lambda result, by: None)
    return DurableHistory(database, WriterThread(batches))


async def ids(store, limit=100, **wanted):
    return [row.id for row in (await store.page(HistoryFilter(**wanted), limit=limit)).rows]


async def test_a_request_is_found_by_its_id(store):
    kept = entry(
        START_S + 1,
        "r1",
        record=b'{"tier":"fast"}',
        settings=b"of then",
        body=Body(request=b"question", response=b"answer"),
        cost_nusd=12,
    )
    add(store, entry(START_S, "r0"), kept, entry(START_S + 2, "r2"))
    assert await store.get("r1") == kept
    assert await store.get("r9") is None


async def test_requests_are_found_by_the_beginning_of_their_ids(store):
    names = ["a-1", "a-2", "A-1", "a_3", "b", "a-10"]
    add(store, *(entry(START_S + n, name, key="one" if n % 2 else "two") for n, name in enumerate(names)))
    assert await ids(store, id_prefix="a-") == ["a-10", "a-2", "a-1"]
    assert await ids(store, id_prefix="a-", where={"key": ("one",)}) == ["a-10", "a-2"]
    assert await ids(store, id_prefix="a-1", limit=1) == ["a-10"]
    assert await ids(store, id_prefix="%") == []


async def test_of_requests_with_the_same_id_the_newest_is_found_and_all_are_listed(store):
    add(store, entry(START_S, "r", input_tokens=1), entry(START_S + 1, "r", input_tokens=2))
    assert (await store.get("r")).row.input_tokens == 2
    assert await ids(store) == ["r", "r"]


async def test_many_records_are_read_at_once_each_with_its_settings_and_without_a_body(store):
    body = Body(request=b"question", response=b"answer")
    kept = [
        entry(START_S + n * 40_000, "r" if n % 2 else str(n), record=b"%d" % n, settings=b"now" if n > 2 else b"then", body=body)
        for n in range(5)
    ]
    add(store, *kept, entry(START_S + 5 * 40_000, "refused", key="other"))
    found = await store.records(HistoryFilter(), limit=4)
    assert [(one.row.id, one.record, one.settings, one.body) for one in found] == [
        ("refused", None, None, None),
        ("4", b"4", b"now", None),
        ("r", b"3", b"now", None),
        ("2", b"2", b"then", None),
    ]
    assert [one.record for one in await store.records(HistoryFilter(where={"key": ("team",)}), limit=2)] == [b"4", b"3"]
    assert await store.records(HistoryFilter(where={"key": ("nobody",)}), limit=2) == []


async def test_pages_follow_each_other_newest_first_without_gap_or_repetition(store):
    add(store, *(entry(START_S + n * 3600 * 5, str(n)) for n in range(25)))
    found, cursor = [], None
    for _ in range(4):
        page = await store.page(HistoryFilter(), limit=7, before=cursor)
        found += [row.id for row in page.rows]
        cursor = page.cursor
    assert found == [str(n) for n in reversed(range(25))]
    assert cursor is None


async def test_a_last_page_that_is_full_is_the_last(store):
    add(store, *(entry(START_S + n, str(n)) for n in range(4)))
    page = await store.page(HistoryFilter(), limit=4)
    assert len(page.rows) == 4
    assert page.cursor is None
    assert (await store.page(HistoryFilter(), limit=4, before=page.rows[-1].seq)).rows == []


async def test_requests_are_filtered_by_time_and_labels(store):
    add(
        store,
        entry(START_S, "a", tier="deep", key="one"),
        entry(START_S + 1, "b", tier="fast", key="two", error="timeout", ending="failed", status="504"),
        entry(START_S + 2, "c", tier="deep", key="two"),
        entry(START_S + 86400, "d", tier="fast", key="one", reason=""),
    )
    assert await ids(store, where={"tier": ("deep",)}) == ["c", "a"]
    assert await ids(store, where={"tier": ("deep",), "key": ("two",)}) == ["c"]
    assert await ids(store, where={"key": ("one", "two"), "ending": ("failed",)}) == ["b"]
    assert await ids(store, where={"error": ("timeout", "other")}) == ["b"]
    assert await ids(store, where={"reason": ("",)}) == ["d"]
    assert await ids(store, where={"tier": ("nothing",)}) == []
    assert await ids(store, where={"tier": ()}) == []
    assert await ids(store, since_s=START_S + 1) == ["d", "c", "b"]
    assert await ids(store, since_s=START_S + 1, until_s=START_S + 86400) == ["c", "b"]
    assert await ids(store, until_s=START_S + 1, where={"tier": ("deep",)}) == ["a"]


HOSTILE = (
    "'",
    '"',
    "' OR '1'='1",
    "x'; DROP TABLE labels; --",
    '") OR 1=1 --',
    "%",
    "_",
    "\\",
    "?",
    "%s",
    "$1",
    ":a",
    "\u6f22'",
    "/*",
)


async def test_values_are_bound_and_never_part_of_a_statement(store):
    """Not as what is stored, nor as what is looked for."""
    add(store, entry(START_S, "plain"), *(entry(START_S + 1 + at, text, key=text, error=text) for at, text in enumerate(HOSTILE)))
    for text in HOSTILE:
        assert await ids(store, where={"key": (text,)}) == [text]
        assert await ids(store, where={"error": (text,)}) == [text]
        assert (await store.get(text)).row.id == text
    for dimension in DIMENSIONS:
        assert await ids(store, where={dimension: ("no such value", "' OR '1'='1' --")}) == []
    assert await ids(store, text="' OR '1'='1") == []
    assert len(await ids(store)) == len(HOSTILE) + 1


async def test_only_what_requests_can_be_filtered_by_is_part_of_a_statement(database):
    made = durable(database)
    add(made, entry(START_S, "a"))
    with pytest.raises(ValueError, match="filtered by"):
        await made.page(HistoryFilter(where={'key" = key OR "key': ("x",)}), limit=9)  # type: ignore[dict-item]
    await made.close()


async def test_text_is_searched_in_bodies(store):
    add(
        store,
        entry(START_S, "a", body=Body(request=b"Where is the 50% discount?", response=b"no idea")),
        entry(START_S + 1, "b", body=Body(request=b"hello", response=b"The DISCOUNT is gone")),
        entry(START_S + 2, "c"),
    )
    assert await ids(store, text="discount") == ["b", "a"]
    assert await ids(store, text="50% disc") == ["a"]
    assert await ids(store, text="5_% disc") == []
    assert await ids(store, text="hello", where={"key": ("team",)}) == ["b"]


async def test_bodies_of_any_form_are_given_back_and_go_before_their_requests(database):
    days = iter((0, day_at(START_S) + 1))
    clock = iter((0.0, 0.0, 3600.0, 3600.0))
    batches = BatchWriter(
        database,
        None,
        kept_since=lambda: (0, 0),
        count=lambda result, by: None,
        bodies_since=lambda: next(days),
        clock=lambda: next(clock),
    )
    body = Body(request=b"x" * 5000 + b"\x00\xff", response=b"", request_size=70_000)
    batches.write([entry(START_S, "a", body=body), entry(START_S + 86400, "b", body=body)])
    reader = durable(database)
    assert (await reader.get("a")).body == body
    batches.write([])
    batches.close()
    assert ((await reader.get("a")).body, (await reader.get("b")).body) == (None, body)
    assert await ids(reader, text="xxx") == ["b"]
    await reader.close()


async def test_sealed_values_are_bound_to_their_rows_and_keys_rotate(database):
    pytest.importorskip("cryptography", reason="the extra octoroute[encryption]")
    old, new = b"\x01" * 32, b"\x02" * 32
    body, other = Body(request=b"Where is the key?", response=b"x" * 3000), Body(request=b"elsewhere", response=b"y" * 3000)
    database.vault = Vault([old])
    made = durable(database)
    add(made, entry(START_S, "a", body=body), entry(START_S + 1, "b", body=other), entry(START_S + 2, "c", body=body))
    assert (await made.get("a")).body == body
    assert await ids(made, text="the key") == ["c", "a"]
    connection = database.connect()
    rows = connection.execute("SELECT request, response FROM bodies_20270115 ORDER BY seq").fetchall()
    assert not any(b"key" in bytes(value) or b"xxxx" in bytes(value) for row in rows for value in row)
    connection.execute("UPDATE bodies_20270115 SET request = ? WHERE request = ?", (bytes(rows[0][0]), bytes(rows[1][0])))
    connection.close()
    assert "belongs to another row" in (await made.get("b")).body.problem
    database.vault = Vault([new, old])
    report = seal_all(database)
    assert (report.sealed, sum(report.unopened.values())) == (2, 1)
    database.vault = Vault([new])
    assert (await made.get("c")).body == body
    database.vault = Vault([old])
    with pytest.raises(StoreUnavailable, match=r"store\.encryption_keys"):
        await made.page(HistoryFilter(text="the key"), limit=9)
    await made.close()


async def test_sealed_responses_need_their_key(database):
    pytest.importorskip("cryptography", reason="the extra octoroute[encryption]")
    database.vault = Vault([b"\x01" * 32])
    responses = DurableResponses(database, MemoryResponseStore(ttl_s=0, max_bytes=0, clock=Wall()), Wall())
    responses.configure(ttl_s=100, max_bytes=1 << 20)
    await responses.put(turn("r1"))
    await responses.put(turn("r2", "r1"))
    assert await responses.chain("ann", "r2", 9) == [turn("r1"), turn("r2", "r1")]
    database.vault = Vault([b"\x02" * 32])
    with pytest.raises(StorageUnavailable, match="encrypted"):
        await responses.get("ann", "r1")
    assert await responses.get("bob", "r1") is None
    assert await responses.delete("ann", "r1"), "what cannot be read can be deleted"
    assert await responses.get("ann", "r1") is None
    responses.close()


async def test_sums_by_hour_and_label(store):
    add(
        store,
        entry(START_S + 10, "a", tier="fast", cost_nusd=5),
        entry(START_S + 3599, "b", tier="fast", ending="failed", status="502", error="upstream_failed", first_event_us=None),
        entry(START_S + 3600, "c", tier="deep", cost_nusd=7, total_us=2_000_000),
        entry(START_S + 7200, "d", tier="deep"),
    )
    found = await store.aggregate(HistoryFilter(until_s=START_S + 7200), by=("tier",), bucket_s=3600)
    assert [(one.start_s, one.group, one.requests, one.cost_nusd, one.priced) for one in found] == [
        (START_S, {"tier": "fast"}, 2, 5, 1),
        (START_S + 3600, {"tier": "deep"}, 1, 7, 1),
    ]
    assert found[0].endings == {"answered": 1, "failed": 1}
    assert (found[0].input_tokens, found[0].output_tokens, found[0].attempts) == (20, 10, 2)
    assert found[0].total.count == 1
    assert found[1].total.percentile_s(0.95) == pytest.approx(2.0, rel=0.02)
    assert found[1].first_event.percentile_s(0.95) == pytest.approx(0.1, rel=0.02)


async def test_sums_of_all_times_and_groups(store):
    add(store, *(entry(START_S + n * 3600, str(n), key=f"k{n % 2}", tier="fast") for n in range(50)))
    (whole,) = await store.aggregate(HistoryFilter())
    assert (whole.requests, whole.group) == (50, {})
    by_key = await store.aggregate(HistoryFilter(where={"tier": ("fast",)}), by=("key", "tier"))
    assert [(one.group, one.requests) for one in by_key] == [
        ({"key": "k0", "tier": "fast"}, 25),
        ({"key": "k1", "tier": "fast"}, 25),
    ]
    days = await store.aggregate(HistoryFilter(where={"key": ("k1",)}), bucket_s=86400)
    assert [one.start_s % 86400 for one in days] == [0, 0, 0]
    assert sum(one.requests for one in days) == 25
    assert await store.aggregate(HistoryFilter(where={"key": ("k9",)})) == []


async def test_everything_of_a_key_is_deleted(store):
    add(
        store,
        entry(START_S, "a", key="one", record=b"r", body=Body(request=b"secret", response=b"")),
        entry(START_S + 90000, "b", key="two"),
        entry(START_S + 90001, "c", key="one"),
    )
    assert await store.forget("one") == Erasure(requests=2, records=1, bodies=1)
    assert await store.get("a") is None
    assert await ids(store) == ["b"]
    assert await ids(store, text="secret") == []
    assert [(one.group, one.requests) for one in await store.aggregate(HistoryFilter(), by=("key",))] == [({"key": "two"}, 1)]
    assert await store.forget("one") == Erasure()


async def test_everything_of_an_end_user_is_deleted(store):
    """Whom the bodies name, in the way of each format; the sums stay."""
    bodies = (
        b'{"user": "jane"}',
        b'{"safety_identifier":"jane","input":"x"}',
        b'{"metadata": {"user_id": "jane"}}',
        b'{"model":"m","user":"jane","messages":[{"role":"user","content":"cut o',
        b'{"user": "janet"}',
        b'{"messages": [{"role": "user", "content": "\\"user\\": \\"jane\\""}]}',
        b'{"user": 7, "metadata": "jane"}',
        b"no JSON",
    )
    add(
        store,
        *(entry(START_S + n * 40_000, str(n), record=b"r", body=Body(request=body, response=b"")) for n, body in enumerate(bodies)),
    )
    add(store, entry(START_S + 400_000, "without"))
    assert await store.forget_user("jane") == Erasure(requests=4, records=4, bodies=4)
    assert await ids(store) == ["without", "7", "6", "5", "4"]
    assert await store.forget_user("jane") == Erasure()


@pytest.mark.parametrize("text", ["\0", "a\0b", "\ud800", "x' OR 1=1 --\udfff"])
async def test_a_text_that_no_database_can_have_is_found_nowhere(store, text):
    add(store, entry(START_S, "a"))
    assert await ids(store, where={"key": (text,)}) == []
    assert await ids(store, where={"key": (text, "team")}) == ["a"]
    assert await store.aggregate(HistoryFilter(where={"key": (text,)})) == []
    assert await store.get(text) is None
    assert await store.forget(text) == await store.forget_user(text) == Erasure()


class Wall:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def responses(request, tmp_path):
    """The store, and its clock."""
    wall = Wall()
    memory = MemoryResponseStore(ttl_s=0, max_bytes=0, clock=wall)
    made = memory if request.param == "memory" else DurableResponses(database_of(request.param, request, tmp_path), memory, wall)
    made.configure(ttl_s=100, max_bytes=1_000_000)
    yield made, wall
    if isinstance(made, DurableResponses):
        made.close()


async def chain(of, id: str, limit: int = 10, owner: str = "ann") -> list[str]:
    return [response.id for response in await of.chain(owner, id, limit)]


async def test_a_chain_of_responses_goes_back_as_far_as_it_is_here(responses):
    store, _ = responses
    for id, previous in (("a", None), ("b", "a"), ("c", "b"), ("d", "elsewhere")):
        await store.put(turn(id, previous))
    assert await chain(store, "c") == ["a", "b", "c"]
    assert await chain(store, "c", limit=2) == ["b", "c"]
    assert await chain(store, "d") == ["d"]
    assert await chain(store, "none") == []
    assert await store.delete("ann", "b")
    assert not await store.delete("ann", "b")
    assert await chain(store, "c") == ["c"]


async def test_everything_of_owners_is_deleted(responses):
    store, _ = responses
    await store.put(turn("a", items=("i",)))
    await store.put(turn("b", "a"))
    await store.put(turn("a", owner="bob"))
    assert await store.forget({"ann", "joe"}) == 2
    assert await store.get("ann", "a") is None
    assert await store.find("ann", "i") is None
    assert await store.get("bob", "a") is not None
    assert await store.forget({"ann"}) == await store.forget(()) == 0


async def test_a_circle_of_responses_ends_at_the_limit(responses):
    store, _ = responses
    await store.put(turn("a", "b"))
    await store.put(turn("b", "a"))
    assert await chain(store, "a", limit=5) == ["a", "b", "a", "b", "a"]


async def test_another_owner_sees_no_response_and_may_have_the_same_ids(responses):
    store, _ = responses
    await store.put(turn("a", items=("i",)))
    assert await store.get("bob", "a") is None
    assert await store.find("bob", "i") is None
    assert not await store.delete("bob", "a")
    assert await chain(store, "a", owner="bob") == []
    mine = turn("a", owner="bob", items=("i",), size=7)
    await store.put(mine)
    assert await store.get("bob", "a") == mine
    assert await store.find("bob", "i") == mine
    assert await store.get("ann", "a") != mine


async def test_a_response_is_replaced_with_its_items(responses):
    store, _ = responses
    await store.put(turn("a", items=("i", "j")))
    await store.put(turn("a", items=("j", "k")))
    assert await store.find("ann", "i") is None
    assert await store.find("ann", "k") == await store.get("ann", "a")


async def test_a_response_expires_unless_it_is_continued(responses):
    store, wall = responses
    await store.put(turn("a"))
    await store.put(turn("b"))
    wall.now += 60
    assert await chain(store, "a") == ["a"]
    wall.now += 60
    assert await store.get("ann", "a") is not None
    assert await store.get("ann", "b") is None
    wall.now += 60
    assert await chain(store, "a") == []


async def test_a_response_that_is_larger_than_all_may_be_is_not_stored(responses):
    store, _ = responses
    store.configure(ttl_s=100, max_bytes=3000)
    await store.put(turn("a", size=4000))
    assert await store.get("ann", "a") is None
    store.configure(ttl_s=0, max_bytes=3000)
    await store.put(turn("b"))
    assert await store.get("ann", "b") is None
