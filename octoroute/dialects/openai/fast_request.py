"""Fast reader of Chat Completions requests: decodes everything the gateway needs in one step. Pure.

It returns None for an unusual or invalid request. `openai.request` then reads the fields one by one and names the wrong one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec

from octoroute.dialects.request.body import MAX_UNSET_BYTES, UNSET
from octoroute.dialects.request.facts import ABSENT, NO_HINTS, FactsBuilder, Hints, count_chars
from octoroute.domain.request import Facts

_IMAGE_PARTS = frozenset({"image_url", "input_image", "image"})
_FILE_PARTS = frozenset({"file", "input_file", "input_audio"})
_RESULT_ROLES = frozenset({"tool", "function"})


class FastPart(msgspec.Struct):
    type: str = ""
    text: str | None = None
    file: msgspec.Raw = msgspec.Raw(b"")


class FastMessage(msgspec.Struct):
    role: str
    content: str | list[FastPart] | None = None
    tool_calls: msgspec.Raw = ABSENT


class FastFormat(msgspec.Struct):
    type: str = "text"


class FastStreamOptions(msgspec.Struct):
    include_usage: bool | None = None


_Factor = Annotated[float, msgspec.Meta(ge=-2, le=2)]
_Limit = Annotated[int, msgspec.Meta(ge=-1)]


class FastRequest(msgspec.Struct):
    model: str
    messages: list[FastMessage]
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)] | None = None
    max_tokens: _Limit | None = None
    stream: bool | None = None
    stream_options: FastStreamOptions | None = None
    tools: msgspec.Raw = ABSENT
    max_completion_tokens: _Limit | None = None
    response_format: FastFormat | None = None
    octoroute: Hints = NO_HINTS
    functions: msgspec.Raw = ABSENT
    top_p: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    presence_penalty: _Factor | None = None
    frequency_penalty: _Factor | None = None
    n: Annotated[int, msgspec.Meta(ge=1)] | None = None

    @property
    def wants_usage(self) -> bool:
        return self.stream_options is not None and bool(self.stream_options.include_usage)

    def facts(self, hints: Hints, wide_bytes: int | None = None) -> Facts:
        """`wide_bytes`: as `RequestBody` has it."""
        facts = FactsBuilder(wide_bytes)
        note_messages(self.messages, facts)
        if self.tools is not ABSENT:
            facts.offered_tools(self.tools)
        if self.functions is not ABSENT:
            facts.offered_tools(self.functions)
        facts.json = self.response_format is not None and self.response_format.type != "text"
        budget = self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens
        return facts.build(hints, output_tokens=budget if budget is not None and budget > 0 else None)


_REQUEST = msgspec.json.Decoder(FastRequest)


def read_fast_request(body: bytes) -> FastRequest | None:
    """Decode `body`, which must be valid JSON in UTF-8; None if it must be read field by field."""
    try:
        request = _REQUEST.decode(body)
    except (msgspec.MsgspecError, RecursionError):
        return None
    if not request.messages or not request.model.strip() or request.max_tokens == 0 or request.max_completion_tokens == 0:
        return None
    return request


def note_messages(messages: Sequence[FastMessage], facts: FactsBuilder) -> None:
    """Add the messages to `facts`, without a method call per message."""
    append = facts.messages.append
    each = facts.wide_bytes is None
    chars = 0
    for message in messages:
        role, content, calls = message.role, message.content, message.tool_calls
        if calls is not ABSENT or role in _RESULT_ROLES:
            size = len(memoryview(calls))
            if role in _RESULT_ROLES or size > MAX_UNSET_BYTES or bytes(calls) not in UNSET:
                facts.tools = True
                facts.json_part(calls)
        text = content if isinstance(content, str) else _text_of(content or (), facts)
        append((role, text))
        chars += count_chars(text) if each and not text.isascii() else len(text)
    facts.text_chars += chars


def _text_of(parts: Sequence[FastPart], facts: FactsBuilder) -> str:
    texts: list[str] = []
    for part in parts:
        if part.text is not None:
            texts.append(part.text)
        elif part.type in _IMAGE_PARTS:
            facts.images += 1
        elif part.type in _FILE_PARTS:
            facts.file(part.file)
    return "\n".join(texts)
