"""The operator's routing rules: the first rule whose conditions all hold decides. Pure.

A condition that is not set always holds. Globs are the shell's (`*`, `?`, `[abc]`).
"""

from __future__ import annotations

import fnmatch
import functools
import re
from collections.abc import Callable, Mapping

import msgspec

from octoroute.dialects.request.identity import thinks, user_of
from octoroute.domain.endpoint import Tier
from octoroute.domain.request import Request

LONG_CONTEXT_TOKENS = 60_000
"""Prompt tokens from which a request has the type `long-context`."""

REQUEST_TYPES: Mapping[str, Callable[[Request], bool]] = {
    "chat": lambda request: not any(of(request) for name, of in REQUEST_TYPES.items() if name != "chat"),
    "tools": lambda request: request.facts.tools,
    "vision": lambda request: request.facts.images,
    "long-context": lambda request: request.facts.context_tokens >= LONG_CONTEXT_TOKENS,
    "thinking": thinks,
    "json": lambda request: request.facts.json,
}
"""Values of `request_type`. A request may have several types; `chat` is one that has no other."""


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """`[[routing.rules]]`: at most one of tier, endpoint, provider, and reject; without them only `policy` takes effect."""

    name: str
    override: bool = False
    """Applies also to requests that name a tier or a configured model."""
    fall_through: bool = True
    """If no endpoint of its target is available, the next rule is tried."""

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
    def has_target(self) -> bool:
        """Whether it names a tier, an endpoint, or a provider."""
        return self.tier is not None or self.endpoint is not None or self.provider is not None

    def applies(self, request: Request) -> bool:
        """Cheap conditions come first: the client's body is read again only if all others hold."""
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
    """A missing text (None) matches no glob, not even `*`."""
    return text is not None and _pattern(glob).match(text) is not None


@functools.lru_cache(maxsize=1024)
def _pattern(glob: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(glob))
