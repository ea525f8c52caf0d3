"""Parses the routing model's answer into a tier, or raises a typed error. Pure.

The errors' texts quote the model's answer, which may repeat the prompt: they are logged at debug level only.
"""

from __future__ import annotations

import re
from typing import ClassVar, Literal

import msgspec

from octoroute.domain.endpoint import Tier

MAX_ANSWER_BYTES = 1024
PREVIEW_CHARS = 500
"""Characters of the answer that an error quotes."""

REFUSALS = ("CANNOT", "CAN'T", "UNABLE", "ERROR", "SORRY", "REFUSE", "FAILED", "TIMEOUT")
"""An answer that contains one of these is a refusal, even if it names a tier."""

# ASCII boundaries, so that FAST-TRACK and 你FAST好 name a tier, and BREAKFAST and FAST_TIER do not.
_TIER = re.compile(r"(?<![A-Za-z0-9_])(FAST|BALANCED|DEEP)(?![A-Za-z0-9_])")
_FENCED = re.compile(r"```(?:json)?\s*(.*?)\s*```\Z", re.DOTALL | re.IGNORECASE)


class UnusableAnswer(ValueError):
    """The answer names no tier. `code` is a key of `strategies.llm.FAILURES`."""

    code: ClassVar[str]


class EmptyAnswer(UnusableAnswer):
    code = "router_empty"

    def __init__(self) -> None:
        super().__init__(
            "the routing model's answer is empty; expected FAST, BALANCED or DEEP. "
            "Likely causes: a token limit used up by thinking, a stop sequence, a content filter, or a broken chat template"
        )


class Refusal(UnusableAnswer):
    code = "router_refusal"

    def __init__(self, answer: str) -> None:
        super().__init__(f"the routing model refused or reported an error: {preview(answer)}")


class Unparseable(UnusableAnswer):
    code = "router_unparseable"

    def __init__(self, answer: str) -> None:
        super().__init__(
            f"the routing model's answer ({_size(answer)} bytes) names none of FAST, BALANCED and DEEP: {preview(answer)}"
        )


class AnswerTooLong(UnusableAnswer):
    code = "router_too_long"

    def __init__(self, size: int) -> None:
        super().__init__(f"the routing model's answer has {size} bytes; at most {MAX_ANSWER_BYTES} are read")


class _Choice(msgspec.Struct, forbid_unknown_fields=True):
    tier: Literal["fast", "balanced", "deep"]


_decode = msgspec.json.Decoder(_Choice).decode


def read_answer(answer: str) -> Tier:
    """Raises UnusableAnswer. Thinking before the answer is ignored, and does not count towards the size."""
    answer = without_thinking(answer).strip()
    if (size := _size(answer)) > MAX_ANSWER_BYTES:
        raise AnswerTooLong(size)
    return _structured(answer) or parse_text(answer)


def without_thinking(answer: str) -> str:
    """The answer after its thinking; "" if the thinking never ends, because the tiers that it weighs are no answer."""
    start = answer.lstrip()
    if start.startswith("<think>"):
        return start.partition("</think>")[2]
    # Some chat templates put the opening tag into the prompt, so that the answer has only the closing one.
    return answer.rpartition("</think>")[2]


def _structured(answer: str) -> Tier | None:
    fenced = _FENCED.match(answer)
    try:
        return Tier(_decode(fenced[1] if fenced else answer).tier)
    except (msgspec.MsgspecError, UnicodeError):
        return None


def parse_text(answer: str) -> Tier:
    """The first tier that stands as a word of its own, in any case. Raises EmptyAnswer, Refusal, or Unparseable."""
    upper = answer.strip().upper()
    if not upper:
        raise EmptyAnswer
    if any(word in upper for word in REFUSALS):
        raise Refusal(answer)
    match = _TIER.search(upper)
    if match is None:
        raise Unparseable(answer)
    return Tier(match[1].lower())


def preview(answer: str) -> str:
    return answer if len(answer) <= PREVIEW_CHARS else answer[:PREVIEW_CHARS] + "... [truncated]"


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
