"""OpenTelemetry as a collector sees it: the spans of each kind of request, and metrics; and nothing but a log line while it is away."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest

from octoroute.telemetry.otel import exporter as exporter_module
from tests.support.fake import completion, error, hang, stream, tokens, whole
from tests.support.live_gateway import endpoint, question
from tests.support.otlp import Collector, attributes

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
async def collector():
    async with Collector() as started:
        yield started


@contextlib.asynccontextmanager
async def traced(make_gateway, collector, *tiers, **tables):
    """What was asked inside has arrived at the collector at the end."""
    otel = {"endpoint": collector.url, **tables.pop("otel", {})}
    gateway = await make_gateway(*tiers, otel=otel, **tables)
    yield gateway
    await gateway.quiet()
    await asyncio.sleep(0.02)
    await gateway.app.runtime.otel.stop()


USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
OK = whole(completion("hello", usage=USAGE))


async def test_a_plain_answer_in_the_trace_of_its_client(make_gateway, collector, fake):
    fake.always(OK)
    async with traced(make_gateway, collector, [endpoint(fake, id="a", max_tokens=9)]) as gateway:
        sent = {"traceparent": PARENT, "tracestate": "vendor=1", "user-agent": "me/1"}
        answer = await gateway.ask(headers=sent, max_tokens=7)
        assert answer.status_code == 200
    assert collector.tree() == [
        "SERVER POST /v1/chat/completions status_code=200",
        "  INTERNAL octoroute.request tier=fast strategy=rule endpoint=a attempts=1 outcome=answered",
        "    CLIENT chat model-a endpoint=a attempts=1 output_tokens=5",
    ]
    server, route, client = collector.spans
    assert {span.trace_id.hex() for span in collector.spans} == {PARENT.split("-")[1]}
    assert (server.parent_span_id.hex(), server.trace_state) == (PARENT.split("-")[2], "vendor=1")
    upstream = fake.requests[-1].headers
    assert upstream["traceparent"] == f"00-{client.trace_id.hex()}-{client.span_id.hex()}-01"
    assert upstream["tracestate"] == "vendor=1"
    assert server.start_time_unix_nano <= route.start_time_unix_nano <= client.start_time_unix_nano
    assert client.end_time_unix_nano <= route.end_time_unix_nano <= server.end_time_unix_nano
    said = attributes(client)
    assert said | {"server.address": "127.0.0.1", "gen_ai.usage.input_tokens": 10, "gen_ai.request.max_tokens": 7} == said
    assert said | {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "model-a"} == said
    assert attributes(server)["user_agent.original"] == "me/1"
    assert attributes(route)["octoroute.request.id"] == answer.headers["x-request-id"]
    assert "hello there" not in str(collector.spans)
    assert collector.resource["service.name"] == "octoroute"
    assert collector.scopes == {("octoroute", "https://opentelemetry.io/schemas/1.41.0")}


@pytest.mark.parametrize(
    "parent",
    ["", "00-0-0-01", PARENT.replace("00-0a", "ff-0a"), PARENT + "-x", "00-" + "0" * 32 + "-b7ad6b7169203331-01", PARENT.upper()],
)
async def test_a_malformed_context_begins_a_new_trace(make_gateway, collector, fake, parent):
    fake.always(OK)
    async with traced(make_gateway, collector, [endpoint(fake, id="a")]) as gateway:
        await gateway.ask(headers={"traceparent": parent, "tracestate": "vendor=1"})
    server = collector.spans[0]
    assert (server.parent_span_id, server.trace_state) == (b"", "")
    assert server.trace_id.hex() in fake.requests[-1].headers["traceparent"]
    assert server.trace_id.hex() != PARENT.split("-")[1]
    assert "tracestate" not in fake.requests[-1].headers


async def test_what_a_client_does_not_sample_is_passed_on_and_not_exported(make_gateway, collector, fake):
    fake.always(OK)
    async with traced(make_gateway, collector, [endpoint(fake, id="a")]) as gateway:
        await gateway.ask(headers={"traceparent": PARENT[:-2] + "00"})
    assert collector.spans == []
    assert fake.requests[-1].headers["traceparent"].endswith("-00")
    assert "octoroute_requests" in collector.metrics


async def test_failover(make_gateway, collector, make_fake):
    one, two = await make_fake("one"), await make_fake("two")
    one.always(error(500))
    two.always(OK)
    tiers = [endpoint(one, id="a", priority=2), endpoint(two, id="b", priority=1)]
    async with traced(make_gateway, collector, tiers) as gateway:
        assert (await gateway.ask()).status_code == 200
    assert collector.tree() == [
        "SERVER POST /v1/chat/completions status_code=200",
        "  INTERNAL octoroute.request tier=fast strategy=rule endpoint=b attempts=2 outcome=answered",
        "    CLIENT chat model-a !upstream_failed endpoint=a attempts=2 type=upstream_failed",
        "    CLIENT chat model-a endpoint=b attempts=2 output_tokens=5",
    ]
    told = [fake.requests[-1].headers["traceparent"].split("-")[2] for fake in (one, two)]
    assert [span.span_id.hex() for span in collector.spans[2:]] == told


async def test_a_stream_that_is_cut(make_gateway, collector, fake):
    fake.always(stream(tokens(["one", "two"])[:2], end="reset"))
    async with traced(make_gateway, collector, [endpoint(fake, id="a")]) as gateway:
        await gateway.streamed()
    assert collector.tree() == [
        "SERVER POST /v1/chat/completions status_code=200",
        "  INTERNAL octoroute.request !upstream_failed tier=fast strategy=rule endpoint=a attempts=1 outcome=broken type=upstream_failed",
        "    CLIENT chat model-a !upstream_failed endpoint=a attempts=1 type=upstream_failed output_tokens=1",
    ]


async def test_a_client_that_leaves(make_gateway, collector, fake):
    fake.always(hang)
    async with traced(make_gateway, collector, [endpoint(fake, id="a")]) as gateway:
        task = asyncio.ensure_future(gateway.ask())
        await fake.asked()
        task.cancel()
        await asyncio.wait([task])
        await fake.hung_up_on()
    assert collector.tree() == [
        "SERVER POST /v1/chat/completions status_code=499",
        "  INTERNAL octoroute.request tier=fast strategy=rule attempts=1 outcome=abandoned",
        "    CLIENT chat model-a endpoint=a attempts=1",
    ]


async def test_a_request_that_is_refused(make_gateway, collector, fake):
    async with traced(make_gateway, collector, [endpoint(fake, id="a")]) as gateway:
        assert (await gateway.ask(b"{")).status_code == 400
        assert (await gateway.ask(question(model="nothing"))).status_code == 404
    assert collector.tree() == [
        "SERVER POST /v1/chat/completions status_code=400",
        "  INTERNAL octoroute.request attempts=0 outcome=refused type=invalid_request",
        "SERVER POST /v1/chat/completions status_code=404",
        "  INTERNAL octoroute.request attempts=0 outcome=refused type=model_not_found",
    ]


async def test_an_answer_from_the_cache_has_no_attempt(make_gateway, collector, fake):
    fake.always(OK)
    cache = {"enabled": True}
    async with traced(make_gateway, collector, [endpoint(fake, id="a")], cache=cache) as gateway:
        for _ in range(2):
            await gateway.ask(temperature=0)
    tree = collector.tree()
    assert tree[3:] == [
        "SERVER POST /v1/chat/completions status_code=200",
        "  INTERNAL octoroute.request tier=fast strategy=rule attempts=0 outcome=answered cache=hit",
    ]


async def test_a_cascade_that_escalates(make_gateway, collector, make_fake):
    small, large = await make_fake("small"), await make_fake("large")
    small.always(whole(completion("I cannot help with that, I am only a small model.", usage=USAGE)))
    large.always(OK)
    async with traced(
        make_gateway,
        collector,
        [endpoint(small, "small", id="a")],
        (),
        [endpoint(large, "large", id="b")],
        routing={"strategy": "cascade"},
    ) as gateway:
        await gateway.ask(question("What is the capital of Peru?", response_format={"type": "json_object"}))
    tree = collector.tree()
    assert [line.split(" endpoint")[0] for line in tree[2:]] == ["    CLIENT chat small", "    CLIENT chat large"]
    assert "cascade=escalated" in tree[1]
    assert "check=" in tree[2]


async def test_the_question_of_a_router_is_a_span_of_its_own(make_gateway, collector, make_fake):
    judge, other = await make_fake("judge"), await make_fake("other")
    judge.always(whole(completion('{"tier": "fast"}', usage=USAGE)))
    other.always(OK)
    async with traced(
        make_gateway,
        collector,
        [endpoint(other, "other", id="b")],
        [endpoint(judge, "judge", id="a")],
        routing={"strategy": "llm"},
    ) as gateway:
        await gateway.ask()
    tree = collector.tree()
    assert tree[2:] == [
        "    CLIENT chat judge endpoint=a attempts=1 purpose=internal output_tokens=5",
        "    CLIENT chat other endpoint=b attempts=1 output_tokens=5",
    ]
    assert (
        judge.requests[-1].headers["traceparent"].split("-")[2]
        == next(span for span in collector.spans if span.name == "chat judge").span_id.hex()
    )


async def test_a_retry_that_leaves_out_a_parameter_is_one_attempt(make_gateway, collector, fake):
    fake.then(
        error(
            400,
            "Unsupported parameter: 'temperature' is not supported with this model.",
            code="unsupported_parameter",
            param="temperature",
        )
    )
    fake.always(OK)
    async with traced(make_gateway, collector, [endpoint(fake, id="a")]) as gateway:
        await gateway.ask(
            {"model": "auto", "max_tokens": 9, "temperature": 0.5, "messages": [{"role": "user", "content": "hi"}]}, "/v1/messages"
        )
    assert [line.strip().split(" ")[0] for line in collector.tree()] == ["SERVER", "INTERNAL", "CLIENT"]


async def test_metrics_of_both_conventions_and_of_the_registry(make_gateway, collector, fake):
    fake.always(OK)
    for semconv in ("1.41", "latest"):
        async with traced(make_gateway, collector, [endpoint(fake, id="a")], otel={"semconv": semconv}) as gateway:
            await gateway.ask()
            asked = gateway.metric("octoroute_requests_total")
    names = collector.metrics
    (usage, _) = sorted(names["gen_ai.client.token.usage"].histogram.data_points, key=lambda point: point.sum, reverse=True)
    assert (usage.sum, usage.count, attributes(usage)["gen_ai.token.type"]) == (10, 1, "input")
    assert names["gen_ai.client.operation.duration"].unit == "s"
    assert names["gen_ai.client.inference.usage.input_tokens"].sum.data_points[0].as_int == 10
    assert names["gen_ai.client.inference.duration"].histogram.data_points[0].count == 1
    (requests,) = names["octoroute_requests"].sum.data_points
    assert (requests.as_double, attributes(requests)) == (asked, {"tier": "fast", "strategy": "rule"})
    assert sum(names["octoroute_request_duration_seconds"].histogram.data_points[0].bucket_counts) == 1
    assert names["octoroute_circuit_state"].gauge.data_points[0].as_double == 0
    assert collector.scopes == {("octoroute", "https://opentelemetry.io/schemas/1.41.0"), ("octoroute", "")}


async def test_the_headers_of_the_configuration_are_sent_and_never_shown(make_gateway, collector, fake):
    fake.always(OK)
    tables = {"otel": {"headers": {"Authorization": "Basic s3cret"}}, "auth": {"admin_keys": ["k-admin"]}}
    async with traced(make_gateway, collector, [endpoint(fake, id="a")], **tables) as gateway:
        await gateway.ask(headers={"x-api-key": "k-admin"})
        assert "s3cret" not in (await gateway.get("/admin/config", headers={"x-api-key": "k-admin"})).text
    assert all("authorization: basic s3cret" in head.lower() for head in collector.headers)


@pytest.mark.parametrize("how", ["refused", "down", "slow", "no name"])
async def test_a_collector_that_is_away_changes_no_answer(make_gateway, fake, capsys, monkeypatch, how):
    monkeypatch.setattr(exporter_module, "STOP_S", 0.4)
    fake.always(OK)
    async with Collector(status=503 if how == "refused" else 200, delay_s=60 if how == "slow" else 0) as collector:
        url = collector.url
        if how == "down":
            with socket.socket() as unused:
                unused.bind(("127.0.0.1", 0))
                url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        if how == "no name":
            url = "http://collector.invalid:4318"
        gateway = await make_gateway([endpoint(fake, id="a")], otel={"endpoint": url})
        exporter = gateway.app.runtime.otel._exporter
        for _ in range(3):
            assert (await gateway.ask()).status_code == 200
        exporter._state.wake.set()
        await asyncio.sleep(0.05)
        assert (await gateway.ask()).status_code == 200
        async with asyncio.timeout(8):
            await gateway.app.runtime.otel.stop()
    assert capsys.readouterr().out.count("OpenTelemetry collector") == 1
