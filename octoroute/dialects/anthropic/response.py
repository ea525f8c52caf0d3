"""Non-streaming Messages responses: decoded into events, encoded from events. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from octoroute.dialects.anthropic import schema
from octoroute.dialects.anthropic.citations import cut_text
from octoroute.dialects.anthropic.stream_decoder import decode_block, finish_events
from octoroute.dialects.anthropic.stream_encoder import stop_reason
from octoroute.dialects.request import media
from octoroute.dialects.request.ids import NewId, UniqueIds, UsedIds, random_id
from octoroute.dialects.request.json_input import read_response
from octoroute.dialects.request.thinking_signatures import mark_signature
from octoroute.dialects.response import usage as counts
from octoroute.dialects.response.blocks import (
    UNNAMED_TOOL_CALL,
    ImageItem,
    TextItem,
    ThinkingItem,
    ToolCallItem,
    collect_blocks,
)
from octoroute.dialects.response.citations import BlockCitations
from octoroute.dialects.response.tool_arguments import BAD_ARGUMENTS, mend_arguments, normalize_arguments
from octoroute.dialects.response.upstream_error import error_from_event, find_failure, read_failed_event
from octoroute.domain.events import Event, Finished, Started, ToolCallDelta, ToolCallStarted, UsageReported
from octoroute.errors import BadUpstreamResponse

_RESPONSE = msgspec.json.Decoder(schema.MessageResponse)


def decode_response(body: bytes, names: Mapping[str, str] | None = None) -> list[Event]:
    """Decode an upstream's response. `names` maps the upstream's tool names to the client's.

    Raises BadUpstreamResponse, or the UpstreamError of an error in place of a response.
    """
    response = read_response(_RESPONSE, body, "response")
    if response.error or response.type == "error":
        raise error_from_event(read_failed_event(body))
    if response.content is None:
        failed = find_failure(body)
        raise BadUpstreamResponse("the upstream's response has no content") if failed is None else error_from_event(failed)
    events: list[Event] = [Started(response.id or "", response.model or "")]
    ids = UsedIds()
    cites = BlockCitations()
    calls = 0
    for block in response.content:
        if block.type == "tool_use":
            arguments = mend_arguments(schema.input_text(block))
            if not block.name or arguments is None:
                raise BadUpstreamResponse(BAD_ARGUMENTS if block.name else UNNAMED_TOOL_CALL)
            events.append(ToolCallStarted(calls, ids.first_use(block.id), (names or {}).get(block.name, block.name)))
            events.append(ToolCallDelta(calls, arguments or "{}"))
            calls += 1
        else:
            events += decode_block(block, cites)
            events += cites.close()
    if response.usage is not None:
        events.append(UsageReported(response.usage.usage()))
    explanation = response.stop_details.explanation if response.stop_details else None
    return [*events, *finish_events(response.stop_reason, response.stop_sequence, explanation, called_tools=calls > 0)]


def encode_response(
    events: Sequence[Event], *, model: str, input_tokens: int = 0, show_thinking: bool = True, new_id: NewId = random_id
) -> bytes:
    """Encode a response. `input_tokens` is an estimate, used if the upstream reported no usage.

    Raises the UpstreamError of a `Failed` event.
    """
    response = collect_blocks(events)
    ids = UniqueIds()
    content: list[dict[str, object]] = []
    offset = 0
    for block in response.blocks:
        match block:
            case ThinkingItem():
                if show_thinking:
                    content.append(_thinking_block(block))
            case TextItem():
                content += _text_blocks(block, offset)
                offset += 0 if block.refusal else len(block.text)
            case ImageItem(media_type=media_type, data=data):
                content.append({"type": "text", "text": media.markdown_image(media_type, data)})
            case ToolCallItem():
                content.append(_call(block, ids, new_id))
    refused = any(isinstance(block, TextItem) and block.refusal for block in response.blocks)
    reason, stop_sequence = stop_reason(Finished(response.reason, response.stop_sequence), refused=refused)
    usage = response.usage or counts.estimate_usage(input_tokens, response.chars)
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


def _text_blocks(item: TextItem, offset: int) -> list[dict[str, object]]:
    """None for blank text: Anthropic refuses a history with it. `offset`: the characters of text before this one."""
    if not item.citations:
        return [{"type": "text", "text": item.text}] if item.text.strip() else []
    pieces = cut_text(item.text, item.citations, offset)
    return [{"type": "text", "text": text, **({"citations": cited} if cited else {})} for text, cited in pieces]


def _thinking_block(block: ThinkingItem) -> dict[str, object]:
    if block.redacted is not None:
        return {"type": "redacted_thinking", "data": block.redacted}
    foreign = block.origin != "anthropic" or block.signature is None
    signature = mark_signature(block.text, block.origin or "openai", block.signature) if foreign else block.signature
    return {"type": "thinking", "thinking": block.text, "signature": signature}


def _call(call: ToolCallItem, ids: UniqueIds, new_id: NewId) -> dict[str, object]:
    id = ids.make_unique(call.id or new_id("toolu_"))
    return {"type": "tool_use", "id": id, "name": call.name, "input": msgspec.Raw(normalize_arguments(call.arguments).encode())}
