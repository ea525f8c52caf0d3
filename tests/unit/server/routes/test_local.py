"""The routes that the formats answer from memory."""

from __future__ import annotations

from tests.support.live_gateway import endpoint


async def test_a_name_has_the_largest_limits_of_its_endpoints(make_gateway, fake):
    gateway = await make_gateway(
        [endpoint(fake, "a", id="a1", context_window=1000), endpoint(fake, "a", id="a2", context_window=4000)],
        [endpoint(fake, "b")],
    )
    listed = {model["baseModelId"]: model for model in (await gateway.get("/v1beta/models")).json()["models"]}
    assert {name: listed[name].get("inputTokenLimit") for name in ("a", "b", "auto", "fast", "balanced")} == {
        "a": 4000,
        "b": None,
        "auto": 4000,
        "fast": 4000,
        "balanced": None,
    }


async def test_they_need_a_key_and_carry_the_request_id(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake)], auth={"keys": ["k"]})
    assert (await gateway.get("/v1beta/models")).status_code == 401
    answer = await gateway.get("/v1beta/models", headers={"x-goog-api-key": "k", "x-request-id": "mine"})
    assert (answer.status_code, answer.headers["x-request-id"]) == (200, "mine")
