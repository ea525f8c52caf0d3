"""Encodes a Conversation as a generateContent request. Pure. The URL, not the body, decides whether the response is streamed.

Source: https://ai.google.dev/api/generate-content. An optional value that the format does not support is dropped and noted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from octoroute.dialects.gemini.model_limits import GeminiModelLimits, model_limits
from octoroute.dialects.gemini.signatures import SKIP_SIGNATURE
from octoroute.dialects.request import json_schema, media, message_order, reasoning_effort
from octoroute.dialects.request.ids import safe_name
from octoroute.dialects.request.json_input import reject_deep_nesting
from octoroute.dialects.request.output_limit import fit_output_tokens
from octoroute.dialects.request.schema_references import SchemaBudget
from octoroute.dialects.response.tool_arguments import normalize_arguments
from octoroute.domain.conversation import (
    Audio,
    Block,
    Conversation,
    Document,
    Image,
    RedactedThinking,
    Role,
    Text,
    Thinking,
    ThinkingWish,
    Tool,
    ToolCall,
    ToolResult,
)
from octoroute.errors import BadRequest

Fields = dict[str, Any]
MAX_STOPS = 5
_FETCHABLE = re.compile(r"gs://|https://generativelanguage\.googleapis\.com/|https://(www\.)?(youtube\.com|youtu\.be)/")
"""URLs that Google fetches itself."""
_MODES = {"auto": "AUTO", "any": "ANY", "tool": "ANY", "none": "NONE"}
_AUTOMATIC = -1


@reject_deep_nesting
def encode_request(
    conversation: Conversation,
    *,
    model: str,
    default_max_tokens: int | None = None,
    max_output_tokens: int | None = None,
    notes: list[str] | None = None,
) -> bytes:
    """`notes` collects a text for each dropped value. Raises BadRequest with the text of `unsupported`."""
    reason = unsupported(conversation, model)
    if reason is not None:
        raise BadRequest(reason)
    notes = [] if notes is None else notes
    can = model_limits(model)
    ordered = message_order.normalize_turns(conversation, assistant_media=True)
    contents = _contents(ordered, can, notes)
    if not contents and message_order.join_text(ordered.system):
        contents.append({"role": "user", "parts": [{"text": message_order.BEGIN}]})
        notes.append(message_order.BEGUN)
    if not contents:
        raise BadRequest("messages: have no content; send at least one message with text", param="messages")
    body: Fields = {"contents": contents}
    limit = max_output_tokens if max_output_tokens is not None else can.output_limit
    config = _config(ordered, can, default_max_tokens, limit, notes)
    _tools(body, ordered, can, notes)
    instruction = _format(config, ordered, can, notes, has_tools="tools" in body)
    system = [text for text in (*(block.text for block in ordered.system), instruction) if text.strip()]
    if system and can.system:
        body["systemInstruction"] = {"parts": [{"text": text} for text in system]}
    elif system:
        contents[0]["parts"].insert(0, {"text": message_order.SYSTEM_MARK + "\n\n".join(system)})
    _thinking(config, ordered, can, notes)
    if config:
        body["generationConfig"] = config
    return msgspec.json.encode(body)


def unsupported(conversation: Conversation, model: str) -> str | None:
    """Why Gemini's format, or this model, cannot express the conversation; None if it can."""
    if conversation.tools and not model_limits(model).tools:
        return "this model cannot call tools"
    for turn in conversation.turns:
        for block in turn.content:
            for part in block.content if isinstance(block, ToolResult) else (block,):
                if isinstance(part, Image | Document) and part.url is not None and not _FETCHABLE.match(part.url):
                    return "this endpoint cannot fetch images or documents from a URL; send the file content"
    return None


def surplus_stops(conversation: Conversation) -> tuple[str, ...]:
    """The stop sequences beyond Gemini's limit, to be enforced on its response."""
    return conversation.stop[MAX_STOPS:]


def _contents(conversation: Conversation, can: GeminiModelLimits, notes: list[str]) -> list[Fields]:
    contents: list[Fields] = []
    lost: list[Block] = []
    for turn in conversation.turns:
        if turn.role is Role.ASSISTANT:
            role, parts = "model", _model_parts(turn.content, can, lost, notes)
        else:
            role, parts = "user", _user_parts(turn.content)
        if not parts:
            continue
        if not contents and role == "model":
            contents.append({"role": "user", "parts": [{"text": message_order.OPENING}]})
        if contents and contents[-1]["role"] == role:
            contents[-1]["parts"] += parts
        else:
            contents.append({"role": role, "parts": parts})
    if lost:
        notes.append("thinking: earlier thinking of other models is not passed on, this endpoint accepts only its own")
    if any(turn.name for turn in conversation.turns):
        notes.append(message_order.NAMES_LOST)
    return contents


def _user_parts(blocks: Sequence[Block]) -> list[Fields]:
    """Encode a user turn: function responses first, then media of tool results and the other blocks."""
    responses = [_response(block) for block in blocks if isinstance(block, ToolResult)]
    media_parts = [
        part for block in blocks if isinstance(block, ToolResult) for part in block.content if not isinstance(part, Text)
    ]
    others = [block for block in blocks if not isinstance(block, ToolResult)]
    return [*responses, *(part for block in (*media_parts, *others) if (part := _part(block)) is not None)]


def _response(result: ToolResult) -> Fields:
    text = message_order.result_text(result)
    response = {"error": text} if result.is_error else {"output": text}
    return {"functionResponse": {"id": result.call_id, "name": safe_name(result.name or result.call_id), "response": response}}


def _part(block: Block) -> Fields | None:
    match block:
        case Text(text=text):
            return {"text": text} if text.strip() else None
        case Document() if block.text is not None:
            return {"text": media.document_text(block) or ""}
        case Image(url=str(url)) | Document(url=str(url)):
            mime = block.media_type or ("image/jpeg" if isinstance(block, Image) else media.PDF)
            return {"fileData": {"fileUri": url, "mimeType": mime}}
        case Image() | Document():
            return {"inlineData": {"mimeType": block.media_type or media.PDF, "data": block.data or ""}}
        case Audio(data=data, format=audio_format):
            return {"inlineData": {"mimeType": f"audio/{audio_format}", "data": data}}
        case _:
            return None


def _model_parts(blocks: Sequence[Block], can: GeminiModelLimits, lost: list[Block], notes: list[str]) -> list[Fields]:
    """Encode an assistant turn. Thinking that only another provider can read goes to `lost`."""
    parts: list[Fields] = []
    for block in blocks:
        match block:
            case Thinking(text=text, signature=str(signature), origin="gemini"):
                parts.append({"text": text, "thought": True, "thoughtSignature": signature})
            case ToolCall():
                parts.append(_call(block))
            case Thinking(text="", signature=None):
                pass
            case Thinking() | RedactedThinking():
                lost.append(block)
            case _:
                parts += [part] if (part := _part(block)) is not None else []
    if can.images and can.signatures:
        for part in parts:
            if "inlineData" in part:
                part["thoughtSignature"] = SKIP_SIGNATURE
    calls = [part for part in parts if "functionCall" in part]
    if can.signatures and calls and not any("thoughtSignature" in part for part in calls):
        calls[0]["thoughtSignature"] = SKIP_SIGNATURE
        notes.append("thought signature: missing; the model does not see its thinking before an earlier tool call")
    return parts


def _call(call: ToolCall) -> Fields:
    arguments = msgspec.Raw(normalize_arguments(call.arguments).encode())
    part: Fields = {"functionCall": {"id": call.id, "name": safe_name(call.name), "args": arguments}}
    if call.signature is not None:
        part["thoughtSignature"] = call.signature
    return part


def _config(conversation: Conversation, can: GeminiModelLimits, default: int | None, limit: int | None, notes: list[str]) -> Fields:
    optional: Fields = {
        "maxOutputTokens": fit_output_tokens(conversation.max_tokens, limit, notes) or default,
        "temperature": conversation.temperature,
        "topP": conversation.top_p,
        "topK": conversation.top_k,
        "stopSequences": list(conversation.stop[:MAX_STOPS]) or None,
        "seed": conversation.seed,
        "presencePenalty": conversation.presence_penalty,
        "frequencyPenalty": conversation.frequency_penalty,
        "responseModalities": ["TEXT", "IMAGE"] if can.images else None,
    }
    if not can.penalties:
        for name, key in (("presence_penalty", "presencePenalty"), ("frequency_penalty", "frequencyPenalty")):
            if optional.pop(key):
                notes.append(f"{name}: not supported by this model, dropped")
    return {name: value for name, value in optional.items() if value is not None}


def _tools(body: Fields, conversation: Conversation, can: GeminiModelLimits, notes: list[str]) -> None:
    if not conversation.tools:
        return
    choice, offered = conversation.tool_choice, conversation.tools
    mode = _MODES.get(choice.mode, "AUTO") if choice is not None else "AUTO"
    allowed: Sequence[str] | None = None
    if choice is not None and mode != "NONE":
        allowed = (choice.name,) if choice.mode == "tool" and choice.name else choice.allowed
    if allowed is not None and mode == "AUTO" and not can.json_schemas:  # has no mode that allows names without forcing
        names, allowed = frozenset(allowed), None
        offered = tuple(tool for tool in offered if tool.name in names)
    budget = SchemaBudget()
    body["tools"] = [{"functionDeclarations": [_tool(tool, can, budget) for tool in offered]}]
    if budget.shortened:
        notes.append(f"tools: nested references of {budget.shortened} schemas are shortened")
    if choice is None:
        return
    if choice.parallel is False:
        notes.append("parallel_tool_calls: not supported by this endpoint, dropped")
    calling: Fields = {"mode": mode}
    if allowed is not None:
        calling = {"mode": "ANY" if mode == "ANY" else "VALIDATED", "allowedFunctionNames": list(map(safe_name, allowed))}
    body["toolConfig"] = {"functionCallingConfig": calling}


def _tool(tool: Tool, can: GeminiModelLimits, budget: SchemaBudget) -> Fields:
    declared: Fields = {"name": safe_name(tool.name), "description": tool.description or ""}
    if can.json_schemas:
        parameters, key = json_schema.adapt_for_gemini_json(tool.schema, budget), "parametersJsonSchema"
    else:
        parameters, key = json_schema.adapt_for_gemini_openapi(tool.schema, budget), "parameters"
    if parameters is not None and (key != "parameters" or (parameters.get("type") == "object" and parameters.get("properties"))):
        declared[key] = parameters
    return declared


def _format(config: Fields, conversation: Conversation, can: GeminiModelLimits, notes: list[str], *, has_tools: bool) -> str:
    """Set the response format, or return an instruction for it if the model does not support JSON output with tools."""
    response_format = conversation.format
    if response_format is None:
        return ""
    if not can.json or (has_tools and not can.json_with_tools):
        schema = response_format.schema
        return json_schema.describe_in_words(schema) if schema else json_schema.JSON_INSTRUCTION
    config["responseMimeType"] = "application/json"
    if response_format.schema:
        budget = SchemaBudget()
        if can.json_schemas:
            config["responseJsonSchema"] = json_schema.adapt_for_gemini_json(response_format.schema, budget)
        else:
            config["responseSchema"] = json_schema.adapt_for_gemini_openapi(response_format.schema, budget)
        if budget.shortened:
            notes.append("response_format: nested references of its schema are shortened")
    return ""


def _thinking(config: Fields, conversation: Conversation, can: GeminiModelLimits, notes: list[str]) -> None:
    wish = conversation.thinking
    if wish is None:
        return
    if not can.budgets:
        notes.append("thinking: not supported by this model, dropped")
        return
    effort = reasoning_effort.effort_of(wish)
    thinking: Fields = {}
    if effort == "none" and (can.levels or can.min_budget):
        notes.append("thinking: cannot be turned off for this model, its minimum is used")
    if can.levels:
        level = reasoning_effort.nearest_effort(effort, can.levels) or can.levels[0] if effort is not None else None
        if level is not None:
            thinking["thinkingLevel"] = level.upper()
            if level != effort != "none":
                notes.append(f"thinking: effort {effort} not supported by this model, {level} is used")
    elif effort == "none":
        thinking["thinkingBudget"] = can.min_budget
    else:
        thinking["thinkingBudget"] = _budget(wish, can, notes) if effort is not None else _AUTOMATIC
    if reasoning_effort.wants_thinking(wish) and wish.visible:
        thinking["includeThoughts"] = True
    if thinking:
        config["thinkingConfig"] = thinking


def _budget(wish: ThinkingWish, can: GeminiModelLimits, notes: list[str]) -> int:
    wanted = reasoning_effort.budget_of(wish)
    smallest, largest = can.budget_range
    budget = min(max(wanted, smallest), largest)
    if wish.budget_tokens is not None and budget != wanted:
        notes.append(f"thinking: budget {wanted} changed to {budget}, the model's limit")
    return budget
