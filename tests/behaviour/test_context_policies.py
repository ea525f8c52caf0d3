"""Histories that are summarized or transformed, as clients of each dialect see it, over real sockets."""

import asyncio
import json

import pytest

from tests.support.fake import completion, error, hang, slowly, whole
from tests.support.live_gateway import endpoint

PIXEL = "iVBORw0KGgo="
PATHS = {"chat": "/v1/chat/completions", "messages": "/v1/messages", "responses": "/v1/responses"}
SUMMARIZE = {"policy": "summarize"}


def body_of(dialect, messages, **more):
    if dialect == "responses":
        return {"model": "balanced", "input": messages, **more}
    return {"model": "balanced", "max_tokens": 50, "messages": messages, **more}


def turns(count, chars=1000):
    """So many exchanges and a last question; each text begins with its own word."""
    messages = []
    for number in range(count):
        messages += [
            {"role": "user", "content": f"q{number} " + "x" * chars},
            {"role": "assistant", "content": f"a{number} " + "y" * chars},
        ]
    return [*messages, {"role": "user", "content": "the last question"}]


def tool_history(dialect, number, size):
    if dialect == "chat":
        return [
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": f"c{number}", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": f"c{number}", "content": "r" * size},
        ]
    if dialect == "messages":
        return [
            {"role": "assistant", "content": [{"type": "tool_use", "id": f"c{number}", "name": "f", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": f"c{number}", "content": "r" * size}]},
        ]
    return [
        {"type": "function_call", "call_id": f"c{number}", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": f"c{number}", "output": "r" * size},
    ]


def summary(text="SHORT"):
    return whole(completion(text))


async def two(make_gateway, make_fake, context, window=3000, **fast):
    small, large = await make_fake("small"), await make_fake("large")
    small.always(summary())
    gateway = await make_gateway(
        [endpoint(small, "s", context_window=2500, **fast)], [endpoint(large, "l", context_window=window)], context=context
    )
    return gateway, small, large


def sent(fake, at=-1):
    return fake.requests[at].json["messages"]


@pytest.mark.parametrize("dialect", PATHS)
async def test_older_turns_become_a_marked_summary(make_gateway, make_fake, dialect):
    gateway, small, large = await two(make_gateway, make_fake, SUMMARIZE)
    response = await gateway.ask(body_of(dialect, turns(8)), PATHS[dialect])
    assert response.status_code == 200, response.text
    first, *rest = sent(large)
    assert first["role"] == "user"
    assert "<conversation_summary messages=" in json.dumps(first)
    assert "SHORT" in json.dumps(first)
    assert "the last question" in json.dumps(rest[-1])
    assert small.requests
    assert "q0 " in small.requests[0].body.decode()
    assert "messages replaced by a summary" in response.headers["x-octoroute-warning"]
    info = json.loads(response.headers["x-octoroute-context-info"])
    assert info["truncated"] is False
    assert "messages replaced by a summary" in info["changes"][0]
    assert gateway.metric("octoroute_context_shortened_total", what="summary") == 1


async def test_an_unchanged_chunk_is_never_condensed_twice(make_gateway, make_fake):
    gateway, small, large = await two(make_gateway, make_fake, SUMMARIZE)
    messages = turns(8)
    await gateway.ask(body_of("chat", messages))
    asked = len(small.requests)
    assert asked >= 2
    await gateway.ask(body_of("chat", messages))
    assert len(small.requests) == asked
    assert sent(large, 0) == sent(large, 1)
    for number in range(6):
        messages = [
            *messages,
            {"role": "assistant", "content": f"n{number} " + "z" * 900},
            {"role": "user", "content": f"more{number}"},
        ]
        assert (await gateway.ask(body_of("chat", messages))).status_code == 200
    parts = [seen.json["messages"][-1]["content"] for seen in small.requests]
    assert len(parts) == len(set(parts))
    assert sum("q0 " in part for part in parts) == 1


async def test_two_that_ask_at_once_share_one_summary(make_gateway, make_fake):
    gateway, small, _ = await two(make_gateway, make_fake, SUMMARIZE)
    small.always(slowly(summary(), 0.1))
    both = await asyncio.gather(*(gateway.ask(body_of("chat", turns(8))) for _ in range(2)))
    assert [response.status_code for response in both] == [200, 200]
    parts = [seen.body for seen in small.requests]
    assert len(parts) == len(set(parts))


async def test_summaries_are_not_shared_between_clients(make_gateway, make_fake):
    gateway, small, _ = await two(make_gateway, make_fake, SUMMARIZE)
    await gateway.ask(body_of("chat", turns(8)), headers={"authorization": "Bearer one"})
    asked = len(small.requests)
    await gateway.ask(body_of("chat", turns(8)), headers={"authorization": "Bearer two"})
    assert len(small.requests) == 2 * asked


@pytest.mark.parametrize("dialect", PATHS)
async def test_calls_and_results_stay_together(make_gateway, make_fake, dialect):
    gateway, _, large = await two(make_gateway, make_fake, SUMMARIZE)
    messages = [{"role": "user", "content": "do it"}]
    for number in range(9):
        messages += tool_history(dialect, number, 1500)
    tool = {"chat": {"type": "function", "function": {"name": "f"}}, "messages": {"name": "f", "input_schema": {"type": "object"}}}
    tools = [tool.get(dialect, {"type": "function", "name": "f", "parameters": {"type": "object"}})]
    response = await gateway.ask(body_of(dialect, messages, tools=tools), PATHS[dialect])
    assert response.status_code == 200, response.text
    upstream = sent(large)
    calls = [call["id"] for message in upstream for call in message.get("tool_calls") or ()]
    results = [message["tool_call_id"] for message in upstream if message["role"] == "tool"]
    assert calls == results
    assert calls[-1] == "c8"
    assert upstream[0]["content"].startswith("do it")  # translated, both are one message of the user
    assert "conversation_summary" in json.dumps(upstream[:2])


async def test_what_stays_keeps_its_bytes(make_gateway, make_fake):
    gateway, _, large = await two(make_gateway, make_fake, SUMMARIZE)
    last = b'{ "content" : "\\u0063" , "role":"user", "name":"x"}'
    system = b'{"role":"system",  "content":"be\\u0020brief"}'
    old = json.dumps(turns(8)[:-1])[1:-1].encode()
    body = b'{"messages":[%b, %b , %b ], "model":"l","x": 1.0}' % (system, old, last)
    assert (await gateway.ask(body)).status_code == 200
    got = large.requests[0].body
    assert got.startswith(b'{"messages":[%b,{"role":"user","content":"<conversation_summary' % system)
    assert got.endswith(b',%b], "model":"l","x": 1.0}' % last)


@pytest.mark.parametrize("fault", [error(500), summary("  ")])
async def test_without_a_summary_the_oldest_are_left_out(make_gateway, make_fake, fault):
    gateway, small, large = await two(make_gateway, make_fake, SUMMARIZE)
    small.always(fault)
    large.always(lambda exchange: (fault if b"condense" in exchange.seen.body else summary("fine"))(exchange))
    response = await gateway.ask(body_of("chat", turns(8)))
    assert response.status_code == 200
    warning = response.headers["x-octoroute-warning"]
    assert warning.startswith("context: no summary, because the fast tier gave none")
    assert "messages left out" in warning
    assert "conversation_summary" not in large.requests[-1].body.decode()
    assert gateway.metric("octoroute_context_shortened_total", what="summary_failed") == 1


async def test_the_wait_for_a_summary_is_bounded(make_gateway, make_fake):
    gateway, small, _ = await two(make_gateway, make_fake, {**SUMMARIZE, "condense_timeout_seconds": 1})
    small.always(hang)
    response = await gateway.ask(body_of("chat", turns(8)))
    assert response.status_code == 200
    assert "no summary, because" in response.headers["x-octoroute-warning"]


async def test_what_cannot_fit_is_refused_and_told_why(make_gateway, make_fake):
    gateway, small, large = await two(make_gateway, make_fake, SUMMARIZE)
    response = await gateway.ask(body_of("chat", [{"role": "user", "content": "x" * 20_000}]))
    assert (response.status_code, response.json()["error"]["code"]) == (400, "context_length_exceeded")
    assert "too little of the history may be summarized" in response.headers["x-octoroute-warning"]
    assert not small.requests
    assert not large.requests


async def test_a_signed_history_is_not_summarized(make_gateway, make_fake):
    gateway, small, large = await two(make_gateway, make_fake, SUMMARIZE)
    messages = turns(8)
    thought = {"type": "thinking", "thinking": "t", "signature": "EqQBCg=="}
    messages[1] = {"role": "assistant", "content": [thought, {"type": "text", "text": "y" * 1000}]}
    response = await gateway.ask(body_of("messages", messages), PATHS["messages"])
    assert response.status_code == 200
    assert "signed thinking" in response.headers["x-octoroute-warning"]
    assert not small.requests
    assert large.requests


async def test_what_fits_is_left_alone(make_gateway, make_fake):
    gateway, small, large = await two(make_gateway, make_fake, {**SUMMARIZE, "transforms": ["dedupe_environment", "age_images"]})
    body = body_of("chat", turns(1))
    response = await gateway.ask(body)
    assert large.requests[0].json == {**body, "model": "l"}
    assert "x-octoroute-warning" not in response.headers
    assert not small.requests


async def test_a_lower_limit_of_the_answer_comes_first(make_gateway, make_fake):
    gateway, small, large = await two(make_gateway, make_fake, SUMMARIZE)
    response = await gateway.ask(body_of("chat", turns(4), max_tokens=2500))
    assert response.headers["x-octoroute-warning"].startswith("max_tokens: lowered to")
    assert not small.requests
    assert len(sent(large)) == 9


async def test_a_stream_is_summarized_too(make_gateway, make_fake):
    gateway, _, large = await two(make_gateway, make_fake, SUMMARIZE)
    response, _ = await gateway.streamed(body_of("chat", turns(8), stream=True))
    assert "replaced by a summary" in response.headers["x-octoroute-warning"]
    assert "conversation_summary" in large.requests[0].body.decode()


# transforms


def environment(text, tag="environment_details"):
    return f"<{tag}>\n{text}\n</{tag}>"


@pytest.mark.parametrize("dialect", PATHS)
@pytest.mark.parametrize("parts", [False, True])
async def test_only_the_latest_environment_stays(make_gateway, make_fake, dialect, parts):
    gateway, _, large = await two(make_gateway, make_fake, {"transforms": ["dedupe_environment"]}, window=100_000)
    texts = [f"one\n{environment('old files')}\ntwo", f"three {environment('new files')}"]
    kind = "input_text" if dialect == "responses" else "text"
    first, second = ([{"type": kind, "text": text}] if parts else text for text in texts)
    messages = [{"role": "user", "content": first}, {"role": "assistant", "content": "b"}, {"role": "user", "content": second}]
    response = await gateway.ask(body_of(dialect, messages), PATHS[dialect])
    assert response.status_code == 200, response.text
    told = [json.dumps(message) for message in sent(large)]
    assert "one\\n\\ntwo" in told[0]
    assert "old files" not in told[0]
    assert "new files" in told[2]
    assert response.headers["x-octoroute-warning"] == "context: 1 older environment blocks left out"
    assert json.loads(response.headers["x-octoroute-context-info"])["changes"] == ["context: 1 older environment blocks left out"]


def image_part(dialect):
    if dialect == "messages":
        return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
    if dialect == "responses":
        return {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}"}
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}


def image_turns(dialect, after):
    kind = "input_text" if dialect == "responses" else "text"
    messages = [{"role": "user", "content": [{"type": kind, "text": "look"}, image_part(dialect)]}]
    for number in range(after):
        messages += [{"role": "assistant", "content": "seen"}, {"role": "user", "content": f"and {number}"}]
    return messages


@pytest.mark.parametrize("dialect", PATHS)
async def test_an_older_image_becomes_its_description_once(make_gateway, make_fake, dialect):
    gateway, small, large = await two(make_gateway, make_fake, {"transforms": ["age_images"]}, window=100_000)
    small.always(summary("a red square"))
    for after, asked in ((2, 0), (3, 1), (4, 1)):
        response = await gateway.ask(body_of(dialect, image_turns(dialect, after)), PATHS[dialect])
        assert response.status_code == 200, response.text
        assert len(small.requests) == asked
        assert (PIXEL in large.requests[-1].body.decode()) is (after < 3)
        assert ("a red square" in json.dumps(sent(large)[0])) is (after >= 3)
    assert PIXEL in small.requests[0].body.decode()
    assert response.headers["x-octoroute-warning"] == "context: 1 older images replaced by text"


@pytest.mark.parametrize("fast", [{"capabilities": ["tools"]}, {}])
async def test_an_image_that_nobody_describes_leaves_a_marker(make_gateway, make_fake, fast):
    gateway, small, large = await two(make_gateway, make_fake, {"transforms": ["age_images"], "image_turns": 1}, 100_000, **fast)
    small.always(summary(" "))
    response = await gateway.ask(body_of("chat", image_turns("chat", 1)))
    assert response.status_code == 200
    assert "an image was here" in json.dumps(sent(large)[0])
    assert "1 of them without a description" in response.headers["x-octoroute-warning"]
    assert bool(small.requests) is not bool(fast)


async def test_nothing_is_transformed_where_thinking_is_signed(make_gateway, make_fake):
    gateway, small, large = await two(make_gateway, make_fake, {"transforms": ["dedupe_environment", "age_images"]}, 100_000)
    messages = [*image_turns("messages", 4), {"role": "assistant", "content": [{"type": "redacted_thinking", "data": "x"}]}]
    messages[0]["content"].append({"type": "text", "text": environment("1") + environment("2")})
    response = await gateway.ask(body_of("messages", [*messages, {"role": "user", "content": "go"}]), PATHS["messages"])
    assert response.status_code == 200
    assert PIXEL in large.requests[0].body.decode()
    assert not small.requests
    assert "context:" not in response.headers.get("x-octoroute-warning", "")


async def test_the_body_says_what_was_changed(make_gateway, make_fake):
    context = {"transforms": ["dedupe_environment"], "report": "body"}
    gateway, _, _ = await two(make_gateway, make_fake, context, window=100_000)
    messages = [{"role": "user", "content": "a" + environment("1")}, {"role": "user", "content": environment("2")}]
    told = (await gateway.ask(body_of("chat", messages))).json()
    assert told["context_info"]["changes"] == ["context: 1 older environment blocks left out"]
