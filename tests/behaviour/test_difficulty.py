"""`auto` by how hard the work looks, over real sockets: the knob, the explanation, the log, and conversations that keep their tier."""

from __future__ import annotations

import json

import httpx2
import pytest

from octoroute.errors import ConfigError
from tests.support.fake import Fake, completion, whole
from tests.support.live_gateway import LiveGateway, Process, configured, endpoint, question, settings

EASY = "What is the capital of Peru?"
HARD = "Prove that every bounded monotone sequence converges, and justify each step rigorously."


def tree(fakes, **routing):
    tiers = [[endpoint(fake, fake.name, id=fake.name)] for fake in fakes]
    return settings(*tiers, routing={"strategy": "learned", **routing})


@pytest.fixture
async def fakes():
    made = [await Fake(name).start() for name in ("small", "middle", "big")]
    yield made
    for fake in made:
        await fake.kill()


@pytest.fixture
async def opens(fakes):
    gateways = []

    async def open_(**routing):
        gateways.append(await LiveGateway.open(tree(fakes, **routing)))
        return gateways[-1]

    yield open_
    for gateway in gateways:
        await gateway.close()


async def tier(gateway, text=EASY, headers=None, **more):
    answer = await gateway.ask(question(text, **more), headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-octoroute-strategy"] in {"learned", "rule"}
    return answer.headers["x-octoroute-tier"]


async def test_easy_is_fast_and_hard_is_deep(opens):
    gateway = await opens()
    assert await tier(gateway, EASY) == "fast"
    assert await tier(gateway, HARD) == "deep"
    assert gateway.metric("octoroute_routing_decisions_total", strategy="learned", reason="score") == 2


@pytest.mark.parametrize(
    ("model", "headers", "body", "expected"),
    [
        ("auto:1", {}, {}, "deep"),
        ("AUTO:0.99", {}, {}, "deep"),
        ("claude-octoroute-auto:1", {}, {}, "deep"),
        ("auto:0.5", {}, {}, "fast"),
        ("auto", {"x-octoroute-quality": "1"}, {}, "deep"),
        ("auto:0", {"x-octoroute-quality": "1"}, {}, "deep"),
        ("auto", {}, {"octoroute": {"quality": 1.0}}, "deep"),
        ("auto:0", {}, {"octoroute": {"quality": 1.0}}, "deep"),
    ],
)
async def test_a_client_moves_the_knob(fakes, opens, model, headers, body, expected):
    gateway = await opens()
    assert await tier(gateway, EASY, headers, model=model, **body) == expected
    sent = [fake.requests[0].json for fake in fakes if fake.requests]
    assert sent[0]["model"] == {"deep": "big", "fast": "small"}[expected]


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/v1/responses"])
async def test_the_knob_in_every_dialect(opens, path):
    gateway = await opens()
    body = {"model": "auto:1", "max_tokens": 10, "messages": [{"role": "user", "content": EASY}]}
    body = {"model": "auto:1", "input": EASY} if path == "/v1/responses" else body
    assert (await gateway.ask(body, path)).headers["x-octoroute-tier"] == "deep"


@pytest.mark.parametrize(
    ("model", "status"), [("auto:2", 400), ("auto:-1", 400), ("auto:nan", 400), ("auto:fast", 404), ("auto:", 404)]
)
async def test_a_knob_that_does_not_exist(opens, model, status):
    gateway = await opens()
    answer = await gateway.ask(question(EASY, model=model))
    assert (answer.status_code, answer.json()["error"]["param"]) == (status, "model")


async def test_hints_come_first(opens):
    gateway = await opens()
    assert await tier(gateway, EASY, {"x-octoroute-importance": "high"}) == "deep"
    assert await tier(gateway, EASY, {"x-octoroute-task-type": "deep_analysis"}) == "deep"


async def test_thresholds_shares_and_quality_are_the_operators(opens):
    assert await tier(await opens(learned={"shares": {"fast": 0, "balanced": 1, "deep": 0}}), EASY) == "balanced"
    assert await tier(await opens(learned={"thresholds": {"balanced": 0.0, "deep": 0.01}}), EASY) == "deep"
    assert await tier(await opens(learned={"quality": 0.0}), HARD) == "fast"


async def test_the_route_explains_itself(opens, fakes):
    gateway = await opens()
    told = (await gateway.ask(question(HARD + " hunter2"), "/v1/route")).json()
    assert (told["tier"], told["strategy"], told["reason"]) == ("deep", "learned", "the learned score")
    assert {"name", "weight"} == set(told["features"][0])
    assert {row["name"]: row["weight"] for row in told["features"]}["reasoning"] > 0
    assert 0 < told["confidence"] < 1
    assert "hunter2" not in json.dumps(told)
    assert all(not fake.requests for fake in fakes)


async def test_the_log_has_the_features_and_no_word_of_the_prompt(fakes, tmp_path):
    process = await Process.start(tmp_path, tree(fakes, learned={"explore": 0.1}, sticky={"enabled": False}))
    try:
        async with httpx2.AsyncClient(trust_env=False) as client:
            await client.post(f"{process.url}/v1/chat/completions", json=question("Prove that hunter2 converges."))
        line = await process.line("request")
        assert line["why"] in {"the learned score", "drawn by lot, to learn from it"}
        assert 0 < line["score"] < 1
        assert line["propensity"] in {0.9333, 0.0333}
        assert isinstance(line["features"]["reasoning"], float)
        assert len(line["features_hash"]) == 16
        assert b"hunter2" not in b"".join(process.lines)
    finally:
        await process.stop()


def turns(*texts, **more):
    messages = []
    for at, text in enumerate(texts):
        messages.append({"role": "assistant" if at % 2 else "user", "content": text})
    return {"model": "auto", "messages": messages, **more}


def big_cache():
    body = completion("It converges because …")
    return whole({**body, "usage": {"prompt_tokens": 22_600, "completion_tokens": 300, "total_tokens": 22_900}})


async def test_a_conversation_keeps_its_tier(fakes, opens):
    for fake in fakes:
        fake.always(big_cache())
    gateway = await opens()
    padding = "background " * 8_200
    first = turns(HARD)
    first["messages"].insert(0, {"role": "system", "content": padding})
    assert (await gateway.ask(first)).headers["x-octoroute-tier"] == "deep"
    second = {
        **first,
        "messages": [*first["messages"], {"role": "assistant", "content": "Done."}, {"role": "user", "content": EASY}],
    }
    assert (await gateway.ask(second)).headers["x-octoroute-tier"] == "deep"
    assert gateway.metric("octoroute_routing_decisions_total", reason="sticky") == 1
    explained = (await gateway.ask(second, "/v1/route")).json()
    assert explained["reason"] == "the conversation keeps its tier"
    other = turns("Who wrote Faust?", "Goethe.", EASY)
    assert (await gateway.ask(other)).headers["x-octoroute-tier"] == "fast"


async def test_what_is_remembered_survives_a_reload(fakes, opens):
    for fake in fakes:
        fake.always(big_cache())
    gateway = await opens()
    padding = "background " * 8_200
    session = {"x-claude-code-session-id": "s"}
    await gateway.ask(turns(HARD), headers=session)
    await gateway.reload(tree(fakes))
    follow_up = turns(HARD, f"Done. {padding}", EASY)
    assert (await gateway.ask(follow_up, headers=session)).headers["x-octoroute-tier"] == "deep"
    await gateway.reload(tree(fakes, sticky={"enabled": False}))
    assert (await gateway.ask(follow_up, headers=session)).headers["x-octoroute-tier"] == "fast"


async def test_a_user_who_asks_again_gets_a_bigger_tier(opens):
    gateway = await opens()
    assert (await gateway.ask(turns(EASY, "Quito.", "That is wrong, try again."))).headers["x-octoroute-tier"] != "fast"
    assert gateway.metric("octoroute_routing_decisions_total", reason="stuck") == 1


async def test_a_policy_with_a_broken_artefact_does_not_start(tmp_path):
    (tmp_path / "broken.json").write_text("{}")
    for path, says in ((tmp_path / "nowhere.json", "cannot be read"), (tmp_path / "broken.json", "octoroute train")):
        with pytest.raises(ConfigError, match=says):
            configured(settings([endpoint("http://127.0.0.1:9/v1")], routing={"learned": {"artefact": str(path)}}))
