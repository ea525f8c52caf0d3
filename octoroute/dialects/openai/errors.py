"""Errors in OpenAI's format: `{"error": {message, type, param, code}}`. Pure."""

from __future__ import annotations

from octoroute.dialects.response import sse
from octoroute.dialects.response.errors import openai_envelope
from octoroute.errors import OctorouteError, UpstreamRejected

_SAME = frozenset({"openai", "responses"})
"""Formats whose errors have this envelope."""


def write_error(error: OctorouteError, request_id: str) -> bytes:
    """Encode an error body. A request that an OpenAI endpoint rejected gets that endpoint's body unchanged."""
    del request_id  # has no field in OpenAI's format; it is sent as a header
    if isinstance(error, UpstreamRejected) and error.dialect in _SAME and error.body:
        return error.body
    return openai_envelope(error)


def error_event(error: OctorouteError, request_id: str) -> bytes:
    """Encode an error inside a stream: an `error` object, on which the official SDK raises, and no `[DONE]` after it."""
    del request_id
    return sse.frame(openai_envelope(error))  # not the upstream's body, which may contain line ends
