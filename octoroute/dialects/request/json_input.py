"""Typed decoding of JSON from outside. Every fault becomes BadRequest (client) or BadUpstreamResponse (upstream). Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import msgspec

from octoroute.dialects.response.lenient_json import read_leniently
from octoroute.errors import BadRequest, BadUpstreamResponse

T = TypeVar("T")
P = ParamSpec("P")

MAX_DETAIL = 300
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_PLACE = re.compile(r"(?P<what>.*?)(?: - at `(?:key in )?\$\.?(?P<path>.*)`)?", re.DOTALL)
_ESCAPE = re.compile(
    rb"\\(?:u([dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|u([dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)


def read_request(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """Decode a client's body. Raises BadRequest that names the field."""
    try:
        return _read(decoder, body)
    except msgspec.ValidationError as error:
        found = _PLACE.fullmatch(str(error))
        what, path = (found["what"], found["path"]) if found else (str(error), None)
        raise BadRequest(f"{path or 'the request body'}: {what}".replace("`", "'"), param=path or None) from None
    except RecursionError:
        raise BadRequest("the request body is nested too deeply; reduce its nesting") from None
    except ValueError as error:
        raise BadRequest(f"the request body is not valid JSON: {error}") from None


def unread_fields(body: bytes, read: frozenset[str], *, unset: frozenset[bytes]) -> tuple[str, ...]:
    """Names of the fields of a request that are not in `read`, except those whose JSON is in `unset`. Raises BadRequest."""
    fields = read_request(_FIELDS, body)
    return tuple(key for key, value in fields.items() if key not in read and bytes(value) not in unset)


def reject_deep_nesting(translate: Callable[P, T]) -> Callable[P, T]:
    """Decorator: turn a RecursionError of `translate`, caused by a deeply nested schema, into BadRequest."""

    @wraps(translate)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return translate(*args, **kwargs)
        except RecursionError:
            raise BadRequest("the request is nested too deeply; reduce the nesting of its schemas") from None

    return guarded


def read_response(decoder: msgspec.json.Decoder[T], data: bytes, what: str, *, lenient: bool = True) -> T:
    """Decode an upstream's `what` (response or stream). If `lenient`, a field of an unexpected type is left out.

    Raises BadUpstreamResponse if it is not JSON, or another value than expected.
    """
    try:
        try:
            return _read(decoder, data)
        except msgspec.ValidationError:
            if not lenient:
                raise
            return read_leniently(decoder, _replace_invalid_text(data))
    except (ValueError, RecursionError) as error:
        raise BadUpstreamResponse(f"the upstream's {what} does not follow its API format", detail=str(error)[:MAX_DETAIL]) from None


def json_text(value: Any) -> str:
    """A text as it is, None as "", any other value as JSON: servers and clients send the arguments of a call in each form."""
    if isinstance(value, str):
        return value
    return "" if value is None else msgspec.json.encode(value).decode()


def _read(decoder: msgspec.json.Decoder[T], data: bytes) -> T:
    try:
        return decoder.decode(data)
    except msgspec.ValidationError:
        raise
    except ValueError:  # invalid UTF-8: msgspec raises UnicodeDecodeError up to 0.22 and DecodeError from 0.23 on
        valid = _replace_invalid_text(data)
        if valid == data:
            raise
        return decoder.decode(valid)


def _replace_invalid_text(data: bytes) -> bytes:
    """Replace invalid UTF-8 and lone surrogates (from programs that cut strings in UTF-16) by U+FFFD."""
    return _ESCAPE.sub(_replace_half_pair, data.decode("utf-8", "replace").encode())


def _replace_half_pair(escape: re.Match[bytes]) -> bytes:
    return rb"\ufffd" if escape[2] else escape[0]
