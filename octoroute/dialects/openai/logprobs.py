"""How sure a model was of its words: log-probability margins, where the client asked a compatible server for them. Pure."""

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
    """Per token of the first choice: the chosen one's log-probability less the best other's. Never raises; [] when not told."""
    if b'"top_logprobs"' not in data:
        return []
    bodies = (body for _, body in read_frames(data)) if stream else iter((data,))
    return [margin for body in bodies for margin in _margins(body)]


def _margins(body: bytes) -> Iterator[float]:
    try:
        answer = _DECODER.decode(body)
    except ValueError:
        return
    for choice in answer.choices:
        if choice.index or choice.logprobs is None:
            continue
        for token in choice.logprobs.content or ():
            others = [other.logprob for other in token.top_logprobs or () if other.token != token.token]
            if others:
                yield token.logprob - max(others)
