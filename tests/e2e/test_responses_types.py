"""Every event of a Responses stream, and every whole response, is what the official SDK's types say."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings

pytest.importorskip("openai", reason="the e2e group is not installed")

from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from octoroute.dialects.openai.stream_decoder import OpenAIDecoder
from octoroute.dialects.responses.response import encode_response
from octoroute.domain.events import Failed, TextDelta
from tests.support.dialects.responses import EVENTS, encoder
from tests.support.responses_stream import events_of
from tests.unit.dialects.responses.test_stream_encoder import CALLS, table
from tests.unit.dialects.test_laws import streams

EVENT = TypeAdapter(ResponseStreamEvent)


def validate(raw: bytes) -> None:
    for event in events_of(raw):
        EVENT.validate_json(json.dumps(event), strict=True)


@pytest.mark.parametrize("events", [EVENTS, CALLS], ids=["blocks", "calls"])
def test_a_stream(events):
    validate(encoder(tools=table()).encode(events))


@settings(max_examples=100)
@given(streams)
def test_any_stream(frames):
    decoder, made = OpenAIDecoder(), encoder(tools=table())
    raw = b"".join(made.encode(decoder.feed(frame)) for frame in frames)
    if events_of(raw)[-1]["type"] != "response.failed":  # the SDK's list of codes is shorter than what its server sends
        validate(raw)


def test_a_failure_with_a_code_of_the_list():
    validate(encoder().encode([TextDelta("x"), Failed("rate_limit_error", "busy")]))


@pytest.mark.parametrize("events", [EVENTS, CALLS], ids=["blocks", "calls"])
def test_a_whole_response(events):
    Response.model_validate_json(encode_response(events, model="auto", created_s=7, echo={}, tools=table()), strict=True)
