"""Any history, from any client to any endpoint: nothing disappears unnamed, and the vendor refuses nothing of it."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import given, settings

from octoroute.dialects import outbound
from octoroute.dialects.anthropic.request_decoder import decode_request as decode_messages
from octoroute.dialects.gemini.request_decoder import decode_request as decode_gemini
from octoroute.dialects.openai.compat import quirks_of
from octoroute.dialects.openai.model_families import family_quirks
from octoroute.dialects.openai.request_decoder import decode_request as decode_chat
from octoroute.dialects.responses.request_decoder import decode_request as decode_responses
from octoroute.domain.endpoint import Endpoint, Tier
from octoroute.errors import BadRequest
from tests.support.converse_refusals import of_bedrock
from tests.support.histories import CLIENTS, Words, parameters, steps, with_parameters
from tests.support.refusals import of_anthropic, of_gemini, of_openai, of_responses

MORE = settings(max_examples=int(os.environ.get("OCTOROUTE_EXAMPLES", "30")), deadline=None)
DECODERS = {"messages": decode_messages, "chat": decode_chat, "responses": decode_responses, "gemini": decode_gemini}
ENDPOINTS = {
    **{f"{model} by Responses": ("responses", model, ("openai",)) for model in ("gpt-4.1", "gpt-5-mini")},
    **{model: ("anthropic", model, ()) for model in ("claude-3-5-haiku", "claude-sonnet-4-5", "claude-opus-4-6", "claude-opus-4-8", "claude-opus-5-5")},
    **{model: ("bedrock", model, ()) for model in ("anthropic.claude-3-5-haiku-v1:0", "us.anthropic.claude-sonnet-4-5-v1:0", "eu.anthropic.claude-opus-4-6-v1", "anthropic.claude-opus-4-8-v1:0", "meta.llama3-3-70b-instruct-v1:0")},
    **{model: ("gemini", model, ()) for model in ("gemini-2.0-flash", "gemini-2.5-pro", "gemini-3.1-pro")},
    **{model: ("openai", model, ()) for model in ("some-model", "openai/gpt-5-mini", "anthropic/claude-opus-4.8", "anthropic/claude-sonnet-4.5", "MiniMaxAI/MiniMax-M2")},
    **{name: ("openai", "m", (name,)) for name in ("openai", "azure", "openrouter", "deepseek", "kimi", "glm", "qwen", "minimax", "mistral", "ollama", "llamacpp", "vllm", "sglang")},
}  # fmt: skip
OUTBOUND = outbound(lambda: 0.0)
UNSAID = {"thinking": "thinking", "text": "no warning", "call": "no warning", "result": "no warning"}
"""The word of the warning that names what did not arrive, by its kind."""


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("client", CLIENTS)
@MORE
@given(history=steps, wishes=parameters)
def test_a_history_arrives_and_is_accepted(client, endpoint, history, wishes):
    kind, model, quirks = ENDPOINTS[endpoint]
    to = Endpoint(id="e", name="e", tier=Tier.DEEP, kind=kind, provider=kind, base_url="http://x", model=model, quirks=quirks)
    words = Words()
    request = with_parameters(client, CLIENTS[client](history, words), wishes)
    conversation = DECODERS[client](json.dumps(request).encode())
    assert OUTBOUND[kind].unsupported(conversation, to) is None
    notes: list[str] = [*conversation.notes, *conversation.ignored]
    try:
        body = json.loads(OUTBOUND[kind].encode_request(conversation, to, stream=False, notes=notes))
    except BadRequest as error:
        assert "have no content" in error.message
        assert not words.kinds
        return
    check_content(json.dumps(body), words, notes)
    check_parameters(body, wishes, notes, client)
    assert refusals(kind, body, to) == []


def check_content(sent: str, words: Words, notes: list[str]) -> None:
    for word, kind in words.kinds.items():
        if word not in sent:
            assert any(UNSAID[kind] in note for note in notes), f"{kind} {word} is lost: {notes}"


def check_parameters(body: dict, wishes: dict, notes: list[str], client: str) -> None:
    config = (
        body | body.get("generationConfig", {}) | body.get("inferenceConfig", {}) | body.get("additionalModelRequestFields", {})
    )
    for name, other in (("temperature", "temperature"), ("top_p", "topP"), ("top_k", "topK")):
        if name in wishes and not (client == "responses" and name == "top_k"):
            sent = config.get(name, config.get(other))
            assert sent == wishes[name] or any(note.startswith(name) for note in notes), (name, sent, notes)
    wanted = wishes.get("max_tokens", -1)
    budgets = [
        config[name]
        for name in ("max_tokens", "max_completion_tokens", "max_output_tokens", "maxOutputTokens", "maxTokens")
        if name in config
    ]
    if wanted > 0 and not ({"thinking"} & config.keys()):
        assert budgets == [wanted] or any(note.startswith("max_tokens") for note in notes)
    if wishes.get("choice") in {"any", "tool"} and '"auto"' in json.dumps(
        body.get("tool_choice") or body.get("toolConfig", {}).get("toolChoice")
    ):
        assert any(note.startswith("tool_choice") for note in notes)


def refusals(kind: str, body: dict, to: Endpoint) -> list[str]:
    if kind == "anthropic":
        return of_anthropic(body, to.model)
    if kind == "bedrock":
        return of_bedrock(body, to.model)
    if kind == "responses":
        return of_responses(body)
    if kind == "gemini":
        return of_gemini(body, to.model)
    reasoning = family_quirks(to.model).get("refuses", ()) != () and "gpt" in to.model
    return of_openai(
        body, reasoning=reasoning, id_limit=quirks_of(to).id_limit, extensions=to.quirks[:1] not in {("openai",), ("azure",)}
    )
