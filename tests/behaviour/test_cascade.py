"""A cheap answer is checked before the client sees it; a bigger tier is asked when it will not do."""

from __future__ import annotations

import asyncio
import json

import pytest

from octoroute.routing.difficulty.model import load
from tests.support.fake import Fake, chunk, completion, error, event, hang, slowly, stream, tokens, whole
from tests.support.live_gateway import LiveGateway, endpoint, frames, question, settings

EASY = "What is the capital of Peru?"
HARD = "Prove that every bounded monotone sequence converges, and justify each step rigorously."
DONE = b"data: [DONE]\n\n"
PRICE = {"input": 1.0, "output": 2.0}


@pytest.fixture
async def fakes():
    made = [await Fake("small").start(), await Fake("big").start()]
    yield made
    for fake in made:
        await fake.kill()


@pytest.fixture
async def opens():
    gateways = []

    async def open_(fakes, *, cascade=None, small=None, **tables):
        small_more = {"price": PRICE, **(small or {})}
        tree = settings(
            fast=[endpoint(fakes[0], "small", id="small", **small_more)],
            deep=[endpoint(fakes[1], "big", id="big", price={"input": 10.0, "output": 20.0})],
            routing={"strategy": "cascade", "cascade": cascade or {}},
            **tables,
        )
        gateways.append(await LiveGateway.open(tree))
        return gateways[-1]

    yield open_
    for gateway in gateways:
        await gateway.close()


def said(text="hello", **more):
    return whole(completion(text, **more))


def finished(text, reason):
    body = completion(text)
    body["choices"][0]["finish_reason"] = reason
    return whole(body)


async def test_a_good_cheap_answer_is_passed_on_byte_for_byte(fakes, opens):
    body = json.dumps(completion("Lima."), indent=3).encode() + b"\n"
    fakes[0].always(whole(body))
    gateway = await opens(fakes)
    answer = await gateway.ask(question(EASY))
    assert answer.content == body
    assert answer.headers["x-octoroute-tier"] == "fast"
    assert answer.headers["x-octoroute-strategy"] == "learned"
    assert answer.headers["x-octoroute-attempts"] == "1"
    assert fakes[1].requests == []
    assert gateway.metric("octoroute_cascade_total", result="kept", check="") == 1


BAD = {
    "empty": said("  "),
    "refusal": said("I'm sorry, but I can't help with that."),
    "length": finished("The capital of Peru is", "length"),
    "arithmetic": said("There are 3 boxes of 12, so 3 * 12 = 38 in all.\nThe answer is 38."),
    "code": said("Here you are:\n```python\ndef f(:\n    return 1\n```\n"),
}


@pytest.mark.parametrize("check", BAD)
@pytest.mark.parametrize("streamed", [False, True])
async def test_an_answer_that_does_not_pass_is_replaced(fakes, opens, check, streamed):
    if streamed:
        text = {
            "empty": "",
            "refusal": "I'm sorry, but I can't help with that.",
            "length": "The capital",
            "arithmetic": "3 * 12 = 38 in all.\n",
            "code": "```python\ndef f(:\n```\n",
        }[check]
        reason = "length" if check == "length" else "stop"
        fakes[0].always(stream([chunk({"role": "assistant", "content": text}), chunk({}, reason), DONE]))
        fakes[1].always(stream(tokens(["Lima"])))
    else:
        fakes[0].always(BAD[check])
        fakes[1].always(said("Lima."))
    gateway = await opens(fakes)
    if streamed:
        answer, data = await gateway.streamed(question(EASY, stream=True))
        assert b"".join(tokens(["Lima"])) == data
    else:
        answer = await gateway.ask(question(EASY))
        assert answer.json()["choices"][0]["message"]["content"] == "Lima."
    assert answer.status_code == 200
    assert answer.headers["x-octoroute-tier"] == "deep"
    assert answer.headers["x-octoroute-endpoint"] == "big"
    assert answer.headers["x-octoroute-attempts"] == "2"
    await gateway.quiet()
    assert gateway.metric("octoroute_cascade_total", result="escalated", check=check) == 1
    assert gateway.metric("octoroute_retries_total") == gateway.metric("octoroute_fallbacks_total") == 0
    row = await gateway.row("small")
    assert (row["healthy"], row["consecutive_failures"]) == (True, 0)


async def test_json_is_held_to_the_schema_that_was_asked_for(fakes, opens):
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    asked = question(EASY, response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}})
    gateway = await opens(fakes)
    fakes[0].then(said('{"n": 1}'), said('{"n": "one"}'), said("n is 1"))
    fakes[1].always(said('{"n": 2}'))
    assert [(await gateway.ask(asked)).headers["x-octoroute-tier"] for _ in range(3)] == ["fast", "deep", "deep"]


async def test_tool_calls_are_held_to_their_schemas(fakes, opens):
    tool = {
        "type": "function",
        "function": {
            "name": "look_up",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }

    def calling(arguments):
        body = completion("")
        call = {"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": arguments}}
        body["choices"][0]["message"] |= {"content": None, "tool_calls": [call]}
        body["choices"][0]["finish_reason"] = "tool_calls"
        return whole(body)

    gateway = await opens(fakes)
    fakes[0].then(calling('{"city": "Lima"}'), calling('{"town": "Lima"}'), calling('{"city": '))
    fakes[1].always(calling('{"city": "Lima"}'))
    asked = question(EASY, tools=[tool])
    assert [(await gateway.ask(asked)).headers["x-octoroute-tier"] for _ in range(3)] == ["fast", "deep", "deep"]
    assert gateway.metric("octoroute_cascade_total", check="tool_arguments") == 2


async def test_a_model_that_was_unsure_of_its_words(fakes, opens):
    def with_margins(chosen, other):
        body = completion("Lima it is then")
        tokens_ = [
            {"token": "a", "logprob": chosen, "top_logprobs": [{"token": "a", "logprob": chosen}, {"token": "b", "logprob": other}]}
        ] * 8
        body["choices"][0]["logprobs"] = {"content": tokens_}
        return whole(body)

    gateway = await opens(fakes)
    fakes[0].then(with_margins(-0.1, -4.0), with_margins(-0.69, -0.70))
    asked = question(EASY, logprobs=True, top_logprobs=2)
    assert [(await gateway.ask(asked)).headers["x-octoroute-tier"] for _ in range(2)] == ["fast", "deep"]
    assert gateway.metric("octoroute_cascade_total", check="log_probability") == 1


async def test_a_question_that_looks_too_hard_is_not_tried(fakes, opens):
    gateway = await opens(fakes)
    answer = await gateway.ask(question(HARD))
    assert answer.headers["x-octoroute-tier"] == "deep"
    assert answer.headers["x-octoroute-attempts"] == "1"
    assert fakes[0].requests == []
    assert gateway.metric("octoroute_routing_decisions_total", reason="cascade_skipped") == 1


async def test_the_answers_own_score_escalates(fakes, opens):
    prompt = (
        "Tom has 3 boxes with 12 pens each. He gives 7 pens to Ann and buys twice as many as he has left. How many pens has he now?"
    )
    text = "He has about 36 or so, however that seems inconsistent, so perhaps 29.5123."
    limit = load().difficulty(prompt)
    gateway = await opens(fakes, cascade={"skip_above": min(1.0, limit + 0.05), "escalate_above": 0.01})
    fakes[0].always(said(text))
    answer = await gateway.ask(question(prompt))
    assert answer.headers["x-octoroute-tier"] == "deep"
    assert gateway.metric("octoroute_cascade_total", result="escalated", check="score") == 1


async def test_the_clients_knob_moves_both_limits(fakes, opens):
    gateway = await opens(fakes)
    assert (await gateway.ask(question(HARD, model="auto:0"))).headers["x-octoroute-tier"] == "fast"
    assert (await gateway.ask(question(EASY, model="auto:1"))).headers["x-octoroute-tier"] == "deep"


async def test_both_attempts_and_their_cost_are_told(fakes, opens):
    fakes[0].always(said(""))
    fakes[1].always(said("Lima."))
    gateway = await opens(fakes)
    await gateway.ask(question(EASY))
    small, big = (7 * 1 + 3 * 2) / 1e6, (7 * 10 + 3 * 20) / 1e6
    assert gateway.metric("octoroute_cost_usd_total", endpoint="small") == pytest.approx(small)
    assert gateway.metric("octoroute_cost_usd_total", endpoint="big") == pytest.approx(big)
    assert gateway.metric("octoroute_tokens_total", endpoint="small", kind="input") == 7
    assert gateway.metric("octoroute_attempts_total", endpoint="small", error="") == 1
    assert gateway.metric("octoroute_attempts_total", endpoint="big", error="") == 1
    assert gateway.metric("octoroute_outcomes_total") == gateway.metric("octoroute_outcomes_total", endpoint="big") == 1


@pytest.mark.parametrize("trouble", [error(500), error(400), error(429)])
@pytest.mark.parametrize("streamed", [False, True])
async def test_the_cheap_answer_is_better_than_none(fakes, opens, trouble, streamed):
    parts = [
        chunk({"role": "assistant", "content": "I'm sorry, but I can't help "}),
        chunk({"content": "with that."}),
        chunk({}, "stop"),
        DONE,
    ]
    body = json.dumps(completion("")).encode()
    fakes[0].always(stream(parts) if streamed else whole(body))
    fakes[1].always(trouble)
    gateway = await opens(fakes, retry={"max_attempts": 1})
    answer, data = await gateway.streamed(question(EASY, stream=streamed))
    assert answer.status_code == 200
    assert data == (b"".join(parts) if streamed else body)
    assert answer.headers["x-octoroute-tier"] == "fast"
    assert "the deep tier could not answer" in answer.headers["x-octoroute-warning"]
    assert answer.headers["x-octoroute-attempts"] == "2"
    await gateway.quiet()
    assert gateway.metric("octoroute_cascade_total", result="fell_back") == 1
    assert gateway.metric("octoroute_tokens_total", endpoint="small", kind="input") == (0 if streamed else 7)
    assert gateway.metric("octoroute_outcomes_total", endpoint="small", outcome="answered") == 1


@pytest.mark.parametrize(
    "trouble", [error(500), stream([*tokens(["one"])[:2]], end="reset"), stream([*tokens(["one"])[:2]], end="cut")]
)
async def test_a_cheap_tier_that_fails_is_passed_over(fakes, opens, trouble):
    fakes[0].always(trouble)
    fakes[1].always(stream(tokens(["Lima"])))
    gateway = await opens(fakes)
    answer, data = await gateway.streamed(question(EASY, stream=True))
    assert data == b"".join(tokens(["Lima"]))
    assert answer.headers["x-octoroute-tier"] == "deep"
    assert len(fakes[0].requests) == 1
    assert (await gateway.row("small"))["consecutive_failures"] == 1
    assert gateway.metric("octoroute_cascade_total", result="unavailable") == 1


async def test_when_nobody_answers_the_last_real_cause_is_told(fakes, opens):
    fakes[0].always(error(500))
    fakes[1].always(error(500))
    gateway = await opens(fakes)
    answer = await gateway.ask(question(EASY))
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_failed")
    assert gateway.metric("octoroute_inflight_requests") == 0


async def test_what_is_wrong_with_the_request_is_relayed(fakes, opens):
    fakes[0].always(error(400, "no such field"))
    gateway = await opens(fakes)
    answer = await gateway.ask(question(EASY))
    assert (answer.status_code, answer.json()["error"]["message"]) == (400, "no such field")
    assert fakes[1].requests == []


@pytest.mark.parametrize("bound", [{"hold_seconds": 0.2}, {"hold_characters": 40}])
async def test_a_long_stream_is_held_no_longer_than_the_bounds(fakes, opens, bound):
    gate = asyncio.Event()
    parts = tokens(["Lima is the capital of Peru, "] * 3)

    async def step(exchange):
        exchange.head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"})
        for part in parts[:3]:
            exchange.chunk(part)
        await gate.wait()
        for part in parts[3:]:
            exchange.chunk(part)
        exchange.write(b"0\r\n\r\n")

    fakes[0].always(step)
    gateway = await opens(fakes, cascade=bound)
    async with gateway.stream(question(EASY, stream=True)) as answer:
        pieces = answer.aiter_raw()
        data = await anext(pieces)
        assert data == b"".join(parts[:3])
        gate.set()
        data += b"".join([piece async for piece in pieces])
    assert data == b"".join(parts)
    assert gateway.metric("octoroute_cascade_total", result="kept") == 1


async def test_a_beginning_that_does_not_compute_is_enough(fakes, opens):
    begun = [chunk({"role": "assistant", "content": "3 * 12 = 38\n"}), chunk({"content": "and therefore it follows that"})]
    fakes[0].always(stream(begun, end="hang"))
    fakes[1].always(stream(tokens(["36"])))
    gateway = await opens(fakes, cascade={"hold_seconds": 0.2})
    answer, data = await gateway.streamed(question(EASY, stream=True))
    assert data == b"".join(tokens(["36"]))
    assert answer.headers["x-octoroute-tier"] == "deep"
    await gateway.quiet()
    await fakes[0].hung_up_on()


async def test_a_stream_half_held_goes_on_when_nobody_better_answers(fakes, opens):
    parts = [
        chunk({"role": "assistant", "content": "3 * 12 = 38\n"}),
        chunk({"content": "and therefore it follows "}),
        0.5,
        chunk({"content": "that it is 38."}),
        chunk({}, "stop"),
        DONE,
    ]
    fakes[0].always(stream(parts))
    fakes[1].always(error(500))
    gateway = await opens(fakes, cascade={"hold_seconds": 0.2}, retry={"max_attempts": 1})
    _, data = await gateway.streamed(question(EASY, stream=True))
    assert data == b"".join(part for part in parts if isinstance(part, bytes))
    await gateway.quiet()


@pytest.mark.parametrize("during", ["hold", "climb"])
async def test_a_client_that_hangs_up_meanwhile_leaves_nothing_behind(fakes, opens, during):
    fakes[0].always(stream(tokens(["one"])[:2], end="hang") if during == "hold" else stream([chunk({}, "stop"), DONE]))
    fakes[1].always(hang)
    gateway = await opens(fakes)
    asking = asyncio.ensure_future(gateway.streamed(question(EASY, stream=True)))
    await fakes[0 if during == "hold" else 1].asked()
    await asyncio.sleep(0.2)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await gateway.quiet()
    await fakes[1].hung_up_on()
    assert gateway.metric("octoroute_attempts_total", error="abandoned") == (0 if during == "hold" else 1)
    for endpoint_id in ("small", "big"):
        assert (await gateway.row(endpoint_id))["consecutive_failures"] == 0


async def test_what_the_cache_keeps_of_a_cascade(fakes, opens):
    fakes[0].always(said(""))
    fakes[1].then(error(500)).always(said("Lima."))
    gateway = await opens(fakes, retry={"max_attempts": 1}, cache={"enabled": True})
    asked = question(EASY, temperature=0)
    answers = [await gateway.ask(asked) for _ in range(3)]
    assert [answer.headers["x-octoroute-tier"] for answer in answers] == ["fast", "deep", "deep"]
    assert [answer.headers["x-octoroute-cache"] for answer in answers] == ["miss", "miss", "hit"]


async def test_named_tiers_are_taken_at_their_word(fakes, opens):
    fakes[0].always(said(""))
    gateway = await opens(fakes)
    answer = await gateway.ask(question(EASY, model="fast"))
    assert answer.headers["x-octoroute-tier"] == "fast"
    assert fakes[1].requests == []


async def test_the_cheap_tier_may_be_full(fakes, opens):
    fakes[0].always(slowly(said("Lima."), 0.3))
    gateway = await opens(fakes, small={"max_in_flight": 1})
    first, second = await asyncio.gather(gateway.ask(question(EASY)), gateway.ask(question(EASY)))
    assert sorted([first.headers["x-octoroute-tier"], second.headers["x-octoroute-tier"]]) == ["deep", "fast"]


ANTHROPIC = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "stop_sequence": None,
    "usage": {"input_tokens": 7, "output_tokens": 3},
}


def message(text, reason="end_turn"):
    return whole({**ANTHROPIC, "content": [{"type": "text", "text": text}], "stop_reason": reason})


def message_stream(text):
    return stream(
        [
            event({"type": "message_start", "message": {**ANTHROPIC, "content": [], "stop_reason": None}}, "message_start"),
            event(
                {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}, "content_block_start"
            ),
            event(
                {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}, "content_block_delta"
            ),
            event({"type": "content_block_stop", "index": 0}, "content_block_stop"),
            event({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}}, "message_delta"),
            event({"type": "message_stop"}, "message_stop"),
        ]
    )


def gemini(text):
    return {
        "candidates": [{"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 7},
    }


def speaking(kind, text, *, streamed):
    if kind == "anthropic":
        return message_stream(text) if streamed else message(text)
    if kind == "gemini":
        return stream([event(gemini(text))]) if streamed else whole(gemini(text))
    return stream([chunk({"role": "assistant", "content": text}), chunk({}, "stop"), DONE]) if streamed else said(text)


ROUTES = {
    "openai": ("/v1/chat/completions", {"model": "auto", "messages": [{"role": "user", "content": EASY}]}),
    "anthropic": ("/v1/messages", {"model": "auto", "max_tokens": 100, "messages": [{"role": "user", "content": EASY}]}),
    "responses": ("/v1/responses", {"model": "auto", "input": EASY}),
    "simple": ("/chat", {"message": EASY}),
}


@pytest.mark.parametrize("client", ROUTES)
@pytest.mark.parametrize("kind", ["openai", "anthropic", "gemini"])
@pytest.mark.parametrize("streamed", [False, True])
async def test_every_pair_of_dialects(fakes, opens, client, kind, streamed):
    if client == "simple" and streamed:
        pytest.skip("/chat does not stream")
    path, body = ROUTES[client]
    body = {**body, "stream": True} if streamed else body
    fakes[0].then(
        speaking(kind, "Lima, of course.", streamed=streamed),
        speaking(kind, "I'm sorry, but I can't help with that.", streamed=streamed),
    )
    fakes[1].always(speaking("openai", "The big one says Lima.", streamed=streamed))
    gateway = await opens(fakes, small={"provider": kind})
    kept, better = await gateway.ask(body, path), await gateway.ask(body, path)
    assert (kept.status_code, better.status_code) == (200, 200)
    if client != "simple":
        assert (kept.headers["x-octoroute-tier"], better.headers["x-octoroute-tier"]) == ("fast", "deep")
    else:
        assert (kept.json()["model_tier"], better.json()["model_tier"]) == ("fast", "deep")
    assert "Lima, of course." in kept.text
    assert "The big one says Lima." in better.text
    assert "sorry" not in better.text
    await gateway.quiet()


async def test_an_answer_is_streamed_once_and_whole(fakes, opens):
    words = [f"word{number}" for number in range(50)]
    fakes[0].always(stream(tokens(words)))
    gateway = await opens(fakes, cascade={"hold_characters": 100})
    _, data = await gateway.streamed(question(EASY, stream=True))
    assert [frame["choices"][0]["delta"].get("content", "") for frame in frames(data)[:-1] if frame["choices"]][1:-1] == [
        f"{word} " for word in words
    ]
