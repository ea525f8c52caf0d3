"""Thought signatures that octoroute gives to parts of other vendors' responses, and their removal on the way to Gemini. Pure.

Google's SDKs read a thought signature as base64, so that a mark of `thinking_signatures` is sent in base64. Clients send it back
with the part. A function call is marked too: Gemini 3 rejects a call without a signature, and accepts one whose signature is
`SKIP_SIGNATURE`, but only the gateway knows that another vendor made the call.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

import msgspec

from octoroute.dialects.gemini.model_limits import model_limits
from octoroute.dialects.gemini.signatures import SKIP_SIGNATURE
from octoroute.dialects.request.body import RequestBody
from octoroute.dialects.request.media import standard_base64
from octoroute.dialects.request.thinking_signatures import MARK, mark_signature, parse_signature

PREFIX = base64.b64encode(MARK.encode()).decode()[:9]
"""The first characters of every mark: nine of base64 hold the seven bytes of `MARK` but for their last two bits."""
_PREFIX = PREFIX.encode()
CALL = "call"
"""The origin of a mark on a function call."""
_NAMES = ("thoughtSignature", "thought_signature")
_OBJECTS = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])


def encode_mark(text: str, origin: str, signature: str | None) -> str:
    """The signature of thinking by `origin`, or of a call (`CALL`)."""
    return base64.b64encode(mark_signature(text, origin, signature).encode()).decode()


def decode_mark(signature: str) -> tuple[str, str] | None:
    """Return (origin, payload) of a mark; None if the signature is Gemini's own. Clients may have changed the base64 alphabet."""
    if not signature.startswith(PREFIX):
        return None
    try:
        return parse_signature(base64.b64decode(standard_base64(signature)).decode())
    except (binascii.Error, ValueError):
        return None


def without_marks(body: RequestBody, model: str) -> Mapping[str, bytes | None]:
    """Return the changes for `RequestBody.with_values` that make the contents acceptable to `model`; empty if it has no marks."""
    contents = body.values.get("contents")
    if contents is None or _PREFIX not in bytes(contents):
        return {}
    try:
        kept = [_unmarked(content, model) for content in _OBJECTS.decode(contents)]
    except (ValueError, RecursionError):
        return {}  # malformed contents: the endpoint reports the error
    return {"contents": msgspec.json.encode([content for content in kept if content is not None])}


def _unmarked(content: dict[str, msgspec.Raw], model: str) -> dict[str, msgspec.Raw] | None:
    """The content without marks; None if it holds nothing but marked thinking."""
    raw = content.get("parts")
    if raw is None or _PREFIX not in bytes(raw):
        return content
    parts = [kept for part in _OBJECTS.decode(raw) if (kept := _part(part, model)) is not None]
    return {**content, "parts": msgspec.Raw(msgspec.json.encode(parts))} if parts else None


def _part(part: dict[str, msgspec.Raw], model: str) -> dict[str, msgspec.Raw] | None:
    """The part without its mark; None for marked thinking, which Gemini did not write."""
    name = next((name for name in _NAMES if bytes(part.get(name, b"")).startswith(b'"' + _PREFIX)), None)
    if name is None:
        return part
    if bytes(part.get("thought", b"")) == b"true":
        return None
    rest = {key: value for key, value in part.items() if key != name}
    is_call = "functionCall" in part or "function_call" in part
    if is_call and model_limits(model).signatures:
        return {**rest, "thoughtSignature": msgspec.Raw(msgspec.json.encode(SKIP_SIGNATURE))}
    return rest
