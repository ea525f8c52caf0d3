"""The response object of the Responses API and its items: for non-streaming responses and for stream events. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from octoroute.dialects.request.ids import NewId, call_id, random_id
from octoroute.dialects.request.thinking_signatures import REDACTED, mark_signature
from octoroute.dialects.response import usage as counts
from octoroute.dialects.response.blocks import ImageItem, TextItem, ThinkingItem, ToolCallItem, collect_blocks
from octoroute.dialects.responses.annotations import encode_annotation
from octoroute.dialects.responses.compaction import compaction_item
from octoroute.dialects.responses.custom_input import CustomInput
from octoroute.dialects.responses.tools import CUSTOM, SEARCH, ToolId, ToolTable
from octoroute.domain.events import Event, FinishReason
from octoroute.domain.outcome import Usage

Fields = dict[str, Any]

ECHOED: Mapping[str, object] = {
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "reasoning": {"effort": None, "summary": None},
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}
"""Request fields that a response repeats, with the defaults that clients' types require."""

OWN = "octoroute"
"""Origin of the signature of thinking that has none of its own."""
_OBJECT = msgspec.json.Decoder(dict[str, Any])
_INCOMPLETE = {FinishReason.LENGTH: "max_output_tokens", FinishReason.REFUSAL: "content_filter"}


class Envelope:
    """The response object without its items. `echo` holds the request's values of the fields in `ECHOED`."""

    def __init__(self, *, model: str, created_s: int, echo: Mapping[str, object], new_id: NewId) -> None:
        self.id = new_id("resp_")
        self._fixed: Fields = {
            "id": self.id,
            "object": "response",
            "created_at": created_s,
            "background": False,
            "error": None,
            "model": model,
            **ECHOED,
            **echo,
        }

    def in_progress(self) -> Fields:
        return {**self._fixed, "status": "in_progress", "incomplete_details": None, "output": [], "usage": None}

    def finished(self, items: Sequence[Fields], reason: FinishReason, usage: Usage) -> Fields:
        incomplete = _INCOMPLETE.get(reason)
        return {
            **self._fixed,
            "status": "completed" if incomplete is None else "incomplete",
            "incomplete_details": None if incomplete is None else {"reason": incomplete},
            "output": list(items),
            "usage": counts.to_responses(usage),
        }

    def failed(self, items: Sequence[Fields], code: str, message: str) -> Fields:
        """`items`: those that were complete before the failure."""
        return {
            **self._fixed,
            "status": "failed",
            "error": {"code": code, "message": message},
            "incomplete_details": None,
            "output": list(items),
            "usage": None,
        }


def message_item(id: str, part: Fields | None) -> Fields:
    """A message item; without `part`, one that is in progress."""
    status, content = ("in_progress", []) if part is None else ("completed", [part])
    return {"id": id, "type": "message", "status": status, "role": "assistant", "content": content}


def text_part(text: str, *, refusal: bool, annotations: Sequence[Fields] = ()) -> Fields:
    return (
        {"type": "refusal", "refusal": text}
        if refusal
        else {"type": "output_text", "text": text, "annotations": [*annotations], "logprobs": []}
    )


def image_item(id: str, data: str | None) -> Fields:
    """An image that the model made; without `data`, one that is in progress."""
    status = "generating" if data is None else "completed"
    return {"id": id, "type": "image_generation_call", "status": status, "result": data}


CALL_PREFIXES: Mapping[str, str] = {CUSTOM: "ctc_", SEARCH: "tsc_"}
"""Prefixes of the ids of calls, by the kind of the tool; those of functions begin with "fc_"."""


def call_item(id: str, call_id: str, tool: ToolId, arguments: str, status: str = "completed") -> Fields:
    """The item of a call, as the kind of its tool has it. `arguments`: of a custom tool, the text."""
    item: Fields = {"id": id, "type": f"{tool.kind}_call", "status": status, "call_id": call_id}
    if tool.kind == SEARCH:
        return {**item, "execution": "client", "arguments": _object(arguments)}
    if tool.kind == CUSTOM:
        item |= {"type": "custom_tool_call", "name": tool.name, "input": arguments}
    else:
        item |= {"type": "function_call", "name": tool.name, "arguments": arguments}
    if tool.namespace is not None:
        item["namespace"] = tool.namespace
    return item


def _object(arguments: str) -> Fields:
    try:
        return _OBJECT.decode(arguments or "{}")
    except (ValueError, RecursionError):
        return {}


def reasoning_item(id: str, text: str, encrypted: str | None) -> Fields:
    """`encrypted`: None while the item is in progress."""
    summary = [{"type": "summary_text", "text": text}] if text else []
    item: Fields = {"id": id, "type": "reasoning", "summary": summary}
    if encrypted is not None:
        item["encrypted_content"] = encrypted
    return item


def encrypted_content(text: str, signature: str | None, origin: str | None) -> str:
    """The signature of thinking, marked with its origin; thinking without one is marked too, so that it is never sent to OpenAI."""
    return mark_signature(text, OWN if signature is None else origin or "anthropic", signature)


def encrypted_redacted(data: str) -> str:
    return mark_signature("", REDACTED, data)


def encode_response(
    events: Sequence[Event],
    *,
    model: str,
    created_s: int,
    echo: Mapping[str, object],
    tools: ToolTable | None = None,
    compacts: bool = False,
    input_tokens: int = 0,
    new_id: NewId = random_id,
) -> bytes:
    """Encode a response to a request with `tools`. `input_tokens` is an estimate, used if the upstream reported no usage.
    `compacts`: the text is a summary, and becomes a compaction item.

    Raises the UpstreamError of a `Failed` event.
    """
    response = collect_blocks(events)
    items: list[Fields] = [compaction_item(new_id("cmp_"), response.text)] if compacts else []
    offset = 0
    for block in response.blocks if not compacts else ():
        match block:
            case TextItem(text=text, refusal=refusal):
                if text:
                    cited = [encode_annotation(source, offset) for source in block.citations]
                    items.append(message_item(new_id("msg_"), text_part(text, refusal=refusal, annotations=cited)))
                    offset += 0 if refusal else len(text)
            case ImageItem(data=data):
                items.append(image_item(new_id("ig_"), data))
            case ToolCallItem():
                items.append(_call(block, (tools or ToolTable()).id_of(block.name), new_id))
            case ThinkingItem():
                content = encrypted_content(block.text, block.signature, block.origin)
                if block.redacted is not None:
                    content = encrypted_redacted(block.redacted)
                items.append(reasoning_item(new_id("rs_"), block.text, content))
    envelope = Envelope(model=model, created_s=created_s, echo=echo, new_id=new_id)
    usage = response.usage or counts.estimate_usage(input_tokens, response.chars)
    return msgspec.json.encode(envelope.finished(items, response.reason, usage))


def _call(block: ToolCallItem, tool: ToolId, new_id: NewId) -> Fields:
    arguments = block.arguments
    if tool.kind == CUSTOM:
        reader = CustomInput()
        arguments = reader.feed(arguments) + reader.end()
    elif not arguments:
        arguments = "{}"
    return call_item(new_id(CALL_PREFIXES.get(tool.kind, "fc_")), call_id(block.id, new_id), tool, arguments)
