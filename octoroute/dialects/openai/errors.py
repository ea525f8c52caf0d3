"""Errors as OpenAI writes them: `{"error": {message, type, param, code}}`. Pure."""

from __future__ import annotations

from octoroute.dialects.response import sse
from octoroute.dialects.response.errors import openai_envelope
from octoroute.errors import OctorouteError, UpstreamRejected


def write_error(error: OctorouteError, request_id: str) -> bytes:
    del request_id  # OpenAI's envelope has no place for it; it goes out as a header
    if isinstance(error, UpstreamRejected) and error.dialect == "openai" and error.body:
        return error.body
    return openai_envelope(error)


def error_event(error: OctorouteError, request_id: str) -> bytes:
    """What the official SDK raises on: an `error` object in the data, and no `[DONE]` after it."""
    del request_id
    return sse.frame(openai_envelope(error))  # an upstream's own body may hold line ends
