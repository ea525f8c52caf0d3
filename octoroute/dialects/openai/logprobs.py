"""Log-probability margins: a model's confidence in its tokens, read from a response with `top_logprobs`. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from octoroute.dialects.response.sse import read_frames


class _Alternative(msgspec.Struct):
    logprob: float = 0.0
    token: str = ""


class _Token(msgspec.Struct):
    logprob: float = 0.0
    token: str = ""
    top_logprobs: list[_Alternative] | None = None


class _Logprobs(msgspec.Struct):
    content: list[_Token] | None = None


class _Choice(msgspec.Struct):
    logprobs: _Logprobs | None = None
    index: int = 0


class _Response(msgspec.Struct):
    choices: list[_Choice] = []


_DECODER = msgspec.json.Decoder(_Response)


def read_margins(data: bytes, *, stream: bool) -> list[float]:
    """For each token of the first choice: its log-probability minus the best alternative's; [] if none are given. Never raises."""
    if b'"top_logprobs"' not in data:
        return []
    bodies = (body for _, body in read_frames(data)) if stream else iter((data,))
    return [margin for body in bodies for margin in _margins(body)]


def _margins(body: bytes) -> Iterator[float]:
    try:
        response = _DECODER.decode(body)
    except ValueError:
        return
    for choice in response.choices:
        if choice.index or choice.logprobs is None:
            continue
        for token in choice.logprobs.content or ():
            others = [other.logprob for other in token.top_logprobs or () if other.token != token.token]
            if others:
                yield token.logprob - max(others)
