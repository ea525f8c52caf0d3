"""Spans from outcomes; tests/behaviour/test_traces.py has them from requests."""

from __future__ import annotations

import msgspec

from octoroute.domain.outcome import Attempt, Ending, Usage
from octoroute.telemetry.otel.conventions import LATEST, V1_41
from octoroute.telemetry.otel.exchange import HttpFacts, SettledRequest, TraceExchange
from octoroute.telemetry.otel.spans import SpanBuilder
from tests.support.outcomes import outcome
from tests.support.parts import endpoint

USAGE = Usage(input_tokens=9, output_tokens=4, cached_tokens=3, cache_write_tokens=2, reasoning_tokens=1)


def built(one, conventions=V1_41, **more):
    exchange = TraceExchange(None, 1, 2, True, 0, **more)
    exchange.settled = SettledRequest(one, "chat", None, 10_000_000_000)
    return SpanBuilder(conventions, lambda endpoint: "vendor").build(exchange)


def test_attempts_have_their_own_times_and_a_rejected_answer_ends_where_the_next_begins():
    attempts = (
        Attempt(endpoint=endpoint("a"), took_s=0.5, started_s=0.1, error="upstream_failed"),
        Attempt(endpoint=endpoint("b"), took_s=0.5, started_s=1.0, rejected="json", usage=USAGE),
        Attempt(endpoint=endpoint("c"), took_s=0.5, started_s=3.0, usage=USAGE),
    )
    _, *clients = built(msgspec.structs.replace(outcome(), attempts=attempts, total_s=5.0, ending=Ending.ANSWERED, error=None))
    assert [(span.start_ns / 1e9, span.end_ns / 1e9, span.error) for span in clients] == [
        (5.1, 5.6, "upstream_failed"),
        (6.0, 8.0, None),
        (8.0, 10.0, None),
    ]


def test_the_conventions_differ_in_their_names():
    attempts = (Attempt(endpoint=endpoint("a"), took_s=0.5, usage=USAGE),)
    old, new = (built(msgspec.structs.replace(outcome(), attempts=attempts), names)[-1].attributes for names in (V1_41, LATEST))
    assert old["gen_ai.usage.cache_creation.input_tokens"] == new["gen_ai.usage.cache_write.input_tokens"] == 2
    assert "gen_ai.usage.cache_write.input_tokens" not in old
    assert old["gen_ai.usage.cache_read.input_tokens"] == 3


def test_a_model_that_a_client_names_in_the_path_is_not_in_the_name():
    http = HttpFacts("POST", "/v1beta/models/my-secret-model:generateContent", "http", "")
    server = built(outcome(), http=http, server_span_id=5)[0]
    assert server.name == "POST /v1beta/models/{model}:generateContent"
