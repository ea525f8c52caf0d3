"""A request as it arrived, and the facts that routing may know of it. Frozen; the client's bytes are never changed here."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from octoroute.domain.endpoint import Capability


class Importance(StrEnum):
    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


class Task(StrEnum):
    CASUAL_CHAT = "casual_chat"
    CODE = "code"
    CREATIVE_WRITING = "creative_writing"
    DEEP_ANALYSIS = "deep_analysis"
    DOCUMENT_SUMMARY = "document_summary"
    QUESTION_ANSWER = "question_answer"


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """All that a router may know of a request; computed once, cheaply, without translating it."""

    text: str = ""
    """The last user message's text parts, joined by newlines; no code is removed."""
    earlier: tuple[tuple[str, str], ...] = ()
    """(role, text) of the messages before it, oldest first, bounded in number and length by the dialect."""
    tokens: int = 0
    """Estimated prompt tokens of the whole conversation's text."""
    context_tokens: int = 0
    """The same with tool schemas, images, and files: what must fit a context window."""
    output_tokens: int | None = None
    """What the client allows the answer to cost; None: not said."""
    messages: int = 0
    tools: bool = False
    """Tools are offered, or tool calls stand in the history."""
    images: bool = False
    json: bool = False
    """A structured answer is asked for."""
    attachments: bool = False
    """Files, documents, or audio are attached."""
    importance: Importance | None = None
    """As the client said it; the gateway fills in `routing.default_importance`."""
    task: Task | None = None
    """As the client said it; None: to be inferred."""
    quality: float | None = None
    """Where on the cost-quality curve the client wants to be, 0 cheapest to 1 best; None: not said."""

    @property
    def needs(self) -> frozenset[Capability]:
        return _NEEDS[self.tools, self.images, self.json]


_NEEDS = {
    (tools, images, json): frozenset(
        capability
        for wanted, capability in ((tools, Capability.TOOLS), (images, Capability.VISION), (json, Capability.JSON))
        if wanted
    )
    for tools in (False, True)
    for images in (False, True)
    for json in (False, True)
}


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One question as it arrived. `body` is the dialect's own reading of the client's bytes, opaque to the spine."""

    id: str
    dialect: str
    model: str
    stream: bool
    body: object
    facts: Facts
    headers: Mapping[str, str] = {}
    """The client's headers that may matter to an upstream of the same dialect; lower-case names."""
    key_name: str | None = None
    """The name of the key that the client sent; None: keys are not used."""
    api: str = "chat"
    """Which upstream interface it wants; the providers know the paths."""
    warms: bool = False
    """No answer is wanted, only that a prompt cache has seen the prompt."""
    wants_usage: bool = False
    """Usage in the stream, which OpenAI's clients must ask for."""
    timeout_s: float | None = None
    """A shorter limit for one attempt than the endpoint's own; None: the endpoint's."""
