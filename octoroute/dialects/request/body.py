"""A request body: the client's JSON object as bytes, and the raw bytes of each top-level value.

Values are decoded only when they are read. A value that is not replaced keeps its bytes, white space included.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from typing import Any, Protocol, TypeVar, runtime_checkable

import msgspec

from octoroute.dialects.request.json_size import MAX_FIELDS, UNSCANNED_BYTES, check_size
from octoroute.errors import BadRequest

_T = TypeVar("_T")
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_KEY = re.compile(rb'[ \t\n\r,]*("(?:[^"\\]|\\.)*")[ \t\n\r]*:[ \t\n\r]*')
_COMMA = re.compile(rb"[ \t\n\r]*,")


class RequestBody(msgspec.Struct, frozen=True, eq=False):
    """`raw` is the whole body; `values` maps each top-level key to the raw JSON of its value. `with_values` returns new bytes."""

    raw: bytes
    values: dict[str, msgspec.Raw]
    surplus: int = 0
    """How many more bytes than characters `raw` has."""

    @classmethod
    def parse(cls, raw: bytes) -> RequestBody:
        """Raises BadRequest for anything but one JSON object in UTF-8, and for one with too many values."""
        if len(raw) > UNSCANNED_BYTES:
            check_size(raw)
        try:
            surplus = 0 if raw.isascii() else len(raw) - len(raw.decode())  # msgspec does not validate strings that it skips
            values = _OBJECT.decode(raw)
        except UnicodeDecodeError as error:
            raise BadRequest(f"the request body is not valid UTF-8 (byte {error.start})") from None
        except msgspec.ValidationError as error:
            raise BadRequest(f"the request body must be a JSON object: {error}") from None
        except msgspec.DecodeError as error:
            if not raw.strip():
                raise BadRequest("the request body is empty; send a JSON object") from None
            raise BadRequest(f"the request body is not valid JSON: {error}") from None
        except RecursionError:
            raise BadRequest("the request body is nested too deeply; reduce its nesting") from None
        if len(values) > MAX_FIELDS:
            raise BadRequest(f"the request body has {len(values):,} fields at its top; at most {MAX_FIELDS:,} are read")
        return cls(raw, values, surplus)

    @property
    def wide_bytes(self) -> int | None:
        """How many more bytes than characters its texts have, at most. None: this is not known without a look at each text.

        That is so where characters may be written as their numbers (RFC 8259, section 7). The texts of an ASCII body that have no
        such characters need no counting.
        """
        if not self.surplus:
            return None
        at = self.raw.find(b"\\")  # a tenth of the time of a search for two bytes
        return None if at >= 0 and self.raw.find(b"\\u", at) >= 0 else self.surplus

    def decode(self, name: str, decoder: msgspec.json.Decoder[_T]) -> _T | None:
        """The decoded value of `name`; None if it is absent. Raises BadRequest that names the path if its type is wrong."""
        value = self.values.get(name)
        if value is None:
            return None
        return decode(value, decoder, name)

    def is_set(self, name: str) -> bool:
        """True if `name` is present and its value is not null, false, or empty."""
        value = self.values.get(name)
        return value is not None and bytes(value) not in UNSET

    def with_values(self, changes: Mapping[str, bytes | None]) -> bytes:
        """Return `raw` with the named top-level values replaced by JSON bytes, or removed together with their keys (None).

        Names that the body does not contain are ignored. If a key occurs twice, only its last value is written.
        """
        return self._reencode(changes) or self._splice(changes)

    def _reencode(self, changes: Mapping[str, bytes | None]) -> bytes | None:
        """Encode the object again, the fastest way; None if that would change white space, escapes, or repeated keys."""
        if msgspec.json.encode(self.values) != self.raw:
            return None
        values = {**self.values}
        for name, new in changes.items():
            if name in values:
                if new is None:
                    del values[name]
                else:
                    values[name] = msgspec.Raw(new)
        return msgspec.json.encode(values)

    def _splice(self, changes: Mapping[str, bytes | None]) -> bytes:
        """Replace the changed spans and copy the bytes between them."""
        spans = self._find_spans(changes)
        if spans is None:
            values = {name: changes.get(name, value) for name, value in self.values.items()}
            return msgspec.json.encode(
                {name: msgspec.Raw(value) for name, value in values.items() if value is not None}  # type: ignore[arg-type]
            )
        raw = self.raw
        pieces: list[bytes] = []
        at = 0
        for name, (key_at, value_at, value_end) in spans.items():
            new = changes[name]
            if new is not None:
                pieces += (raw[at:value_at], new)
                at = value_end
                continue
            following = _COMMA.match(raw, value_end)
            if following is not None:
                pieces.append(raw[at:key_at])
                at = following.end()
            else:  # the last member: remove the comma before it, which may precede other removed members
                before = b"".join((*pieces, raw[at:key_at])).rstrip()
                pieces = [before[:-1] if before.endswith(b",") else before]
                at = value_end
        pieces.append(raw[at:])
        return b"".join(pieces)

    def _find_spans(self, names: Container[str]) -> dict[str, tuple[int, int, int]] | None:
        """Map each of `names` to the offsets (start of key, start of value, end of value); None if a key occurs twice.

        Only keys are scanned, because the length of each value is known from `values`. A repeated key has one entry in
        `values`, so the scan does not end at the closing brace.
        """
        raw = self.raw
        at = raw.index(b"{") + 1
        spans: dict[str, tuple[int, int, int]] = {}
        for name, value in self.values.items():
            key = _KEY.match(raw, at)
            if key is None:
                return None
            value_at = key.end()
            text = memoryview(value)
            if not raw.startswith(text, value_at):
                return None
            at = value_at + len(text)
            if name in names:
                spans[name] = (key.start(1), value_at, at)
        return spans if raw[at:].strip() == b"}" else None


@runtime_checkable
class PassedBody(Protocol):
    """A body of which only the model is read."""

    def with_model(self, model: str) -> bytes:
        """The body with `model` replaced, or added if the client gave none; every other byte is kept."""
        ...


UNSET = (b"null", b"false", b"[]", b"{}", b'""')
"""The JSON of values that count as absent."""
MAX_UNSET_BYTES = max(map(len, UNSET))


def decode(value: msgspec.Raw | bytes, decoder: msgspec.json.Decoder[_T], path: str) -> _T:
    """Decode a part of a body that stands at `path`. Raises BadRequest that names the full path of the wrong value."""
    try:
        return decoder.decode(value)
    except msgspec.ValidationError as error:
        problem, _, inner = str(error).partition(" - at `$")
        param = path + inner.removesuffix("`")
        raise BadRequest(f"{param}: {problem[:1].lower()}{problem[1:]}", param=param) from None
    except msgspec.DecodeError as error:
        raise BadRequest(f"{path} is not valid JSON: {error}", param=path) from None
    except RecursionError:
        raise BadRequest(f"{path} is nested too deeply", param=path) from None


def encode(value: Any) -> bytes:
    return msgspec.json.encode(value)
