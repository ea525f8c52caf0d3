"""Hints for operators about an upstream's error: fixed texts, one for each refusal that an operator can mend. Pure.

A hint is shown next to the upstream's message and never contains a part of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from octoroute.dialects.response.refusals import RefusalKind
from octoroute.errors import NotServed, Throttled, UpstreamAuthError, UpstreamError

REGION = "the vendor does not serve this country or region: use another provider, or one of the vendor's supported regions"
BILLING = "the vendor's account has no credit or quota left: check billing, credit, and spending limits in the vendor's console"
ALLOWANCE = "the vendor's account does not allow one request of this size: add credit, raise its limits, or lower max_tokens"
MODEL = "the vendor does not offer this model to this key: check the endpoint's model, and that the account has access to it"
ROUTE = "the server has nothing at this address: check base_url, which ends before /chat/completions or /messages"
KEY = "the vendor rejected the API key: check api_key, and that it belongs to this base_url and project"
CONTENT = (
    'the vendor\'s content filter or firewall refused this prompt: retry.fallback_on = ["content_filter"] asks another endpoint'
)
LIMIT = "the vendor's rate limit is reached: wait, request a higher limit, or add another endpoint"

_HINTS: Mapping[str, str] = {
    RefusalKind.REGION: REGION,
    RefusalKind.BILLING: BILLING,
    RefusalKind.ALLOWANCE: ALLOWANCE,
    RefusalKind.MODEL: MODEL,
    RefusalKind.ROUTE: ROUTE,
    RefusalKind.KEY: KEY,
    RefusalKind.CONTENT: CONTENT,
    RefusalKind.RATE: LIMIT,
}
_HINT_BY_TYPE: Sequence[tuple[type[UpstreamError], str]] = ((UpstreamAuthError, KEY), (NotServed, MODEL), (Throttled, LIMIT))
"""Used for an error without words."""


def hint_of(error: UpstreamError) -> str | None:
    """The hint for `error`; None if no hint applies, for example to an error about the request itself."""
    hint = _HINTS.get(error.refusal)
    if hint is not None:
        return hint
    return next((hint for kind, hint in _HINT_BY_TYPE if isinstance(error, kind)), None)
