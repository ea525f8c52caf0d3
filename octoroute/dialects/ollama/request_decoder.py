"""Decodes a client's /api/chat or /api/generate request into a Conversation. Pure.

A value that a Conversation cannot express raises BadRequest or is listed in `ignored`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from octoroute.dialects.ollama import schema
from octoroute.dialects.request import media
from octoroute.dialects.request.call_pairs import CallPairs
from octoroute.dialects.request.json_input import read_request, reject_deep_nesting, unread_fields
from octoroute.dialects.request.message_order import ERROR_MARK, split_system
from octoroute.domain.conversation import (
    AnswerFormat,
    Block,
    Conversation,
    Image,
    Role,
    Text,
    Thinking,
    ThinkingWish,
    Tool,
    ToolCall,
    ToolResult,
    Turn,
)
from octoroute.errors import BadRequest

_REQUEST = msgspec.json.Decoder(schema.ChatOrGenerate)
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_READ = frozenset(schema.ChatOrGenerate.__struct_encode_fields__) | {"model", "octoroute", "truncate", "shift"}
_READ_OPTIONS = frozenset(schema.RunOptions.__struct_encode_fields__)
_LOCAL_OPTIONS = frozenset(
    {
        "num_ctx", "num_batch", "num_gpu", "main_gpu", "low_vram", "f16_kv", "vocab_only", "use_mmap", "use_mlock", "num_thread",
        "num_keep", "numa", "embedding_only", "logits_all",
    }
)  # fmt: skip
"""How Ollama loads a model: nothing that an endpoint could be asked for."""
_UNSET = frozenset({b"null", b"false", b"0", b'""', b"[]", b"{}"})
_ROLES = {"user": Role.USER, "assistant": Role.ASSISTANT, "system": Role.SYSTEM}
_IMAGE_TYPES = (("/9j/", "image/jpeg"), ("iVBORw0KGgo", "image/png"), ("R0lGOD", "image/gif"), ("UklGR", "image/webp"))
"""The first characters of each type in base64."""
_EFFORTS = frozenset({"low", "medium", "high", "max"})
_ONLY_OLLAMA = {
    "raw": "prompts without a template are not supported by this gateway; leave raw out, or send messages to /api/chat",
    "suffix": "filling in the middle is not supported by this gateway; leave suffix out",
    "context": "tokens of an earlier response are not supported by this gateway; send the whole conversation to /api/chat",
}
"""Why a field is rejected that only Ollama itself can serve."""


def read_chat_or_generate(body: bytes) -> schema.ChatOrGenerate:
    """Raises BadRequest that names the field, also for a prompt that only Ollama itself can run."""
    request = read_request(_REQUEST, body)
    if request.messages is None and request.prompt is None:
        raise BadRequest("messages: is missing; send messages to /api/chat, or a prompt to /api/generate", param="messages")
    for name, value in (("raw", request.raw), ("suffix", request.suffix), ("context", request.context)):
        if value:
            raise BadRequest(f"{name}: {_ONLY_OLLAMA[name]}", param=name)
    return request


@reject_deep_nesting
def decode_request(body: bytes) -> Conversation:
    """Raises BadRequest that names the field."""
    request = read_chat_or_generate(body)
    options = request.options or schema.RunOptions()
    if request.messages is None:
        system = [Text(request.system)] if request.system else []
        turns: Iterator[Turn] = iter([Turn(Role.USER, (*_text(request.prompt), *_images(request.images, "images")))])
    else:
        system, turns = [], _turns(request.messages)
    leading, rest = split_system(system, turns)
    limit = options.num_predict
    return Conversation(
        system=leading,
        turns=rest,
        tools=tuple(_tools(request.tools or ())),
        max_tokens=limit if limit is not None and limit > 0 else None,
        temperature=options.temperature,
        top_p=options.top_p,
        top_k=None if options.top_k is None else int(options.top_k),
        stop=(options.stop,) if isinstance(options.stop, str) else tuple(options.stop or ()),
        seed=options.seed,
        presence_penalty=options.presence_penalty,
        frequency_penalty=options.frequency_penalty,
        format=_format(request.format),
        thinking=_thinking(request.think),
        ignored=(*unread_fields(body, _READ, unset=_UNSET), *_ignored_options(body)),
    )


def _ignored_options(body: bytes) -> Iterator[str]:
    raw = _FIELDS.decode(body).get("options")
    if raw is not None and bytes(raw) != b"null":
        known = _READ_OPTIONS | _LOCAL_OPTIONS
        for name, value in _FIELDS.decode(raw).items():
            if name not in known and bytes(value) not in _UNSET:
                yield f"options.{name}"


def _turns(messages: Sequence[schema.ChatMessage]) -> Iterator[Turn]:
    pairs = CallPairs()
    for at, message in enumerate(messages):
        where = f"messages[{at}]"
        if message.role == "tool":
            yield Turn(Role.USER, (_result(message, pairs, where),))
            continue
        role = _ROLES.get(message.role)
        if role is None:
            path = f"{where}.role"
            raise BadRequest(f"{path}: must be system, user, assistant, or tool, not '{message.role[:40]}'", param=path)
        blocks: list[Block] = []
        if role is Role.ASSISTANT and message.thinking:
            blocks.append(Thinking(message.thinking))
        blocks += _text(message.content)
        if role is Role.USER:
            blocks += _images(message.images, f"{where}.images")
        for place, call in enumerate(message.tool_calls or ()):
            blocks.append(_call(call, pairs, f"{where}.tool_calls[{place}]"))
        yield Turn(role, tuple(blocks))


def _call(call: schema.HistoryCall, pairs: CallPairs, where: str) -> ToolCall:
    function = call.function
    if function is None or not function.name:
        raise BadRequest(f"{where}.function.name: missing; name the function", param=f"{where}.function.name")
    arguments = function.arguments
    text = arguments if isinstance(arguments, str) else msgspec.json.encode(arguments or {}).decode()
    return ToolCall(pairs.call_id(call.id, function.name), function.name, text)


def _result(message: schema.ChatMessage, pairs: CallPairs, where: str) -> ToolResult:
    name, text = message.tool_name or message.name or "", message.content or ""
    is_error = text.startswith(ERROR_MARK)
    content = (*_text(text.removeprefix(ERROR_MARK)), *_images(message.images, f"{where}.images"))
    return ToolResult(pairs.result_id(message.tool_call_id, name), content, is_error, name or None)


def _text(text: str | None) -> tuple[Text, ...]:
    return (Text(text),) if text else ()


def _images(images: Sequence[str] | None, where: str) -> Iterator[Image]:
    for at, image in enumerate(images or ()):
        if image[:5].lower() == "data:":
            yield media.image_from_url(image, f"{where}[{at}]")
        else:
            kind = next((kind for start, kind in _IMAGE_TYPES if image.startswith(start)), None)
            if kind is None:
                raise BadRequest(f"{where}[{at}]: must be a JPEG, PNG, GIF, or WebP image in base64", param=f"{where}[{at}]")
            yield Image(media_type=kind, data=image)


def _tools(tools: Sequence[schema.OfferedTool]) -> Iterator[Tool]:
    for at, tool in enumerate(tools):
        function = tool.function
        if function is None or not function.name:
            raise BadRequest(f"tools[{at}].function.name: missing; name the function", param=f"tools[{at}].function.name")
        yield Tool(name=function.name, description=function.description, schema=function.parameters)


def _format(wanted: dict[str, object] | str | None) -> AnswerFormat | None:
    if not wanted:
        return None
    if isinstance(wanted, str):
        if wanted != "json":
            raise BadRequest('format: must be "json" or a JSON schema', param="format")
        return AnswerFormat()
    return AnswerFormat(schema=wanted)


def _thinking(think: bool | str | None) -> ThinkingWish | None:
    if think is None or think == "":
        return None
    if isinstance(think, bool):
        return ThinkingWish(enabled=think, visible=think)
    if think not in _EFFORTS:
        raise BadRequest('think: must be true, false, "low", "medium", "high", or "max"', param="think")
    return ThinkingWish(enabled=True, effort=think)
