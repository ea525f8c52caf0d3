"""Decodes a client's generateContent request into a Conversation. Pure.

Source: https://ai.google.dev/api/generate-content. A value that a Conversation cannot express raises BadRequest or is listed in
`ignored`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from octoroute.dialects.gemini import schema
from octoroute.dialects.gemini.content_decoder import ContentDecoder
from octoroute.dialects.gemini.names import camel_names
from octoroute.dialects.gemini.openapi_schema import normalize_json_schema, to_json_schema
from octoroute.dialects.request.json_input import read_request, reject_deep_nesting, unread_fields
from octoroute.domain.conversation import AnswerFormat, Conversation, Text, ThinkingWish, Tool, ToolChoice
from octoroute.errors import BadRequest

_REQUEST = msgspec.json.Decoder(schema.GenerateRequest)
_DECLARATIONS = msgspec.json.Decoder(list[schema.FunctionDeclaration])
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_READ = frozenset(schema.GenerateRequest.__struct_encode_fields__) | {"octoroute", "model"}
_READ_CONFIG = frozenset(schema.GenerationConfig.__struct_encode_fields__)
_UNSET = frozenset({b"null", b"[]", b"{}", b'""'})
_MODES = {"AUTO": "auto", "VALIDATED": "auto", "ANY": "any", "NONE": "none"}
_EFFORTS = frozenset({"minimal", "low", "medium", "high"})
_JSON = "application/json"


def read_generate_request(body: bytes) -> tuple[schema.GenerateRequest, bytes]:
    """Return (the request, its body with names in camelCase). Raises BadRequest that names the field."""
    body = camel_names(body)
    return read_request(_REQUEST, body), body


@reject_deep_nesting
def decode_request(body: bytes) -> Conversation:
    """Raises BadRequest that names the field."""
    request, body = read_generate_request(body)
    ignored = list(unread_fields(body, _READ, unset=_UNSET))
    tools = tuple(_tools(request, ignored))
    config = request.generation_config or schema.GenerationConfig()
    _note_config(config, body, ignored)
    contents = ContentDecoder(ignored)
    return Conversation(
        system=tuple(_system(request)),
        turns=tuple(contents.turns(request.contents or ())),
        tools=tools,
        tool_choice=_tool_choice(request.tool_config) if tools else None,
        max_tokens=config.max_output_tokens,
        temperature=config.temperature,
        top_p=config.top_p,
        top_k=None if config.top_k is None else int(config.top_k),
        stop=tuple(filter(None, config.stop_sequences or ())),
        seed=config.seed,
        presence_penalty=config.presence_penalty,
        frequency_penalty=config.frequency_penalty,
        format=_format(config),
        thinking=_thinking(config.thinking_config),
        ignored=tuple(ignored),
    )


def _note_config(config: schema.GenerationConfig, body: bytes, ignored: list[str]) -> None:
    if config.candidate_count is not None and config.candidate_count > 1:
        raise BadRequest(
            "generationConfig.candidateCount: this endpoint returns one candidate only; leave it out",
            param="generationConfig.candidateCount",
        )
    if "AUDIO" in (config.response_modalities or ()):
        where = "generationConfig.responseModalities"
        raise BadRequest(f"{where}: this endpoint does not answer in sound; leave AUDIO out", param=where)
    if config.response_modalities and config.response_modalities != ["TEXT"]:
        ignored.append("generationConfig.responseModalities")
    raw = _FIELDS.decode(body).get("generationConfig")
    if raw is not None and bytes(raw) != b"null":
        fields = _FIELDS.decode(raw)
        ignored += [f"generationConfig.{name}" for name in fields if name not in _READ_CONFIG and bytes(fields[name]) not in _UNSET]


def _system(request: schema.GenerateRequest) -> Iterator[Text]:
    instruction = request.system_instruction
    if isinstance(instruction, str):
        yield from [Text(instruction)] if instruction.strip() else []
    elif instruction is not None:
        for at, part in enumerate(instruction.parts or ()):
            if part.text is None:
                where = f"systemInstruction.parts[{at}]"
                raise BadRequest(f"{where}: must be text", param=where)
            if part.text.strip():
                yield Text(part.text)


def _tools(request: schema.GenerateRequest, ignored: list[str]) -> Iterator[Tool]:
    for at, tool in enumerate(request.tools or ()):
        for kind, raw in tool.items():
            if kind != "functionDeclarations":
                ignored.append(f"tools[{at}].{kind} (runs at Google only)")
                continue
            where = f"tools[{at}].functionDeclarations"
            for place, declared in enumerate(_declared(raw, where)):
                if not declared.name:
                    path = f"{where}[{place}].name"
                    raise BadRequest(f"{path}: missing; name the function", param=path)
                yield Tool(name=declared.name, description=declared.description, schema=_parameters(declared))


def _declared(raw: msgspec.Raw, where: str) -> Sequence[schema.FunctionDeclaration]:
    try:
        return _DECLARATIONS.decode(raw)
    except msgspec.ValidationError as error:
        raise BadRequest(f"{where}: {error}", param=where) from None


def _parameters(declared: schema.FunctionDeclaration) -> dict[str, Any] | None:
    if declared.parameters_json_schema is not None:
        return normalize_json_schema(declared.parameters_json_schema)
    return None if declared.parameters is None else to_json_schema(declared.parameters)


def _tool_choice(config: schema.ToolConfig | None) -> ToolChoice | None:
    calling = config.function_calling_config if config is not None else None
    if calling is None or calling.mode in {None, "MODE_UNSPECIFIED"}:
        return None
    mode = _MODES.get((calling.mode or "").upper())
    if mode is None:
        where = "toolConfig.functionCallingConfig.mode"
        raise BadRequest(f"{where}: must be one of {', '.join(_MODES)}", param=where)
    allowed = tuple(calling.allowed_function_names or ())
    if mode == "any" and len(allowed) == 1:
        return ToolChoice(mode="tool", name=allowed[0])
    return ToolChoice(mode=mode, allowed=allowed if allowed and mode != "none" else None)


def _format(config: schema.GenerationConfig) -> AnswerFormat | None:
    if config.response_mime_type != _JSON:
        return None
    if config.response_json_schema is not None:
        return AnswerFormat(schema=normalize_json_schema(config.response_json_schema))
    return AnswerFormat(schema=None if config.response_schema is None else to_json_schema(config.response_schema))


def _thinking(config: schema.ThinkingSettings | None) -> ThinkingWish | None:
    """A budget of 0 turns thinking off, -1 leaves the amount to the model."""
    if config is None:
        return None
    visible, budget = bool(config.include_thoughts), config.thinking_budget
    level = (config.thinking_level or "").lower()
    if level in _EFFORTS:
        return ThinkingWish(effort=level, visible=visible)
    if budget is None:
        return ThinkingWish(visible=visible)
    if budget == 0:
        return ThinkingWish(enabled=False, visible=visible)
    if budget < 0:
        return ThinkingWish(enabled=True, adaptive=True, visible=visible)
    return ThinkingWish(enabled=True, budget_tokens=budget, visible=visible)
