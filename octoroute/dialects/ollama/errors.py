"""Errors in Ollama's format: `{"error": "text"}`, in a body or as a line of a stream. Pure."""

from __future__ import annotations

import msgspec

from octoroute.dialects.response.errors import client_message
from octoroute.errors import OctorouteError


def write_error(error: OctorouteError) -> bytes:
    return msgspec.json.encode({"error": client_message(error) or "the gateway failed"})


def error_line(error: OctorouteError) -> bytes:
    return write_error(error) + b"\n"
