"""The response cache on its own: what matches, how long, how much, and what is recorded."""

from __future__ import annotations

import asyncio
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute import dialects
from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import Tier
from octoroute.domain.events import Finished, FinishReason, Started, TextDelta
from octoroute.gateway.response_cache import MAX_ENTRY_BYTES, ResponseCache
from octoroute.upstream.response import synthetic_response
from tests.support.parts import endpoint

OUTBOUND = dialects.outbound(time.monotonic)["openai"]
INBOUND = dialects.inbound(time.time)["openai"]
DECISION = Decision(tier=Tier.FAST, by="client", why="because")
BODY = {"model": "auto", "temperature": 0, "messages": [{"role": "user", "content": "hello"}]}


class Stage:
    def __init__(self, **more) -> None:
        self.now = 0.0
        self.cache = ResponseCache(
            **{"ttl_s": 60.0, "max_bytes": 100_000, "max_entries": 100, "shared": False, "clock": lambda: self.now, **more}
        )

    def key(self, headers=None, decision=DECISION, **body):
        return self.cache.key_for(request(headers, **body), decision)

    def put(self, events=None, **body):
        """Record one whole answer, to its end."""
        asked = request(**body)
        events = events or (Started(), TextDelta("hi"), Finished(FinishReason.STOP))

        async def read():
            key = self.cache.key_for(asked, DECISION)
            response = self.cache.record(key, synthetic_response(endpoint(), OUTBOUND, events), OUTBOUND, asked, ("note",))
            while await response.read():
                pass

        asyncio.run(read())

    def get(self, headers=None, **body):
        return self.cache.get(self.key(headers, **body), request(headers, **body))


def request(headers=None, **body):
    return INBOUND.read(json.dumps({**BODY, **body}).encode(), request_id="r", headers=headers or {})


def test_the_same_request_gets_the_recorded_answer_with_its_age_and_notes():
    stage = Stage()
    assert stage.get() is None
    stage.put()
    stage.now = 59.9
    found = stage.get()
    assert (found.notes, found.headers, found.endpoint) == (("note",), {"age": "59"}, endpoint())
    assert found.progress.finished
    stage.now = 60.0
    assert stage.get() is None
    assert (len(stage.cache), stage.cache.size) == (0, 0)


@pytest.mark.parametrize(
    ("headers", "body", "digest", "may_read"),
    [
        ({}, {}, True, True),
        ({"cache-control": "no-cache"}, {}, True, False),
        ({"cache-control": "max-age=0, no-store"}, {}, False, False),
        ({"x-octoroute-cache": "bypass"}, {}, False, False),
        ({}, {"temperature": 1}, False, False),
        ({"x-octoroute-cache": "use"}, {"temperature": 1}, True, True),
        ({}, {"n": 2}, False, False),
        ({}, {"logprobs": True}, False, False),
    ],
)
def test_which_requests_use_the_cache(headers, body, digest, may_read):
    key = Stage().key(headers, **body)
    assert (key.digest is not None, key.may_read) == (digest, may_read)


@pytest.mark.parametrize(
    ("headers", "body", "same"),
    [
        ({}, {"stream": True, "stream_options": {"include_usage": True}}, True),
        ({"x-api-key": "other"}, {}, False),
        ({"anthropic-beta": "x"}, {}, False),
        ({"x-other": "x"}, {}, True),
        ({}, {"max_tokens": 5}, False),
        ({}, {"model": "fast"}, False),
    ],
)
def test_what_makes_two_requests_the_same(headers, body, same):
    stage = Stage(passes=frozenset({"anthropic-beta"}))
    assert (stage.key() == stage.key(headers, **body)) is same
    assert stage.key() != stage.key(decision=Decision(tier=Tier.DEEP, by="client", why="because"))


def test_a_shared_cache_does_not_look_at_the_client_key():
    stage = Stage(shared=True)
    assert stage.key() == stage.key({"authorization": "Bearer other"})


@pytest.mark.parametrize(
    "events",
    [
        (Started(), TextDelta("hi"), Finished(FinishReason.LENGTH)),
        (Started(), TextDelta("hi")),
        (Started(), TextDelta("x" * MAX_ENTRY_BYTES), Finished(FinishReason.STOP)),
    ],
    ids=["cut off", "no end", "too long"],
)
def test_only_complete_answers_of_bounded_length_are_recorded(events):
    stage = Stage(max_bytes=10 * MAX_ENTRY_BYTES)
    stage.put(events)
    assert len(stage.cache) == 0


@given(st.lists(st.integers(0, 9), max_size=40), st.integers(1, 5), st.integers(1000, 3000))
def test_it_never_holds_more_than_it_may_and_drops_the_least_recently_used(numbers, max_entries, max_bytes):
    stage = Stage(max_entries=max_entries, max_bytes=max_bytes)
    for number in numbers:
        stage.put(max_tokens=number + 1)
        assert len(stage.cache) <= max_entries
        assert stage.cache.size <= max_bytes
        assert stage.get(max_tokens=number + 1) is not None
    recent = list(dict.fromkeys(reversed(numbers)))[: len(stage.cache)]
    assert all(stage.get(max_tokens=number + 1) is not None for number in recent)
