"""Thinking goes back where the model needs it: in the field of that server, from every client; what does not is named."""

from __future__ import annotations

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from tests.support.fake import event, stream, whole
from tests.support.kinds import CLAUDE, by_kind
from tests.support.live_gateway import endpoint

THOUGHT = "I will list the files"
TOOL = {"type": "object", "properties": {"c": {"type": "string"}}}


def messages(signature="octo.1.openai.x"):
    thinking = {"type": "thinking", "thinking": THOUGHT, "signature": signature}
    use = {"type": "tool_use", "id": "call_1", "name": "Bash", "input": {"c": "ls"}}
    return {
        "max_tokens": 200,
        "tools": [{"name": "Bash", "input_schema": TOOL}],
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": [thinking, use]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": "a.txt"}]},
        ],
    }


def responses(reasoning):
    return {
        "input": [
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]},
            {"type": "reasoning", "id": "rs_1", **reasoning},
            {"type": "function_call", "call_id": "call_1", "name": "Bash", "arguments": '{"c":"ls"}'},
            {"type": "function_call_output", "call_id": "call_1", "output": "a.txt"},
        ],
    }


def chat(**thinking):
    call = {"id": "call_1", "type": "function", "function": {"name": "Bash", "arguments": '{"c":"ls"}'}}
    return {
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": None, "tool_calls": [call], **thinking},
            {"role": "tool", "tool_call_id": "call_1", "content": "a.txt"},
        ],
    }


CLIENTS = {
    "messages": ("/v1/messages", messages()),
    "responses": ("/v1/responses", responses({"summary": [{"type": "summary_text", "text": THOUGHT}]})),
}
SERVERS = {
    "vllm": ({"quirks": ["vllm", "think-tags"]}, "reasoning"),
    "sglang": ({"quirks": ["sglang"]}, "reasoning_content"),
    "llamacpp": ({"quirks": ["llamacpp"]}, "reasoning_content"),
    "ollama": ({"quirks": ["ollama"]}, "reasoning"),
    "openrouter": ({"quirks": ["openrouter"]}, "reasoning"),
    "deepseek": ({"quirks": ["deepseek"]}, "reasoning_content"),
    "kimi": ({"quirks": ["kimi"]}, "reasoning_content"),
    "glm": ({"quirks": ["glm"]}, "reasoning_content"),
    "qwen": ({"quirks": ["qwen"]}, "reasoning_content"),
    "a host that serves deepseek": ({"model": "deepseek-ai/DeepSeek-V3.2"}, "reasoning_content"),
    "a host that serves kimi": ({"model": "moonshotai/Kimi-K2-Thinking"}, "reasoning_content"),
}


async def sent(make_gateway, fake, path, body, **settings):
    fake.always(by_kind)
    gateway = await make_gateway([endpoint(fake, **settings)])
    answer = await gateway.ask({"model": "auto", **body}, path)
    assert answer.status_code == 200, answer.text
    return fake.requests[-1].json, answer.headers.get("x-octoroute-warning", "")


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("server", SERVERS)
async def test_protocol_a01_the_thinking_of_a_tool_turn(make_gateway, fake, client, server):
    settings, field = SERVERS[server]
    asked, warning = await sent(make_gateway, fake, *CLIENTS[client], **settings)
    turn = next(message for message in asked["messages"] if message["role"] == "assistant")
    assert turn[field] == THOUGHT
    assert turn["tool_calls"][0]["function"]["name"] == "Bash"
    assert "earlier thinking" not in warning


@pytest.mark.parametrize("client", CLIENTS)
async def test_protocol_a01_a_server_that_takes_none_back_is_named(make_gateway, fake, client):
    asked, warning = await sent(make_gateway, fake, *CLIENTS[client])
    turn = next(message for message in asked["messages"] if message["role"] == "assistant")
    assert not {"reasoning", "reasoning_content", "reasoning_details"} & turn.keys()
    assert "earlier thinking is not passed on" in warning


async def test_minimax_takes_it_as_details_and_in_tags_elsewhere(make_gateway, fake):
    asked, _ = await sent(make_gateway, fake, *CLIENTS["messages"], quirks=["minimax"])
    assert asked["reasoning_split"] is True
    assert asked["messages"][1]["reasoning_details"] == [{"type": "reasoning.text", "text": THOUGHT, "index": 0}]
    asked, _ = await sent(make_gateway, fake, *CLIENTS["messages"], model="MiniMaxAI/MiniMax-M2")
    assert asked["messages"][1]["content"] == f"<think>\n{THOUGHT}\n</think>\n\n"


async def test_openrouters_details_go_back_as_they_came(make_gateway, fake):
    signature = 'octo.1.openrouter.[{"type":"reasoning.text","signature":"sig==","format":"anthropic-claude-v1","index":0}]'
    asked, _ = await sent(make_gateway, fake, "/v1/messages", messages(signature), quirks=["openrouter"])
    assert asked["messages"][1]["reasoning_details"] == [
        {"type": "reasoning.text", "signature": "sig==", "format": "anthropic-claude-v1", "index": 0, "text": THOUGHT}
    ]


@pytest.mark.parametrize(
    "thinking",
    [
        {"reasoning_content": THOUGHT},
        {"reasoning": THOUGHT},
        {"reasoning_details": [{"type": "reasoning.text", "text": THOUGHT, "index": 0}]},
        {"reasoning_content": THOUGHT, "reasoning": THOUGHT, "reasoning_details": [{"type": "reasoning.text", "text": THOUGHT}]},
        {"reasoning_details": [{"type": "reasoning.text", "text": THOUGHT, "signature": "s", "format": "anthropic-claude-v1"}]},
    ],
)
async def test_a_chat_client_whose_thinking_claude_cannot_verify_is_told(make_gateway, fake, thinking):
    asked, warning = await sent(
        make_gateway, fake, "/v1/chat/completions", chat(**thinking), provider="anthropic", model="claude-sonnet-4-5"
    )
    assert [block["type"] for block in asked["messages"][1]["content"]] == ["tool_use"]
    assert warning.count("earlier thinking of other models") == 1


async def test_a_chat_client_that_returns_claudes_own_blocks(make_gateway, fake):
    blocks = [{"type": "thinking", "thinking": THOUGHT, "signature": "sig=="}, {"type": "redacted_thinking", "data": "zzz"}]
    asked, warning = await sent(
        make_gateway, fake, "/v1/chat/completions", chat(thinking_blocks=blocks), provider="anthropic", model="claude-sonnet-4-5"
    )
    assert asked["messages"][1]["content"][:2] == blocks
    assert "thinking" not in warning


CLAUDE_THINKS = [
    {"type": "thinking", "thinking": THOUGHT, "signature": "sig=="},
    {"type": "redacted_thinking", "data": "zzz"},
    {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"c": "ls"}},
]


def thinking_claude(exchange):
    """Claude that thinks before it calls a tool, whole or streamed."""
    done = {"stop_reason": "tool_use", "stop_sequence": None}
    if not exchange.seen.json.get("stream"):
        return whole({**CLAUDE, "content": CLAUDE_THINKS, **done})(exchange)
    steps = [{"type": "message_start", "message": {**CLAUDE, "content": []}}]
    parts = [
        ({"type": "thinking", "thinking": "", "signature": ""}, [
            {"type": "thinking_delta", "thinking": THOUGHT[:5]},
            {"type": "thinking_delta", "thinking": THOUGHT[5:]},
            {"type": "signature_delta", "signature": "sig=="},
        ]),
        (CLAUDE_THINKS[1], []),
        ({**CLAUDE_THINKS[2], "input": {}}, [{"type": "input_json_delta", "partial_json": '{"c":"ls"}'}]),
    ]  # fmt: skip
    for index, (block, deltas) in enumerate(parts):
        steps.append({"type": "content_block_start", "index": index, "content_block": block})
        steps += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        steps.append({"type": "content_block_stop", "index": index})
    steps += [{"type": "message_delta", "delta": done, "usage": {"output_tokens": 1}}, {"type": "message_stop"}]
    return stream([event(step, step["type"]) for step in steps])(exchange)


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_chat_client_returns_the_details_that_it_got_from_claude(make_gateway, fake, streamed):
    """OpenRouter's form: AI SDK, opencode, and OpenRouter's SDK send it back; the others have `reasoning_content`."""
    fake.always(thinking_claude)
    gateway = await make_gateway([endpoint(fake, provider="anthropic", model="claude-sonnet-4-5")])
    tool = {"type": "function", "function": {"name": "Bash", "parameters": TOOL}}
    body = {"model": "auto", "reasoning_effort": "high", "tools": [tool], "messages": [{"role": "user", "content": "hi"}]}
    answer = await gateway.ask({**body, "stream": streamed})
    if streamed:
        frames = [line[6:] for line in answer.text.splitlines() if line.startswith("data: {")]
        deltas = [ChatCompletionChunk.model_validate_json(frame, strict=True).choices[0].delta.model_dump() for frame in frames]
        details = [detail for delta in deltas for detail in delta.get("reasoning_details") or ()]
        thought = "".join(delta.get("reasoning_content") or "" for delta in deltas)
    else:
        message = ChatCompletion.model_validate_json(answer.text, strict=True).choices[0].message.model_dump()
        details, thought = message["reasoning_details"], message["reasoning_content"]
    assert thought == THOUGHT
    assert [(detail["type"], detail["format"]) for detail in details] == [
        ("reasoning.text", "anthropic-claude-v1"),
        ("reasoning.encrypted", "anthropic-claude-v1"),
    ]
    history = chat(reasoning_details=details, reasoning_content=thought)["messages"]
    answer = await gateway.ask({**body, "messages": history})
    assert fake.requests[-1].json["messages"][1]["content"][:2] == CLAUDE_THINKS[:2]
    assert "thinking" not in answer.headers.get("x-octoroute-warning", "")


@pytest.mark.parametrize("provider", ["anthropic", "gemini"])
async def test_thinking_of_another_model_is_named(make_gateway, fake, provider):
    model = {"anthropic": "claude-sonnet-4-5", "gemini": "gemini-2.5-pro"}[provider]
    _, warning = await sent(make_gateway, fake, *CLIENTS["responses"], provider=provider, model=model)
    assert "earlier thinking of other models is not passed on" in warning


async def test_deepseek_takes_it_only_with_tool_calls(make_gateway, fake):
    body = messages()
    body["messages"] = [
        body["messages"][0],
        {"role": "assistant", "content": [body["messages"][1]["content"][0], {"type": "text", "text": "done"}]},
        {"role": "user", "content": "and?"},
    ]
    asked, warning = await sent(make_gateway, fake, "/v1/messages", body, quirks=["deepseek"])
    assert asked["messages"][1] == {"role": "assistant", "content": "done"}
    assert "of turns without tool calls" in warning
    asked, warning = await sent(make_gateway, fake, "/v1/messages", body, quirks=["vllm"])
    assert asked["messages"][1] == {"role": "assistant", "content": "done", "reasoning": THOUGHT}
    assert "earlier thinking" not in warning
