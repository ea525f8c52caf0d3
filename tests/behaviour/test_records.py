"""The header, the log line, and the metrics tell the same story, and it is the client's own."""

from __future__ import annotations

import asyncio
import json
from collections import Counter

import pytest
import structlog
from structlog.testing import capture_logs

from tests.support.fake import close, completion, error, slowly, stream, tokens, whole
from tests.support.live_gateway import Clock, endpoint, frames, question, samples

CHUNKS = tokens(usage=True)


@pytest.fixture
def told():
    with capture_logs() as lines:
        yield lambda: [line for line in lines if line["event"] == "request"]


async def test_attempts_in_header_log_and_metrics_agree(make_fake, make_gateway, told):
    fakes = [await make_fake(name) for name in "abc"]
    fakes[0].always(error(500))
    fakes[1].always(error(429))
    clock = Clock()
    rows = [endpoint(fake, id=fake.name, priority=9 - n) for n, fake in enumerate(fakes)]
    gateway = await make_gateway(rows, parts={"clock": clock})
    for streamed, step in ((False, whole(completion())), (True, stream(CHUNKS))):
        fakes[2].always(step)
        clock.pass_(1)  # b has rested
        response = await gateway.ask(question(stream=streamed), headers={"x-request-id": f"r-{streamed}"})
        assert response.status_code == 200
        headers = response.headers
        assert (headers["x-octoroute-attempts"], headers["x-octoroute-endpoint"], headers["x-octoroute-model"]) == (
            "3",
            "c",
            "model-a",
        )
        assert (headers["x-octoroute-tier"], headers["x-octoroute-strategy"]) == ("fast", "rule")
        line = told()[-1]
        assert [(attempt["endpoint"], attempt["error"]) for attempt in line["attempts"]] == [
            ("a", "upstream_failed"),
            ("b", "upstream_rate_limited"),
            ("c", None),
        ]
        assert (line["request_id"], line["ending"], line["status"], line["endpoint"], line["tier"], line["strategy"], line["stream"]) == (
            f"r-{streamed}", "answered", 200, "c", "fast", "rule", streamed,
        )  # fmt: skip
        assert (line["input_tokens"], line["output_tokens"]) == (7, 3)
        assert line["why"]
        assert 0 <= line["first_event_ms"] <= line["total_ms"]
    for labels, value in (
        ({"endpoint": "a", "error": "upstream_failed"}, 2),
        ({"endpoint": "b", "error": "upstream_rate_limited"}, 2),
        ({"endpoint": "c", "error": ""}, 2),
        ({}, 6),
    ):
        assert gateway.metric("octoroute_attempts_total", **labels) == value
    assert gateway.metric("octoroute_retries_total") == 4
    assert gateway.metric("octoroute_fallbacks_total", tier="fast") == 2
    assert gateway.metric("octoroute_tokens_total", endpoint="c", kind="input") == 14
    assert len(told()) == 2


async def test_every_request_has_one_line_whatever_became_of_it(make_gateway, fake, told):
    gateway = await make_gateway(
        [endpoint(fake, id="a")], retry={"max_attempts": 1}, auth={"keys": ["k"]}, health={"failure_threshold": 100}
    )
    key = {"x-api-key": "k"}
    fake.then(whole(completion()), error(400), error(500), stream(tokens()[:2]))
    statuses = [(await gateway.ask(headers=key)).status_code for _ in range(3)]
    await gateway.streamed(headers=key)
    statuses += [
        (await gateway.ask(body, headers=sent)).status_code
        for body, sent in ((b"{", key), (question(model="nobody"), key), (None, {}))
    ]
    assert statuses == [200, 400, 502, 400, 404, 401]
    lines = told()
    assert [(line["ending"], line["status"], line.get("error")) for line in lines] == [
        ("answered", 200, None),
        ("refused", 400, "upstream_declined"),
        ("failed", 502, "upstream_failed"),
        ("broken", 200, "upstream_failed"),
        ("refused", 400, "invalid_request"),
        ("refused", 404, "model_not_found"),
        ("refused", 401, "invalid_api_key"),
    ]
    assert [line["log_level"] for line in lines] == ["info", "info", "warning", "warning", "info", "info", "info"]
    assert len({line["request_id"] for line in lines}) == 7
    assert gateway.metric("octoroute_client_errors_total") == 3


async def test_the_totals_are_the_clients_own_count(make_fake, make_gateway, told):
    fakes = [await make_fake(name) for name in "ab"]
    mixed = [whole(completion()), error(500), error(422), close, whole(b"nonsense"), error(503), slowly(whole(completion()), 0.01)]
    streams = [stream(CHUNKS), stream(CHUNKS[:3]), stream([b'data: {"error":{"message":"x"}}\n\n']), stream(CHUNKS, end="close")]
    turn = iter(range(10_000))

    async def moody(exchange):
        steps = streams if exchange.seen.json.get("stream") else mixed
        await steps[next(turn) % len(steps)](exchange)

    for fake in fakes:
        fake.always(moody)
    gateway = await make_gateway(
        [endpoint(fake, id=fake.name) for fake in fakes], retry={"max_attempts": 2}, health={"failure_threshold": 1000}
    )
    counted: Counter = Counter()

    async def client(number: int) -> None:
        for turn in range(10):
            if (number + turn) % 3 == 0:
                response, data = await gateway.streamed()
                bad = response.status_code == 200 and any("error" in event for event in frames(data))
                counted["broken" if bad else "answered" if response.status_code == 200 else "failed"] += 1
            else:
                response = await gateway.ask()
                counted["answered" if response.status_code == 200 else "refused" if response.status_code == 422 else "failed"] += 1
            counted["attempts"] += int(response.headers["x-octoroute-attempts"])

    await asyncio.gather(*[client(number) for number in range(12)])
    await gateway.quiet()
    for ending in ("answered", "refused", "failed", "broken"):
        assert counted[ending] > 0
        assert gateway.metric("octoroute_outcomes_total", outcome=ending) == counted[ending], ending
    assert gateway.metric("octoroute_attempts_total") == counted["attempts"] == sum(len(fake.requests) for fake in fakes)
    assert gateway.metric("octoroute_requests_total") == 120 == len(told())
    assert gateway.metric("octoroute_model_invocations_total") == counted["answered"]
    assert gateway.metric("octoroute_mid_stream_failures_total") == counted["broken"]
    assert gateway.metric("octoroute_request_duration_seconds_count") == 120
    assert gateway.metric("octoroute_routing_decisions_total") == 120
    assert gateway.metric("octoroute_endpoint_inflight") == 0


async def test_what_prometheus_scrapes(gateway, fake):
    """v1 §10.30-33 and its six metric names with the two it forgot; HELP and TYPE are there; nothing of a client's is in a label."""
    await gateway.ask(question("tell me a secret-prompt", model="auto"), headers={"x-request-id": "secret-id"})
    await gateway.ask(question(model="secret-model"))
    response = await gateway.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    names = {name for name, _ in samples(response.text)}
    for name in (
        "octoroute_requests_total",
        "octoroute_routing_duration_ms_bucket",
        "octoroute_model_invocations_total",
        "octoroute_attempts_total",
        "octoroute_outcomes_total",
        "octoroute_request_duration_seconds_bucket",
        "octoroute_first_event_seconds_count",
        "octoroute_tokens_total",
        "octoroute_inflight_requests",
        "octoroute_circuit_state",
        "octoroute_routing_decisions_total",
        "octoroute_clock_errors_total",
    ):
        assert name in names, name
    for name in (
        "octoroute_health_tracking_failures_total",
        "octoroute_metrics_recording_failures_total",
        "octoroute_background_health_task_failures_total",
        "octoroute_mid_stream_failures_total",
    ):
        assert f"# HELP {name.removesuffix('_total')}" in response.text
    assert "secret" not in response.text
    buckets = {dict(labels)["le"] for name, labels in samples(response.text) if name == "octoroute_routing_duration_ms_bucket"}
    assert {"0.1", "1.0", "100.0", "500.0", "+Inf"} <= buckets


async def test_requests_for_a_named_model_do_not_pollute_the_routing_histogram(gateway, told):
    """v1 weakness 32."""
    await gateway.ask(question(model="fast"))
    await gateway.ask(question(model="model-a"))
    assert gateway.metric("octoroute_routing_duration_ms_count") == 0
    await gateway.ask(question())
    assert gateway.metric("octoroute_routing_duration_ms_count", strategy="rule") == 1
    assert [line["asked_for"] for line in told()] == ["fast", "named", "auto"]


async def test_metrics_that_fail_do_not_fail_the_answer(gateway, told):
    """v1 §10.28, 31: a failure of the bookkeeping must not discard a good answer."""
    gateway.app.gateway.sink._metrics.record = lambda outcome: 1 / 0
    assert (await gateway.ask()).status_code == 200
    assert (await gateway.get("/health")).json()["metrics_recording_status"] == "degraded"
    assert gateway.metric("octoroute_metrics_recording_failures_total") == 1
    assert len(told()) == 1


async def test_our_own_bug_is_a_500_in_the_envelope_and_settled_as_failed(gateway, fake, told):
    gateway.app.gateway.planner.plan_fast = lambda *args: 1 / 0
    response = await gateway.ask(headers={"x-request-id": "r1"})
    assert response.status_code == 500
    assert response.json()["error"]["code"] == "internal_error"
    assert "division" not in response.text
    assert (told()[0]["ending"], told()[0]["status"]) == ("failed", 500)


async def test_no_prompt_and_no_key_in_any_line_at_info(make_fake, make_gateway):
    """Everything that can be said is said: answers, refusals, failures, a probe, a bug, a hang-up."""
    first, second = await make_fake(), await make_fake()
    marked = {
        "prompt": "PROMPT-MARK",
        "system": "SYSTEM-MARK",
        "client": "client-key-MARK",
        "upstream": "upstream-key-MARK",
        "answer": "ANSWER-MARK",
        "fault": "FAULT-MARK",
    }
    gateway = await make_gateway(
        [endpoint(first, id="1", priority=2, api_key=marked["upstream"]), endpoint(second, id="2")],
        auth={"keys": [marked["client"]]},
        health={"failure_threshold": 2},
    )
    level = structlog.make_filtering_bound_logger(20)
    before = structlog.get_config()["wrapper_class"]
    structlog.configure(wrapper_class=level)
    try:
        with capture_logs() as lines:
            body = question(marked["prompt"], tools=[{"type": "function", "function": {"name": marked["prompt"]}}])
            body["messages"].insert(0, {"role": "system", "content": marked["system"]})
            key = {"authorization": "Bearer " + marked["client"]}
            first.then(
                error(400, marked["fault"]),
                error(500, marked["fault"]),
                whole(marked["fault"].encode()),
                error(401, marked["fault"] + marked["upstream"]),
            )
            for _ in range(5):
                await gateway.ask(body, headers=key)
            second.then(stream(tokens([marked["answer"]])[:2]), stream([b'data: {"error":{"message":"FAULT-MARK"}}\n\n']))
            await gateway.streamed(body, headers=key)
            await gateway.streamed(body, headers=key)
            await gateway.ask(json.dumps(body).encode()[:-1], headers=key)
            await gateway.ask(body, headers={"x-api-key": marked["client"] + "x"})
            await gateway.ask({**body, "model": marked["prompt"]}, headers=key)
            await gateway.ask({**body, "temperature": marked["prompt"]}, headers=key)
            await gateway.ask(body, headers={**key, "x-octoroute-importance": marked["prompt"]})
            await gateway.ask(body, path="/" + marked["prompt"], headers=key)
            await gateway.app.runtime.health_check.round()
            gateway.app.gateway.planner.plan_fast = lambda *args: 1 / 0
            await gateway.ask(body, headers=key)
    finally:
        structlog.configure(wrapper_class=before)
    assert len([line for line in lines if line["event"] == "request"]) >= 12
    text = repr([{name: value for name, value in line.items() if name != "exc_info"} for line in lines])
    assert "MARK" not in text
