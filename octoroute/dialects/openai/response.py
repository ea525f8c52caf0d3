"""Non-streaming Chat Completions responses: decoded into events, encoded from events. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import msgspec

from octoroute.dialects.openai import schema
from octoroute.dialects.openai.annotations import decode_source_list, encode_annotation
from octoroute.dialects.openai.function_call import REASONS, encode_function_call
from octoroute.dialects.openai.reasoning_details import redacted_detail, signed_details
from octoroute.dialects.openai.stream_decoder import decode_text
from octoroute.dialects.openai.stream_encoder import image_part
from octoroute.dialects.openai.tool_calls import tool_name
from octoroute.dialects.request.ids import NewId, UsedIds, call_id, random_id, safe_name
from octoroute.dialects.request.json_input import json_text, read_response
from octoroute.dialects.response import usage as counts
from octoroute.dialects.response.blocks import UNNAMED_TOOL_CALL, ThinkingItem, ToolCallItem, collect_blocks
from octoroute.dialects.response.stop_reasons import TO_OPENAI, openai_reason, resolve_reason
from octoroute.dialects.response.tool_arguments import BAD_ARGUMENTS, mend_arguments
from octoroute.dialects.response.upstream_error import error_from_event, find_failure, read_failed_event
from octoroute.domain.conversation import Tool
from octoroute.domain.events import Event, Finished, FinishReason, Started, ToolCallDelta, ToolCallStarted, UsageReported
from octoroute.errors import BadUpstreamResponse

_COMPLETION = msgspec.json.Decoder(schema.ChatCompletion)


def decode_response(body: bytes, names: Mapping[str, str] | None = None, tools: Sequence[Tool] = ()) -> list[Event]:
    """Decode an upstream's response. `names` maps the upstream's tool names to the client's; `tools` are those of the request.

    Raises BadUpstreamResponse, or the UpstreamError of an error in place of a response.
    """
    response = read_response(_COMPLETION, body, "response")
    failed = read_failed_event(body) if schema.has_failed(response) else None
    choice = next((choice for choice in response.choices or () if not choice.index), None)
    message = choice and (choice.message or choice.delta)
    if choice is None or message is None:
        failed = failed or find_failure(body)
        if failed is None:
            raise BadUpstreamResponse("the upstream's response has no message")
    if failed is not None:
        raise error_from_event(failed)
    assert choice is not None
    assert message is not None
    word = choice.finish_reason
    reason = openai_reason(word)
    if reason is None:
        raise BadUpstreamResponse(f"the upstream ended its response with finish_reason '{word}'")
    if message.audio is not None and not (message.audio.transcript or message.content):
        raise BadUpstreamResponse("the model answered in sound; only text and images can be passed on")
    events: list[Event] = [Started(str(response.id or ""), str(response.model or "")), *decode_text(message, complete=True)]
    known = frozenset(safe_name(tool.name) for tool in tools) if message.tool_calls or message.function_call else ()
    calls = _decode_calls(message, names or {}, known, truncated=reason is FinishReason.LENGTH)
    events += calls
    if not message.annotations:
        events += decode_source_list(response.search_results, response.citations)
    if response.usage is not None and not response.usage.is_empty:
        events.append(UsageReported(response.usage.usage()))
    stop_sequence = choice.stop_reason if isinstance(choice.stop_reason, str) else None
    events.append(Finished(resolve_reason(reason, called_tools=bool(calls)), stop_sequence, word))
    return events


def _decode_calls(message: schema.Delta, names: Mapping[str, str], known: Collection[str], *, truncated: bool) -> list[Event]:
    """Decode tool calls. Raises BadUpstreamResponse for invalid arguments; `truncated` by the token limit, they are skipped."""
    calls = list(message.tool_calls or ())
    if message.function_call is not None:
        calls.append(schema.CallDelta(function=message.function_call))
    events: list[Event] = []
    ids = UsedIds()
    for call in calls:
        name = tool_name(call.function.name or "", known) if call.function else ""
        arguments = mend_arguments(json_text(call.function.arguments)) if call.function else ""
        if not name or arguments is None:
            if truncated:
                continue
            raise BadUpstreamResponse(BAD_ARGUMENTS if name else UNNAMED_TOOL_CALL)
        index = len(events) // 2
        events.append(ToolCallStarted(index, ids.first_use(call.id), names.get(name, name), call.signature))
        events.append(ToolCallDelta(index, arguments or "{}"))
    return events


def encode_response(
    events: Sequence[Event],
    *,
    model: str,
    created_s: int,
    input_tokens: int = 0,
    show_thinking: bool = True,
    function_call: bool = False,
    new_id: NewId = random_id,
) -> bytes:
    """Encode a response. `input_tokens` is an estimate, used if the upstream reported no usage. `function_call`: for clients that
    sent `functions`.

    Raises the UpstreamError of a `Failed` event.
    """
    response = collect_blocks(events)
    message: dict[str, object] = {"role": "assistant", "content": response.text or None, "refusal": response.refusal or None}
    thinking = "".join(block.text for block in response.thoughts)
    if show_thinking and thinking:
        message["reasoning_content"] = thinking
    if show_thinking and (details := _details(response.thoughts)):
        message["reasoning_details"] = details
    if response.images:
        message["images"] = [image_part(image.media_type, image.data, at) for at, image in enumerate(response.images)]
    if cited := response.citations:
        message["annotations"] = [encode_annotation(source) for source in cited]
    if response.calls and function_call:
        message["function_call"] = encode_function_call(response.calls)
    elif response.calls:
        message["tool_calls"] = [_call(call, new_id) for call in response.calls]
    usage = response.usage or counts.estimate_usage(input_tokens, response.chars)
    reasons = REASONS if function_call else TO_OPENAI
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reasons[response.reason]}
    body: dict[str, object] = {
        "id": new_id("chatcmpl-"),
        "object": "chat.completion",
        "created": created_s,
        "model": model,
        "choices": [choice],
        "usage": counts.to_openai(usage),
    }
    return msgspec.json.encode(body)


def _details(thoughts: Sequence[ThinkingItem]) -> list[dict[str, object]]:
    """Signed thinking in OpenRouter's form, for clients that send it back."""
    details: list[dict[str, object]] = []
    for block in thoughts:
        if block.redacted is not None:
            details.append(redacted_detail(block.redacted, len(details)))
        elif block.signature is not None:
            details += signed_details(block.text, block.signature, block.origin or "anthropic", len(details))
    return details


def _call(call: ToolCallItem, new_id: NewId) -> dict[str, object]:
    function = {"name": call.name, "arguments": call.arguments or "{}"}
    encoded = {"id": call_id(call.id, new_id), "type": "function", "function": function}
    return schema.with_signature(encoded, call.signature)
