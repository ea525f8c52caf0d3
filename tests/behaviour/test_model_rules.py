"""What a model may not be sent is not sent; what is left out or changed stands in `x-octoroute-warning`."""

from __future__ import annotations

import pytest

from tests.support.fake import DONE, chunk, stream, whole
from tests.support.kinds import CLAUDE, by_kind
from tests.support.live_gateway import endpoint
from tests.support.pairs import text_of

HI = [{"role": "user", "content": "hi"}]
PATHS = {"chat": "/v1/chat/completions", "messages": "/v1/messages", "responses": "/v1/responses"}


async def sent(make_gateway, fake, body, path="/v1/chat/completions", **settings):
    """What the endpoint got, and the warning."""
    fake.always(by_kind)
    gateway = await make_gateway([endpoint(fake, **settings)])
    answer = await gateway.ask({"model": "auto", **body}, path)
    assert answer.status_code == 200, answer.text
    return fake.requests[-1].json, answer.headers.get("x-octoroute-warning", "")


def claude(model):
    return {"provider": "anthropic", "model": model}


@pytest.mark.parametrize("model", ["claude-opus-4-8", "anthropic/claude-opus-4.6", "us.anthropic.claude-sonnet-4-6-v1:0"])
async def test_o05_a_prefill_that_the_model_refuses_is_followed_by_a_request_to_continue(make_gateway, fake, model):
    body = {"messages": [*HI, {"role": "assistant", "content": "The answer is "}]}
    asked, warning = await sent(make_gateway, fake, body, **claude(model))
    assert [message["role"] for message in asked["messages"]] == ["user", "assistant", "user"]
    assert asked["messages"][1]["content"] == [{"type": "text", "text": "The answer is "}]
    assert "prefill" in warning


async def test_o05_a_prefill_that_the_model_continues_stays_one(make_gateway, fake):
    body = {"messages": [*HI, {"role": "assistant", "content": "The answer is "}]}
    asked, warning = await sent(make_gateway, fake, body, **claude("claude-sonnet-4-5"))
    assert asked["messages"][-1] == {"role": "assistant", "content": [{"type": "text", "text": "The answer is"}]}
    assert "prefill" not in warning


@pytest.mark.parametrize("model", ["anthropic/claude-opus-4.8", "claude-sonnet-4-6"])
async def test_o05_a_prefill_to_claude_behind_an_aggregator(make_gateway, fake, model):
    body = {"max_tokens": 50, "messages": [*HI, {"role": "assistant", "content": "The answer is"}]}
    asked, warning = await sent(make_gateway, fake, body, "/v1/messages", model=model)
    assert asked["messages"][-1]["role"] == "user"
    assert "prefill" in warning


async def test_a_prefill_to_a_responses_endpoint_is_named(make_gateway, fake):
    text = {"type": "output_text", "text": "42", "annotations": []}
    item = {"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": [text]}
    fake.always(whole({"id": "r", "object": "response", "status": "completed", "model": "m", "created_at": 1, "output": [item]}))
    gateway = await make_gateway([endpoint(fake, wire="responses")])
    body = {"model": "auto", "max_tokens": 50, "messages": [*HI, {"role": "assistant", "content": "The answer is"}]}
    answer = await gateway.ask(body, "/v1/messages")
    assert fake.requests[-1].json["input"][-1]["role"] == "assistant"
    assert "prefill" in answer.headers["x-octoroute-warning"]
    ended = {**body, "messages": HI}
    assert "prefill" not in (await gateway.ask(ended, "/v1/messages")).headers.get("x-octoroute-warning", "")


@pytest.mark.parametrize(("provider", "model"), [("anthropic", "claude-sonnet-4-5"), ("gemini", "gemini-2.5-pro")])
async def test_spoken_answers_are_not_asked_of_models_that_only_write(make_gateway, fake, provider, model):
    gateway = await make_gateway([endpoint(fake, provider=provider, model=model)])
    body = {"model": "auto", "messages": HI, "modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}}
    refused = await gateway.ask(body)
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "modalities"
    assert not fake.requests


async def test_a_prefill_for_mistral_says_that_it_is_one(make_gateway, fake):
    body = {"max_tokens": 50, "messages": [*HI, {"role": "assistant", "content": "The answer is"}]}
    asked, _ = await sent(make_gateway, fake, body, "/v1/messages", quirks=["mistral"])
    assert asked["messages"][-1] == {"role": "assistant", "content": "The answer is", "prefix": True}


@pytest.mark.parametrize(("top_p", "kept"), [(0.5, False), (0.94, False), (0.95, True), (1.0, True)])
async def test_o07_top_p_together_with_thinking(make_gateway, fake, top_p, kept):
    body = {"messages": HI, "reasoning_effort": "high", "top_p": top_p}
    asked, warning = await sent(make_gateway, fake, body, **claude("claude-sonnet-4-5"))
    assert asked["thinking"]["type"] == "enabled"
    assert ("top_p" in asked) is kept
    assert ("top_p" in warning) is not kept


async def test_top_k_together_with_thinking_is_named(make_gateway, fake):
    body = {"messages": HI, "reasoning_effort": "low", "top_k": 5}
    asked, warning = await sent(make_gateway, fake, body, **claude("claude-haiku-4-5"))
    assert "top_k" not in asked
    assert "top_k" in warning


@pytest.mark.parametrize("model", ["claude-opus-4-7", "claude-sonnet-5", "claude-opus-5-5"])
async def test_models_without_sampling(make_gateway, fake, model):
    body = {"messages": HI, "temperature": 0.3, "top_p": 0.9, "top_k": 7}
    asked, warning = await sent(make_gateway, fake, body, **claude(model))
    for name in ("temperature", "top_p", "top_k"):
        assert name not in asked
        assert name in warning


async def test_thinking_that_cannot_be_turned_off_is_made_small(make_gateway, fake):
    body = {"messages": HI, "reasoning_effort": "none"}
    asked, warning = await sent(make_gateway, fake, body, **claude("claude-opus-5-5"))
    assert "thinking" not in asked
    assert asked["output_config"] == {"effort": "low"}
    assert "cannot be turned off" in warning


async def test_a_tool_that_cannot_be_forced_is_offered(make_gateway, fake):
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
    body = {"messages": HI, "tools": [tool], "tool_choice": "required"}
    asked, warning = await sent(make_gateway, fake, body, **claude("claude-opus-5-5"))
    assert asked["tool_choice"] == {"type": "auto"}
    assert "tool_choice" in warning


BUDGETS = {
    "chat": [{"max_tokens": -1}, {"max_completion_tokens": -1}],
    "responses": [{"max_output_tokens": -1}],
}


@pytest.mark.parametrize("settings", [claude("claude-sonnet-4-5"), {"provider": "gemini", "model": "gemini-2.5-pro"}])
@pytest.mark.parametrize(("client", "limit"), [(client, limit) for client, limits in BUDGETS.items() for limit in limits])
async def test_o08_no_limit_is_the_models_default(make_gateway, fake, settings, client, limit):
    body = {"input": "hi", **limit} if client == "responses" else {"messages": HI, **limit}
    asked, _ = await sent(make_gateway, fake, body, PATHS[client], **settings)
    assert asked.get("max_tokens", 8192) == 8192
    assert asked.get("generationConfig", {}).get("maxOutputTokens", 1) > 0


@pytest.mark.parametrize(
    ("settings", "limit"),
    [
        (claude("claude-3-haiku-20240307"), 4096),
        (claude("claude-opus-4-1"), 32_000),
        ({"model": "gpt-4o"}, 16_384),
        ({"provider": "gemini", "model": "gemini-2.0-flash"}, 8192),
        ({**claude("claude-sonnet-4-5"), "max_output_tokens": 500}, 500),
    ],
)
async def test_p63_a_budget_above_the_models_limit_is_reduced(make_gateway, fake, settings, limit):
    path = "/v1/messages" if "provider" not in settings else "/v1/chat/completions"
    asked, warning = await sent(make_gateway, fake, {"messages": HI, "max_tokens": 200_000}, path, **settings)
    assert limit in {asked.get("max_tokens"), asked.get("generationConfig", {}).get("maxOutputTokens")}
    assert f"max_tokens: 200000 reduced to {limit}" in warning


async def test_o04_a_stop_of_white_space_is_enforced_here(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake, **claude("claude-sonnet-4-5"))])
    fake.then(whole({**CLAUDE, "content": [{"type": "text", "text": "line1\nline2 END more"}]}))
    answer = await gateway.ask({"model": "auto", "messages": HI, "stop": ["\n", "END"]})
    assert fake.requests[-1].json["stop_sequences"] == ["END"]
    choice = answer.json()["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == ("line1", "stop")


async def test_o04_streamed_and_behind_an_aggregator(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake, model="anthropic/claude-sonnet-4.5")])
    fake.then(stream([chunk({"content": "one\n"}), chunk({"content": "\ntwo"}), chunk({}, "stop") + DONE]))
    body = {"model": "auto", "max_tokens": 50, "messages": HI, "stop_sequences": ["\n\n", "X"], "stream": True}
    answer = await gateway.ask(body, "/v1/messages")
    assert fake.requests[-1].json["stop"] == ["X"]
    assert text_of("anthropic", answer.content) == "one"
    assert b'"stop_sequence":"\\n\\n"' in answer.content


async def test_an_empty_stop_stops_nothing(make_gateway, fake):
    asked, _ = await sent(make_gateway, fake, {"messages": HI, "stop": ["", "END"]}, **claude("claude-sonnet-4-5"))
    assert asked["stop_sequences"] == ["END"]


@pytest.mark.parametrize("model", ["openai/gpt-5-mini", "o4-mini", "azure/gpt-5.4-pro"])
async def test_sampling_of_reasoning_models_at_an_unknown_address(make_gateway, fake, model):
    body = {"max_tokens": 50, "messages": HI, "temperature": 0.2, "top_p": 0.5, "stop_sequences": ["X"]}
    asked, warning = await sent(make_gateway, fake, body, "/v1/messages", model=model)
    assert not {"temperature", "top_p", "stop", "max_tokens"} & asked.keys()
    assert asked["max_completion_tokens"] == 50
    assert "temperature" in warning and "top_p" in warning


@pytest.mark.parametrize(("effort", "kept"), [(None, True), ("none", True), ("high", False)])
async def test_gpt_5_2_samples_unless_it_reasons(make_gateway, fake, effort, kept):
    body = {"input": "hi", "temperature": 0.2, **({"reasoning": {"effort": effort}} if effort else {})}
    asked, warning = await sent(make_gateway, fake, body, "/v1/responses", model="gpt-5.2")
    assert ("temperature" in asked) is kept
    assert ("temperature" in warning) is not kept


@pytest.mark.parametrize(("thinking", "forced"), [(None, False), ("disabled", True), ("enabled", False)])
async def test_qwen_is_not_forced_to_call_tools_while_it_thinks(make_gateway, fake, thinking, forced):
    tools = [{"name": "f", "input_schema": {"type": "object"}}]
    body = {"max_tokens": 2000, "messages": HI, "tools": tools, "tool_choice": {"type": "any"}}
    if thinking:
        body["thinking"] = {"type": thinking, **({"budget_tokens": 1024} if thinking == "enabled" else {})}
    asked, warning = await sent(make_gateway, fake, body, "/v1/messages", quirks=["qwen"])
    assert asked["tool_choice"] == ("required" if forced else "auto")
    assert ("tool_choice" in warning) is not forced


@pytest.mark.parametrize(("model", "refused"), [("gemini-2.5-pro", True), ("gemini-2.0-flash", False)])
async def test_penalties_of_gemini(make_gateway, fake, model, refused):
    body = {"messages": HI, "presence_penalty": 0.5}
    asked, warning = await sent(make_gateway, fake, body, provider="gemini", model=model)
    assert ("presencePenalty" in asked.get("generationConfig", {})) is not refused
    assert ("presence_penalty" in warning) is refused


@pytest.mark.parametrize(
    ("model", "effort", "level"),
    [("gemini-3-pro", "medium", "LOW"), ("gemini-3.1-pro", "medium", "MEDIUM"), ("gemini-3-flash", "minimal", "MINIMAL")],
)
async def test_levels_of_gemini(make_gateway, fake, model, effort, level):
    body = {"messages": HI, "reasoning_effort": effort}
    asked, warning = await sent(make_gateway, fake, body, provider="gemini", model=model)
    assert asked["generationConfig"]["thinkingConfig"]["thinkingLevel"] == level
    assert ("effort medium" in warning) is (level == "LOW")


async def test_a_budget_outside_of_geminis_range(make_gateway, fake):
    body = {"max_tokens": 60_000, "messages": HI, "thinking": {"type": "enabled", "budget_tokens": 50_000}}
    asked, warning = await sent(make_gateway, fake, body, "/v1/messages", provider="gemini", model="gemini-2.5-flash")
    assert asked["generationConfig"]["thinkingConfig"]["thinkingBudget"] == 24_576
    assert "budget 50000" in warning


async def test_gemma_has_no_system_instruction(make_gateway, fake):
    body = {"messages": [{"role": "system", "content": "be brief"}, *HI]}
    asked, _ = await sent(make_gateway, fake, body, provider="gemini", model="gemma-3-27b-it")
    assert "systemInstruction" not in asked
    assert "be brief" in asked["contents"][0]["parts"][0]["text"]


async def test_what_a_client_sends_in_the_endpoints_own_format_is_not_judged(make_gateway, fake):
    body = {"messages": [*HI, {"role": "assistant", "content": "x"}], "temperature": 0.2, "max_tokens": 9, "stop": ["\n"]}
    asked, warning = await sent(make_gateway, fake, {**body, "model": "auto"}, model="openai/gpt-5-mini")
    assert {name: asked[name] for name in body} == body
    assert warning == ""
