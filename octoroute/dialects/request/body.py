"""A JSON object as its sender wrote it: bytes, and where each top-level value stands in them.

What is not looked at is not decoded, and what is not changed goes out byte for byte, white space and all.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from typing import Any, TypeVar

import msgspec

from octoroute.errors import BadRequest

_T = TypeVar("_T")
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_KEY = re.compile(rb'[ \t\n\r,]*("(?:[^"\\]|\\.)*")[ \t\n\r]*:[ \t\n\r]*')
_COMMA = re.compile(rb"[ \t\n\r]*,")


class RequestBody(msgspec.Struct, frozen=True, eq=False):
    """`raw` is never changed; `patched` makes new bytes."""

    raw: bytes
    values: dict[str, msgspec.Raw]

    @classmethod
    def parse(cls, raw: bytes) -> RequestBody:
        """Raises BadRequest for anything but one JSON object in UTF-8."""
        try:
            if not raw.isascii():
                raw.decode()  # the decoder below does not look inside the strings it skips
            return cls(raw, _OBJECT.decode(raw))
        except UnicodeDecodeError as error:
            raise BadRequest(f"the request body is not valid UTF-8 (byte {error.start})") from None
        except msgspec.ValidationError as error:
            raise BadRequest(f"the request body must be a JSON object: {error}") from None
        except msgspec.DecodeError as error:
            if not raw.strip():
                raise BadRequest("the request body is empty; send a JSON object") from None
            raise BadRequest(f"the request body is not valid JSON: {error}") from None
        except RecursionError:
            raise BadRequest("the request body is nested too deeply") from None

    def decode(self, name: str, decoder: msgspec.json.Decoder[_T]) -> _T | None:
        """The value under `name`, None when it is absent; BadRequest naming the path when it has another shape."""
        value = self.values.get(name)
        if value is None:
            return None
        return decode(value, decoder, name)

    def is_set(self, name: str) -> bool:
        """Present, and neither null, false, nor empty."""
        value = self.values.get(name)
        return value is not None and bytes(value) not in UNSET

    def with_values(self, changes: Mapping[str, bytes | None]) -> bytes:
        """`raw` with the named top-level values replaced (bytes of JSON) or removed with their keys (None).

        Names that are not there are left out. Where a key stands twice the last one counts, and only that one goes out.
        """
        return self._reencode(changes) or self._splice(changes)

    def _reencode(self, changes: Mapping[str, bytes | None]) -> bytes | None:
        """Written anew, which is the least work; None when that would change more than it should."""
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
        """With what is new put in its place, and the rest as it stands."""
        spans = self._find_spans(changes)
        if spans is None:
            kept = {name: changes.get(name, value) for name, value in self.values.items()}
            return msgspec.json.encode(
                {name: msgspec.Raw(value) for name, value in kept.items() if value is not None}  # type: ignore[arg-type]
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
            else:  # the last member: the comma to take away stands before it, perhaps where another one has been removed
                before = b"".join((*pieces, raw[at:key_at])).rstrip()
                pieces = [before[:-1] if before.endswith(b",") else before]
                at = value_end
        pieces.append(raw[at:])
        return b"".join(pieces)

    def _find_spans(self, names: Container[str]) -> dict[str, tuple[int, int, int]] | None:
        """Of `names`: name → (key starts, value starts, value ends); None when a key stands twice.

        Only keys are scanned: the decoder has told how long each value is. A key that stands twice has one value
        in `values`, so the walk cannot come out at the closing brace.
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


UNSET = (b"null", b"false", b"[]", b"{}", b'""')


def decode(value: msgspec.Raw | bytes, decoder: msgspec.json.Decoder[_T], path: str) -> _T:
    """BadRequest with the full path of what does not fit."""
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
