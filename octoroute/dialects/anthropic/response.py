"""A whole Messages answer ↔ events. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from octoroute.dialects.anthropic import schema
from octoroute.dialects.anthropic.stream_decoder import decode_block, finish_events
from octoroute.dialects.anthropic.stream_encoder import stop_reason
from octoroute.dialects.request.ids import NewId, UniqueIds, random_id
from octoroute.dialects.request.json_input import read_response
from octoroute.dialects.request.thinking_signatures import mark_signature
from octoroute.dialects.response import usage as counts
from octoroute.dialects.response.blocks import (
    UNNAMED_TOOL_CALL,
    TextItem,
    ThinkingItem,
    ToolCallItem,
    collect_blocks,
    normalize_arguments,
)
from octoroute.dialects.response.errors import error_from_event, read_failed_event
from octoroute.domain.events import Event, Finished, Started, ToolCallDelta, ToolCallStarted, UsageReported
from octoroute.errors import BadUpstreamResponse

_RESPONSE = msgspec.json.Decoder(schema.MessageResponse)


def decode_response(body: bytes, names: Mapping[str, str] | None = None) -> list[Event]:
    """`names`: the upstream's tool names → the client's. Raises Broke, or what the error in the answer's place amounts to."""
    answer = read_response(_RESPONSE, body, "response")
    if answer.error is not None or answer.type == "error":
        raise error_from_event(read_failed_event(body))
    if answer.content is None:
        raise BadUpstreamResponse("the upstream's answer holds no content")
    events: list[Event] = [Started(answer.id or "", answer.model or "")]
    calls = 0
    for block in answer.content:
        if block.type == "tool_use":
            if not block.name:
                raise BadUpstreamResponse(UNNAMED_TOOL_CALL)
            events.append(ToolCallStarted(calls, block.id or "", (names or {}).get(block.name, block.name)))
            events.append(ToolCallDelta(calls, schema.input_text(block) or "{}"))
            calls += 1
        else:
            events += decode_block(block)
    if answer.usage is not None:
        events.append(UsageReported(answer.usage.usage()))
    explanation = answer.stop_details.explanation if answer.stop_details else None
    return [*events, *finish_events(answer.stop_reason, answer.stop_sequence, explanation, called_tools=calls > 0)]


def encode_response(
    events: Sequence[Event], *, model: str, input_tokens: int = 0, show_thinking: bool = True, new_id: NewId = random_id
) -> bytes:
    """`input_tokens` is an estimate, used when nobody counted. Raises what a `Failed` event amounts to."""
    gathered = collect_blocks(events)
    ids = UniqueIds()
    content: list[dict[str, object]] = []
    for block in gathered.blocks:
        match block:
            case ThinkingItem():
                if show_thinking:
                    content.append(_thinking_block(block))
            case TextItem(text=text):
                if text:
                    content.append({"type": "text", "text": text})
            case ToolCallItem():
                content.append(_call(block, ids, new_id))
    refused = any(isinstance(block, TextItem) and block.refusal for block in gathered.blocks)
    reason, stop_sequence = stop_reason(Finished(gathered.reason, gathered.stop_sequence), refused=refused)
    usage = gathered.usage or counts.estimate_usage(input_tokens, gathered.chars)
    return msgspec.json.encode(
        {
            "id": new_id("msg_"),
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": content,
            "stop_reason": reason,
            "stop_sequence": stop_sequence,
            "usage": counts.to_anthropic(usage),
        }
    )


def _thinking_block(thought: ThinkingItem) -> dict[str, object]:
    if thought.redacted is not None:
        return {"type": "redacted_thinking", "data": thought.redacted}
    ours = thought.origin != "anthropic" or thought.signature is None
    signature = mark_signature(thought.text, thought.origin or "openai", thought.signature) if ours else thought.signature
    return {"type": "thinking", "thinking": thought.text, "signature": signature}


def _call(call: ToolCallItem, ids: UniqueIds, new_id: NewId) -> dict[str, object]:
    id = ids.make_unique(call.id or new_id("toolu_"))
    return {"type": "tool_use", "id": id, "name": call.name, "input": msgspec.Raw(normalize_arguments(call.arguments).encode())}
