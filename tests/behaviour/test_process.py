"""The process: how it starts, how it is told to reload and to stop, and what it writes. As a user runs it."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from collections import Counter

import httpx2
import pytest
import tomli_w

from tests.support.fake import DONE, by_wish, chunk, completion, hang, slowly, stream, tokens, whole
from tests.support.live_gateway import endpoint, post, question, settings, talk


async def ask(client: httpx2.AsyncClient, **more) -> httpx2.Response:
    return await client.post("/v1/chat/completions", json=question(**more))


async def test_it_says_ready_with_its_url_and_answers(make_process, fake):
    process = await make_process([endpoint(fake, id="a")])
    line = await process.line("ready")
    assert line["level"] == "info"
    assert line["endpoints"] == 1
    async with httpx2.AsyncClient(base_url=process.url) as client:
        assert (await ask(client)).status_code == 200
        assert (await client.get("/health")).json()["status"] == "healthy"
    assert (await process.line("request"))["endpoint"] == "a"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_to_stop_finishes_what_is_in_flight_and_exits_0(make_process, fake, number):
    process = await make_process([endpoint(fake)])
    go = asyncio.Event()

    async def held(exchange):
        if exchange.seen.json.get("stream"):
            exchange.head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"})
            exchange.chunk(chunk({"content": "begun"}))
            await go.wait()
            exchange.chunk(chunk({}, "stop") + DONE)
            exchange.write(b"0\r\n\r\n")
        else:
            await go.wait()
            await whole(completion())(exchange)

    fake.always(held)
    async with httpx2.AsyncClient(base_url=process.url, timeout=20) as client:
        asking = [asyncio.ensure_future(ask(client, stream=n % 2 == 0)) for n in range(10)]
        await fake.asked(10)
        process.signal(number)
        await process.line("stopping", signal=number.name)
        with pytest.raises(httpx2.ConnectError):
            while True:  # handshakes that are under way are waited for
                async with httpx2.AsyncClient(base_url=process.url) as late:
                    assert (await late.get("/health")).status_code == 200
        go.set()
        answers = await asyncio.gather(*asking)
    assert {answer.status_code for answer in answers} == {200}
    assert sum(answer.content.endswith(DONE) for answer in answers) == 5
    code, told = await process.ended()
    assert (code, told) == (0, b"")
    assert len([line for line in process.log() if line["event"] == "request"]) == 10
    assert process.log()[-1]["event"] == "stopped"


async def test_sigterm_under_load_loses_nothing(make_process, fake):
    """Clients that keep their connections and ask without a pause: each request is answered, or was never taken."""
    fake.always(slowly(by_wish, 0.005))
    process = await make_process([endpoint(fake)])
    got: Counter = Counter()
    host, port = process.url.removeprefix("http://").split(":")

    async def client(number: int) -> None:
        streamed = number % 2 == 0
        body = json.dumps(question(stream=streamed)).encode()
        while True:
            try:
                reader, writer = await asyncio.open_connection(host, int(port))
            except ConnectionError:
                return
            try:
                while True:
                    writer.write(post(body))
                    await writer.drain()
                    try:
                        head = await reader.readuntil(b"\r\n\r\n")
                    except (asyncio.IncompleteReadError, ConnectionError) as error:
                        got[f"lost: {type(error).__name__}"] += 1
                        return
                    assert head.startswith(b"HTTP/1.1 200 "), head
                    if streamed:
                        data = await reader.readuntil(b"0\r\n\r\n")
                        assert b"[DONE]" in data
                    else:
                        await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
                    got["answered"] += 1
                    if b"connection: close" in head.lower():
                        break
            finally:
                writer.close()

    clients = [asyncio.ensure_future(client(number)) for number in range(32)]
    await fake.asked(100)
    process.signal(signal.SIGTERM)
    await asyncio.wait_for(asyncio.gather(*clients), 20)
    code, _ = await process.ended()
    assert code == 0
    assert set(got) == {"answered"}, got
    assert got["answered"] == len(fake.requests)


async def test_an_answer_that_does_not_end_is_ended_by_the_drain_timeout(make_process, fake):
    fake.always(stream(tokens()[:2], end="hang"))
    process = await make_process([endpoint(fake)], server={"drain_timeout_seconds": 1})
    async with httpx2.AsyncClient(base_url=process.url, timeout=20) as client:
        asking = asyncio.ensure_future(ask(client, stream=True))
        await fake.asked()
        process.signal(signal.SIGTERM)
        code, told = await process.ended(within_s=8)
        assert (code, told) == (0, b"")
        await asyncio.gather(asking, return_exceptions=True)


async def test_asked_twice_to_stop_it_stops_at_once(make_process, fake):
    fake.always(hang)
    process = await make_process([endpoint(fake)])
    async with httpx2.AsyncClient(base_url=process.url, timeout=20) as client:
        asking = asyncio.ensure_future(ask(client))
        await fake.asked()
        process.signal(signal.SIGTERM)
        await process.line("stopping")
        process.signal(signal.SIGTERM)
        code, told = await process.ended(within_s=5)
        assert (code, told) == (0, b"")
        await asyncio.gather(asking, return_exceptions=True)


async def test_sighup_swaps_the_configuration_and_requests_under_way_finish_as_they_began(make_process, make_fake, tmp_path):
    old, new = await make_fake("old"), await make_fake("new")
    go = asyncio.Event()

    async def held(exchange):
        await go.wait()
        await whole(completion("from old"))(exchange)

    old.then(held)
    process = await make_process([endpoint(old, "one", id="one")])
    path = tmp_path / "config.toml"
    async with httpx2.AsyncClient(base_url=process.url, timeout=20) as client:
        under_way = asyncio.ensure_future(ask(client))
        await old.asked()
        tree = settings([endpoint(new, "two", id="two")])
        path.write_text(tomli_w.dumps({**tree, "server": {"port": 4}, "observability": {"log_format": "json"}}))
        process.signal(signal.SIGHUP)
        await process.line("configuration reloaded")
        assert [row["id"] for row in (await client.get("/models")).json()["models"]] == ["two"]
        assert (await ask(client)).headers["x-octoroute-endpoint"] == "two"
        go.set()
        response = await under_way
        assert (response.headers["x-octoroute-endpoint"], response.json()["choices"][0]["message"]["content"]) == (
            "one",
            "from old",
        )
        assert any(line.get("key") == "server.port" and line["level"] == "warning" for line in process.log())


@pytest.mark.parametrize("broken", ["[models", "[server]\nport = 70000\n", "", None], ids=["no TOML", "a bad key", "empty", "gone"])
async def test_sighup_with_a_bad_configuration_changes_nothing_and_says_why(make_process, fake, tmp_path, broken):
    process = await make_process([endpoint(fake, id="a")])
    path = tmp_path / "config.toml"
    path.unlink() if broken is None else path.write_text(broken)
    process.signal(signal.SIGHUP)
    line = await process.line("the new configuration is not used, the old one stays")
    assert line["level"] == "error"
    assert line["problems"]
    async with httpx2.AsyncClient(base_url=process.url) as client:
        assert (await ask(client)).headers["x-octoroute-endpoint"] == "a"
    process.signal(signal.SIGTERM)
    assert (await process.ended())[0] == 0


async def test_a_port_in_use_is_one_clear_line_and_exit_code_1(make_process, fake):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = await make_process([endpoint(fake)], server={"port": port}, ready=False)
        code, told = await process.ended()
    assert code == 1
    assert len(told.splitlines()) == 1
    assert f"127.0.0.1:{port}".encode() in told
    assert b"in use" in told
    assert b"server.port" in told
    assert b"Traceback" not in b"".join(process.lines)


async def test_a_bad_configuration_is_exit_code_2_and_all_of_it_is_told(make_process, fake):
    process = await make_process([endpoint(fake, weight=-1.0, colour="red")], server={"port": 99999}, ready=False)
    code, told = await process.ended()
    assert code == 2
    for word in (b"models.fast[0].weight", b"models.fast[0].colour", b"server.port"):
        assert word in told
    assert b"Traceback" not in told


@pytest.mark.parametrize("style", ["json", "console"])
async def test_nothing_secret_is_written_at_info_even_when_something_breaks(make_process, fake, style):
    fake.then(whole(b"FAULT-MARK", 500), whole({"error": {"message": "FAULT-MARK"}}, 401), whole(completion("ANSWER-MARK")))
    process = await make_process(
        [endpoint(fake, id="a", api_key="UPSTREAM-MARK")],
        auth={"keys": ["CLIENT-MARK"]},
        observability={"log_format": style},
        health={"recovery_seconds": 0.001},
        ready=False,
    )
    while not process.lines:
        await asyncio.sleep(0.02)
    url = next(word for word in process.lines[0].decode().replace('"', " ").replace("=", " ").split() if word.startswith("http://"))
    async with httpx2.AsyncClient(base_url=url, headers={"authorization": "Bearer CLIENT-MARK"}) as client:
        for body in (
            question("PROMPT-MARK"),
            question("PROMPT-MARK", model="MODEL-MARK"),
            {"model": "PROMPT-MARK"},
            question("PROMPT-MARK"),
        ):
            await client.post("/v1/chat/completions", json=body)
        await client.post("/v1/chat/completions", content=b"PROMPT-MARK")
        await client.get("/PROMPT-MARK", headers={"x-request-id": "ok"})
    await talk(url, b"PROMPT-MARK\r\n\r\n")
    process.signal(signal.SIGTERM)
    code, told = await process.ended()
    assert (code, told) == (0, b"")
    text = b"".join(process.lines)
    assert text.count(b"request_id") >= 5
    assert b"MARK" not in text
    assert b"\x1b" not in text
