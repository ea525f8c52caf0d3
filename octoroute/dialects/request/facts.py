"""Facts of a request, gathered in one bounded pass without translating the request. Shared by the readers of all dialects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from octoroute.dialects.request.body import MAX_UNSET_BYTES, UNSET, RequestBody, decode
from octoroute.dialects.request.harness import user_words
from octoroute.domain.request import Facts, Importance, Task
from octoroute.errors import BadRequest

EARLIER_MESSAGES = 12
"""How many messages before the last user message are kept, so that a classifier can resolve a message such as "go on"."""
EARLIER_CHARS = 2000
IMAGE_TOKENS = 1000
"""Tokens counted for an image towards the context window; about what vendors bill for one of ordinary size."""

ABSENT = msgspec.Raw(b"null")
"""The JSON of a field that a request does not have."""
BASE64_CHARS_PER_CHAR = 10
"""Base64 characters of a file that count as one character of text: about 2,000 tokens for a PDF page of 60,000 bytes."""
_SYSTEM_ROLES = frozenset({"system", "developer"})
_TEXT_MEDIA_TYPE = b'"text/plain"'
_MEDIA_TYPE_WINDOW = 200
"""Bytes at each end of a file's JSON in which its media type is looked for."""


class Hints(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The client's `octoroute` object, or the headers of the same meaning. None: not set."""

    importance: Importance | None = None
    task_type: Task | None = None
    quality: float | None = None


NO_HINTS = Hints()
_HINTS = msgspec.json.Decoder(Hints)
_MODEL = msgspec.json.Decoder(str)


class _Header(NamedTuple):
    name: str
    field: str
    kind: type[Importance | Task | float]


_HEADERS = (
    _Header("x-octoroute-importance", "importance", Importance),
    _Header("x-octoroute-task-type", "task_type", Task),
    _Header("x-octoroute-quality", "quality", float),
)
_HEADER_NAMES = frozenset(header.name for header in _HEADERS)


def auto_at(model: str) -> tuple[str, float | None]:
    """Split `auto:0.3` into (`auto`, 0.3); other names are returned with None. Raises BadRequest for a quality outside 0 to 1."""
    if ":" not in model:
        return model, None
    word, _, text = model.partition(":")
    if word.rpartition("/")[2].lower() not in _AUTO_NAMES:
        return model, None
    try:
        quality = float(text)
    except ValueError:
        return model, None
    if not 0 <= quality <= 1:
        raise BadRequest("model: auto:QUALITY takes a number between 0 (cheapest) and 1 (best)", param="model")
    return word, quality


_AUTO_NAMES = frozenset({"auto", "claude-octoroute-auto"})


def read_hints(body: RequestBody, headers: Mapping[str, str]) -> Hints:
    """Read hints from `auto:QUALITY`, the body's `octoroute` object, and the headers; later ones win. Raises BadRequest."""
    raw = body.values.get("octoroute")
    hints = NO_HINTS if raw is None else decode(raw, _HINTS, "octoroute")
    model = body.values.get("model")
    quality = None
    if model is not None and hints.quality is None and b":" in bytes(model):
        quality = auto_at(decode(model, _MODEL, "model"))[1]
    return all_hints(hints, quality, headers)


def all_hints(hints: Hints, quality: float | None, headers: Mapping[str, str]) -> Hints:
    """Add the `quality` of `auto:QUALITY` if the body's `hints` have none, then override by headers. Raises BadRequest."""
    if quality is not None and hints.quality is None:
        hints = msgspec.structs.replace(hints, quality=quality)
    if not headers.keys().isdisjoint(_HEADER_NAMES):
        for header in _HEADERS:
            text = headers.get(header.name)
            if text is not None:
                hints = msgspec.structs.replace(hints, **{header.field: _read_header(header, text)})
    if hints.quality is not None and not 0 <= hints.quality <= 1:
        raise BadRequest("quality: must be between 0 and 1", param="octoroute.quality")
    return hints


def _read_header(header: _Header, text: str) -> Importance | Task | float:
    try:
        return header.kind(text.strip().lower())
    except ValueError:
        allowed = "a number between 0 and 1" if header.kind is float else ", ".join(header.kind)  # type: ignore[arg-type]
        raise BadRequest(f"{header.name}: must be one of {allowed}", param=header.name) from None


class FactsBuilder:
    """Collects facts: set the attributes, call `message` for each message in order, then `build`."""

    __slots__ = ("attachments", "extra_chars", "images", "json", "messages", "results_at", "text_chars", "tools", "wide_bytes")

    def __init__(self, wide_bytes: int | None = None) -> None:
        self.wide_bytes = wide_bytes
        """How many more bytes than characters all texts together have, at most; None: each text is counted on its own."""
        self.tools = self.json = self.attachments = False
        self.images = 0
        self.extra_chars = 0
        """Characters of tool schemas and files: they fill the context window, but are not part of the message text."""
        self.messages: list[tuple[str, str]] = []
        """(role, text) of each, in order."""
        self.results_at = -1
        """How many messages precede the last tool result, in a dialect whose tool results are no messages; -1: there is none."""
        self.text_chars = 0
        """As `count_chars` counts them; with `wide_bytes`, the mere characters."""

    def message(self, role: str, text: str) -> None:
        self.messages.append((role, text))
        self.text_chars += count_chars(text)

    @property
    def chars(self) -> int:
        """Everything that must fit the context window, at four characters a token."""
        return self.text_chars + self.extra_chars + 4 * self.images * IMAGE_TOKENS

    def offered_tools(self, tools: msgspec.Raw) -> None:
        """Count the JSON of the tools that a request offers; `ABSENT` and empty lists count as none."""
        if len(memoryview(tools)) > MAX_UNSET_BYTES or bytes(tools) not in UNSET:
            self.tools = True
            self.json_part(tools)

    def json_part(self, raw: msgspec.Raw) -> None:
        """Count the bytes of JSON that is no message's text."""
        size = len(memoryview(raw))
        self.extra_chars += size
        if self.wide_bytes:
            self.wide_bytes -= size - len(bytes(raw).decode())

    def file(self, source: msgspec.Raw) -> None:
        """Count a file by the JSON of its source: text by its length, base64 as a PDF of that size."""
        self.attachments = True
        view = memoryview(source)
        # The media type may come before or after the data.
        beside = bytes(view[:_MEDIA_TYPE_WINDOW]) + bytes(view[-_MEDIA_TYPE_WINDOW:])
        self.extra_chars += len(view) if _TEXT_MEDIA_TYPE in beside else len(view) // BASE64_CHARS_PER_CHAR

    def build(self, hints: Hints, *, output_tokens: int | None) -> Facts:
        messages = self.messages
        added_chars = 0
        for role, content in messages:
            if role in _SYSTEM_ROLES:
                added_chars += count_chars(content)
        last = len(messages) - 1
        text, answered = "", False
        while last >= 0:
            role, text = messages[last]
            if role == "user":
                if "<" in text:
                    text, added = _without_harness(text)
                    added_chars += added
                if text:
                    break
            answered = answered or role == "assistant"
            last -= 1
        else:
            text = ""
        earlier: list[tuple[str, str]] = []
        if last > 0:
            for role, content in messages[max(0, last - EARLIER_MESSAGES) : last]:
                words = content
                if role == "user" and "<" in content:
                    words, added = _without_harness(content)
                    added_chars += added
                earlier.append((role, words[:EARLIER_CHARS]))
        tokens = (self.text_chars + _wide_chars(self.wide_bytes or 0)) // 4
        return Facts(
            text=text,
            earlier=tuple(earlier),
            tokens=tokens,
            added_tokens=added_chars // 4,
            context_tokens=tokens + self.extra_chars // 4 + self.images * IMAGE_TOKENS,
            output_tokens=output_tokens,
            messages=len(messages),
            tools=self.tools,
            continues=self.tools and (answered or self.results_at > last),
            images=self.images > 0,
            json=self.json,
            attachments=self.attachments,
            importance=hints.importance,
            task=hints.task_type,
            quality=hints.quality,
        )


def _without_harness(text: str) -> tuple[str, int]:
    """The user's words, and how many characters a harness has added to them."""
    words = user_words(text)
    return (words, 0) if words is text else (words, count_chars(text) - count_chars(words))


def estimate_tokens(text: str) -> int:
    """Estimate tokens as a quarter of the characters; CJK characters count as a token each."""
    return count_chars(text) // 4


def count_chars(text: str) -> int:
    if text.isascii():
        return len(text)
    return len(text) + _wide_chars(len(text.encode("utf-8", "surrogatepass")) - len(text))


def _wide_chars(wide_bytes: int) -> int:
    """What is added for characters that have so many bytes more than one: three for each of CJK, which has two more."""
    return 3 * (wide_bytes // 2)
