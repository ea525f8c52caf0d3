"""Hints for operators about an upstream's error: fixed texts, chosen by patterns in the error message. Pure.

A hint is shown next to the upstream's message and never contains a part of it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from octoroute.errors import Throttled, UpstreamAuthError, UpstreamError, UpstreamRejected

REGION = "the vendor does not serve this country or region: use another provider, or one of the vendor's supported regions"
BILLING = "the vendor's account has no credit or quota left: check billing, credit, and spending limits in the vendor's console"
MODEL = "the vendor does not offer this model to this key: check the endpoint's model, and that the account has access to it"
KEY = "the vendor rejected the API key: check api_key, and that it belongs to this base_url and project"
LIMIT = "the vendor's rate limit is reached: wait, request a higher limit, or add another endpoint"

_REGION = r"""unsupported_country_region_territory
    | (country | region | territory | location) [^.]{0,40} not\ (supported | available | allowed)
    | not\ (supported | available)\ in\ your\ (country | region | location)"""
_BILLING = r"""insufficient_(quota | user_quota | balance) | exceeded\ your\ current\ quota | billing | credit\ balance
    | spend(ing)?\ limit | payment | account_deactivated | arrears"""
_MODEL = r"""model_not_found | model [^.]{0,80} (does\ not\ exist | not\ found | not\ exist) | DeploymentNotFound
    | no\ such\ model | unknown\ model | not\ found,?\ try\ pulling\ it"""
_KEY = (
    r"""invalid_api_key | incorrect\ api\ key | invalid\ (x-)?api[-\ ]key | api\ key\ not\ valid | unauthorized | authentication"""
)
_LIMIT = r"""rate.?limit | too\ many\ requests | resource_exhausted | quota"""
_PATTERNS: Sequence[tuple[re.Pattern[str], str]] = tuple(
    (re.compile(pattern, re.IGNORECASE | re.VERBOSE), hint)
    for pattern, hint in ((_REGION, REGION), (_BILLING, BILLING), (_MODEL, MODEL), (_KEY, KEY), (_LIMIT, LIMIT))
)
_HINT_BY_TYPE: Sequence[tuple[type[UpstreamError], str]] = ((UpstreamAuthError, KEY), (Throttled, LIMIT))
"""Used when no pattern matches the message."""


def hint_of(error: UpstreamError) -> str | None:
    """The hint for `error`; None if no hint applies, for example to an error about the request itself."""
    text = error.detail
    if isinstance(error, UpstreamRejected):
        if error.status not in {401, 402, 403, 404, 429} and not _names_a_model(error):
            return None  # about the request, not the account
        text = f"{text} {error.body[:2000].decode('utf-8', 'replace')}"
    elif not isinstance(error, UpstreamAuthError | Throttled):
        return None
    for pattern, hint in _PATTERNS:
        if pattern.search(text):
            return hint
    return next((hint for kind, hint in _HINT_BY_TYPE if isinstance(error, kind)), None)


def _names_a_model(error: UpstreamRejected) -> bool:
    return error.status == 400 and (b"model_not_found" in error.body or b"unsupported_country" in error.body)
