"""The operator's own rules for requests: in order, the first that applies wins. Pure.

A rule applies when all of its conditions do; conditions that are not set always do. Globs are the shell's (`*`, `?`, `[abc]`).
"""

from __future__ import annotations

import fnmatch
import functools
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Literal

from octoroute.dialects.request.identity import thinks, user_of
from octoroute.domain import text_check
from octoroute.domain.endpoint import Tier
from octoroute.domain.option import Key, Table
from octoroute.domain.request import Request

LONG_CONTEXT_TOKENS = 60_000

REQUEST_TYPES: Mapping[str, Callable[[Request], bool]] = {
    "chat": lambda request: not any(of(request) for name, of in REQUEST_TYPES.items() if name != "chat"),
    "tools": lambda request: request.facts.tools,
    "vision": lambda request: request.facts.images,
    "long-context": lambda request: request.facts.context_tokens >= LONG_CONTEXT_TOKENS,
    "thinking": thinks,
    "json": lambda request: request.facts.json,
}
"""A request may be of several types; `chat` is one that is of no other."""


class Rule(Table, frozen=True, kw_only=True):
    """A rule applies when all of its conditions do; a condition left out always does, and a glob knows `*`, `?`, and `[abc]`.
    It has one action: tier, endpoint, provider, or reject; or none of them, and a policy.
    """

    name: Annotated[str, Key("unique; decisions, logs, and metrics say it", check=text_check.label, required=True)] = ""
    enabled: Annotated[bool, Key("false passes over it")] = True
    override: Annotated[
        bool,
        Key(
            "true: also for requests that name a tier or a configured model; else for auto, and if `model` is set for unknown names"
        ),
    ] = False
    fall_through: Annotated[
        bool, Key("when its target cannot be asked now the next rule has its turn; false makes the client wait or fail")
    ] = True
    model: Annotated[
        str | None, Key("condition: what the client asked for; a glob in any case", check=text_check.label, example='"gpt-4*"')
    ] = None
    user: Annotated[
        str | None,
        Key("condition: user, safety_identifier, or metadata.user_id; a glob", check=text_check.label, example='"team-a-*"'),
    ] = None
    key: Annotated[
        str | None,
        Key("condition: the client's key; the first of auth.keys is key-1; a glob", check=text_check.label, example='"key-1"'),
    ] = None
    request_type: Annotated[str | None, Key("condition: what kind of request it is", names="request_types", example='"vision"')] = (
        None
    )
    min_tokens: Annotated[int | None, Key("condition: the estimated prompt is at least so long", low=0, example="8000")] = None
    max_tokens: Annotated[int | None, Key("condition: the estimated prompt is at most so long", low=0, example="60000")] = None
    max_output: Annotated[
        int | None, Key("condition: the client limits the answer, to at most so many tokens", low=1, example="4096")
    ] = None
    headers: Annotated[
        Mapping[str, str],
        Key("condition: request headers, each a glob", check_name=text_check.header_name, secret=True, example='{ X-Team = "a*" }'),
    ] = {}
    stream: Annotated[bool | None, Key("condition: streamed, or whole", example="true")] = None
    dialect: Annotated[
        Literal["openai", "anthropic", "responses", "simple"] | None,
        Key("condition: the API the client speaks; simple is /chat", example='"openai"'),
    ] = None
    tier: Annotated[Tier | None, Key("action: to this tier", example='"deep"')] = None
    endpoint: Annotated[
        str | None,
        Key("action: to the endpoints of this name, or the one with this id", check=text_check.label, example='"qwen3-8b"'),
    ] = None
    provider: Annotated[
        str | None,
        Key("action: to this provider, in whichever tier the request belongs", check=text_check.label, example='"openai"'),
    ] = None
    reject: Annotated[str | None, Key("action: 403 with this message", check=text_check.message, example='"not here"')] = None
    policy: Annotated[str | None, Key("instead of selection.policy and order", names="policies", example='"sticky"')] = None

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
