"""Checks of what becomes of a request when a model server fails before its answer has begun."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from octoroute.cli.conform.api_checks import expect_error
from octoroute.cli.conform.model_server import Script
from octoroute.cli.conform.probe_client import pick
from octoroute.cli.conform.scripts import TEXT, error_first, html, nothing, refuse, reset
from octoroute.cli.conform.suite import Bench, Check, collect, expect, shown, text_of

MANY = 16
"""More attempts than a gateway makes for one request."""


def survives(first: Script, *, stream: bool = True) -> Callable[[Bench], Awaitable[None]]:
    """The check that a client gets the whole answer although the first server that is asked follows `first`."""

    async def check(bench: Bench) -> None:
        await bench.settle()
        bench.servers.follow(first)
        if stream:
            async with bench.client.stream("/chat/completions", bench.question(stream=True)) as found:
                text = text_of(await collect(found))
        else:
            answer = await bench.client.send("POST", "/chat/completions", bench.question())
            expect(answer.status == 200, f"status {answer.status}: {shown(answer.body)}")
            text = str(pick(answer.fields, "choices", 0, "message", "content"))
        expect(text == TEXT, f"the client has {shown(text)}, not {shown(TEXT)}")

    return check


def tells(script: Script, *statuses: int) -> Callable[[Bench], Awaitable[None]]:
    """The check of the status that a client gets if every server follows `script`."""

    async def check(bench: Bench) -> None:
        await bench.settle()
        bench.servers.follow(*[script] * MANY)
        expect_error(await bench.client.send("POST", "/chat/completions", bench.question()), *statuses)

    return check


async def relays_a_refusal_once(bench: Bench) -> None:
    message = "x_vendor_option: expected an integer"
    await bench.settle()
    bench.servers.follow(*[refuse(400, message)] * MANY)
    answer = await bench.client.send("POST", "/chat/completions", bench.question())
    expect_error(answer, 400)
    expect(message in answer.body.decode("utf-8", "replace"), f"the server's message is gone: {shown(answer.body)}")
    count = len(bench.servers.seen)
    expect(count == 1, f"a request that no repetition mends was sent {count} times")


FAILOVER_CHECKS = (
    Check("over-500", "500 of one server: another answers", survives(refuse(500, "internal error"))),
    Check("over-503", "503 of one server: another answers", survives(refuse(503, "overloaded"))),
    Check("over-429", "429 of one server: another answers", survives(refuse(429, "slow down", retry_after="1"))),
    Check("over-reset", "a reset before the answer: another answers", survives(reset)),
    Check("over-html", "a page of HTML with status 200: another answers", survives(html, stream=False)),
    Check("over-first", "an error as the first event: another answers", survives(error_first)),
    Check("over-empty", "a stream without an answer: another answers", survives(nothing)),
    Check(
        "all-500", "500 of every server is 500, 502, or 503 with error.message", tells(refuse(500, "internal error"), 500, 502, 503)
    ),
    Check("all-429", "429 of every server is 429 with error.message", tells(refuse(429, "slow down", retry_after="1"), 429)),
    Check("refusal", "400 about the request is relayed, and asked once", relays_a_refusal_once),
)
