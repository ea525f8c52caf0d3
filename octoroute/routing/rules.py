"""The operator's own rules for requests: in order, the first that applies wins. Pure.

A rule applies when all of its conditions do; conditions that are not set always do. Globs are the shell's (`*`, `?`, `[abc]`).
"""

from __future__ import annotations

import fnmatch
import functools
import re
from collections.abc import Callable, Mapping

import msgspec

from octoroute.dialects.request.identity import requests_thinking, user_of
from octoroute.domain.endpoint import Tier
from octoroute.domain.request import Request

LONG_CONTEXT_TOKENS = 60_000

REQUEST_TYPES: Mapping[str, Callable[[Request], bool]] = {
    "chat": lambda request: not any(of(request) for name, of in REQUEST_TYPES.items() if name != "chat"),
    "tools": lambda request: request.facts.tools,
    "vision": lambda request: request.facts.images,
    "long-context": lambda request: request.facts.context_tokens >= LONG_CONTEXT_TOKENS,
    "thinking": requests_thinking,
    "json": lambda request: request.facts.json,
}
"""A request may be of several types; `chat` is one that is of no other."""


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """Exactly one of tier, endpoint, provider, and reject says where it goes; or none of them, and `policy` says how."""

    name: str
    override: bool = False
    """It also applies to requests that name a tier or a configured model."""
    fall_through: bool = True
    """When its target cannot be asked now, the next rule has its turn."""

    model: str | None = None
    user: str | None = None
    key: str | None = None
    request_type: str | None = None
    min_tokens: int | None = None
    max_tokens: int | None = None
    max_output: int | None = None
    headers: Mapping[str, str] = {}
    stream: bool | None = None
    dialect: str | None = None

    tier: Tier | None = None
    endpoint: str | None = None
    provider: str | None = None
    reject: str | None = None
    policy: str | None = None

    @property
    def aims(self) -> bool:
        """It says where requests go, and not only how."""
        return self.tier is not None or self.endpoint is not None or self.provider is not None

    def applies(self, request: Request) -> bool:
        """Cheap conditions first: the client's body is read again only when all else is right."""
        facts = request.facts
        if self.stream is not None and request.stream is not self.stream:
            return False
        if self.dialect is not None and request.dialect != self.dialect:
            return False
        if self.min_tokens is not None and facts.context_tokens < self.min_tokens:
            return False
        if self.max_tokens is not None and facts.context_tokens > self.max_tokens:
            return False
        if self.max_output is not None and (facts.output_tokens is None or facts.output_tokens > self.max_output):
            return False
        if self.model is not None and not matches(self.model.lower(), request.model.lower()):
            return False
        if self.key is not None and not matches(self.key, request.key_name):
            return False
        if not all(matches(glob, request.headers.get(name.lower())) for name, glob in self.headers.items()):
            return False
        if self.user is not None and not matches(self.user, user_of(request)):
            return False
        return self.request_type is None or REQUEST_TYPES[self.request_type](request)


def matches(glob: str, text: str | None) -> bool:
    """What is not there matches nothing, not even `*`."""
    return text is not None and _pattern(glob).match(text) is not None


@functools.lru_cache(maxsize=1024)
def _pattern(glob: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(glob))
