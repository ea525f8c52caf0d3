"""What an operator reads about one request: why it went where, and what happened, however it ended."""

from __future__ import annotations

import asyncio
import csv
import io

import pytest

from octoroute.store.sqlite import SqliteDatabase
from tests.support.fake import completion, error, hang, stream, tokens, whole
from tests.support.live_gateway import endpoint, question

AUTH = {"clients": [{"name": name, "key": f"key-of-{name}", "role": role} for name, role in (("ann", "user"), ("ops", "viewer"))]}
ANN, OPS = {"x-api-key": "key-of-ann"}, {"x-api-key": "key-of-ops"}
SMALL = {"price": {"input": 1.0, "output": 2.0}}
LARGE = {"price": {"input": 10.0, "output": 20.0}}
SECRET = "the zebra's secret"


@pytest.fixture(params=["memory", "sqlite"])
def opens(request, make_gateway, tmp_path):
    async def make(*rows, parts=None, **tables):
        place = {"state_directory": tmp_path} if request.param == "sqlite" else {}
        return await make_gateway(*rows, **{"auth": AUTH, "retry": {"max_attempts": 2}, **tables}, parts={**place, **(parts or {})})

    return make


async def record(gateway, id):
    for _ in range(5):  # a read waits for the writer, but not for ever
        answer = await gateway.get(f"/admin/requests/{id}", headers=OPS)
        if answer.status_code != 404:
            break
    assert answer.status_code == 200, answer.text
    assert SECRET not in answer.text
    found = answer.json()
    assert found["id"] == id
    assert found["again"] in ({"same": True, "differences": []}, None)
    return found


async def ask(gateway, id, text=SECRET, **more):
    return await gateway.ask(question(text, **more), headers={**ANN, "x-request-id": id})


async def test_a_failed_over_request_says_every_attempt_candidate_and_cost(opens, make_fake):
    one, two, deep = await make_fake(), await make_fake(), await make_fake()
    one.always(error(500))
    gateway = await opens(
        [endpoint(one, id="a", priority=2, **SMALL), endpoint(two, id="b", **SMALL)], [], [endpoint(deep, "large", id="d", **LARGE)]
    )
    assert (await ask(gateway, "r1", model="fast")).status_code == 200
    found = await record(gateway, "r1")
    assert (found["ending"], found["status"], found["key"], found["endpoint"], found["tier"]) == (
        "answered",
        200,
        "ann",
        "b",
        "fast",
    )
    assert [(attempt["endpoint"], attempt["error"]) for attempt in found["attempts"]] == [("a", "upstream_failed"), ("b", None)]
    assert (found["decision"]["strategy"], found["decision"]["reason"]) == ("client", "the client asked for this tier")
    candidates = {candidate["id"]: candidate for candidate in found["candidates"]}
    assert [candidates[id]["chosen"] for id in "abd"] == [True, True, False]
    assert "attempt 1: upstream_failed" in candidates["a"]["reason"]
    assert candidates["d"]["reason"] == "its tier is deep"
    assert {other["tier"]: other["cost_micros"] for other in found["alternatives"]} == {
        "fast": found["cost_micros"],
        "deep": found["cost_micros"] * 10,
    }


async def test_the_learned_score_with_its_features_and_thresholds(opens, fake):
    gateway = await opens([endpoint(fake)], [], [endpoint(fake, "large")], routing={"strategy": "learned"})
    await ask(gateway, "r1")
    found = await record(gateway, "r1")
    assert found["decision"]["strategy"] == "learned"
    assert 0.0 <= found["decision"]["confidence"] < found["router"]["thresholds"]["deep"]
    assert found["decision"]["features"]
    assert (found["request"]["model"], found["request"]["messages"]) == ("auto", 1)


async def test_a_request_that_its_client_left(opens, fake):
    fake.always(hang)
    gateway = await opens([endpoint(fake, id="a")])
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(ask(gateway, "r1"), 0.2)
    await gateway.quiet()
    found = await record(gateway, "r1")
    assert (found["ending"], found["status"]) == ("abandoned", 499)
    assert [(attempt["endpoint"], attempt["error"]) for attempt in found["attempts"]] == [("a", "abandoned")]


async def test_a_stream_that_was_cut(opens, fake):
    fake.always(stream(tokens()[:2], end="reset"))
    gateway = await opens([endpoint(fake, id="a")])
    await gateway.streamed(question(SECRET), headers={**ANN, "x-request-id": "r1"})
    found = await record(gateway, "r1")
    assert (found["ending"], found["status"], found["stream"], found["endpoint"]) == ("broken", 200, True, "a")


async def test_a_request_that_its_budget_refused(opens, fake):
    gateway = await opens([endpoint(fake)], limits={"everything": {"requests_per_minute": 1}}, parts={"wall": lambda: 1.8e9})
    await ask(gateway, "r1")
    assert (await ask(gateway, "r2")).status_code == 429
    first, second = await record(gateway, "r1"), await record(gateway, "r2")
    assert first["budget"]["refusal"] is None
    assert (second["ending"], second["error"]) == ("refused", "rate_limit_exceeded")
    assert "requests per minute" in second["budget"]["refusal"]
    assert second["decision"] is None
    assert second["attempts"] == []


async def test_an_answer_from_the_cache(opens, fake):
    gateway = await opens([endpoint(fake, id="a", **SMALL)], cache={"enabled": True})
    for id in ("r1", "r2"):
        await ask(gateway, id, temperature=0)
    first, second = await record(gateway, "r1"), await record(gateway, "r2")
    assert (first["cache"], second["cache"]) == ("miss", "hit")
    assert second["attempts"] == []
    assert second["decision"] is not None


async def test_a_cascade_that_went_on_to_the_bigger_tier(opens, make_fake):
    small, big = await make_fake(), await make_fake()
    small.always(whole(completion("")))
    big.always(whole(completion("Lima.")))
    gateway = await opens(
        [endpoint(small, id="s", **SMALL)], [], [endpoint(big, "large", id="d", **LARGE)], routing={"strategy": "cascade"}
    )
    await ask(gateway, "r1", "What is the capital of Peru?")
    found = await record(gateway, "r1")
    assert (found["cascade"], found["endpoint"], found["decision"]["then"]) == ("escalated", "d", "deep")
    assert [attempt["endpoint"] for attempt in found["attempts"]] == ["s", "d"]
    assert [plan["order"][0] for plan in found["plans"]] == ["s", "d"]


async def test_constraints_say_which_of_them_excluded_which_endpoint(opens, make_fake):
    near, far = await make_fake(), await make_fake()
    gateway = await opens([endpoint(near, id="near", region="eu"), endpoint(far, id="far", region="us")])
    await gateway.ask(question(SECRET), headers={**ANN, "x-request-id": "r1", "x-octoroute-privacy": "eu"})
    found = await record(gateway, "r1")
    assert found["endpoint"] == "near"
    (excluded,) = found["constraints"]["excluded"]
    assert excluded["endpoints"] == ["far"]
    assert "privacy class 'eu'" in excluded["reason"]
    assert found["constraints"]["restrictions"]["privacy"] == ["eu"]


async def test_a_request_that_could_not_be_read_has_its_row_only(opens, fake):
    gateway = await opens([endpoint(fake)])
    await gateway.ask(b'{"model": 3}', headers={**ANN, "x-request-id": "r1"})
    answer = (await gateway.get("/admin/requests/r1", headers=OPS)).json()
    assert (answer["status"], answer["error"]) == (400, "invalid_request")
    assert answer.get("decision") is None


async def test_the_list_is_newest_first_in_pages_and_filtered(opens, make_fake):
    fast, deep = await make_fake(), await make_fake()
    deep.always(error(500))
    gateway = await opens([endpoint(fast, id="a", **SMALL)], [], [endpoint(deep, "large", id="d")], retry={"max_attempts": 1})
    for number in range(5):
        await ask(gateway, f"ok-{number}", model="fast")
    await ask(gateway, "bad-0", model="deep")

    async def ids(**parameters):
        answer = await gateway.get("/admin/requests", params=parameters, headers=OPS)
        assert answer.status_code == 200, answer.text
        return [row["id"] for row in answer.json()["data"]], answer.json()["next"]

    first, cursor = await ids(limit=4)
    assert first == ["bad-0", "ok-4", "ok-3", "ok-2"]
    assert await ids(limit=4, cursor=cursor) == (["ok-1", "ok-0"], None)
    assert (await ids(id="ok-"))[0] == ["ok-4", "ok-3", "ok-2", "ok-1", "ok-0"]
    assert (await ids(id="ok-", limit=2))[0] == ["ok-4", "ok-3"]
    assert (await ids(id="ok-", tier="fast", endpoint="a", limit=2))[0] == ["ok-4", "ok-3"]
    assert (await ids(ending="failed", status="502", error="upstream_failed", key="ann"))[0] == ["bad-0"]
    assert (await ids(id="bad-", tier="fast"))[0] == []
    assert (await ids(to="2000-01-01"))[0] == []
    text = await gateway.get("/admin/requests", params={"format": "csv", "limit": 3}, headers=OPS)
    assert text.headers["x-octoroute-next"]
    rows = list(csv.DictReader(io.StringIO(text.text)))
    assert [(row["id"], row["status"], row["attempts"]) for row in rows] == [
        ("bad-0", "502", "1"),
        ("ok-4", "200", "1"),
        ("ok-3", "200", "1"),
    ]


@pytest.mark.parametrize(
    ("query", "name"),
    [("limit=0", "limit"), ("limit=x", "limit"), ("cursor=-1", "cursor"), ("teir=fast", "teir"), ("from=yesterday", "from")],
)
async def test_a_parameter_that_is_wrong_is_named(gateway, make_gateway, fake, query, name):
    gateway = await make_gateway([endpoint(fake)], auth=AUTH)
    answer = await gateway.get(f"/admin/requests?{query}", headers=OPS)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, name)


async def test_an_id_that_is_not_kept_is_404_and_says_why(opens, fake):
    gateway = await opens([endpoint(fake)])
    answer = await gateway.get("/admin/requests/nothing", headers=OPS)
    assert answer.status_code == 404
    assert "store.retention_days" in answer.json()["error"]["message"]


async def test_without_a_history_the_setting_is_named_and_nothing_is_traced(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake)], auth=AUTH, store={"url": "none"})
    await ask(gateway, "r1")
    for path in ("/admin/requests", "/admin/requests/r1"):
        answer = await gateway.get(path, headers=OPS)
        assert answer.status_code == 404
        assert "store.url" in answer.json()["error"]["message"]
    assert gateway.app.runtime.gateway.traces is False


async def test_a_database_that_is_away_is_503_with_the_remedy(make_gateway, fake, tmp_path):
    gateway = await make_gateway([endpoint(fake)], auth=AUTH, store={"url": "postgresql://nobody@127.0.0.1:1/none"})
    await ask(gateway, "r1")
    answer = await gateway.get("/admin/requests/r1", headers=OPS)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "store_unavailable")


async def test_another_worker_reads_what_this_one_wrote_and_the_settings_outlive_a_restart(make_gateway, fake, tmp_path):
    tables = {"auth": AUTH, "parts": {"state_directory": tmp_path}, "routing": {"strategy": "learned"}}
    first = await make_gateway([endpoint(fake, id="a")], [], [endpoint(fake, "large", id="b")], **tables)
    second = await make_gateway([endpoint(fake, id="c")], **tables)
    await ask(first, "r1")
    await record(first, "r1")  # waits until it is written
    found = await record(second, "r1")
    assert {candidate["id"] for candidate in found["candidates"]} == {"a", "b"}
    await second.ask(question(), headers={**ANN, "x-request-id": "r2"})
    assert {candidate["id"] for candidate in (await record(second, "r2"))["candidates"]} == {"c"}


async def test_settings_are_stored_once_for_many_requests(make_gateway, fake, tmp_path):
    gateway = await make_gateway([endpoint(fake, id="a")], auth=AUTH, parts={"state_directory": tmp_path})
    for number in range(5):
        await ask(gateway, f"r{number}")
    await record(gateway, "r0")
    connection = SqliteDatabase(tmp_path / "octoroute.db").connect()
    try:
        assert connection.execute("SELECT count(*) FROM settings").fetchone() == (1,)
    finally:
        connection.close()


async def test_a_request_of_another_kind_than_chat(opens, fake):
    fake.always(whole({"object": "list", "data": [], "model": "m", "usage": {"prompt_tokens": 3, "total_tokens": 3}}))
    gateway = await opens([endpoint(fake)], models={"embedding": [endpoint(fake, "vectors", id="e")]})
    answer = await gateway.ask({"model": "vectors", "input": SECRET}, "/v1/embeddings", headers={**ANN, "x-request-id": "r1"})
    assert answer.status_code == 200, answer.text
    found = await record(gateway, "r1")
    assert found["again"] == {"same": True, "differences": []}
    assert [candidate["id"] for candidate in found["candidates"]] == ["e"]
    assert found["alternatives"] == []


async def test_what_if_over_http(opens, make_fake):
    one, two = await make_fake(), await make_fake()
    gateway = await opens([endpoint(one, id="a"), endpoint(two, id="b")])
    await ask(gateway, "r1")

    async def redecide(content, id="r1"):
        return await gateway.client.post(f"/admin/requests/{id}/redecide", content=content, headers=OPS)

    same = await redecide(b"")
    assert (same.status_code, same.json()["same"]) == (200, True)
    assert (await redecide(b'{"unavailable": ["a"]}')).json()["now"]["order"] == ["b"]
    wrong = await redecide(b'{"thresholds": {"deep": 7}}')
    assert wrong.status_code == 400
    assert "thresholds.deep" in wrong.json()["error"]["message"]
    assert (await redecide(b"[")).status_code == 400
    assert (await redecide(b"{}", "nothing")).status_code == 404
    assert len(one.requests) + len(two.requests) == 1
