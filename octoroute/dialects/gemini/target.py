"""The path of a request: it names the model and the method, where other formats have fields for them. Pure.

Source: https://ai.google.dev/api/generate-content.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qs

from octoroute.errors import BadRequest

VERSIONS = ("v1beta", "v1")
_PATH = re.compile(r".*?/models/(?P<model>.+):(?P<method>\w+)", re.DOTALL)


class Target(NamedTuple):
    model: str
    """Without `models/`."""
    method: str
    events: bool
    """The client asks for server-sent events (`alt=sse`) instead of one JSON array."""

    @property
    def streams(self) -> bool:
        return self.method == "streamGenerateContent"


def templates(*methods: str) -> tuple[str, ...]:
    """The path templates of `methods`, for every version of the API."""
    return tuple(f"/{version}/models/{{model}}:{method}" for version in VERSIONS for method in methods)


def target_of(headers: Mapping[str, str]) -> Target:
    """Read the `:path` pseudo-header (RFC 9113, section 8.3.1). Raises BadRequest for a path without a model."""
    path, _, query = headers.get(":path", "").partition("?")
    found = _PATH.fullmatch(path)
    model = found["model"].removeprefix("models/").strip() if found is not None else ""
    if found is None or not model:
        raise BadRequest("model: is missing in the path; send /v1beta/models/MODEL:generateContent", param="model")
    return Target(model, found["method"], parse_qs(query).get("alt", [""])[-1].lower() == "sse")
