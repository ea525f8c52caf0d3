"""Reading an answer: what a reader has told, it does not tell again."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.openai.outbound import OpenAIOutbound
from octoroute.domain.endpoint import Endpoint, Tier
from octoroute.domain.events import TextDelta
from octoroute.errors import BadUpstreamResponse
from octoroute.upstream.readers import DecodingReader, SingleChunkReader
from tests.support.chunks import chunk, sse

ENDPOINT = Endpoint(id="a", name="a", tier=Tier.FAST, kind="openai", provider="p", base_url="http://127.0.0.1:1/v1", model="m")


def test_words_that_came_before_nonsense_are_told_once():
    """Found by fuzzing: the last good read was told again when the next one was nonsense."""
    reader = DecodingReader(OpenAIOutbound(), None, ENDPOINT)
    assert TextDelta("hello") in reader.feed(chunk(content="hello"))
    nonsense = sse(b"{")
    with pytest.raises(BadUpstreamResponse):
        reader.feed(nonsense)
    assert reader.before_failure(nonsense) == []


@pytest.mark.parametrize("text", [b"\\ud83d", b"\\u12", b"\xff", b"\x01"])
def test_an_answer_that_cannot_be_put_on_one_line_is_the_upstreams_fault(text):
    """Found by fuzzing: a tap does not look at every value."""
    body = json.dumps({"choices": [{"text": "a"}], "note": "@"}).encode().replace(b"@", text)
    try:
        part = SingleChunkReader(OpenAIOutbound()).read_body(body)
    except BadUpstreamResponse:
        return
    assert part.count(b"\n") == 4
