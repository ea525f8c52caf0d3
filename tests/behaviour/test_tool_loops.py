"""`auto` in an agent's tool loop: the tier is decided once, for the user's words, and no turn of results asks the routing model."""

from __future__ import annotations

import json

import pytest

from tests.support.fake import completion, whole
from tests.support.live_gateway import endpoint

REMINDER = "<system-reminder>\nThe task list is empty.\n</system-reminder>"
RESULT = "def total(rows):\n    return sum(rows)\n" * 200
TOOL = {"name": "read", "description": "Reads a file.", "schema": {"type": "object", "properties": {"path": {"type": "string"}}}}


def chat(prompt, results, session):
    messages = [{"role": "system", "content": "You are a coding agent. " * 400}, {"role": "user", "content": prompt}]
    for number in range(results):
        call = {"id": f"c{number}", "type": "function", "function": {"name": "read", "arguments": '{"path": "a.py"}'}}
        messages.append({"role": "assistant", "content": "", "tool_calls": [call]})
        messages.append({"role": "tool", "tool_call_id": f"c{number}", "content": RESULT})
    function = {"name": TOOL["name"], "description": TOOL["description"], "parameters": TOOL["schema"]}
    return {"messages": messages, "tools": [{"type": "function", "function": function}], "prompt_cache_key": session}


def messages(prompt, results, session):
    """As Claude Code writes them: reminders beside words and results, and a checksum in the instructions."""
    system = [
        {"type": "text", "text": f"x-anthropic-billing-header: cch={results};"},
        {"type": "text", "text": "You are an agent."},
    ]
    turns = [{"role": "user", "content": [{"type": "text", "text": REMINDER}, {"type": "text", "text": prompt}]}]
    for number in range(results):
        call = {"type": "tool_use", "id": f"toolu_{number}", "name": "read", "input": {"path": "a.py"}}
        result = {"type": "tool_result", "tool_use_id": f"toolu_{number}", "content": RESULT}
        turns.append({"role": "assistant", "content": [call]})
        turns.append({"role": "user", "content": [result, {"type": "text", "text": REMINDER}]})
    tools = [{"name": TOOL["name"], "description": TOOL["description"], "input_schema": TOOL["schema"]}]
    user = json.dumps({"session_id": session})
    return {"max_tokens": 1000, "system": system, "messages": turns, "tools": tools, "metadata": {"user_id": user}}


def responses(prompt, results, session):
    """As Codex writes them: its environment as a message before the user's."""
    items = [
        {
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": "<environment_context>/x</environment_context>"}],
        },
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": prompt}]},
    ]
    for number in range(results):
        items.append({"type": "function_call", "call_id": f"c{number}", "name": "read", "arguments": "{}"})
        items.append({"type": "function_call_output", "call_id": f"c{number}", "output": RESULT})
    tools = [{"type": "function", "name": TOOL["name"], "parameters": TOOL["schema"]}]
    return {"instructions": "You are an agent.", "input": items, "tools": tools, "prompt_cache_key": session}


DIALECTS = {"/v1/chat/completions": chat, "/v1/messages": messages, "/v1/responses": responses}
PROMPTS = {"hello team": "deep", "what does npm test do?": "fast", "prove that the square root of two is irrational": "fast"}
"""With the tier that the routing model chooses, which is not what the rule table would say of a turn with results."""


@pytest.fixture
async def three(make_fake, make_gateway):
    """One endpoint a tier; the balanced one also answers the routing questions."""
    fakes = {tier: await make_fake(tier) for tier in ("fast", "balanced", "deep")}
    questions: list[str] = []

    async def balanced(exchange):
        asked = json.dumps(exchange.seen.json["messages"])
        if "You choose which language model answers" in asked:
            questions.append(asked)
            wanted = next(tier for prompt, tier in PROMPTS.items() if prompt in asked)
            await whole(completion(json.dumps({"tier": wanted})))(exchange)
        else:
            await whole(completion("done"))(exchange)

    fakes["balanced"].always(balanced)

    async def made(strategy: str, **routing):
        rows = {tier: [endpoint(fake, f"{tier}-model", id=f"{tier}-1")] for tier, fake in fakes.items()}
        routing = {"strategy": strategy, "router_tier": "balanced", **routing}
        return await make_gateway(rows["fast"], rows["balanced"], rows["deep"], routing=routing)

    return made, fakes, questions


@pytest.mark.parametrize("sticky", [True, False], ids=["sticky", "not-sticky"])
@pytest.mark.parametrize("path", DIALECTS)
@pytest.mark.parametrize("strategy", ["rule", "llm", "hybrid", "learned", "cascade"])
async def test_the_tier_of_a_tool_loop_never_flips_and_its_results_ask_no_routing_model(three, strategy, path, sticky):
    made, fakes, questions = three
    gateway = await made(strategy, sticky={"enabled": sticky})
    turns = 12
    for session, prompt in enumerate(PROMPTS):
        tiers = []
        for results in range(turns):
            response = await gateway.ask({"model": "auto", **DIALECTS[path](prompt, results, f"session-{session}")}, path=path)
            assert response.status_code == 200, response.text
            tiers.append(response.headers["x-octoroute-tier"])
        assert len(set(tiers)) == 1, (prompt, tiers)
        if strategy == "llm":
            assert tiers[0] == PROMPTS[prompt]
    assert len(questions) == {"llm": len(PROMPTS), "hybrid": len(questions)}.get(strategy, 0)
    assert len(questions) <= len(PROMPTS), "at most once for each prompt, never for a result"
    assert sum(len(fake.requests) for fake in fakes.values()) == turns * len(PROMPTS) + len(questions)


async def test_agents_that_share_a_session_keep_their_own_tiers(three):
    made, _, questions = three
    gateway = await made("llm")
    seen: dict[str, set[str]] = {prompt: set() for prompt in PROMPTS}
    for results in range(4):
        for prompt in PROMPTS:
            body = {"model": "auto", **messages(prompt, results, "one-session")}
            response = await gateway.ask(body, path="/v1/messages")
            seen[prompt].add(response.headers["x-octoroute-tier"])
    assert seen == {prompt: {tier} for prompt, tier in PROMPTS.items()}
    assert len(questions) == len(PROMPTS)


@pytest.mark.parametrize("strategy", ["llm", "hybrid"])
async def test_a_message_without_words_asks_no_routing_model(three, strategy):
    made, _, questions = three
    gateway = await made(strategy, default_tier="deep")
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    response = await gateway.ask({"model": "auto", "messages": [{"role": "user", "content": [picture]}]})
    assert response.headers["x-octoroute-tier"] == "deep"
    assert not questions


async def test_new_words_after_a_loop_are_decided_anew(three):
    made, _, questions = three
    gateway = await made("llm", sticky={"enabled": False})
    body = {"model": "auto", **chat("hello team", 3, "s")}
    for results in range(3):
        await gateway.ask({"model": "auto", **chat("hello team", results, "s")})
    body["messages"] += [{"role": "assistant", "content": "done"}, {"role": "user", "content": "what does npm test do?"}]
    questions.clear()
    response = await gateway.ask(body)
    assert len(questions) == 1
    assert response.headers["x-octoroute-strategy"] == "llm"
