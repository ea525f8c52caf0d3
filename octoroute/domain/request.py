"""A client's request and the facts about it that routing may use. Frozen; the client's bytes are not changed here."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from octoroute.domain.endpoint import Capability
from octoroute.domain.principal import Principal

CHAT = "chat"
"""The value of `Request.api` for conversations."""
TIMEOUT_HEADER = "x-octoroute-timeout"
"""How long the client waits for its answer to begin, in seconds."""
PROVIDER_HEADER = "x-octoroute-provider"
"""The provider that the client chooses."""
KEY_HEADERS = ("x-api-key", "api-key", "x-goog-api-key")
"""Headers that hold a key and nothing else; the second is Azure's, the third Google's."""


class Importance(StrEnum):
    """How important the client says the request is."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


class Task(StrEnum):
    """The kind of work that the request asks for."""

    CASUAL_CHAT = "casual_chat"
    CODE = "code"
    CREATIVE_WRITING = "creative_writing"
    DEEP_ANALYSIS = "deep_analysis"
    DOCUMENT_SUMMARY = "document_summary"
    QUESTION_ANSWER = "question_answer"


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """The facts about a request that a router may use; computed once, without translating the request."""

    text: str = ""
    """The text parts of the last user message that has words, joined by newlines; code is included, what an agent's harness adds
    is not."""
    earlier: tuple[tuple[str, str], ...] = ()
    """(role, text) of the preceding messages, oldest first; the dialect limits number and length."""
    tokens: int = 0
    """Estimated tokens of the text of the whole conversation."""
    added_tokens: int = 0
    """Those of `tokens` that are the system prompt or come from an agent's harness."""
    context_tokens: int = 0
    """`tokens` plus tool schemas, images, and files: what must fit the context window."""
    output_tokens: int | None = None
    """The client's output limit; None: not given."""
    messages: int = 0
    """The number of messages in the conversation."""
    tools: bool = False
    """Tools are offered, or the history contains tool calls."""
    continues: bool = False
    """The turn continues a tool loop: since the model's last message there are tool results, and no words of the user."""
    images: bool = False
    """The conversation contains images."""
    json: bool = False
    """A structured (JSON) response is requested."""
    attachments: bool = False
    """Files, documents, or audio are attached."""
    importance: Importance | None = None
    """The client's value. None: not given; the gateway then uses `routing.default_importance`."""
    task: Task | None = None
    """The client's value; None: not given, to be inferred."""
    quality: float | None = None
    """The client's position on the cost-quality curve, 0 (cheapest) to 1 (best); None: not given."""

    @property
    def task_tokens(self) -> int:
        """Estimated tokens of the task itself."""
        return self.tokens - self.added_tokens

    @property
    def needs(self) -> frozenset[Capability]:
        """The capabilities that an endpoint must have to answer the request."""
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
    """One request. `body` is the dialect's reading of the client's bytes; only that dialect may look into it."""

    id: str
    dialect: str
    model: str
    stream: bool
    body: object
    facts: Facts
    headers: Mapping[str, str] = {}
    """The client's headers that may matter to an upstream of the same dialect; names in lower case."""
    principal: Principal | None = None
    """The client, by its key or token; None: keys are not used."""
    content_type: str | None = None
    """Of a body that is no JSON; None: it is JSON."""
    api: str = CHAT
    """The upstream interface: chat, embeddings, and so on; the providers know its path."""
    warms: bool = False
    """The client only fills a prompt cache (`max_tokens` 0) and expects no content."""
    wants_usage: bool = False
    """The client asked for usage in the stream (OpenAI's `stream_options.include_usage`)."""
    timeout_s: float | None = None
    """A limit for one attempt, shorter than that of the endpoint; None: that of the endpoint."""

    @property
    def key_name(self) -> str | None:
        """The name of the client's key; None: keys are not used."""
        return None if self.principal is None else self.principal.name
