"""The scripted model servers of `octoroute conform`, at the level of bytes."""

from __future__ import annotations

import asyncio
import contextlib
import json

import pytest

from octoroute.cli.conform.model_server import ModelServers
from octoroute.cli.conform.scripts import TEXT, plain_answer, refuse, reset

BODY = json.dumps({"model": "conform", "messages": []}).encode()


@pytest.fixture
async def servers():
    started = ModelServers(plain_answer)
    ports = await started.start("127.0.0.1", [0, 0])
    yield started, ports
    await started.stop()


async def talk(port: int, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    answer = await reader.read()
    writer.close()
    return answer


def post(body: bytes = BODY, path: str = "/v1/chat/completions") -> bytes:
    return f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


async def test_a_request_without_a_script_gets_the_plain_answer(servers):
    started, ports = servers
    answer = await talk(ports[0], post())
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["choices"][0]["message"]["content"] == TEXT
    assert [(index, seen.fields["model"]) for index, seen in started.seen] == [(0, "conform")]


async def test_scripts_are_used_up_in_order_by_whichever_server_is_asked(servers):
    started, ports = servers
    started.follow(refuse(429, "slow", retry_after="7"), refuse(500, "no"))
    first, second, third = [await talk(port, post()) for port in (ports[1], ports[0], ports[0])]
    assert first.startswith(b"HTTP/1.1 429 ")
    assert b"retry-after: 7\r\n" in first
    assert second.startswith(b"HTTP/1.1 500 ")
    assert third.startswith(b"HTTP/1.1 200 ")
    assert [index for index, _ in started.seen] == [1, 0, 0]
    started.follow()
    assert started.seen == []


async def test_a_body_in_chunks_is_read(servers):
    started, ports = servers
    chunks = b"%x\r\n%b\r\n%x;note=1\r\n%b\r\n0\r\nx-trailer: 1\r\n\r\n" % (5, BODY[:5], len(BODY) - 5, BODY[5:])
    head = b"POST /v1/chat/completions?a=1 HTTP/1.1\r\nhost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    await talk(ports[0], head + chunks)
    assert started.seen[0][1].body == BODY


async def test_it_lists_its_model_and_remembers_what_it_does_not_speak(servers):
    started, ports = servers
    models = await talk(ports[0], b"GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n")
    assert b'"id": "conform"' in models
    assert (await talk(ports[0], b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")).startswith(b"HTTP/1.1 404 ")
    assert started.unknown_path is None
    await talk(ports[0], post(path="/v1/responses"))
    assert started.unknown_path == "/v1/responses"
    assert started.seen == []


async def test_a_reset_is_one(servers):
    started, ports = servers
    started.follow(reset)
    with pytest.raises(ConnectionResetError):
        await talk(ports[0], post())


@pytest.mark.parametrize(
    "data", [b"", b"GET\r\n\r\n", b"POST /v1/chat/completions HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", b"x" * 70_000]
)
async def test_what_is_no_request_disturbs_nothing(servers, data):
    _, ports = servers
    reader, writer = await asyncio.open_connection("127.0.0.1", ports[0])
    writer.write(data)
    writer.write_eof()
    with contextlib.suppress(ConnectionResetError):  # for what it had not read
        assert await reader.read() == b""
    writer.close()
    assert (await talk(ports[0], post())).startswith(b"HTTP/1.1 200 ")


async def test_a_port_that_is_taken_is_told(servers):
    _, ports = servers
    other = ModelServers(plain_answer)
    with pytest.raises(OSError, match="address already in use"):
        await other.start("127.0.0.1", [ports[0]])
    await other.stop()


async def test_stopping_ends_an_answer_that_is_under_way(servers):
    started, ports = servers

    async def hang(exchange):
        exchange.head()
        await exchange.send(b"data: 1\n\n")
        await exchange.gone()

    started.follow(hang)
    reader, writer = await asyncio.open_connection("127.0.0.1", ports[0])
    writer.write(post())
    await reader.readuntil(b"data: 1\n\n")
    await started.stop()
    assert await reader.read() == b""
    writer.close()
