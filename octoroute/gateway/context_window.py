"""The context window: what must fit it, how a request is truncated to fit, and how full it then is. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Literal

import msgspec

from octoroute.dialects.base import Inbound, Progress
from octoroute.dialects.request.body import RequestBody
from octoroute.dialects.request.truncation import select_messages
from octoroute.dialects.response.rewrite import ContextReport, ResponseRewriter
from octoroute.domain.endpoint import Capability, Endpoint
from octoroute.domain.outcome import ContextChange, ContextUse, Usage
from octoroute.domain.request import CHAT, Facts, Request

RESERVED_SHARE = 16
"""One part in so many of the window is kept free for the answer, but no more than the client allows the answer to have."""
MAX_RESERVED_TOKENS = 4096
NOTE = "Use these values to manage context and avoid truncation"
CUT_NOTE = "Earlier messages were left out; compact or summarize the conversation, or ask for a model with a larger window"


_NUMBER = msgspec.json.Decoder(int | None)


class ContextPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """The `[context]` table."""

    policy: Literal["reject", "truncate", "summarize", "off"] = "reject"
    reserve_output: Literal["requested", "none"] = "requested"
    warn_at: float = 0.60
    critical_at: float = 0.80
    report: Literal["headers", "body", "off"] = "headers"
    transforms: tuple[Literal["dedupe_environment", "age_images"], ...] = ()
    image_turns: int = 3
    condense_timeout_seconds: float = 30.0

    @property
    def shortens(self) -> bool:
        """Whether a request that fits no window is made shorter instead of refused."""
        return self.policy in {"truncate", "summarize"}

    def measured(self, facts: Facts) -> Facts:
        """The facts with only those tokens that must fit the window."""
        if self.policy == "off":
            return msgspec.structs.replace(facts, context_tokens=0, output_tokens=None)
        if self.reserve_output == "none" and facts.output_tokens is not None:
            return msgspec.structs.replace(facts, output_tokens=None)
        return facts

    def level(self, percent: float) -> Literal["warning", "critical"] | None:
        if percent > round(100 * self.critical_at, 6):
            return "critical"
        return "warning" if percent > round(100 * self.warn_at, 6) else None

    def use(
        self,
        request: Request,
        endpoint: Endpoint,
        usage: Usage | None,
        cut: TruncatedRequest | None,
        changes: tuple[ContextChange, ...] = (),
    ) -> ContextUse | None:
        """How full the window is: as the provider counted, else estimated. None: the size of the window is not known."""
        window = endpoint.context_window
        if window is None:
            return None
        counted = usage is not None and usage.input_tokens > 0 and not usage.estimated
        tokens = usage.input_tokens if usage is not None and counted else request.facts.context_tokens
        percent = utilization(tokens, window)
        return ContextUse(
            tokens=tokens,
            window=window,
            percent=percent,
            level=self.level(percent),
            original_tokens=cut.original_tokens if cut else tokens,
            messages_removed=cut.messages_removed if cut else 0,
            lowered_to=cut.lowered_to if cut else None,
            changes=changes,
        )


class TruncatedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request that was truncated to fit a context window."""

    request: Request
    original_tokens: int
    """Estimated, of the prompt before it was truncated."""
    messages: int
    """Before it was truncated."""
    messages_removed: int = 0
    lowered_to: int | None = None
    """The new limit of the answer in tokens; None: the client's."""
    window: int

    def notes(self) -> list[str]:
        """For the warning header."""
        notes: list[str] = []
        if self.lowered_to is not None:
            notes.append(f"max_tokens: lowered to {self.lowered_to}, because the context window has {self.window} tokens")
        if self.messages_removed:
            notes.append(
                f"context: {self.messages_removed} of {self.messages} messages left out, because {self.original_tokens} tokens "
                f"do not fit {self.window}"
            )
        return notes


def utilization(tokens: int, window: int) -> float:
    """Per cent, to one decimal."""
    return round(100 * tokens / window, 1)


def info(use: ContextUse, endpoint: Endpoint) -> dict[str, object]:
    """The `context_info` object. The order of its fields is part of the format."""
    fields: dict[str, object] = {
        "real_input_tokens": use.tokens,
        "context_hard_limit": use.window,
        "endpoint_type": endpoint_type(endpoint),
        "upstream_protocol": endpoint.kind,
        "utilization_percent": use.percent,
        "available_tokens": max(0, use.window - use.tokens),
        "truncated": use.messages_removed > 0,
        "note": NOTE,
    }
    if use.messages_removed:
        fields |= {
            "original_tokens": use.original_tokens,
            "messages_removed": use.messages_removed,
            "truncation_reason": f"{use.original_tokens} tokens are {utilization(use.original_tokens, use.window)}% of the window",
            "client_note": CUT_NOTE,
        }
    if use.changes:
        fields["changes"] = [change.note for change in use.changes]
    return fields


def usage_info(use: ContextUse, endpoint: Endpoint) -> dict[str, object]:
    """The fields of `usage` beside the ones of the dialect."""
    return {
        "real_input_tokens": use.tokens,
        "context_limit": use.window,
        "context_utilization": f"{use.percent}%",
        "endpoint_type": endpoint_type(endpoint),
    }


def endpoint_type(endpoint: Endpoint) -> str:
    return "vision" if Capability.VISION in endpoint.capabilities else "text"


def headers(use: ContextUse, endpoint: Endpoint, context: ContextPolicy) -> dict[str, str]:
    fields: dict[str, str] = {}
    if use.level is not None and context.report != "off":
        fields["x-octoroute-context"] = f"{use.level};{use.percent}"
    if context.report == "headers":
        fields["x-octoroute-context-info"] = msgspec.json.encode(info(use, endpoint)).decode()
    return fields


def rewriter_for(
    context: ContextPolicy,
    request: Request,
    endpoint: Endpoint,
    progress: Progress,
    cut: TruncatedRequest | None,
    changes: tuple[ContextChange, ...] = (),
) -> ResponseRewriter | None:
    """Writes token counts and `context_info` into a response that is a JSON object; None: the response is passed on unchanged."""
    is_scaled = endpoint.advertised_window is not None and endpoint.advertised_window != endpoint.context_window
    reports = context.report == "body" and request.api == CHAT and endpoint.context_window is not None
    if not is_scaled and not reports:
        return None
    scale = partial(scaled, endpoint=endpoint) if is_scaled else None
    tell = partial(_context_report, context, request, endpoint, progress, cut, changes) if reports else None
    return ResponseRewriter(scale=scale, report=tell, in_usage=request.wants_usage)


def _context_report(
    context: ContextPolicy,
    request: Request,
    endpoint: Endpoint,
    progress: Progress,
    cut: TruncatedRequest | None,
    changes: tuple[ContextChange, ...],
) -> ContextReport | None:
    use = context.use(request, endpoint, progress.usage, cut, changes)
    return use and ContextReport(context_info=info(use, endpoint), usage=usage_info(use, endpoint))


def scaled(tokens: int, endpoint: Endpoint) -> int:
    """A token count in proportion to the advertised window, which is what the client knows. Only 0 becomes 0."""
    real, advertised = endpoint.context_window, endpoint.advertised_window
    if real is None or advertised is None or tokens <= 0:
        return tokens
    return max(1, tokens * advertised // real)


def truncate(
    request: Request, endpoint: Endpoint, inbound: Inbound, context: ContextPolicy, *, signed: bool
) -> TruncatedRequest | None:
    """`request` truncated for `endpoint`, whose window is too small for it; None if the part that must stay does not fit.

    The limit of the answer is lowered if that suffices; otherwise whole exchanges are removed, the oldest first. `signed`: the
    endpoint verifies thinking against the messages before it, so a truncated history must not contain any.
    """
    window = endpoint.context_window
    facts = context.measured(request.facts)
    history = inbound.history(request)
    if window is None or history is None:
        return None
    limit = facts.output_tokens
    room = reserved_tokens(window, limit, history.min_output_tokens)
    prompt = facts.context_tokens
    if limit is not None and prompt + room <= window:
        lowered = _lowered(request, inbound, history.budgets, window - prompt)
        return TruncatedRequest(
            request=lowered, original_tokens=prompt, messages=len(history.messages), lowered_to=window - prompt, window=window
        )
    for left in dict.fromkeys((window - max(room, limit or 0), window - room)):
        places = select_messages(history.messages, 4 * (prompt - left) + 6)  # 6: rounding to multiples of four may hide as much
        if places is None:
            continue
        raws = [bytes(history.raw_messages[place]) for place in places]
        shorter = with_messages(request, inbound, history.key, raws)
        if signed:
            unsigned = inbound.strip_signed_thinking(shorter)
            if unsigned is None:
                return None
            shorter = unsigned
        free = window - shorter.facts.context_tokens
        lowered_to = free if limit is not None and limit > free else None
        if lowered_to is not None:
            shorter = _lowered(shorter, inbound, history.budgets, lowered_to)
        return TruncatedRequest(
            request=shorter,
            original_tokens=prompt,
            messages=len(history.messages),
            messages_removed=len(history.messages) - len(places),
            lowered_to=lowered_to,
            window=window,
        )
    return None


def reserved_tokens(window: int, limit: int | None, min_output_tokens: int) -> int:
    """Tokens that a shortened prompt leaves for the answer at least. `limit`: the client's of the answer; None: it gave none."""
    room = min(MAX_RESERVED_TOKENS, max(1, window // RESERVED_SHARE))
    return room if limit is None else min(limit, max(room, min_output_tokens))


def with_messages(request: Request, inbound: Inbound, key: str, messages: Sequence[bytes]) -> Request:
    """`request` with the JSON of other messages, read again. `key`: the field of the body that lists them."""
    return _patched(request, inbound, {key: b"[" + b",".join(messages) + b"]"})


def _lowered(request: Request, inbound: Inbound, budgets: Sequence[str], limit: int) -> Request:
    assert isinstance(request.body, RequestBody)
    values = request.body.values
    changes: dict[str, bytes] = {}
    for name in budgets:
        outer, _, inner = name.partition(".")
        if outer in values and not inner and (_NUMBER.decode(values[outer]) or 0) > limit:
            changes[outer] = b"%d" % limit
        elif outer in values and inner:
            changes[outer] = RequestBody.parse(bytes(values[outer])).with_values({inner: b"%d" % limit})
    return _patched(request, inbound, changes)


def _patched(request: Request, inbound: Inbound, changes: Mapping[str, bytes]) -> Request:
    """Read the changed bytes again, so that the facts match them."""
    assert isinstance(request.body, RequestBody)
    return inbound.read(
        request.body.with_values(dict(changes)), request_id=request.id, headers=request.headers, principal=request.principal
    )
