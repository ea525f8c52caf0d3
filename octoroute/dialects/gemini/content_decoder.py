"""Decodes the contents of a generateContent request into turns. Pure; one decoder per request.

Function calls and their responses need no ids in this format.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Sequence

import msgspec

from octoroute.dialects.gemini import schema
from octoroute.dialects.gemini.marks import CALL, decode_mark
from octoroute.dialects.gemini.signatures import SKIP_SIGNATURE
from octoroute.dialects.request import media
from octoroute.dialects.request.body import decode
from octoroute.dialects.request.call_pairs import CallPairs
from octoroute.dialects.request.thinking_signatures import REDACTED
from octoroute.domain.conversation import (
    Audio,
    Block,
    Document,
    Image,
    RedactedThinking,
    Role,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Turn,
)
from octoroute.errors import BadRequest

_ROLES = {None: Role.USER, "": Role.USER, "user": Role.USER, "function": Role.USER, "model": Role.ASSISTANT}
_INLINE = msgspec.json.Decoder(schema.InlineData)
_VALUES = msgspec.json.Decoder(dict[str, msgspec.Raw])
_STRING = msgspec.json.Decoder(str)
_AUDIO_FORMATS = {"mpeg": "mp3", "x-wav": "wav", "wave": "wav", "vnd.wave": "wav", "x-m4a": "m4a", "mp4": "m4a"}


class ContentDecoder:
    """`ignored` collects what a turn cannot hold."""

    def __init__(self, ignored: list[str]) -> None:
        self._ignored = ignored
        self._pairs = CallPairs()

    def turns(self, contents: Sequence[schema.RequestContent]) -> Iterator[Turn]:
        """Neighbouring contents of one role become one turn: SDKs keep a stream as one content a chunk.

        Raises BadRequest that names the part.
        """
        runs: list[tuple[Role, list[Block]]] = []
        for at, content in enumerate(contents):
            where = f"contents[{at}]"
            if content.role not in _ROLES:
                raise BadRequest(f"{where}.role: must be user or model, not '{content.role}'", param=f"{where}.role")
            role = _ROLES[content.role]
            blocks: list[Block] = []
            for place, part in enumerate(content.parts or ()):
                blocks += self._part(part, f"{where}.parts[{place}]")
            if runs and runs[-1][0] is role:
                runs[-1][1].extend(blocks)
            else:
                runs.append((role, blocks))
        for role, blocks in runs:
            if blocks:
                yield Turn(role, tuple(_joined(blocks)))

    def _part(self, part: schema.RequestPart, where: str) -> Sequence[Block]:
        if part.function_call is not None:
            return [self._call(part.function_call, part.thought_signature, where)]
        if part.function_response is not None:
            return [self._result(part.function_response, where)]
        if part.thought:
            return _thought(part)
        if part.text is not None:
            return [Text(part.text)] if part.text else []
        if part.executable_code is not None:
            return [Text(f"(ran code)\n{part.executable_code.code or ''}")]
        if part.code_execution_result is not None:
            return [Text(f"(its output: {part.code_execution_result.output or 'none'})")]
        block = self._media(part, where)
        if block is None and (part.tool_call is not None or part.tool_response is not None):
            self._ignored.append(f"{where} (a tool that runs at Google)")
        return [] if block is None else [block]

    def _call(self, call: schema.CallPart, signature: str | None, where: str) -> ToolCall:
        if not call.name:
            raise BadRequest(f"{where}.functionCall.name: missing; name the function", param=f"{where}.functionCall.name")
        id = self._pairs.call_id(call.id, call.name)
        arguments = bytes(call.args).decode()
        if signature is not None and (signature == SKIP_SIGNATURE or decode_mark(signature) is not None):
            signature = None
        return ToolCall(id, call.name, "" if arguments == "null" else arguments, signature)

    def _result(self, result: schema.ResultPart, where: str) -> ToolResult:
        id = self._pairs.result_id(result.id, result.name)
        text, is_error = _response_text(result.response)
        content: list[Text | Image | Document | Audio] = [Text(text)] if text else []
        for at, part in enumerate(result.parts or ()):
            path = f"{where}.functionResponse.parts[{at}]"
            block = _inline(part.inline_data, path) if part.inline_data is not None else _file(part.file_data, path)
            content += [] if block is None else [block]
        return ToolResult(id, tuple(content), is_error, result.name or None)

    def _media(self, part: schema.RequestPart, where: str) -> Image | Document | Audio | None:
        if bytes(part.inline_data) not in {b"", b"null"}:
            return _inline(decode(part.inline_data, _INLINE, f"{where}.inlineData"), where)
        return _file(part.file_data, where)


def _thought(part: schema.RequestPart) -> Sequence[Block]:
    signature = part.thought_signature
    mark = decode_mark(signature) if signature else None
    if mark is None:
        return [Thinking(part.text or "", signature=signature or None, origin="gemini" if signature else None)]
    origin, payload = mark
    if origin == REDACTED:
        return [RedactedThinking(payload)]
    return [] if origin == CALL else [Thinking(part.text or "", signature=payload, origin=origin)]


def _joined(blocks: Sequence[Block]) -> Iterator[Block]:
    """Join neighbouring thoughts up to the one with their signature: a stream sends it after them, in a part of its own."""
    texts: list[str] = []
    for block in blocks:
        if isinstance(block, Thinking):
            texts.append(block.text)
            if block.signature is None:
                continue
            block = Thinking("".join(texts), block.signature, block.origin)  # noqa: PLW2901 - the same block, with its text
            texts.clear()
        elif texts:
            yield Thinking("".join(texts))
            texts.clear()
        yield block
    if texts:
        yield Thinking("".join(texts))


def _response_text(response: msgspec.Raw) -> tuple[str, bool]:
    """Return (text, whether the function failed): of `output` or `error` if the response has nothing else, otherwise all of it."""
    raw = bytes(response)
    if raw in {b"", b"null"}:
        return "", False
    try:
        values = _VALUES.decode(raw)
    except (ValueError, RecursionError):
        return raw.decode(), False
    if len(values) == 1:
        name, value = next(iter(values.items()))
        if name in {"output", "error"}:
            inner = bytes(value)
            return (_STRING.decode(inner) if inner.startswith(b'"') else inner.decode()), name == "error"
    return raw.decode(), "error" in values and "output" not in values


def _inline(inline: schema.InlineData, where: str) -> Image | Document | Audio:
    name = media.media_type_name(inline.mime_type.partition(";")[0])
    if not name or not inline.data:
        raise BadRequest(f"{where}.inlineData: mimeType or data is missing; send both", param=f"{where}.inlineData")
    kind, _, subtype = name.partition("/")
    data = media.standard_base64(inline.data)  # the SDK for Python writes the URL-safe alphabet
    if kind == "image":
        return Image(media_type=name, data=data)
    if kind == "audio":
        return Audio(data, _AUDIO_FORMATS.get(subtype, subtype))
    if kind == "text" or name == "application/json":
        try:
            return Document(media_type=name, text=base64.b64decode(data, validate=True).decode(), title=inline.display_name)
        except (binascii.Error, ValueError):
            raise BadRequest(f"{where}.inlineData.data: is not text in base64", param=f"{where}.inlineData.data") from None
    return Document(media_type=name, data=data, title=inline.display_name)


def _file(file: schema.FileUri | None, where: str) -> Image | Document | None:
    if file is None:
        return None
    where = f"{where}.fileData.fileUri"
    if not file.file_uri[:8].lower().startswith(("http://", "https://")) or "//generativelanguage.googleapis.com/" in file.file_uri:
        raise BadRequest(f"{where}: only Google's servers can read this file; send inlineData, or an https URL", param=where)
    if (file.mime_type or "").lower().startswith("image/"):
        return Image(media_type=media.media_type_name(file.mime_type or ""), url=file.file_uri)
    return Document(media_type=file.mime_type, url=file.file_uri, title=file.display_name)
