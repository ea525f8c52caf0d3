"""A share of the traffic is asked of the other tiers too, after the client has its answer; only numbers are kept."""

from __future__ import annotations

import asyncio
import json
from random import Random

import pytest

from tests.support.fake import Fake, completion, error, hang, stream, tokens, whole
from tests.support.live_gateway import Clock, LiveGateway, endpoint, question, settings, until

EASY = "What is the capital of Peru?"
PRICES = {"fast": {"input": 1.0, "output": 2.0}, "deep": {"input": 10.0, "output": 20.0}}


@pytest.fixture
async def fakes():
    made = [await Fake("small").start(), await Fake("big").start()]
    yield made
    for fake in made:
        await fake.kill()


@pytest.fixture
async def opens(fakes, tmp_path):
    gateways = []

    async def open_(*, parts=None, learned=None, strategy="learned", **shadow):
        tree = settings(
            fast=[endpoint(fakes[0], "small", id="small", price=PRICES["fast"])],
            deep=[endpoint(fakes[1], "big", id="big", price=PRICES["deep"])],
            routing={
                "strategy": strategy,
                "learned": learned or {},
                "shadow": {"share": 1.0, "path": str(tmp_path / "labels"), "max_per_minute": 1000, **shadow},
            },
        )
        gateways.append(await LiveGateway.open(tree, **(parts or {})))
        return gateways[-1]

    yield open_
    for gateway in gateways:
        await gateway.close()


@pytest.fixture
def labels(tmp_path):
    """Those that are written, once there are as many."""

    async def read(count=1):
        path = tmp_path / "labels"
        await until(lambda: path.exists() and len(path.read_bytes().splitlines()) >= count)
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        assert len(lines) == count
        return lines

    return read


async def looked_at(gateway, **labels):
    await until(lambda: gateway.metric("octoroute_shadow_total", **labels) > 0)


async def test_answers_that_agree_make_a_label(fakes, opens, labels, tmp_path):
    fakes[0].always(whole(completion("Lima.")))
    fakes[1].always(whole(completion("lima")))
    gateway = await opens(learned={"explore": 0.2}, parts={"chance": lambda: 0.5})
    answer = await gateway.ask(question(EASY))
    assert answer.json()["choices"][0]["message"]["content"] == "Lima."
    (line,) = await labels()
    assert (line["label"], line["how"], line["tier"], line["strategy"]) == (0, "exact", "fast", "learned")
    assert line["quality"] == {"fast": 1.0, "deep": 1.0}
    assert line["reward"] == 1.0
    assert line["propensity"] == pytest.approx(0.9)
    assert 0 < line["score"] < 0.5
    assert len(line["features_hash"]) == 16
    assert line["cost_usd"] == pytest.approx(13e-6)
    assert line["costs_usd"] == {"fast": pytest.approx(13e-6), "deep": pytest.approx(130e-6)}
    assert set(line["latency_ms"]) == {"fast", "deep"}
    text = (tmp_path / "labels").read_text().lower()
    assert "lima" not in text and "peru" not in text
    assert gateway.metric("octoroute_shadow_cost_usd_total") == pytest.approx(130e-6)
    assert gateway.metric("octoroute_requests_total") == 1
    assert fakes[1].requests[0].json["messages"] == [{"role": "user", "content": EASY}]


async def test_a_stream_is_listened_to_and_not_changed(fakes, opens, labels):
    sent = tokens(["Lima"])
    fakes[0].always(stream(sent))
    fakes[1].always(whole(completion("Lima ")))
    gateway = await opens()
    _, data = await gateway.streamed(question(EASY, stream=True))
    assert data == b"".join(sent)
    (line,) = await labels()
    assert (line["label"], line["how"]) == (0, "exact")


async def test_the_free_checks_decide_where_they_can(fakes, opens, labels):
    fakes[0].always(whole(completion("I'm sorry, but I can't help with that.")))
    fakes[1].always(whole(completion("Lima")))
    gateway = await opens(judge_tier="deep")
    await gateway.ask(question(EASY))
    (line,) = await labels()
    assert (line["label"], line["how"], line["reward"]) == (1, "refusal", 0.0)
    assert len(fakes[1].requests) == 1


@pytest.mark.parametrize(("prefers", "label"), [("strong", 1), ("first", 0), ("TIE", 0)])
async def test_a_judge_is_asked_in_both_orders(fakes, opens, labels, prefers, label):
    async def judge(exchange):
        messages = exchange.seen.json["messages"]
        if messages[0]["role"] != "system":
            await whole(completion("The strong answer"))(exchange)
            return
        first = json.loads(messages[1]["content"])["answer_a"]
        choice = prefers if prefers == "TIE" else "A" if prefers == "first" or first == "The strong answer" else "B"
        await whole(completion(choice))(exchange)

    fakes[0].always(whole(completion("The weak answer")))
    fakes[1].always(judge)
    gateway = await opens(judge_tier="deep")
    await gateway.ask(question(EASY))
    (line,) = await labels()
    assert (line["label"], line["how"]) == (label, "judge")
    assert len(fakes[1].requests) == 3


async def test_without_a_judge_what_differs_stays_open(fakes, opens, tmp_path):
    fakes[0].always(whole(completion("The weak answer")))
    fakes[1].always(whole(completion("The strong answer")))
    gateway = await opens()
    await gateway.ask(question(EASY))
    await looked_at(gateway, result="undecided")
    assert not (tmp_path / "labels").exists()


TOOL = {"type": "function", "function": {"name": "buy", "parameters": {"type": "object"}}}
PRIVATE = {
    "tools": ({"tools": [TOOL]}, {}),
    "privacy": ({}, {"x-octoroute-privacy": "strict"}),
    "no-store": ({}, {"cache-control": "no-cache, no-store"}),
    "named tier": ({"model": "fast"}, {}),
    "image": (
        {
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "text", "text": EASY}, {"type": "image_url", "image_url": {"url": "http://x/y.png"}}],
                }
            ]
        },
        {},
    ),
}


@pytest.mark.parametrize("why", PRIVATE)
async def test_what_is_never_asked_twice(fakes, opens, why):
    body, headers = PRIVATE[why]
    gateway = await opens()
    assert (await gateway.ask({**question(EASY), **body}, headers=headers)).status_code == 200
    await gateway.ask(question(EASY))
    await looked_at(gateway)
    assert len(fakes[1].requests) == 1


async def test_an_answer_that_failed_teaches_nothing(fakes, opens):
    fakes[0].always(error(400))
    gateway = await opens()
    assert (await gateway.ask(question(EASY))).status_code == 400
    await asyncio.sleep(0.1)
    assert fakes[1].requests == []


async def test_no_more_than_the_minutes_share(fakes, opens):
    clock = Clock()
    gateway = await opens(max_per_minute=2, parts={"clock": clock})
    for _ in range(5):
        await gateway.ask(question(EASY))
    await until(lambda: gateway.metric("octoroute_shadow_total") == 2)
    clock.pass_(61)
    await gateway.ask(question(EASY))
    await until(lambda: gateway.metric("octoroute_shadow_total") == 3)
    assert len(fakes[1].requests) == 3


async def test_no_more_than_the_days_money(fakes, opens):
    wall = Clock(1_700_000_000.0)
    gateway = await opens(max_cost_per_day_usd=0.0002, parts={"wall": wall})
    for count in (1, 2, 2):
        await gateway.ask(question(EASY))
        await until(lambda count=count: gateway.metric("octoroute_shadow_total") == count)
    await asyncio.sleep(0.05)
    assert len(fakes[1].requests) == 2
    wall.pass_(86_400)
    await gateway.ask(question(EASY))
    await until(lambda: gateway.metric("octoroute_shadow_total") == 3)


async def test_a_share_is_a_share(fakes, opens):
    gateway = await opens(share=0.5, parts={"chance": Random(5).random})
    for number in range(40):
        await gateway.ask(question(EASY))
        if number % 8 == 7:
            await asyncio.sleep(0.05)  # the queue is short
    assert 10 <= len(fakes[1].requests) <= 30


async def test_a_slow_shadow_delays_nobody_and_its_queue_is_bounded(fakes, opens):
    fakes[1].always(hang)
    gateway = await opens()
    for _ in range(20):
        assert (await gateway.ask(question(EASY))).status_code == 200
    await until(lambda: gateway.metric("octoroute_shadow_total", result="dropped") >= 3)
    assert len(fakes[1].requests) == 1


async def test_tiers_that_do_not_answer_are_no_label(fakes, opens, tmp_path):
    fakes[1].always(error(500))
    gateway = await opens()
    await gateway.ask(question(EASY))
    await looked_at(gateway, result="failed")
    assert not (tmp_path / "labels").exists()


async def test_a_file_that_cannot_be_written_costs_a_label_only(fakes, opens, tmp_path):
    fakes[1].always(whole(completion("hello from small")))
    gateway = await opens(path=str(tmp_path / "no" / "such" / "folder"))
    assert (await gateway.ask(question(EASY))).status_code == 200
    await looked_at(gateway, result="unwritten")


async def test_other_strategies_are_scored_as_well(fakes, opens, labels):
    fakes[1].always(whole(completion("hello from small")))
    gateway = await opens(strategy="rule")
    await gateway.ask(question("hi"))
    (line,) = await labels()
    assert (line["strategy"], line["propensity"]) == ("rule", None)
    assert 0 < line["score"] < 1
