"""Many streams at once share nothing and cost bounded memory."""

from __future__ import annotations

import asyncio
import json

from tests.support import anthropic_stream
from tests.support.fake import stream, tokens
from tests.support.live_gateway import endpoint, question
from tests.support.messages import words
from tests.support.pairs import GOOD, PATHS, asked_by, clients, gemini, row, text_of


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


async def test_b17_a_thousand_streams_at_once_cost_bounded_memory_and_leave_nothing(make_gateway, fake):
    import tracemalloc

    gateway = await make_gateway([endpoint(fake)])
    release = asyncio.Event()
    head, *rest = tokens(["one"])

    async def held(exchange):
        exchange.head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"})
        exchange.chunk(head)
        await release.wait()
        for frame in rest:
            exchange.chunk(frame)
        exchange.write(b"0\r\n\r\n")

    fake.always(held)
    inner = gateway.app.gateway
    inbound = gateway.app.runtime.inbound["openai"]
    body = json.dumps(question(stream=True)).encode()

    async def one(at: int) -> bytes:
        reply = await inner.answer(inbound.read(body, request_id=f"r{at}", headers={}))
        try:
            return b"".join([piece async for piece in reply.pieces()])
        finally:
            reply.close()

    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tasks = [asyncio.ensure_future(one(at)) for at in range(1000)]
        while fake.in_flight < 1000:
            await asyncio.sleep(0.02)
        during, _ = tracemalloc.get_traced_memory()
        release.set()
        answers = await asyncio.gather(*tasks)
    finally:
        tracemalloc.stop()
    assert all(answer.endswith(b"data: [DONE]\n\n") for answer in answers)
    assert (during - before) / 1000 < 200_000  # bytes a stream, both ends of it and the fake
    assert gateway.metric("octoroute_inflight_requests") == 0
