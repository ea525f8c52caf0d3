"""The operator's routing rules: the first rule whose conditions all hold decides. Pure.

A condition that is not set always holds. Globs are the shell's (`*`, `?`, `[abc]`).
"""

from __future__ import annotations

import fnmatch
import functools
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Literal

from octoroute.dialects.request.identity import requests_thinking, user_of
from octoroute.domain import text_check
from octoroute.domain.endpoint import Tier
from octoroute.domain.option import Key, Table
from octoroute.domain.request import Request

LONG_CONTEXT_TOKENS = 60_000
"""Prompt tokens from which a request has the type `long-context`."""

REQUEST_TYPES: Mapping[str, Callable[[Request], bool]] = {
    "chat": lambda request: not any(of(request) for name, of in REQUEST_TYPES.items() if name != "chat"),
    "tools": lambda request: request.facts.tools,
    "vision": lambda request: request.facts.images,
    "long-context": lambda request: request.facts.context_tokens >= LONG_CONTEXT_TOKENS,
    "thinking": requests_thinking,
    "json": lambda request: request.facts.json,
}
"""Values of `request_type`. A request may have several types; `chat` is one that has no other."""


class Rule(Table, frozen=True, kw_only=True):
    """A rule matches if all of its conditions match; an omitted condition always matches. Globs support `*`, `?`, and `[abc]`.
    A rule has exactly one action (tier, endpoint, provider, or reject), or only a policy or a privacy class.
    """

    name: Annotated[str, Key("unique name, shown in decisions, logs, and metrics", check=text_check.label, required=True)] = ""
    enabled: Annotated[bool, Key("false skips the rule")] = True
    override: Annotated[
        bool,
        Key("true: also for requests that name a tier or configured model; false: for auto and, with `model`, for unknown names"),
    ] = False
    fall_through: Annotated[
        bool, Key("true: if the target is unavailable, the next rule is tried; false: the request waits or fails")
    ] = True
    model: Annotated[
        str | None, Key("condition: the requested model; a glob, case-insensitive", check=text_check.label, example='"gpt-4*"')
    ] = None
    user: Annotated[
        str | None,
        Key("condition: user, safety_identifier, or metadata.user_id; a glob", check=text_check.label, example='"team-a-*"'),
    ] = None
    key: Annotated[
        str | None,
        Key(
            "condition: name of the client's key, key-1 for the first of auth.keys; a glob",
            check=text_check.label,
            example='"key-1"',
        ),
    ] = None
    request_type: Annotated[str | None, Key("condition: type of the request", names="request_types", example='"vision"')] = None
    min_tokens: Annotated[
        int | None, Key("condition: the prompt is estimated at no fewer tokens than this", low=0, example="8000")
    ] = None
    max_tokens: Annotated[
        int | None, Key("condition: the prompt is estimated at no more tokens than this", low=0, example="60000")
    ] = None
    max_output: Annotated[
        int | None, Key("condition: the client sets an output limit of no more tokens than this", low=1, example="4096")
    ] = None
    headers: Annotated[
        Mapping[str, str],
        Key("condition: request headers, each a glob", check_name=text_check.header_name, secret=True, example='{ X-Team = "a*" }'),
    ] = {}
    stream: Annotated[bool | None, Key("condition: true for streaming requests, false for non-streaming ones", example="true")] = (
        None
    )
    dialect: Annotated[
        Literal["openai", "anthropic", "responses", "gemini", "ollama", "simple"] | None,
        Key("condition: API of the client; simple is /chat", example='"openai"'),
    ] = None
    tier: Annotated[Tier | None, Key("action: route to this tier", example='"deep"')] = None
    endpoint: Annotated[
        str | None,
        Key(
            "action: route to the endpoints with this name, or to the one with this id",
            check=text_check.label,
            example='"qwen3-8b"',
        ),
    ] = None
    provider: Annotated[
        str | None,
        Key(
            "action: route to this provider, in the tier that the request would get anyway",
            check=text_check.label,
            example='"openai"',
        ),
    ] = None
    reject: Annotated[
        str | None, Key("action: refuse with status 403 and this message", check=text_check.message, example='"not here"')
    ] = None
    privacy: Annotated[
        str | None,
        Key(
            "privacy class of every request that matches, whatever it asks for; beside an action, or alone",
            check=text_check.region_word,
            example='"eu"',
        ),
    ] = None
    policy: Annotated[str | None, Key("replaces selection.policy and selection.order", names="policies", example='"sticky"')] = None

    @property
    def decides(self) -> bool:
        """Whether it does more than to set a privacy class."""
        return self.has_target or self.reject is not None or self.policy is not None

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
