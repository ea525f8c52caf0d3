"""The `x-octoroute-*` headers that tell a client how its request was routed."""

from __future__ import annotations

from collections.abc import Sequence

from octoroute.gateway.lifecycle import RequestLifecycle

MAX_WARNING_CHARS = 500
"""As in octoroute 1."""


def route_headers(lifecycle: RequestLifecycle) -> dict[str, str]:
    """Number of attempts, strategy and tier, and the endpoint that answered; without an answer, the endpoint asked last."""
    endpoint, decision = lifecycle.endpoint, lifecycle.decision
    headers = {"x-octoroute-attempts": str(len(lifecycle.attempts))}
    if lifecycle.account is not None:
        headers |= lifecycle.account.headers()
    if decision is not None:
        headers["x-octoroute-strategy"] = decision.by
        headers["x-octoroute-tier"] = decision.tier
    if endpoint is not None:
        headers["x-octoroute-tier"] = endpoint.tier
        headers["x-octoroute-endpoint"] = endpoint.id
        headers["x-octoroute-model"] = endpoint.model
    return headers


def warning_header(warnings: Sequence[str]) -> str:
    """The warnings on one line of printable ASCII, at most MAX_WARNING_CHARS long: control characters become spaces."""
    text = "".join(" " if char < " " or char == "\x7f" else char if char.isascii() else "?" for char in "; ".join(warnings))
    return text if len(text) <= MAX_WARNING_CHARS else text[: MAX_WARNING_CHARS - 3] + "..."
