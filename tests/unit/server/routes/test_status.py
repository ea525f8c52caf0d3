"""Health and metrics, from memory."""

from __future__ import annotations

import pytest

from octoroute import __version__
from tests.support.asgi import row, serving

ONE_FAILURE = {"health": {"failure_threshold": 1}}


async def test_the_index_names_program_and_version():
    async with serving() as (_, client):
        assert (await client.get("/")).json() == {"name": "octoroute", "version": __version__, "greetings": ["Ollama is running"]}


async def test_it_is_ready_while_one_endpoint_can_be_used_and_alive_always():
    async with serving([row("a")], tables=ONE_FAILURE) as (_, client):
        assert (await client.get("/health/ready")).json() == {"status": "ready"}
        assert (await client.get("/health")).json()["status"] == "healthy"
        await client.post("/v1/chat/completions", json={"model": "a", "messages": [{"role": "user", "content": "x"}]})
        unready = await client.get("/health/ready")
        assert (unready.status_code, unready.json()) == (503, {"status": "unavailable"})
        health = await client.get("/health")
        assert (health.status_code, health.json()["status"]) == (200, "unhealthy")
        assert health.json()["providers"]["openai"]["status"] == "circuit_open"
        assert (await client.get("/health/live")).json() == {"status": "OK"}


@pytest.mark.parametrize(
    ("metric", "labels", "field"),
    [
        ("octoroute_health_tracking_failures_total", ("m", "probe_failed"), "health_tracking_status"),
        ("octoroute_metrics_recording_failures_total", ("record_request",), "metrics_recording_status"),
        ("octoroute_background_health_task_failures_total", ("crashed",), "background_task_status"),
    ],
)
async def test_a_failure_of_its_own_is_shown_under_its_name_only(metric, labels, field):
    async with serving() as (app, client):
        app.runtime.metrics.count(metric, *labels)
        body = (await client.get("/health")).json()
        statuses = {name: value for name, value in body.items() if name.endswith("_status")}
        assert {name for name, value in statuses.items() if value == "degraded"} == {field}
        assert body["background_task_failures"] == (field == "background_task_status")


async def test_metrics_are_prometheus_text_under_the_request_id():
    async with serving() as (_, client):
        answer = await client.get("/metrics", headers={"x-request-id": "mine"})
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert answer.headers["x-request-id"] == "mine"
        assert "# TYPE octoroute_requests_total counter" in answer.text
