"""Encodes a Conversation as the body of Converse and ConverseStream, which is the same for both. Pure.

Source: Amazon Bedrock API Reference, Converse. Anthropic's encoder decides what the model may be sent; it gets Converse's
form here. An optional value that has none is dropped and noted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec

from octoroute.dialects.anthropic.request_encoder import encode_fields
from octoroute.dialects.bedrock.content_encoder import ContentEncoder, Fields, cache_point, document_format, is_base64
from octoroute.dialects.bedrock.model_limits import BedrockModelLimits
from octoroute.dialects.request import media
from octoroute.dialects.request.json_input import reject_deep_nesting
from octoroute.domain.conversation import (
    Audio,
    Block,
    Conversation,
    Document,
    Image,
    RedactedThinking,
    Thinking,
    ToolResult,
    Turn,
)
from octoroute.errors import BadRequest

_NO_SCHEMA: Fields = {"type": "object", "properties": {}}
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_-]+")
THINKING_LOST = "thinking: earlier thinking of other models is not passed on, this endpoint accepts only its own"


@reject_deep_nesting
def encode_request(
    conversation: Conversation,
    *,
    can: BedrockModelLimits,
    default_max_tokens: int | None = None,
    max_output_tokens: int | None = None,
    notes: list[str] | None = None,
) -> bytes:
    """`notes` collects a text for each dropped value. Raises BadRequest with the text of `unsupported`."""
    reason = unsupported(conversation)
    if reason is not None:
        raise BadRequest(reason)
    notes = [] if notes is None else notes
    conversation = _fitted(conversation, can, notes)
    fields = encode_fields(conversation, can.limits, default_max_tokens, max_output_tokens, notes)
    if not can.claude and default_max_tokens is None and not (conversation.max_tokens or 0) > 0:
        del fields["max_tokens"]  # a default of Claude's
    encoder = ContentEncoder(notes)
    body: Fields = {"messages": encoder.messages(fields["messages"])}
    if "cache_control" in fields:
        body["messages"][-1]["content"] += cache_point(fields)
    if "system" in fields:
        body["system"] = encoder.blocks(fields["system"])
    names = {"max_tokens": "maxTokens", "temperature": "temperature", "top_p": "topP", "stop_sequences": "stopSequences"}
    inference = {key: fields[name] for name, key in names.items() if name in fields}
    if inference:
        body["inferenceConfig"] = inference
    _tools(body, fields, can, notes)
    _model_fields(body, fields, can, notes)
    _output(body, fields, conversation)
    if "metadata" in fields:
        body["requestMetadata"] = {"user_id": fields["metadata"]["user_id"]}
    if conversation.service_tier not in {None, "auto", "default"}:
        notes.append("service_tier: not passed on to this endpoint")
    return msgspec.json.encode(body)


def unsupported(conversation: Conversation) -> str | None:
    """Why Converse cannot express the conversation; None if it can."""
    for part in _parts(conversation):
        reason = _unsupported_part(part)
        if reason is not None:
            return reason
    return None


def _parts(conversation: Conversation) -> Iterator[Block]:
    for turn in conversation.turns:
        for block in turn.content:
            yield from block.content if isinstance(block, ToolResult) else (block,)


def _unsupported_part(part: Block) -> str | None:
    match part:
        case Audio():
            return "this endpoint does not support audio input"
        case Image(url=str()) | Document(url=str()):
            return "this endpoint cannot fetch images or documents from a URL; send the file content"
        case Image() if part.media_type not in media.IMAGE_TYPES:
            return f"this endpoint does not support images of type {part.media_type}; send jpeg, png, gif, or webp"
        case Document() if part.text is None and document_format(part.media_type) is None:
            return f"this endpoint does not support documents of type {part.media_type}; send PDF, Word, Excel, CSV, HTML, or text"
        case Image(data=str(data)) | Document(data=str(data)) if not is_base64(data):
            return "an image or a document is not in base64"
        case _:
            return None


def _fitted(conversation: Conversation, can: BedrockModelLimits, notes: list[str]) -> Conversation:
    """Without thinking that a model other than Claude did not say, and with the cache marks inside tool results after them."""
    turns = tuple(Turn(turn.role, tuple(map(_with_outer_mark, turn.content)), turn.name) for turn in conversation.turns)
    if can.claude:
        return msgspec.structs.replace(conversation, turns=turns)
    kept = tuple(Turn(turn.role, tuple(block for block in turn.content if not _is_thinking(block)), turn.name) for turn in turns)
    if kept != turns:
        notes.append(THINKING_LOST)
    fitted = msgspec.structs.replace(conversation, turns=kept)
    if not can.caches:
        fitted = _without_marks(fitted, notes)
    return fitted


def _is_thinking(block: Block) -> bool:
    return isinstance(block, Thinking | RedactedThinking)


def _with_outer_mark(block: Block) -> Block:
    if not isinstance(block, ToolResult):
        return block
    inner = next((part.cache for part in reversed(block.content) if not isinstance(part, Audio) and part.cache), "")
    if not inner:
        return block
    content = tuple(part if isinstance(part, Audio) else msgspec.structs.replace(part, cache="") for part in block.content)
    return msgspec.structs.replace(block, content=content, cache=block.cache or inner)


def _without_marks(conversation: Conversation, notes: list[str]) -> Conversation:
    turns = tuple(Turn(turn.role, tuple(map(_without_mark, turn.content)), turn.name) for turn in conversation.turns)
    system = tuple(msgspec.structs.replace(block, cache="") for block in conversation.system)
    tools = tuple(msgspec.structs.replace(tool, cache="") for tool in conversation.tools)
    unmarked = msgspec.structs.replace(conversation, turns=turns, system=system, tools=tools, cache="")
    if unmarked != conversation:
        notes.append("cache_control: not supported by this model, dropped")
    return unmarked


def _without_mark(block: Block) -> Block:
    return msgspec.structs.replace(block, cache="") if getattr(block, "cache", "") else block


def _tools(body: Fields, fields: Fields, can: BedrockModelLimits, notes: list[str]) -> None:
    """Converse refuses a history with tool calls without a declaration of tools, and has no choice `none`."""
    choice: Fields = fields.get("tool_choice", {})
    mode = choice.get("type")
    called = _called(body["messages"])
    if choice.get("disable_parallel_tool_use"):
        notes.append("parallel_tool_calls: not supported by this endpoint, dropped")
    if mode == "none" and not called:
        return
    tools: list[Fields] = fields.get("tools", [])
    if mode == "none":
        notes.append("tool_choice: none is not supported by this endpoint after tool calls, auto is used")
    elif mode == "tool" and not can.names_tool:
        tools, mode = [tool for tool in tools if tool["name"] == choice.get("name")], "any"
    declared = [part for tool in tools for part in (_tool(tool), *cache_point(tool))]
    declared = declared or [_tool({"name": name, "input_schema": _NO_SCHEMA}) for name in called]
    if not declared:
        return
    config: Fields = {"tools": declared}
    if mode == "tool":
        config["toolChoice"] = {"tool": {"name": choice["name"]}}
    elif mode in {"any", "auto"}:
        config["toolChoice"] = {mode: {}}
    body["toolConfig"] = config


def _tool(tool: Fields) -> Fields:
    spec: Fields = {"name": tool["name"], "inputSchema": {"json": tool["input_schema"]}}
    return {"toolSpec": spec | {key: tool[key] for key in ("description", "strict") if key in tool}}


def _called(messages: Sequence[Fields]) -> list[str]:
    """The names of the tools that the history calls, each once."""
    blocks = (block for message in messages for block in message["content"] if "toolUse" in block)
    return list(dict.fromkeys(block["toolUse"]["name"] for block in blocks))


def _model_fields(body: Fields, fields: Fields, can: BedrockModelLimits, notes: list[str]) -> None:
    """What only Claude takes stands in `additionalModelRequestFields`, under Anthropic's names."""
    given = {name: fields[name] for name in ("thinking", "top_k") if name in fields}
    if not can.claude:
        if "top_k" in given:
            notes.append("top_k: not supported by this endpoint, dropped")
        return
    if given:
        body["additionalModelRequestFields"] = given
    if "stop_sequences" in fields:
        body["additionalModelResponseFieldPaths"] = ["/stop_sequence"]


def _output(body: Fields, fields: Fields, conversation: Conversation) -> None:
    output: Fields = fields.get("output_config", {})
    config: Fields = {"effort": output["effort"]} if "effort" in output else {}
    if "format" in output:
        name = _NOT_IN_NAMES.sub("_", conversation.format.name if conversation.format is not None else "")[:64] or "output"
        schema = msgspec.json.encode(output["format"]["schema"]).decode()
        config["textFormat"] = {"type": "json_schema", "structure": {"jsonSchema": {"schema": schema, "name": name}}}
    if config:
        body["outputConfig"] = config
