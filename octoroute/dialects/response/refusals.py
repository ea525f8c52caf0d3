"""What an upstream's refusal means, by its status and its words: one table for every vendor and every dialect. Pure.

A code or a type counts wherever it stands. The words of a message count only near its beginning, because behind it many servers
repeat a part of the request: a prompt must not be able to make a refusal look like another one.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import NamedTuple

MAX_WORDS_CHARS = 300
"""How much of a message is looked at."""
IN_RESPONSE = 0
"""Stands for the status of an error inside a response whose own status was 200."""


class RefusalKind(StrEnum):
    """What is refused, and so what is to be done: see the table in docs/reliability.md."""

    CONTEXT = "context"
    """The prompt is larger than the model's context window."""
    ALLOWANCE = "allowance"
    """This request is larger than what the account may spend on one; smaller ones pass."""
    CONTENT = "content_filter"
    """A content filter, a moderation, or a firewall refuses this prompt."""
    MODEL = "model"
    """The server has no such model, or not for this key."""
    ROUTE = "route"
    """The server has no such address."""
    REGION = "region"
    """The vendor does not serve this country."""
    BILLING = "billing"
    """The account has no credit or quota left."""
    KEY = "key"
    """The credentials are wrong, expired, or not sufficient."""
    RATE = "rate"
    """Too many requests for now."""
    OVERLOAD = "overload"
    """The server is busy."""
    TIMEOUT = "timeout"
    """The server has waited too long for its own."""
    FAILURE = "failure"
    """The server failed."""
    REQUEST = "request"
    """The request itself is wrong or too large: the client's to mend."""


class RefusalRow(NamedTuple):
    refusal: RefusalKind
    statuses: frozenset[int]
    labels: re.Pattern[str] | None
    """Of the error's code, type, status word, or reason."""
    words: re.Pattern[str] | None
    """Of the beginning of its message."""


def _row(refusal: RefusalKind, statuses: str, labels: str = "", words: str = "") -> RefusalRow:
    """A blank in a pattern stands for any white space."""
    label, word = (re.compile(p.replace(" ", r"\s+"), re.IGNORECASE) if p else None for p in (_joined(labels), _joined(words)))
    return RefusalRow(refusal, frozenset(int(status) for status in statuses.split()), label, word)


def _joined(lines: str) -> str:
    """Alternatives, one a line."""
    return "|".join(line.strip() for line in lines.strip().splitlines())


TABLE: tuple[RefusalRow, ...] = (
    _row(
        RefusalKind.ALLOWANCE,
        "0 402 413 429",
        words=r"""can only afford
        fewer max_tokens
        request too large [^.]{0,120}(?:tokens? per|tpm|limit \d)
        request (?:size|tokens?) [^.]{0,40}exceeds? [^.]{0,40}(?:tokens? per|tpm|per.minute)""",
    ),
    _row(
        RefusalKind.CONTEXT,
        "0 400 413 422 500",
        labels=r"""context_length_exceeded
        context_window_exceeded
        exceed_context_size
        context_too_large
        tokens_limit_reached
        string_above_max_context
        max_context_length""",
        words=r"""context_length_exceeded|context_window_exceeded|exceed_context_size
        prompt (?:is )?too long
        (?:input|prompt|request|messages?)(?: length| context)? (?:is|are) too (?:long|large) for
        input (?:context )?is too long
        maximum (?:context|prompt|input|sequence|model) length
        max(?:imum)? context (?:length|window|size)
        exceeds? (?:the |this |its )?(?:model'?s? )?(?:available |maximum |configured )?context
        context (?:length|window|size)[^.]{0,60}(?:exceed|overflow|only \d)
        (?:longer|greater|larger) than (?:the |this )?(?:model'?s |available |maximum )?(?:context|model length|maximum model)
        input token count[^.]*exceeds
        (?:prompt|input) token count of \d+ exceeds
        input (?:length|tokens?)[^.]{0,60}exceeds?[^.]{0,40}(?:allowed|limit|maximum|context)
        input length and `?max_tokens`? exceed
        (?:prompt|input) length[^.]{0,30}exceeds
        prompt exceeds max length
        range of input length should be
        exceeded model token limit
        too many (?:input |prompt )?tokens
        token limit exceeded
        reduce the length of the (?:messages|prompt|input)
        prompt contains \d+ tokens
        `?inputs`? (?:tokens|must have less than)[^.]{0,40}(?:max_new_tokens|\d+ tokens)
        model is loaded with context length
        request body too large for [^.]{1,60} model
        prompt has [\d,]+ tokens?, but""",
    ),
    _row(
        RefusalKind.CONTENT,
        "0 400 403 422 451",
        labels=r"""content_?filter
        content_policy
        responsibleaipolicy
        moderation
        data_?inspection_?failed
        \binvalid_prompt\b
        unsafe_content
        safety_(?:violation|error|block)
        cyber_policy
        \bsensitive\b
        \b1301\b
        \bcontent_blocked\b""",
        words=r"""content management policy
        content (?:filter|filtering policy|policy|moderation|exists risk|violates)
        (?:output|input|request|prompt|message)s? (?:was |were |is |has been )?(?:blocked|flagged|rejected) (?:by|as|because)
        (?:was|has been) flagged
        requires moderation
        safety system
        usage guidelines|usage policy
        considered high risk
        inappropriate content
        guardrail
        data inspection failed""",
    ),
    _row(
        RefusalKind.REGION,
        "0 400 403 451",
        labels="unsupported_country|unsupported_region",
        words=r"""(?:country|region|territory|location)[^.]{0,40}not (?:supported|available|allowed)
        not (?:supported|available) in your (?:country|region|location)""",
    ),
    _row(
        RefusalKind.BILLING,
        "0 400 401 402 403 412 429",
        labels=r"""insufficient_(?:user_)?(?:quota|balance|credits?|funds)
        billing
        exceeded_current_quota
        quota_exceeded|out_of_quota
        credit_limit
        payment
        account_deactivated
        arrear
        \b1113\b""",
        words=r"""insufficient (?:account )?(?:balance|credit|fund|quota)
        credit balance
        out of (?:credit|call volume quota)
        no (?:remaining |more )?credits?
        (?:available|monthly included|all (?:available )?) ?credits
        exceeded your current quota
        (?:usage|spend|spending|billing hard|credit|budget|monthly|total) limits?
        key limit exceeded
        billing
        payment (?:required|method)
        account (?:is |has been )?(?:suspended|not active|deactivated|in arrears|overdue)
        account [^.]{0,80}is suspended
        arrear|overdue[ -]payment""",
    ),
    _row(
        RefusalKind.KEY,
        "0 400 401 403",
        labels=r"""api_key_invalid
        invalid_api_?key
        api_key_service_blocked
        api_key_expired
        authentication
        unauthenticated
        unrecognizedclient
        invalidsignature
        expiredtoken
        invalidsubscriptionkey""",
        words=r"""^.{0,20}api key (?:not valid|not found|expired|is invalid|is expired)
        ^(?:incorrect|invalid|wrong|expired|missing|no)(?: x-| )?(?:api)?[- ]?(?:key|token|credentials?)
        ^.{0,30}(?:security|access) token [^.]{0,40}(?:invalid|expired)""",
    ),
    _row(
        RefusalKind.MODEL,
        "0 400 403 404 410 422",
        labels=r"""model_?not_?found
        deploymentnotfound
        model_not_(?:available|supported)
        model_decommissioned
        invalid_model
        unknown_model
        \b1211\b""",
        words=r"""\bmodels?\b[^.\n]{0,120}?(?:does not exist|not ?exist|not found|is not available|not loaded)
        \bmodels?\b[^.\n]{0,120}?(?:decommissioned|no longer)
        ^model: \S+(?: not found)?$
        ^models/\S+ is not found
        model [^.]{0,100}is not (?:supported by any provider|a valid model)
        \S+ is not a valid model id
        no such model|unknown model|invalid model|not found the model
        no models? (?:is |are )?loaded
        no endpoints found for
        (?:deployment|function)[^.]{0,60}(?:does not exist|not found)
        not found,? try pulling it
        model identifier is invalid
        on-demand throughput
        don.t have access to the model
        does not work with the specified model""",
    ),
    _row(
        RefusalKind.ROUTE,
        "404 405 410",
        words=r"""^not found\.?$
        ^404(?: page)?:? not found
        ^method not allowed\.?$
        ^(?:unknown|invalid) (?:request )?(?:url|route|path|endpoint)
        no (?:matching )?route
        ^cannot (?:post|get) /
        ^resource not found\.?$
        ^unexpected endpoint or method
        ^<(?:!doctype|html)
        ^$""",
    ),
    _row(
        RefusalKind.OVERLOAD,
        "0 500 502 503 504 529",
        labels=r"""overloaded
        engine_overloaded
        \bunavailable\b
        model_?not_?ready
        serviceunavailable""",
        words="overloaded|(?:service|temporarily) unavailable|(?:server|system|engine) is (?:busy|at capacity)",
    ),
    _row(
        RefusalKind.RATE, "0", r"rate_?limit|too_?many_?requests|resource_exhausted|throttling", "rate[- ]limit|too many requests"
    ),
    _row(RefusalKind.TIMEOUT, "0", r"timeout|deadline_exceeded", "timed? ?out"),
    _row(RefusalKind.KEY, "0", labels=r"permission"),
    _row(
        RefusalKind.REQUEST,
        "0",
        labels=r"invalid_request|invalid_argument|bad_?request|failed_precondition|request_too_large|not_found",
    ),
)
"""In order of precedence: the first row that matches counts."""

_FIREWALL = re.compile(
    r"error code: ?10[0-9]{2}|cloudflare|attention required|just a moment|request (?:is )?blocked|access denied"
    r"|requested url was rejected|incapsula|akamai|web application firewall|mod_security|aws waf",
    re.IGNORECASE,
)
_BY_STATUS = {
    401: RefusalKind.KEY,
    402: RefusalKind.BILLING,
    403: RefusalKind.KEY,
    408: RefusalKind.FAILURE,
    409: RefusalKind.FAILURE,
    425: RefusalKind.FAILURE,
    429: RefusalKind.RATE,
    503: RefusalKind.OVERLOAD,
    504: RefusalKind.TIMEOUT,
    529: RefusalKind.OVERLOAD,
}


def refusal_of(status: int, label: str, message: str, *, says_when: bool = False) -> RefusalKind:
    """The meaning of an error with this status (`IN_RESPONSE`: inside a response).

    `label`: its code, type, status word, and reasons. `says_when`: it names the time of the next try, and so is no spent quota
    unless its label says so.
    """
    words = message[:MAX_WORDS_CHARS].strip()
    for row in TABLE:
        if status not in row.statuses:
            continue
        if row.labels is not None and row.labels.search(label):
            return row.refusal
        if row.words is not None and row.words.search(words) and not (says_when and row.refusal is RefusalKind.BILLING):
            return row.refusal
    return by_status(status)


def by_status(status: int) -> RefusalKind:
    """The meaning of a status without words."""
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    return RefusalKind.REQUEST if 400 <= status < 500 else RefusalKind.FAILURE


def is_firewall_page(status: int, text: str) -> bool:
    """Whether a body that is no API's error comes from a firewall in front of the API."""
    return status in {403, 406, 451} and bool(_FIREWALL.search(text[:2000]))
