"""The tracer follows a request through its route, its upstream calls, and its settlement."""

from __future__ import annotations

import msgspec

from octoroute.telemetry.otel.tracer import MAX_SENDS, RequestTracer
from tests.support.outcomes import outcome
from tests.support.parts import request
from tests.support.spine import Book

SCOPE = {"method": "POST", "path": "/v1/chat/completions", "headers": [(b"user-agent", b"me")]}


async def follow(work, *, ratio=1.0, headers=()):
    offered, seen = [], {}
    tracer = RequestTracer(offered.append, lambda: 7.0, ratio)

    async def route(scope, receive, send):
        seen.update(scope)
        work(tracer)

    await tracer.around(route)({**SCOPE, "headers": [*SCOPE["headers"], *headers]}, None, None)
    (exchange,) = offered
    return exchange, seen


async def test_the_route_gets_the_gateways_span_and_each_upstream_call_one_of_its_own():
    spans = []
    exchange, seen = await follow(lambda tracer: spans.extend(tracer.outgoing("http://h/v1") for _ in range(2)))
    assert dict(seen["headers"])[b"traceparent"].decode().split("-")[2] == f"{exchange.span_id:016x}"
    assert [span_id for _, span_id in exchange.sends] == [span.span_id for span in spans]
    assert {span.trace_id for span in spans} == {exchange.trace_id}
    assert (exchange.http.user_agent, exchange.settled) == ("me", None)


async def test_outcomes_are_told_apart_and_passed_on():
    book = Book()

    def work(tracer):
        sink = tracer.sink(book)
        sink.settle(msgspec.structs.replace(outcome(), dialect="routing"), request(dialect="routing"))
        sink.settle(outcome(), request())

    exchange, _ = await follow(work)
    assert (len(exchange.own), exchange.settled.outcome, len(book.outcomes)) == (1, outcome(), 2)


async def test_without_a_route_the_outcome_alone_makes_a_trace_and_nothing_is_sent_on():
    offered = []
    tracer = RequestTracer(offered.append, lambda: 7.0, 1.0)
    tracer.settled(outcome(), request(headers={"traceparent": f"00-{'1' * 32}-{'2' * 16}-01"}))
    tracer.settled(outcome(), None)
    one, other = offered
    assert (f"{one.parent.trace_id:032x}", one.http, other.parent) == ("1" * 32, None, None)
    assert tracer.outgoing("http://h/v1") is None


async def test_the_ratio_is_of_traces_that_begin_here_and_the_sends_are_bounded():
    exchange, _ = await follow(lambda tracer: None, ratio=0.0)
    assert not exchange.sampled
    exchange, _ = await follow(lambda tracer: None, ratio=0.0, headers=[(b"traceparent", f"00-{'1' * 32}-{'2' * 16}-01".encode())])
    assert exchange.sampled
    exchange, _ = await follow(lambda tracer: [tracer.outgoing("u") for _ in range(MAX_SENDS + 5)])
    assert len(exchange.sends) == MAX_SENDS
