"""The pitfalls of the wire formats that need sockets, by their numbers: streams, moving on, errors, headers, addresses."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from tests.support import anthropic_stream, messages
from tests.support.fake import DONE, Fake, chunk, completion, error, event, hang, raw, stream, tokens, whole
from tests.support.live_gateway import endpoint, frames, question
from tests.support.messages import END, PING, START, STOP, TEXT, answer, ask, asks, delta, words

ROLE = chunk({"role": "assistant", "content": ""})
ONE = chunk({"content": "one"})
FINISH = chunk({}, "stop") + DONE
FAILING = {
    "openai": event({"error": {"message": "the server is overloaded", "type": "server_error", "code": "server_is_overloaded"}}),
    "anthropic": messages.OVERLOADED,
    "gemini": event({"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}),
}
GOOD = {
    "openai": [ROLE, ONE, FINISH],
    "anthropic": words(["one"]),
    "gemini": [event({"candidates": [{"content": {"role": "model", "parts": [{"text": "one"}]}, "finishReason": "STOP"}]})],
}
PATHS = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages"}
kinds = pytest.mark.parametrize("kind", GOOD)
clients = pytest.mark.parametrize("client", PATHS)


def row(fake: Fake, kind: str = "openai", **more) -> dict:
    return endpoint(fake, f"model-{fake.name}", id=fake.name, provider=kind, **more)


def asked_by(client: str, **more) -> dict:
    return asks(**more) if client == "anthropic" else question(**more)


async def streamed(gateway, client: str = "anthropic", **more):
    response = await gateway.ask(asked_by(client, stream=True, **more), path=PATHS[client])
    return response, response.content


def error_of(body: dict) -> dict:
    """Of either envelope, which must be whole."""
    told = body["error"]
    assert isinstance(told["message"], str) and told["message"]
    assert body.get("type") == "error" or "code" in told
    return told


# before the first event


@pytest.fixture
async def pair(make_fake, make_gateway):
    async def make(kind: str, **tables):
        first, second = await make_fake("first"), await make_fake("second")
        second.always(stream(GOOD[kind]))
        return await make_gateway([row(first, kind, priority=2), row(second, kind)], **tables), first, second

    return make


@kinds
@clients
async def test_p22_an_error_as_first_event_moves_on_and_counts(pair, client, kind):
    gateway, first, second = await pair(kind)
    first.then(stream([FAILING[kind]]))
    response, data = await streamed(gateway, client)
    assert response.status_code == 200
    assert response.headers["x-octoroute-endpoint"] == "second"
    assert b"one" in data
    assert b"overloaded" not in data
    assert (await gateway.row("first"))["consecutive_failures"] == 1
    assert len(second.requests) == 1


@kinds
@clients
async def test_p23_also_when_it_comes_in_two_packets(pair, client, kind):
    gateway, first, _ = await pair(kind)
    bad = FAILING[kind]
    first.then(stream([bad[:12], 0.03, bad[12:]]))
    response, data = await streamed(gateway, client)
    assert (response.status_code, response.headers["x-octoroute-endpoint"]) == (200, "second")
    assert b"one" in data


@clients
@pytest.mark.parametrize(
    ("status", "seen"),
    [(429, {"openai": 429, "anthropic": 429}), (529, {"openai": 502, "anthropic": 529}), (500, {"openai": 502, "anthropic": 502})],
)
async def test_p24_when_everybody_fails_a_stream_request_gets_a_status_and_json(make_fake, make_gateway, client, status, seen):
    fakes = [await make_fake(name) for name in ("first", "second")]
    for fake in fakes:
        fake.always(error(status, "no"))
    gateway = await make_gateway([row(fake) for fake in fakes])
    response, data = await streamed(gateway, client)
    assert response.status_code == seen[client]
    assert response.headers["content-type"] == "application/json"
    error_of(json.loads(data))


@kinds
@clients
async def test_p25_an_overload_in_mid_stream_is_an_event_and_nothing_is_asked_again(pair, client, kind):
    gateway, first, second = await pair(kind)
    good = GOOD["openai"][:2] if kind == "openai" else words(["one"])[:4] if kind == "anthropic" else GOOD["gemini"]
    if kind == "gemini":
        good = [event({"candidates": [{"content": {"role": "model", "parts": [{"text": "one"}]}}]})]
    first.then(stream([*good, 0.02, FAILING[kind]]))
    response, data = await streamed(gateway, client)
    assert response.status_code == 200
    if client == "anthropic":
        message = anthropic_stream.check(data, complete=False) if kind != "anthropic" else {"error": last_event(data)["error"]}
        assert message["error"]["type"] == "overloaded_error"
        assert b"message_stop" not in data
    else:
        assert frames(data)[-1]["error"]["message"]
        assert b"[DONE]" not in data
    assert not second.requests


def last_event(data: bytes) -> dict:
    return json.loads(data.rstrip().rsplit(b"data: ", 1)[1])


# pings


async def test_p26_silence_after_the_start_is_filled_with_pings(make_gateway, fake):
    gateway = await make_gateway([row(fake)], parts={"keep_alive_s": 0.1})
    fake.then(stream([ROLE, ONE, 0.45, chunk({"content": "two"}), FINISH]))
    _, data = await streamed(gateway)
    message = anthropic_stream.check(data)
    assert message["content"] == [{"type": "text", "text": "onetwo"}]
    assert 3 <= message["events"].count("ping") <= 5


def call(index: int, arguments: str, id: str | None = None, name: str | None = None) -> bytes:
    fragment = {"index": index, "function": {"arguments": arguments, **({"name": name} if name else {})}}
    return chunk({"tool_calls": [{**fragment, **({"id": id, "type": "function"} if id else {})}]})


async def test_p27_pings_go_on_while_bytes_arrive_and_nothing_is_said(make_gateway, fake):
    """The second call's arguments are held back until the first call is complete."""
    gateway = await make_gateway([row(fake)], parts={"keep_alive_s": 0.1})
    held = [part for _ in range(20) for part in (call(1, "x"), 0.03)]
    opening = [ROLE, call(0, '{"a":', "c0", "f"), call(1, '{"b":"', "c1", "g")]
    fake.then(stream([*opening, *held, call(0, "1}"), call(1, '"}'), chunk({}, "tool_calls") + DONE]))
    tools = [{"name": name, "input_schema": {"type": "object"}} for name in ("f", "g")]
    _, data = await streamed(gateway, tools=tools)
    message = anthropic_stream.check(data)
    assert [block["input"] for block in message["content"]] == [{"a": 1}, {"b": "x" * 20}]
    assert message["events"].count("ping") >= 3


async def test_p27_pings_go_on_while_the_model_thinks_in_secret(make_gateway, fake):
    gateway = await make_gateway([row(fake)], parts={"keep_alive_s": 0.1})
    thinking = [part for _ in range(20) for part in (chunk({"reasoning_content": "hm "}), 0.03)]
    fake.then(stream([ROLE, *thinking, ONE, FINISH]))
    _, data = await streamed(gateway)
    message = anthropic_stream.check(data)
    assert message["content"] == [{"type": "text", "text": "one"}]
    assert message["events"].count("ping") >= 3


@clients
async def test_p28_pings_do_not_keep_a_dead_upstream_alive(make_gateway, fake, client):
    gateway = await make_gateway([row(fake)], server={"stream_idle_timeout_seconds": 0.4}, parts={"keep_alive_s": 0.1})
    fake.then(stream([ROLE, ONE], end="hang"))
    since = time.monotonic()
    _, data = await streamed(gateway, client)
    assert 0.4 <= time.monotonic() - since < 3
    assert last_event(data)["error"]["type"] == "timeout_error"
    assert b"message_stop" not in data and b"[DONE]" not in data
    await fake.hung_up_on()


async def test_p29_a_ping_never_stands_inside_a_frame(make_gateway, fake):
    gateway = await make_gateway([row(fake, "anthropic")], parts={"keep_alive_s": 0.05})
    said = delta("one ")
    pieces = [part for at in range(0, len(said), 30) for part in (said[at : at + 30], 0.06)]
    fake.then(stream([START + TEXT, *pieces, STOP + END]))
    _, data = await streamed(gateway)
    keep_alive = b'event: ping\ndata: {"type":"ping"}\n\n'
    assert data.count(keep_alive) >= 3
    assert data.replace(keep_alive, b"") == START + TEXT + said + STOP + END


async def test_p30_nothing_comes_before_message_start(make_gateway, fake):
    gateway = await make_gateway([row(fake)], parts={"keep_alive_s": 0.05})
    fake.then(stream([b": wait\n\n", 0.2, ROLE, 0.2, ONE, FINISH]))
    _, data = await streamed(gateway)
    message = anthropic_stream.check(data)
    assert message["events"][0] == "message_start"
    assert "ping" in message["events"]


# whole and streamed


@kinds
@clients
async def test_p41_a_whole_answer_to_a_stream_request_is_made_into_a_stream(make_fake, make_gateway, client, kind):
    fake = await make_fake()
    bodies = {"openai": completion("all at once"), "anthropic": answer("all at once")}
    part = {"content": {"role": "model", "parts": [{"text": "all at once"}]}, "finishReason": "STOP"}
    fake.then(whole(bodies.get(kind, {"candidates": [part]})))
    gateway = await make_gateway([row(fake, kind)])
    response, data = await streamed(gateway, client)
    assert response.headers["content-type"].startswith("text/event-stream")
    if client == "anthropic":
        message = anthropic_stream.check(data)
        assert (message["content"], message["stop_reason"]) == ([{"type": "text", "text": "all at once"}], "end_turn")
    else:
        *chunks, done = frames(data)
        assert done == "[DONE]"
        assert "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks if c["choices"]) == "all at once"


async def test_p42_anthropics_own_bytes_pass_pings_and_unknown_events_included(make_gateway, fake):
    gateway = await make_gateway([row(fake, "anthropic", model="claude-upstream")])
    unknown = messages.named("message_limit", message_limit={"type": "within_limit"})
    odd = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"new_delta","new":1}}\n\n'
    sent = b"".join([START, PING, unknown, TEXT, delta("one"), odd, PING, STOP, END])
    fake.then(stream([sent[:100], 0.01, sent[100:]]), whole(answer("x", new_field={"a": [1, 2]})))
    _, data = await streamed(gateway)
    assert data == sent
    assert fake.requests[0].json == {**asks(stream=True), "model": "claude-upstream"}
    assert (await ask(gateway)).content == json.dumps(answer("x", new_field={"a": [1, 2]})).encode()


@clients
@kinds
async def test_p43_a_client_that_leaves_in_mid_stream_closes_the_upstream(make_fake, make_gateway, client, kind):
    fake = await make_fake()
    fake.then(
        stream(
            [*GOOD[kind][:-1], *([] if len(GOOD[kind]) > 1 else [GOOD[kind][0].replace(b', "finishReason": "STOP"', b"")])],
            end="hang",
        )
    )
    gateway = await make_gateway([row(fake, kind)])
    await leave(gateway, client, b"one")
    await fake.hung_up_on(within_s=1.0)
    await gateway.quiet()
    assert (await gateway.row(fake.name))["consecutive_failures"] == 0
    assert gateway.metric("octoroute_outcomes_total", outcome="abandoned") == 1


@clients
async def test_p43_and_during_a_back_off_the_waiting_ends(make_gateway, fake, client):
    gateway = await make_gateway([row(fake)], retry={"max_attempts": 50}, health={"failure_threshold": 1000})
    fake.always(error(500))
    await leave(gateway, client, None, fake)
    await gateway.quiet()
    await asyncio.sleep(0.3)
    asked = len(fake.requests)
    await asyncio.sleep(0.2)
    assert len(fake.requests) == asked < 10


async def leave(gateway, client: str, wanted: bytes | None, fake: Fake | None = None) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(gateway.url.rpartition(":")[2]))
    data = json.dumps(asked_by(client, stream=True)).encode()
    writer.write(b"POST %b HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b" % (PATHS[client].encode(), len(data), data))
    if wanted is None:
        assert fake is not None
        await fake.asked()
    else:
        await reader.readuntil(wanted)
    writer.close()


# what goes out


async def test_p79_unknown_fields_go_out_on_a_route_of_one_dialect(make_fake, make_gateway):
    fake, claude = await make_fake("fake"), await make_fake("claude")
    claude.always(whole(answer()))
    gateway = await make_gateway([row(fake), row(claude, "anthropic")])
    unknown = {"brand_new": {"deep": [1, {"er": None}]}, "another": 1.50}
    await gateway.ask(question(model="fake", **unknown))
    await ask(gateway, asks(model="claude", **unknown))
    for asked in (fake.requests[-1].json, claude.requests[-1].json):
        assert {name: asked[name] for name in unknown} == unknown


THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "sig=="}
HISTORY = [
    {"role": "user", "content": "look it up"},
    {"role": "assistant", "content": [THOUGHT, {"type": "tool_use", "id": "t1", "name": "f", "input": {}}]},
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "found"}]},
]
TOOLS = [{"name": "f", "input_schema": {"type": "object"}}]
THINKING = {"type": "enabled", "budget_tokens": 1024}


@pytest.mark.parametrize("difference", [{"api_key": "other"}, {"model": "another-model"}, {}])
async def test_p84_thinking_does_not_move_to_another_account_or_model(make_fake, make_gateway, difference):
    home, away = await make_fake("home"), await make_fake("away")
    home.always(error(500))
    away.always(whole(answer()))
    first = row(home, "anthropic", priority=2, api_key="k", model="m")
    gateway = await make_gateway([first, {**row(away, "anthropic", api_key="k", model="m"), **difference}])
    reply = await ask(gateway, asks(max_tokens=4000, messages=HISTORY, tools=TOOLS, thinking=THINKING))
    assert reply.status_code == 200
    assert home.requests[0].json["messages"] == HISTORY
    assert home.requests[0].json["thinking"] == THINKING
    moved = away.requests[0].json
    assert [block["type"] for block in moved["messages"][1]["content"]] == ["tool_use"]
    assert moved["thinking"] == {"type": "disabled"}
    assert moved["tools"] == TOOLS


async def test_p84_it_stays_where_it_is_while_the_same_account_is_asked_again(make_gateway, fake):
    gateway = await make_gateway([row(fake, "anthropic")])
    fake.then(error(500), whole(answer()))
    reply = await ask(gateway, asks(messages=HISTORY, tools=TOOLS, thinking=THINKING, max_tokens=4000))
    assert reply.headers["x-octoroute-attempts"] == "2"
    assert [asked.json["messages"] for asked in fake.requests] == [HISTORY, HISTORY]


async def test_p82_a_client_that_would_rather_have_an_error_has_nothing_dropped(make_fake, make_gateway):
    home, away = await make_fake("home"), await make_fake("away")
    home.always(error(500))
    away.always(error(400, "Invalid `signature` in `thinking` block"))
    gateway = await make_gateway([row(home, "anthropic", priority=2), row(away, "anthropic")])
    thinking = {**THINKING, "block_binding": {"prefix_mismatch_behavior": "error"}}
    reply = await ask(gateway, asks(max_tokens=4000, messages=HISTORY, tools=TOOLS, thinking=thinking))
    assert reply.status_code == 400
    assert "signature" in reply.json()["error"]["message"]
    assert away.requests[0].json["messages"] == HISTORY


AZURE = "/openai/deployments/gpt-mine/chat/completions?api-version=2024-10-21"


@pytest.mark.parametrize(
    ("base", "more", "path"),
    [
        ("", {"api_version": "2024-10-21"}, AZURE),
        ("/", {"api_version": "2024-10-21"}, AZURE),
        ("/openai", {"api_version": "2024-10-21"}, AZURE),
        ("/openai/", {"api_version": "2024-10-21"}, AZURE),
        ("/openai/deployments/gpt-mine", {"api_version": "2024-10-21"}, AZURE),
        ("/openai/deployments/gpt-mine/", {"api_version": "2024-10-21"}, AZURE),
        ("/openai/v1", {"api_version": "2024-10-21"}, AZURE),
        ("/openai/v1", {}, "/openai/v1/chat/completions"),
        ("/openai/v1/", {}, "/openai/v1/chat/completions"),
    ],
)
async def test_p92_one_correct_address_whatever_was_pasted(make_gateway, fake, base, more, path):
    address = f"http://127.0.0.1:{fake.port}{base}"
    gateway = await make_gateway([endpoint(address, "m", provider="azure", model="gpt-mine", api_key="k", **more)])
    assert (await gateway.ask()).status_code == 200
    assert fake.requests[0].path == path
    assert fake.requests[0].headers["api-key"] == "k"


# what went wrong


@clients
@kinds
@pytest.mark.parametrize("status", [401, 403])
async def test_p100_refused_credentials_are_our_fault_and_not_the_clients(make_fake, make_gateway, client, kind, status):
    fake = await make_fake()
    fake.always(error(status, "Incorrect API key provided: sk-secret"))
    gateway = await make_gateway([row(fake, kind)])
    response = await gateway.ask(asked_by(client), path=PATHS[client])
    assert response.status_code == 502
    assert "not about your key" in error_of(response.json())["message"]
    assert "sk-secret" not in response.text
    assert (await gateway.row(fake.name))["circuit"] == "open"


async def test_p105_an_sdk_is_told_not_to_retry_what_no_retry_mends(make_gateway, fake):
    gateway = await make_gateway([row(fake)])
    fake.always(error(401))
    assert (await gateway.ask()).headers["x-should-retry"] == "false"
    again = await gateway.ask()
    assert (again.status_code, again.headers.get("x-should-retry")) == (503, None)


async def test_p105_and_left_to_itself_where_waiting_may_help(make_gateway, fake):
    gateway = await make_gateway([row(fake)])
    fake.always(error(500))
    assert "x-should-retry" not in (await gateway.ask()).headers


IN_AN_HOUR = format_datetime(datetime.now(UTC) + timedelta(seconds=3600), usegmt=True)  # a test session is shorter
DELAY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"}
RETRY_INFO = {"error": {"code": 429, "message": "quota", "status": "RESOURCE_EXHAUSTED", "details": [DELAY]}}


@clients
@pytest.mark.parametrize(
    ("kind", "step", "least", "most"),
    [
        ("openai", error(429, headers={"retry-after": "7"}), 7, 7),
        ("anthropic", error(429, headers={"retry-after": "7"}), 7, 7),
        ("openai", error(429, headers={"retry-after": "0.3", "retry-after-ms": "1500"}), 2, 2),
        ("openai", error(429, headers={"retry-after": IN_AN_HOUR}), 1, 3600),
        ("gemini", whole(RETRY_INFO, 429), 34, 34),
    ],
    ids=["seconds", "anthropic", "milliseconds", "date", "RetryInfo"],
)
async def test_p101_how_long_to_wait_is_read_and_passed_on(make_fake, make_gateway, client, kind, step, least, most):
    fake = await make_fake()
    fake.always(step)
    gateway = await make_gateway([row(fake, kind)])
    response = await gateway.ask(asked_by(client), path=PATHS[client])
    assert response.status_code == 429
    assert least <= int(response.headers["retry-after"]) <= most
    assert len(fake.requests) == 1, "it rests"


@pytest.mark.parametrize(
    "body",
    [
        {"type": "error", "error": {"type": "rate_limit_error", "message": "This request would exceed your monthly spend limit."}},
        {"error": {"message": "You exceeded your current quota", "type": "insufficient_quota", "code": "insufficient_quota"}},
    ],
)
async def test_p102_a_spent_limit_is_not_asked_again(pair, body):
    gateway, first, second = await pair("anthropic")
    first.always(whole(body, 429))
    for _ in range(2):
        response, _ = await streamed(gateway)
        assert (response.status_code, response.headers["x-octoroute-endpoint"]) == (200, "second")
    assert (len(first.requests), len(second.requests)) == (1, 2)


@clients
@kinds
@pytest.mark.parametrize(
    "step",
    [
        whole(b"<html><body>502 Bad Gateway nginx/1.2</body></html>", 502, {"content-type": "text/html"}),
        whole(b"<html><body>hello</body></html>", 200, {"content-type": "text/html"}),
        whole({"error": {"message": "secret 10.0.0.7", "type": "server_error"}}),
        whole(b""),
        raw(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n"),
    ],
    ids=["an error page", "a page", "an error with status 200", "nothing", "nothing without a length"],
)
async def test_p103_an_answer_that_is_none_is_a_502_in_the_clients_dialect(make_fake, make_gateway, client, kind, step):
    fake = await make_fake()
    fake.always(step)
    gateway = await make_gateway([row(fake, kind)], retry={"max_attempts": 1})
    response = await gateway.ask(asked_by(client), path=PATHS[client])
    assert response.status_code == 502
    told = error_of(response.json())
    assert "nginx" not in told["message"] and "10.0.0.7" not in told["message"]


TOO_LONG = {
    "openai": {
        "error": {
            "message": "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens.",
            "type": "invalid_request_error",
            "param": "messages",
            "code": "context_length_exceeded",
        }
    },
    "anthropic": {
        "type": "error",
        "error": {"type": "invalid_request_error", "message": "prompt is too long: 9001 tokens > 8192 maximum"},
    },
    "gemini": {
        "error": {
            "code": 400,
            "message": "The input token count (9001) exceeds the maximum number of tokens allowed (8192).",
            "status": "INVALID_ARGUMENT",
        }
    },
}


@kinds
async def test_p104_a_prompt_that_is_too_long_is_told_in_the_words_that_make_agents_compact(make_fake, make_gateway, kind):
    fake = await make_fake()
    fake.always(whole(TOO_LONG[kind], 400))
    gateway = await make_gateway([row(fake, kind)])
    response = await ask(gateway)
    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"
    assert response.json()["error"]["message"] == "prompt is too long: 9001 tokens > 8192 maximum"
    assert len(fake.requests) == 1
    assert (await gateway.row(fake.name))["consecutive_failures"] == 0


# the surface


async def test_p109_models_in_two_shapes(make_fake, make_gateway):
    fake = await make_fake()
    gateway = await make_gateway(
        [endpoint(fake, "m"), endpoint(fake, "m", id="c", provider="anthropic"), endpoint(fake, "only-one")]
    )
    names = ["auto", "fast", "balanced", "deep", "m", "only-one", "m-openai", "m-anthropic"]
    plain = (await gateway.get("/v1/models")).json()
    assert plain["object"] == "list"
    assert [model["id"] for model in plain["data"]] == names
    assert {model["object"] for model in plain["data"]} == {"model"}
    theirs = (await gateway.get("/v1/models", headers={"anthropic-version": "2023-06-01"})).json()
    assert [model["id"] for model in theirs["data"]] == names
    assert {model["type"] for model in theirs["data"]} == {"model"}
    assert (theirs["first_id"], theirs["last_id"], theirs["has_more"]) == ("auto", "m-anthropic", False)
    assert (await gateway.get("/v1/models/m-anthropic")).status_code == 200
    assert (await gateway.get("/v1/models/only-one-anthropic")).status_code == 404


async def test_c4_a_suffix_forces_the_protocol_and_never_reaches_the_upstream(make_fake, make_gateway):
    plain, claude = await make_fake("plain"), await make_fake("claude")
    claude.always(whole(answer()))
    gateway = await make_gateway(
        [
            endpoint(plain, "m", id="o"),
            endpoint(claude, "m", id="a", provider="anthropic"),
            endpoint(plain, "real-anthropic", id="r"),
        ]
    )
    for name, seen in {"m-openai": plain, "m-anthropic": claude}.items():
        for client, path in PATHS.items():
            before = len(seen.requests)
            reply = await gateway.ask(asked_by(client, model=name), path=path)
            assert reply.status_code == 200
            assert len(seen.requests) == before + 1
            assert seen.requests[-1].json["model"] == "m"
    await gateway.ask(question(model="real-anthropic"))
    assert plain.requests[-1].json["model"] == "real-anthropic"


async def test_p110_a_providers_prefix_is_taken_off_and_kept_in_the_answer(make_gateway, fake):
    gateway = await make_gateway(
        [endpoint(fake, "llama", provider="lab")],
        providers={"lab": {"kind": "openai", "base_url": fake.url}},
        routing={"allow_provider_prefix": True},
    )
    reply = await ask(gateway, asks(model="lab/llama"))
    assert reply.status_code == 200
    assert fake.requests[0].json["model"] == "llama"
    assert reply.json()["model"] == "lab/llama"


@clients
@kinds
async def test_p111_what_proxies_and_browsers_add_stays_here(make_fake, make_gateway, client, kind):
    fake = await make_fake()
    fake.always(stream(GOOD[kind]))
    gateway = await make_gateway([row(fake, kind, api_key="the-key")])
    private = {
        "x-forwarded-for": "10.1.2.3",
        "x-forwarded-proto": "https",
        "forwarded": "for=10.1.2.3",
        "via": "1.1 somewhere",
        "cookie": "session=secret",
        "cf-connecting-ip": "10.1.2.3",
        "x-real-ip": "10.1.2.3",
        "authorization": "Bearer the-clients",
        "x-api-key": "the-clients",
        "accept-encoding": "zstd",
        "origin": "https://example.org",
        "user-agent": "a-client",
    }
    await gateway.ask(asked_by(client, stream=True), path=PATHS[client], headers=private)
    arrived = "\n".join(f"{name}: {value}" for name, value in fake.requests[0].headers.items())
    for secret in ("10.1.2.3", "session=secret", "somewhere", "the-clients", "example.org", "zstd", "a-client"):
        assert secret not in arrived
    assert "the-key" in arrived


@clients
@pytest.mark.parametrize("streams", [False, True], ids=["whole", "streamed"])
async def test_p112_a_compressed_answer_arrives_plain(make_fake, make_gateway, client, streams):
    fake = await make_fake()
    body = b"".join(tokens(["one"])) if streams else json.dumps(completion("one")).encode()
    headers = {"content-encoding": "gzip", "content-type": "text/event-stream" if streams else "application/json"}
    fake.always(whole(gzip.compress(body), headers=headers))
    gateway = await make_gateway([row(fake)])
    response = await gateway.ask(asked_by(client, stream=streams), path=PATHS[client])
    assert "content-encoding" not in response.headers
    assert "one" in response.text
    if not streams:
        assert int(response.headers["content-length"]) == len(response.content)


@pytest.mark.parametrize("key", ["the-right-keX", "the-right-ke", "the-right-key-and-more"])
async def test_p113_a_wrong_key_is_told_in_the_clients_dialect(make_gateway, fake, key):
    gateway = await make_gateway([row(fake)], auth={"keys": ["the-right-key"]})
    for client, path in PATHS.items():
        headers = {"x-api-key": key} if client == "anthropic" else {"authorization": f"Bearer {key}"}
        response = await gateway.ask(asked_by(client), path=path, headers=headers)
        assert response.status_code == 401
        told = response.json()
        assert (told["type"] if client == "anthropic" else told["error"]["code"]) in {"error", "invalid_api_key"}
        assert told["error"]["type"] == ("authentication_error" if client == "anthropic" else "invalid_request_error")
    assert not fake.requests


async def test_p114_what_claude_code_sends_beside_its_questions(make_gateway, fake):
    gateway = await make_gateway([row(fake)])
    assert (await gateway.client.head("/")).status_code == 200
    telemetry = await gateway.ask({"events": []}, path="/api/event_logging/batch")
    assert telemetry.status_code == 404
    assert telemetry.headers["content-type"] == "application/json"
    assert (await gateway.ask(asks(), path="/v1/messages?beta=true")).status_code == 200
    assert len(fake.requests) == 1


@kinds
@pytest.mark.parametrize("streams", [False, True], ids=["whole", "streamed"])
async def test_p115_a_translated_answer_names_the_model_that_was_asked_for(make_fake, make_gateway, kind, streams):
    fake = await make_fake()
    fake.always(stream(GOOD[kind]) if streams else whole(WHOLE[kind]))
    gateway = await make_gateway([row(fake, kind, model="upstream-name")])
    client = "openai" if kind == "anthropic" else "anthropic"
    response = await gateway.ask(asked_by(client, model="AUTO", stream=streams), path=PATHS[client])
    assert b"upstream-name" not in response.content and b"upstream-model" not in response.content
    assert b'"model":"AUTO"' in response.content
    assert response.headers["x-octoroute-model"] == "upstream-name"


WHOLE = {
    "openai": completion("one"),
    "anthropic": answer("one"),
    "gemini": {
        "candidates": [{"content": {"role": "model", "parts": [{"text": "one"}]}, "finishReason": "STOP"}],
        "modelVersion": "upstream-name",
    },
}


@clients
async def test_p116_two_hundred_streams_at_once_share_nothing(make_fake, make_gateway, client):
    fakes = {kind: await make_fake(kind) for kind in GOOD}

    def echo(kind: str):
        async def step(exchange):
            asked = exchange.seen.json
            given = asked["contents"][0]["parts"][0]["text"] if kind == "gemini" else asked["messages"][0]["content"]
            text = given if isinstance(given, str) else given[0]["text"]
            said = [f"{text}-{n} " for n in range(10)]
            frames = {
                "openai": lambda: tokens([word.strip() for word in said]),
                "anthropic": lambda: words(said),
                "gemini": lambda: [gemini(word) for word in said] + [gemini("", "STOP")],
            }[kind]()
            await stream([part for frame in frames for part in (frame, 0.002)])(exchange)

        return step

    for kind, fake in fakes.items():
        fake.always(echo(kind))
    gateway = await make_gateway([row(fake, kind) for kind, fake in fakes.items()])

    async def one(number: int) -> str:
        kind = list(GOOD)[number % 3]
        body = asked_by(client, text=f"q{number}", model=f"model-{kind}", stream=True)
        response = await gateway.ask(body, path=PATHS[client])
        if client == "anthropic" and kind != "anthropic":
            message = anthropic_stream.check(response.content)
            return message["content"][0]["text"], message["id"]
        return text_of(client, response.content), response.headers["x-request-id"]

    heard = await asyncio.gather(*[one(number) for number in range(200)])
    for number, (text, _) in enumerate(heard):
        assert text == "".join(f"q{number}-{n} " for n in range(10))
    assert len({id for _, id in heard}) == 200


def gemini(text: str, finish: str | None = None) -> bytes:
    parts = {"content": {"role": "model", "parts": [{"text": text}]}} if text else {}
    return event({"candidates": [{**parts, **({"finishReason": finish} if finish else {})}]})


def text_of(client: str, data: bytes) -> str:
    if client == "anthropic":
        said = [json.loads(line[6:]) for line in data.split(b"\n") if line.startswith(b"data: ")]
        return "".join(one["delta"].get("text", "") for one in said if one["type"] == "content_block_delta")
    return "".join(c["choices"][0]["delta"].get("content") or "" for c in frames(data)[:-1] if c["choices"])


# an answer without a word


SILENT = {
    "openai": completion("", usage={"prompt_tokens": 7, "completion_tokens": 0, "total_tokens": 7}),
    "anthropic": answer("", usage={"input_tokens": 7, "output_tokens": 0}),
    "gemini": {"candidates": [{"finishReason": "STOP"}]},
}
SILENT_STREAMS = {
    "openai": [ROLE, FINISH],
    "anthropic": [START, END],
    "gemini": [gemini("", "STOP")],
}


@clients
@kinds
@pytest.mark.parametrize("streams", [False, True], ids=["whole", "streamed"])
async def test_an_empty_answer_is_asked_for_once_more(make_fake, make_gateway, client, kind, streams):
    fake = await make_fake()
    silent, good = (stream(SILENT_STREAMS[kind]), stream(GOOD[kind])) if streams else (whole(SILENT[kind]), whole(WHOLE[kind]))
    fake.then(silent, good)
    gateway = await make_gateway([row(fake, kind)])
    response = await gateway.ask(asked_by(client, stream=streams), path=PATHS[client])
    assert response.status_code == 200
    assert b"one" in response.content
    assert response.headers["x-octoroute-attempts"] == "2"
    assert (await gateway.row(fake.name))["consecutive_failures"] == 0


@clients
@kinds
@pytest.mark.parametrize("streams", [False, True], ids=["whole", "streamed"])
async def test_an_answer_that_is_empty_twice_is_delivered(make_fake, make_gateway, client, kind, streams):
    fake = await make_fake()
    fake.always(stream(SILENT_STREAMS[kind]) if streams else whole(SILENT[kind]))
    gateway = await make_gateway([row(fake, kind)])
    response = await gateway.ask(asked_by(client, stream=streams), path=PATHS[client])
    assert response.status_code == 200
    assert len(fake.requests) == 2
    if client == "anthropic" and streams:
        assert b'"stop_reason"' in response.content and b"message_stop" in response.content


@pytest.mark.parametrize(
    "said",
    [
        {"content": None, "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}]},
        {"content": None, "refusal": "no"},
        {"content": None, "reasoning_content": "hm"},
    ],
    ids=["a call without arguments", "a refusal", "a thought"],
)
async def test_what_says_something_is_not_empty(make_gateway, fake, said):
    gateway = await make_gateway([row(fake)])
    body = completion()
    body["choices"][0]["message"] = {"role": "assistant", **said}
    fake.always(whole(body))
    assert (await gateway.ask()).json() == body
    fake.always(stream([chunk({"role": "assistant", **said}), FINISH]))
    assert b"DONE" in (await gateway.streamed())[1]
    assert len(fake.requests) == 2


@pytest.mark.parametrize("change", [{"finish_reason": "length"}, {"finish_reason": "content_filter"}])
async def test_what_was_cut_or_filtered_is_not_asked_for_again(make_gateway, fake, change):
    gateway = await make_gateway([row(fake)])
    body = completion("")
    body["choices"][0] |= change
    fake.always(whole(body))
    assert (await gateway.ask()).json() == body
    assert len(fake.requests) == 1


# warming a cache


@pytest.mark.parametrize("streams", [False, True], ids=["whole", "streamed"])
async def test_max_tokens_zero_is_answered_here_where_there_is_no_cache_to_warm(make_gateway, fake, streams):
    gateway = await make_gateway([row(fake)])
    response = await ask(gateway, asks(max_tokens=0, stream=streams))
    message = anthropic_stream.check(response.content) if streams else response.json()
    assert (message["content"], message["stop_reason"]) == ([], "max_tokens")
    assert message["usage"]["output_tokens"] == 0
    assert not fake.requests
    assert response.headers["x-octoroute-attempts"] == "0"
    await gateway.quiet()
    assert (await gateway.row("fake"))["in_flight"] == 0


async def test_max_tokens_zero_reaches_anthropic_as_it_is(make_gateway, fake):
    gateway = await make_gateway([row(fake, "anthropic")])
    warmed = answer("", stop_reason="max_tokens", usage={"input_tokens": 7, "output_tokens": 0})
    fake.always(whole(warmed))
    assert (await ask(gateway, asks(max_tokens=0))).json() == warmed
    assert fake.requests[0].json == asks(max_tokens=0, model="model-fake")


# conversations that a server keeps


async def test_half_a_conversation_is_refused_where_nobody_keeps_the_other_half(make_gateway, fake):
    gateway = await make_gateway([row(fake)])
    response = await ask(gateway, asks(thread={"type": "continue", "previous_message_id": "msg_1"}))
    assert response.status_code == 400
    told = response.json()["error"]
    assert told["type"] == "invalid_request_error"
    assert told["details"] == {"error_code": "thread_unsupported_request", "unsupported": ["thread"]}
    assert not fake.requests


async def test_and_goes_to_who_keeps_it(make_fake, make_gateway):
    plain, claude = await make_fake("plain"), await make_fake("claude")
    claude.always(whole(answer()))
    gateway = await make_gateway([row(plain, priority=2), row(claude, "anthropic")])
    body = asks(thread={"type": "create"})
    assert (await ask(gateway, body)).headers["x-octoroute-endpoint"] == "claude"
    assert claude.requests[0].json["thread"] == {"type": "create"}


async def test_anthropics_clients_find_the_request_id_under_its_name_there(make_gateway, fake):
    gateway = await make_gateway([row(fake)])
    good = await ask(gateway)
    assert good.headers["request-id"] == good.headers["x-request-id"]
    bad = await ask(gateway, asks(messages=[]))
    assert bad.headers["request-id"] == bad.headers["x-request-id"] == bad.json()["request_id"]


async def test_silence_before_the_first_event_is_a_504_and_no_ping(make_gateway, fake):
    gateway = await make_gateway(
        [row(fake)], server={"request_timeout_seconds": 1}, retry={"max_attempts": 1}, parts={"keep_alive_s": 0.1}
    )
    fake.always(hang)
    response, data = await streamed(gateway)
    assert response.status_code == 504
    assert json.loads(data)["error"]["type"] == "timeout_error"
