"""Which model a client gets for what it asks: names, tiers, hints, capabilities, windows."""

from __future__ import annotations

import pytest

from tests.support.live_gateway import endpoint, question


@pytest.fixture
async def trio(make_fake, make_gateway):
    """A tier each, two replicas of `twin` in balanced; every endpoint has its own server."""
    fakes = {name: await make_fake(name) for name in ("small", "twin-1", "twin-2", "large")}
    gateway = await make_gateway(
        [endpoint(fakes["small"], "small", id="s")],
        [endpoint(fakes["twin-1"], "twin", id="t1"), endpoint(fakes["twin-2"], "twin", id="t2")],
        [endpoint(fakes["large"], "Org/Large:70b", id="l", model="real-large")],
    )
    return gateway, fakes


@pytest.mark.parametrize(
    ("model", "tier", "ids"),
    [
        ("fast", "fast", {"s"}),
        ("FAST", "fast", {"s"}),
        ("Balanced", "balanced", {"t1", "t2"}),
        ("dEEp", "deep", {"l"}),
        ("small", "fast", {"s"}),
        ("twin", "balanced", {"t1", "t2"}),
        ("t2", "balanced", {"t2"}),
        ("Org/Large:70b", "deep", {"l"}),
        ("l", "deep", {"l"}),
    ],
)
async def test_a_tier_a_name_or_an_id_is_asked_for_and_nothing_else_answers(trio, model, tier, ids):
    gateway, fakes = trio
    asked = set()
    for _ in range(12 if len(ids) > 1 else 2):
        response = await gateway.ask(question(model=model))
        assert response.status_code == 200
        assert response.headers["x-octoroute-tier"] == tier
        assert response.headers["x-octoroute-strategy"] == "client"
        asked.add(response.headers["x-octoroute-endpoint"])
    assert asked == ids
    if model == "l":
        assert response.headers["x-octoroute-model"] == "real-large"
        assert fakes["large"].requests[0].json["model"] == "real-large"


@pytest.mark.parametrize(
    "model", ["gpt-4", "small ", "SMALL", "org/large:70b", "real-large", "../models", "\u200bauto", "x" * 5000]
)
async def test_an_unknown_model_is_a_404_that_names_those_that_exist(trio, model):
    gateway, fakes = trio
    response = await gateway.ask(question(model=model))
    assert response.status_code == 404
    error = response.json()["error"]
    assert (error["code"], error["param"], error["type"]) == ("model_not_found", "model", "invalid_request_error")
    assert "twin" in error["message"]
    assert len(error["message"]) < 1000
    assert not any(fake.requests for fake in fakes.values())
    assert "x-octoroute-endpoint" not in response.headers


async def test_auto_in_any_case_is_decided_by_the_router(trio):
    gateway, _ = trio
    for model in ("auto", "AUTO", "Auto"):
        response = await gateway.ask(question("hi", model=model))
        assert response.headers["x-octoroute-strategy"] == "rule"
        assert response.headers["x-octoroute-tier"] == "fast"


async def test_hints_by_header_or_object_beat_inference_and_the_header_beats_the_object(trio):
    gateway, fakes = trio
    plain = await gateway.ask(question("hi"))
    by_header = await gateway.ask(
        question("hi"), headers={"x-octoroute-importance": "HIGH", "x-octoroute-task-type": "deep_analysis"}
    )
    by_object = await gateway.ask(question("hi", octoroute={"importance": "high", "task_type": "deep_analysis"}))
    both = await gateway.ask(
        question("hi", octoroute={"importance": "high", "task_type": "deep_analysis"}),
        headers={"x-octoroute-importance": "low", "x-octoroute-task-type": "casual_chat"},
    )
    assert [r.headers["x-octoroute-tier"] for r in (plain, by_header, by_object, both)] == ["fast", "deep", "deep", "fast"]
    assert "octoroute" not in fakes["large"].requests[-1].json


@pytest.mark.parametrize(
    ("hint", "headers", "param"),
    [
        ({"importance": "huge"}, {}, "octoroute.importance"),
        ({"task_type": 7}, {}, "octoroute.task_type"),
        ({"nonsense": 1}, {}, "octoroute"),
        ([], {}, "octoroute"),
        (None, {"x-octoroute-importance": "huge"}, "x-octoroute-importance"),
        (None, {"x-octoroute-task-type": ""}, "x-octoroute-task-type"),
    ],
)
async def test_a_hint_nobody_understands_is_refused_by_name(trio, hint, headers, param):
    gateway, _ = trio
    body = question("hi") if hint is None else question("hi", octoroute=hint)
    response = await gateway.ask(body, headers=headers)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param


async def test_default_importance_is_what_a_client_did_not_say(make_fake, make_gateway):
    """v1 weakness 24: `default_importance` was dead configuration."""
    tiers = {}
    for importance in ("low", "normal", "high"):
        fakes = [endpoint(await make_fake(), f"model-{n}") for n in range(3)]
        gateway = await make_gateway(*[[row] for row in fakes], routing={"default_importance": importance})
        response = await gateway.ask(question("hi", octoroute={"task_type": "question_answer"}))
        said = await gateway.ask(question("hi", octoroute={"task_type": "question_answer", "importance": importance}))
        assert response.headers["x-octoroute-tier"] == said.headers["x-octoroute-tier"]
        tiers[importance] = response.headers["x-octoroute-tier"]
    assert tiers["low"] != tiers["high"]


IMAGE = {
    "role": "user",
    "content": [{"type": "text", "text": "what?"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}],
}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


@pytest.fixture
async def abilities(make_fake, make_gateway):
    plain, seeing, handy = await make_fake("plain"), await make_fake("seeing"), await make_fake("handy")
    return await make_gateway(
        [
            endpoint(plain, "plain", id="plain", capabilities=[], priority=9),
            endpoint(seeing, "seeing", id="seeing", capabilities=["vision"]),
        ],
        [endpoint(handy, "handy", id="handy", capabilities=["tools", "json"])],
    )


@pytest.mark.parametrize(
    ("more", "goes_to"),
    [
        ({}, "plain"),
        ({"messages": [IMAGE]}, "seeing"),
        ({"model": "plain", "messages": [IMAGE]}, "seeing"),
        ({"tools": [TOOL]}, "handy"),
        ({"tools": []}, "plain"),
        ({"tools": None}, "plain"),
        ({"functions": [{"name": "f"}]}, "handy"),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}}, "handy"),
        ({"response_format": {"type": "json_object"}}, "handy"),
        ({"response_format": {"type": "text"}}, "plain"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}, {"role": "tool", "tool_call_id": "c", "content": "x"}, {"role": "user", "content": "and?"}]}, "handy"),
    ],
)  # fmt: skip
async def test_a_request_goes_where_it_can_be_answered(abilities, more, goes_to):
    response = await abilities.ask({**question("hi", model="fast"), **more})
    assert response.status_code == 200, response.content
    assert response.headers["x-octoroute-endpoint"] == goes_to


@pytest.mark.parametrize(
    ("more", "missing"),
    [({"messages": [IMAGE], "tools": [TOOL]}, "tools, vision"), ({"model": "plain", "tools": [TOOL]}, "tools")],
)
async def test_what_nobody_can_answer_is_a_400_saying_what_is_missing(abilities, more, missing):
    response = await abilities.ask({**question("hi", model="fast"), **more})
    assert response.status_code == 400
    assert missing in response.json()["error"]["message"]


async def test_a_long_prompt_goes_where_it_fits(make_fake, make_gateway):
    small, big = await make_fake("small"), await make_fake("big")
    gateway = await make_gateway(
        [endpoint(small, "small", id="small", context_window=100, priority=9), endpoint(big, "big", id="big", context_window=2000)]
    )
    for text, more, goes_to in (
        ("x" * 300, {}, "small"),
        ("x" * 500, {}, "big"),
        ("x" * 300, {"max_tokens": 50}, "big"),
        ("\u6f22" * 110, {}, "big"),
    ):
        assert (await gateway.ask(question(text, model="fast", **more))).headers["x-octoroute-endpoint"] == goes_to, (
            len(text),
            more,
        )
    for model in ("fast", "auto", "small"):
        response = await gateway.ask(question("x" * 12_000, model=model))
        assert response.status_code == 400
        error = response.json()["error"]
        assert error["code"] == "context_length_exceeded"
        assert error["message"].startswith("prompt is too long: 3000 tokens > ")
    assert gateway.metric("octoroute_endpoint_failures") == 0


async def test_a_tier_without_endpoints_falls_to_the_next_bigger_then_the_next_smaller(make_gateway, fake):
    for tiers, expected in (
        (({}, {"balanced"}), {"fast": "balanced", "balanced": "balanced", "deep": "balanced"}),
        (({}, {"fast", "deep"}), {"fast": "fast", "balanced": "deep", "deep": "deep"}),
        (({}, {"fast"}), {"fast": "fast", "balanced": "fast", "deep": "fast"}),
    ):
        gateway = await make_gateway(**{tier: [endpoint(fake, tier + "-model")] for tier in tiers[1]})
        for asked, got in expected.items():
            response = await gateway.ask(question(model=asked))
            assert response.headers["x-octoroute-tier"] == got


async def test_the_list_of_models(trio):
    """v1 §10.36: 200, list object, four virtual ids, all configured ids, ownership, object `model`."""
    gateway, _ = trio
    response = await gateway.get("/v1/models")
    assert response.status_code == 200
    body = response.json()
    assert body["object"] == "list"
    assert [row["id"] for row in body["data"]] == ["auto", "fast", "balanced", "deep", "small", "twin", "Org/Large:70b"]
    assert [row["owned_by"] for row in body["data"]] == ["octoroute"] * 4 + ["user"] * 3
    assert all(row["object"] == "model" and isinstance(row["created"], int) for row in body["data"])
    for row in body["data"]:
        assert (await gateway.get(f"/v1/models/{row['id']}")).json() == row
    assert (await gateway.get("/v1/models/Org%2FLarge%3A70b")).json()["id"] == "Org/Large:70b"
    missing = await gateway.get("/v1/models/gpt-4")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "model_not_found")


async def test_one_row_an_endpoint_at_models(trio):
    gateway, fakes = trio
    rows = (await gateway.get("/models")).json()["models"]
    assert [row["id"] for row in rows] == ["s", "t1", "t2", "l"]
    for row in rows:
        assert set(row) == {
            "id",
            "name",
            "tier",
            "endpoint",
            "healthy",
            "circuit",
            "consecutive_failures",
            "last_check_seconds_ago",
            "in_flight",
        }
        assert (row["healthy"], row["circuit"], row["consecutive_failures"], row["in_flight"]) == (True, "closed", 0, 0)
    assert rows[1]["endpoint"] == fakes["twin-1"].url
