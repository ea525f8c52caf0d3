"""Finds the images that are older than so many messages of the user, and replaces them by text. Pure.

For the messages of Chat Completions, Messages, and Responses, tool results included.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from octoroute.dialects.request.message_parts import edit_parts, part_fields, type_of
from octoroute.dialects.request.truncation import History

MARKER = "[an image was here; it was left out because it is old]"

_IMAGE_TYPES = frozenset({"image_url", "image", "input_image"})
_SOURCES = ("image_url", "source", "file_id")
"""The fields that hold an image; the first that is set counts. Other fields of a part, such as cache marks, are not its content."""


def count_old(history: History, turns: int) -> int:
    """How many messages, from the first on, are followed by at least `turns` messages of the user."""
    followed = 0
    for at in range(len(history.messages) - 1, -1, -1):
        if followed >= turns:
            return at + 1
        followed += history.messages[at].kind == "user" or history.messages[at].has_user_text
    return 0


def images_of(messages: Sequence[bytes]) -> dict[bytes, bytes]:
    """The JSON of each image's part, by the JSON of what it shows, each once."""
    found: dict[bytes, bytes] = {}

    def note(part: bytes) -> bytes:
        source = _source(part)
        if source is not None:
            found.setdefault(source, part)
        return part

    for message in messages:
        edit_parts(message, note)
    return found


def replace_images(message: bytes, texts: Mapping[bytes, str]) -> bytes:
    """`message` with text parts in place of its images. `texts`: by the JSON of what an image shows. Cache marks stay."""

    def replace(part: bytes) -> bytes:
        source = _source(part)
        fields = part_fields(part)
        if source is None or fields is None or source not in texts:
            return part
        kind = "input_text" if type_of(fields) == "input_image" else "text"
        new: dict[str, object] = {"type": kind, "text": texts[source]}
        if "cache_control" in fields.values:
            new["cache_control"] = fields.values["cache_control"]
        return msgspec.json.encode(new)

    return edit_parts(message, replace)


def described(description: str) -> str:
    return f"[description of an older image: {description}]"


def _source(part: bytes) -> bytes | None:
    """The JSON of what the image shows; None: the part is no image."""
    if b"image" not in part[:200] and b"image" not in part[-200:]:
        return None
    fields = part_fields(part)
    if fields is None or type_of(fields) not in _IMAGE_TYPES:
        return None
    for name in _SOURCES:
        value = fields.values.get(name)
        if value is not None and bytes(value) != b"null":
            return bytes(value)
    return None
