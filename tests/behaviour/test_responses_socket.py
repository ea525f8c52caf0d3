"""Agents that speak the Responses API over a WebSocket, as Codex does."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import signal

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.support.fake import completion, error, hang, stream, tokens, whole
from tests.support.live_gateway import endpoint, post, question, settings, talk, until

TERMINAL = {"response.completed", "response.incomplete", "response.failed", "error"}
CODEX = {"openai-beta": "responses_websockets=2026-02-06"}


@contextlib.asynccontextmanager
async def opened(url: str, path: str = "/v1/responses", **headers: str):
    async with connect(url.replace("http", "ws", 1) + path, additional_headers={**CODEX, **headers}, proxy=None) as socket:
        yield socket


async def ask(socket, text="hello", **more) -> None:
    await socket.send(json.dumps({"type": "response.create", "model": "auto", "input": text, **more}))


async def events(socket) -> list[dict]:
    """Up to the last event of a response."""
    found: list[dict] = []
    async with asyncio.timeout(10):
        while not found or found[-1]["type"] not in TERMINAL:
            found.append(json.loads(await socket.recv()))
    return found


async def told(socket, text="hello", **more) -> dict:
    await ask(socket, text, **more)
    return (await events(socket))[-1]


def said(request) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in request.json["messages"]]


@pytest.fixture
def fake(fake):
    return fake.always(stream(tokens()))


async def test_the_events_are_those_of_a_stream(gateway):
    async with opened(gateway.url) as socket:
        await ask(socket)
        over_socket = await events(socket)
    response = await gateway.ask({"model": "auto", "input": "hello", "stream": True}, "/v1/responses")
    over_http = [json.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: ")]
    assert [event["type"] for event in over_socket] == [event["type"] for event in over_http]
    assert [event["sequence_number"] for event in over_socket] == list(range(len(over_socket)))


async def test_a_conversation_that_is_not_stored_goes_on_over_its_connection(gateway, fake):
    async with opened(gateway.url) as socket:
        first = (await told(socket, "one", store=False))["response"]
        second = (await told(socket, "two", store=False, previous_response_id=first["id"]))["response"]
        await told(socket, "three", store=False, previous_response_id=second["id"])
    assert [text for role, text in said(fake.requests[2]) if role == "user"] == ["one", "two", "three"]
    assert gateway.app._kept.responses.store.size == 0
    await until(lambda: gateway.app._kept.responses._unstored.size == 0)
    async with opened(gateway.url) as other:
        last = await told(other, previous_response_id=second["id"])
    assert (last["type"], last["status"], last["error"]["code"]) == ("error", 400, "previous_response_not_found")


async def test_a_stored_conversation_goes_on_anywhere(gateway, fake):
    async with opened(gateway.url) as socket:
        first = (await told(socket, "one"))["response"]
        fake.then(whole(completion("over http")))
        second = await gateway.ask({"model": "auto", "input": "two", "previous_response_id": first["id"]}, "/v1/responses")
        await told(socket, "three", previous_response_id=second.json()["id"])
    assert [text for role, text in said(fake.requests[2]) if role == "user"] == ["one", "two", "three"]


@pytest.mark.parametrize("given", ["a prefix", [], None, [{"role": "user", "content": "a prefix"}]])
async def test_a_turn_is_prepared_without_asking_a_model(gateway, fake, given):
    async with opened(gateway.url) as socket:
        prepared = await told(socket, given, generate=False, store=False)
        assert (prepared["type"], prepared["response"]["output"]) == ("response.completed", [])
        assert prepared["response"]["usage"]["total_tokens"] == 0
        assert not fake.requests
        await told(socket, "go", previous_response_id=prepared["response"]["id"])
    assert [role for role, _ in said(fake.requests[0])] == ["user"]
    assert "go" in said(fake.requests[0])[0][1]


async def test_one_response_at_a_time_in_the_order_of_the_messages(gateway, fake):
    fake.then(stream([*tokens()[:2], 0.1, *tokens()[2:]]))
    async with opened(gateway.url) as socket:
        for n in range(3):
            await ask(socket, f"n{n}", stream_id=f"lane-{n}")
        lanes = [event["stream_id"] for _ in range(3) for event in await events(socket)]
    assert sorted(lanes) == lanes
    assert len(set(lanes)) == 3
    assert fake.most_in_flight == 1


@pytest.mark.parametrize(
    ("message", "param", "word"),
    [
        ("no json", None, "JSON object"),
        ("[]", None, "JSON object"),
        ("[" * 20_000, None, "JSON object"),
        ("{}", "type", "response.create"),
        ('{"type":"response.steer"}', "type", "response.create"),
        ('{"type":7}', "type", "text"),
        ('{"type":"response.create","stream_id":""}', "stream_id", "characters"),
        ('{"type":"response.create","model":"auto"}', "input", "input"),
        ('{"type":"response.create","model":"nope","input":"x"}', "model", "nope"),
        ('{"type":"response.create","model":"auto","input":"x","background":true}', "background", "background"),
        ('{"type":"response.create","model":"auto","input":"x","previous_response_id":"r"}', "previous_response_id", "stored"),
    ],
)
async def test_an_error_is_an_event_and_the_connection_goes_on(gateway, fake, message, param, word):
    async with opened(gateway.url) as socket:
        await socket.send(message)
        [event] = await events(socket)
        assert event["type"] == "error"
        assert event["status"] in {400, 404}
        assert event["error"]["param"] == param
        assert word in event["error"]["message"]
        assert event["headers"]["x-request-id"]
        assert not fake.requests
        assert (await told(socket))["type"] == "response.completed"


async def test_a_refusal_of_the_upstream_has_its_status(gateway, fake):
    fake.then(error(400, "such a prompt is not allowed"), error(429, "slow down", headers={"retry-after": "7"}))
    fake.always(error(429, "slow down", headers={"retry-after": "7"}))
    async with opened(gateway.url) as socket:
        event = await told(socket)
        assert (event["type"], event["status"], event["error"]["message"]) == ("error", 400, "such a prompt is not allowed")
        event = await told(socket)
        assert (event["type"], event["status"]) == ("error", 429)
        assert int(event["headers"]["retry-after"]) >= 1


async def test_a_response_that_breaks_is_a_failure_and_the_next_one_is_answered(gateway, fake):
    fake.then(stream(tokens()[:2], end="cut"))
    async with opened(gateway.url) as socket:
        await ask(socket)
        assert (await events(socket))[-1]["type"] in {"error", "response.failed"}
        await ask(socket)
        last = await events(socket)
        if last[-1]["type"] != "response.completed":  # an error event came before response.failed
            last = await events(socket)
        assert last[-1]["type"] == "response.completed"


async def test_notes_of_codex_are_no_error(gateway):
    async with opened(gateway.url) as socket:
        await socket.send('{"type":"response.processed","response_id":"resp_1"}')
        assert (await told(socket))["type"] == "response.completed"


async def test_a_client_that_leaves_closes_the_upstream(gateway, fake):
    fake.then(stream(tokens()[:2], end="hang"), hang)
    for close in ("close", "abort"):
        async with opened(gateway.url) as socket:
            await ask(socket)
            await fake.asked(1 if close == "close" else 2)
            if close == "abort":
                socket.transport.abort()
        await fake.hung_up_on()
    await gateway.quiet()


async def test_what_waits_is_bounded(gateway, fake):
    fake.always(hang)
    async with opened(gateway.url) as socket:
        await ask(socket)
        await fake.asked()
        for _ in range(17):
            await ask(socket)
        event = json.loads(await socket.recv())
        assert "wait" in event["error"]["message"]
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert socket.close_code == 1008
    assert len(fake.requests) == 1
    await fake.hung_up_on()


async def test_a_message_has_the_size_limit_of_a_request(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake)], server={"max_request_bytes": 10_000})
    async with opened(gateway.url) as socket:
        assert (await told(socket, "x" * 9000))["type"] == "response.completed"
        await ask(socket, "x" * 10_000)
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert socket.close_code == 1009


async def test_binary_messages_are_refused(gateway):
    async with opened(gateway.url) as socket:
        await socket.send(b"{}")
        assert (await events(socket))[0]["error"]["message"].startswith("messages must be text")
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert socket.close_code == 1003


async def test_a_message_in_fragments_is_one(gateway):
    async with opened(gateway.url) as socket:
        await socket.send(iter(['{"type":"response.create",', '"model":"auto",', '"input":"hi ✓"}']))
        assert (await events(socket))[-1]["type"] == "response.completed"


async def test_pings_are_answered_and_sent(gateway):
    async with opened(gateway.url) as socket:
        await asyncio.wait_for(await socket.ping(), 2)
        gateway.seconds_pass(74)
        await asyncio.wait_for(await socket.ping(), 2)
        gateway.seconds_pass(74)
        assert (await told(socket))["type"] == "response.completed"
        gateway.seconds_pass(75)
        with pytest.raises(ConnectionClosed):
            await socket.recv()


async def test_the_key_is_checked_at_the_handshake_and_again(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake)], auth={"keys": ["right"]})
    for headers in ({}, {"authorization": "Bearer wrong"}):
        with pytest.raises(InvalidStatus) as caught:
            async with opened(gateway.url, **headers):
                pass
        assert caught.value.response.status_code == 401
    async with opened(gateway.url, authorization="Bearer right") as socket:
        assert (await told(socket))["type"] == "response.completed"
        await gateway.reload(settings([endpoint(fake)], auth={"keys": ["another"]}))
        event = await told(socket)
        assert (event["status"], event["error"]["code"]) == (401, "invalid_api_key")
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert socket.close_code == 1008


async def test_a_page_of_another_site_may_not_connect(gateway):
    with pytest.raises(InvalidStatus) as caught:
        async with opened(gateway.url, origin="https://evil.example"):
            pass
    assert caught.value.response.status_code == 403


def handshake(path="/v1/responses", version="13", key="dGhlIHNhbXBsZSBub25jZQ==", more="", method="GET") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: keep-alive, Upgrade\r\nupgrade: WebSocket\r\n"
    return f"{head}sec-websocket-version: {version}\r\nsec-websocket-key: {key}\r\n{more}\r\n".encode()


@pytest.mark.parametrize(
    "data",
    [
        handshake("/v1/chat/completions"),
        handshake("/v1/models"),
        handshake("/health"),
        handshake("/nowhere"),
        handshake(version="8"),
        handshake(more="content-length: 5\r\n") + b"hello",
        handshake("/v1/models", more="transfer-encoding: chunked\r\n") + b"0\r\n\r\n",
    ],
)
async def test_an_upgrade_where_none_is_served_is_a_426(gateway, fake, data):
    smuggled = post(json.dumps(question("smuggled")).encode())
    answer = await talk(gateway.url, data + smuggled)
    assert answer.startswith(b"HTTP/1.1 426 ")
    assert re.search(rb"(?i)\r\nupgrade: websocket\r\n", answer)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["type"] == "invalid_request_error"
    assert not fake.requests


async def test_a_plain_get_is_a_405_still(gateway):
    response = await gateway.get("/v1/responses")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("key", ["", "short", "x" * 500])
async def test_a_handshake_without_a_key_is_a_400(gateway, key):
    assert (await talk(gateway.url, handshake(key=key))).startswith(b"HTTP/1.1 400 ")


async def test_a_handshake_behind_an_unanswered_request_is_refused(gateway, fake):
    fake.always(hang)
    answer = await talk(gateway.url, post(json.dumps(question()).encode()) + handshake())
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b" 101 " not in answer


@pytest.mark.parametrize("path", ["/responses", "/v1/v1/responses", "/v1/responses/"])
async def test_paths_forgive(gateway, path):
    async with opened(gateway.url, path) as socket:
        assert (await told(socket))["type"] == "response.completed"


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (b"\x81\x82\x00\x00\x00\x00\xff\xff", 1007),
        (b"\x81\x02hi", 1002),
        (b"\xf1\x80\x00\x00\x00\x00", 1002),
        (b"\x80\x80\x00\x00\x00\x00", 1002),
        (b"\x89\xfe\x00\x7e\x00\x00\x00\x00" + bytes(126), 1002),
    ],
    ids=["invalid UTF-8", "not masked", "reserved bits", "a continuation of nothing", "a long ping"],
)
async def test_what_is_no_websocket_is_closed_with_the_reason(gateway, frame, code):
    answer = await talk(gateway.url, handshake() + frame + b"\x81")
    assert answer.startswith(b"HTTP/1.1 101 ")
    closing = answer.partition(b"\r\n\r\n")[2]
    assert closing[0] == 0x88
    assert int.from_bytes(closing[2:4]) == code
    assert (await gateway.get("/health")).status_code == 200


async def test_a_signal_lets_the_response_end_and_closes_idle_sockets(make_process, fake):
    process = await make_process([endpoint(fake)])
    fake.then(stream([*tokens()[:2], 0.5, *tokens()[2:]]))
    async with opened(process.url) as busy, opened(process.url) as idle:
        await ask(busy)
        await fake.asked()
        process.signal(signal.SIGTERM)
        assert (await events(busy))[-1]["type"] == "response.completed"
        for socket in (idle, busy):
            with pytest.raises(ConnectionClosed):
                await asyncio.wait_for(socket.recv(), 5)
            assert socket.close_code == 1001
    code, _ = await process.ended()
    assert code == 0
