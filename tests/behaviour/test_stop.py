"""Stopping: what clients and the load balancer see from the signal on, and that it always ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from pathlib import Path

import httpx2
import pytest

from tests.support.fake import completion, hang, stream, tokens, whole
from tests.support.live_gateway import Process, endpoint, post, question

ALIVE = b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n"


async def connect(process: Process) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = process.url.removeprefix("http://").split(":")
    return await asyncio.open_connection(host, int(port))


async def answer(reader: asyncio.StreamReader) -> bytes:
    """A whole answer with a length; empty: the connection ended."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        assert not error.partial
        return b""
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return head + await reader.readexactly(length)


@pytest.mark.parametrize("workers", [1, 2])
async def test_o22_everything_is_served_during_the_shutdown_delay_while_readiness_says_no(make_process, fake, workers):
    process = await make_process([endpoint(fake)], server={"shutdown_delay_seconds": 3, "workers": workers})
    go = asyncio.Event()

    async def held(exchange):
        await go.wait()
        await whole(completion())(exchange)

    fake.then(held)
    async with httpx2.AsyncClient(base_url=process.url, timeout=20) as client:
        asking = asyncio.ensure_future(client.post("/v1/chat/completions", json=question()))
        await fake.asked()
        process.signal(signal.SIGTERM)
        async with asyncio.timeout(2):
            while (ready := await _once(process, "/health/ready")).status_code != 503:
                await asyncio.sleep(0.02)
        assert ready.json() == {"status": "stopping"}
        for _ in range(3):  # new connections
            assert (await _once(process, "/health/live")).status_code == 200
            async with httpx2.AsyncClient(base_url=process.url) as late:
                found = await late.post("/v1/chat/completions", json=question())
            assert found.status_code == 200
            assert found.headers["connection"] == "close"
        go.set()
        assert (await asking).status_code == 200
    assert (await process.ended())[0] == 0


async def _once(process: Process, path: str) -> httpx2.Response:
    async with httpx2.AsyncClient(base_url=process.url) as client:
        return await client.get(path)


async def test_without_a_delay_it_stops_at_once(make_process, fake):
    process = await make_process([endpoint(fake)])
    process.signal(signal.SIGTERM)
    assert (await process.ended(within_s=10))[0] == 0


@pytest.mark.parametrize("silent_s", [0.0, 0.8, 2.5])
async def test_a_client_that_uses_its_connection_seconds_after_the_signal_is_answered_and_told_to_close(
    make_process, fake, silent_s
):
    """It had no processor time, or was far away, when the signal came; nothing had told it to close."""
    process = await make_process([endpoint(fake)])
    reader, writer = await connect(process)
    writer.write(ALIVE)
    assert b"connection: close" not in await answer(reader)
    process.signal(signal.SIGTERM)
    await process.line("stopping")
    await asyncio.sleep(silent_s)
    writer.write(ALIVE)
    assert b"connection: close" in await answer(reader)
    assert await reader.read() == b""
    writer.close()
    assert (await process.ended())[0] == 0


@pytest.mark.parametrize("after_s", [0.1, 0.7, 3.0])
async def test_half_a_head_that_was_sent_before_the_signal_may_be_finished_after_it(make_process, fake, after_s):
    process = await make_process([endpoint(fake)])
    request = post(b'{"model": "auto", "messages": [{"role": "user", "content": "hi"}]}')
    reader, writer = await connect(process)
    writer.write(request[:40])
    await asyncio.sleep(0.1)
    process.signal(signal.SIGTERM)
    await process.line("stopping")
    await asyncio.sleep(after_s)
    writer.write(request[40:])
    assert (await answer(reader)).startswith(b"HTTP/1.1 200 ")
    writer.close()
    assert (await process.ended())[0] == 0


async def test_an_idle_connection_ends_with_an_end_and_not_with_a_reset(make_process, fake):
    process = await make_process([endpoint(fake)])
    reader, writer = await connect(process)
    writer.write(ALIVE)
    await answer(reader)
    process.signal(signal.SIGTERM)
    assert await reader.read() == b""
    writer.close()
    assert (await process.ended(within_s=15))[0] == 0


async def test_an_idle_client_does_not_keep_it_longer_than_the_drain_timeout(make_process, fake):
    process = await make_process([endpoint(fake)], server={"drain_timeout_seconds": 0.5})
    _, writer = await connect(process)
    process.signal(signal.SIGTERM)
    assert (await process.ended(within_s=4))[0] == 0
    writer.close()


async def test_a_stopped_worker_keeps_nobody(make_process, fake):
    process = await make_process([endpoint(fake)], server={"workers": 2, "drain_timeout_seconds": 0})
    first, *_ = _children(process.pid)
    os.kill(first, signal.SIGSTOP)
    process.signal(signal.SIGTERM)
    code, _ = await process.ended(within_s=20)
    assert code == 1
    assert process.log()[-1]["event"] == "stopped"


async def test_a_second_signal_ends_a_stopped_worker_at_once(make_process, fake):
    process = await make_process([endpoint(fake)], server={"workers": 2, "drain_timeout_seconds": 3600})
    first, *_ = _children(process.pid)
    os.kill(first, signal.SIGSTOP)
    process.signal(signal.SIGTERM)
    await process.line("stopping", workers=2)
    process.signal(signal.SIGTERM)
    assert (await process.ended(within_s=10))[0] == 1


async def test_two_signals_under_load_leave_no_traceback(make_process, fake):
    fake.always(stream(tokens()[:2], end="hang"))
    process = await make_process([endpoint(fake)])
    async with httpx2.AsyncClient(base_url=process.url, timeout=20) as client:
        asking = [asyncio.ensure_future(client.post("/v1/chat/completions", json=question(stream=True))) for _ in range(5)]
        await fake.asked(5)
        process.signal(signal.SIGTERM)
        await process.line("stopping")
        process.signal(signal.SIGTERM)
        code, errors = await process.ended(within_s=5)
        await asyncio.gather(*asking, return_exceptions=True)
    assert (code, errors) == (0, b"")
    assert not [line for line in process.log() if "exception" in line or line["level"] == "error"]


async def test_a_signal_to_a_terminals_whole_group_drains_the_workers_too(make_process, fake):
    """A terminal sends SIGINT to the parent and to each worker; with the parent's own it must not count as two."""
    process = await make_process([endpoint(fake)], server={"workers": 2})
    go = asyncio.Event()

    async def held(exchange):
        await go.wait()
        await whole(completion())(exchange)

    fake.always(held)
    async with httpx2.AsyncClient(base_url=process.url, timeout=20) as client:
        asking = asyncio.ensure_future(client.post("/v1/chat/completions", json=question()))
        await fake.asked()
        for pid in (*_children(process.pid), process.pid):
            os.kill(pid, signal.SIGINT)
        await process.line("stopping", workers=2)
        await asyncio.sleep(0.5)
        go.set()
        assert (await asking).status_code == 200
    assert (await process.ended())[0] == 0


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


# limits of a client's connection


@pytest.mark.parametrize("hard", [False, True])
async def test_security_14_a_hang_up_behind_a_pipelined_request_frees_the_endpoint(make_gateway, fake, hard):
    fake.always(hang)
    gateway = await make_gateway([endpoint(fake, id="a")])
    body = b'{"model": "auto", "messages": [{"role": "user", "content": "hi"}]}'
    host, port = gateway.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(post(body))
    await fake.asked()
    writer.write(post(body) + b"x" * 100_000 if hard else post(body))
    await asyncio.sleep(0.1)
    if hard:
        writer.transport.abort()
    else:
        writer.close()
    await gateway.quiet(within_s=1.0)
    assert (await gateway.row("a"))["in_flight"] == 0
    assert len(fake.requests) == 1


async def test_security_10_a_client_that_stops_reading_loses_its_place(make_process, fake):
    """What it left unread waits in the kernel, in the gateway, and at the endpoint, which is freed as well."""
    fake.then(stream(tokens(["word " * 2000] * 4000)))
    process = await make_process(
        [endpoint(fake, id="a", max_in_flight=1)], server={"client_write_timeout_seconds": 1}, retry={"max_attempts": 1}
    )
    host, port = process.url.removeprefix("http://").split(":")
    with socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.connect((host, int(port)))
        reader.sendall(post(b'{"model": "auto", "stream": true, "messages": [{"role": "user", "content": "hi"}]}'))
        assert await asyncio.to_thread(reader.recv, 100)
        async with httpx2.AsyncClient(base_url=process.url, timeout=20) as client, asyncio.timeout(15):
            while (await client.post("/v1/chat/completions", json=question())).status_code != 200:
                await asyncio.sleep(0.2)
        line = await process.line("request", ending="abandoned")
        assert line["endpoint"] == "a"


async def test_security_10_also_one_whose_little_answer_is_in_the_kernel_only(make_process, fake):
    """A slow stream never fills the gateway's buffer; nobody but the kernel knows that nothing is taken."""
    frames = tokens(["word " * 200] * 4000)

    async def slow(exchange):
        exchange.head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"})
        for frame in frames:
            exchange.chunk(frame)
            await asyncio.sleep(0.01)

    fake.then(slow)
    process = await make_process([endpoint(fake, id="a")], server={"client_write_timeout_seconds": 1})
    host, port = process.url.removeprefix("http://").split(":")
    with socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        reader.connect((host, int(port)))
        reader.sendall(post(b'{"model": "auto", "stream": true, "messages": [{"role": "user", "content": "hi"}]}'))
        assert await asyncio.to_thread(reader.recv, 100)
        await process.line("request", ending="abandoned", within_s=15)


async def test_a_slow_reader_that_takes_something_is_served_to_the_end(make_gateway, fake):
    fake.then(stream(tokens(["word " * 2000] * 300)))
    gateway = await make_gateway([endpoint(fake, id="a")], server={"client_write_timeout_seconds": 1})
    host, port = gateway.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=4096)
    writer.write(
        post(b'{"model": "auto", "stream": true, "messages": [{"role": "user", "content": "hi"}]}', headers="connection: close\r\n")
    )
    found = b""
    while piece := await reader.read(100_000):
        found += piece
        gateway.seconds_pass(1)
        await asyncio.sleep(0.01)
    assert b"[DONE]" in found
    writer.close()


async def test_security_11_the_keep_alive_is_the_operators(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake)], server={"keep_alive_seconds": 600})
    host, port = gateway.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(ALIVE)
    await answer(reader)
    gateway.seconds_pass(599)
    writer.write(ALIVE)
    assert (await answer(reader)).startswith(b"HTTP/1.1 200 ")
    from tests.support.live_gateway import settings

    await gateway.reload(settings([endpoint(fake)], server={"keep_alive_seconds": 2}))
    gateway.seconds_pass(3)
    assert await reader.read() == b""
    with contextlib.suppress(ConnectionError):
        writer.close()
        await writer.wait_closed()
