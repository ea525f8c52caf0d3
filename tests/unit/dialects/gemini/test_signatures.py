"""Thought signatures, stored for clients that drop them."""

from __future__ import annotations

import json

from octoroute.dialects.anthropic.request_decoder import decode_request as read_anthropic
from octoroute.dialects.gemini.outbound import GeminiOutbound
from octoroute.dialects.gemini.signatures import MAX_AGE_S, MAX_ENTRIES, Signatures
from octoroute.dialects.openai.stream_encoder import OpenAIEncoder
from tests.support.chunks import numbered
from tests.support.dialects.gemini import ENDPOINT, USER, ask, call, called, events_of, parts


def test_p85_a_signature_travels_with_openai_clients():
    raw = OpenAIEncoder(model="m", created_s=1, new_id=numbered()).encode(
        events_of(parts(call("f", {}, thoughtSignature="SIG"), finish="STOP"))
    )
    assert b'"extra_content":{"google":{"thought_signature":"SIG"}}' in raw
    message = called(("c", "f"))
    message["tool_calls"][0]["extra_content"] = {"google": {"thought_signature": "SIG"}}
    body = ask(USER, message, {"role": "tool", "tool_call_id": "c", "content": "r"}, model="gemini-3-pro")
    assert body["contents"][1]["parts"][0]["thoughtSignature"] == "SIG"


def test_p85_a_signature_is_kept_for_clients_that_drop_it():
    outbound = GeminiOutbound(clock=lambda: 0.0)
    question = {"messages": [{"role": "user", "content": "hi"}], "tools": [{"name": "f", "input_schema": {}}]}
    conversation = read_anthropic(json.dumps(question).encode())
    events = outbound.decoder(conversation, ENDPOINT).feed(parts(call("f", {}, thoughtSignature="SIG")))
    id = next(event.id for event in events if hasattr(event, "id") and event.id)
    question["messages"] += [
        {"role": "assistant", "content": [{"type": "tool_use", "id": id, "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": id, "content": "r"}]},
    ]
    notes = []
    body = json.loads(outbound.encode_request(read_anthropic(json.dumps(question).encode()), ENDPOINT, stream=True, notes=notes))
    assert body["contents"][1]["parts"][0]["thoughtSignature"] == "SIG" and notes == []


def test_p85_a_lost_signature_has_a_last_resort():
    notes = []
    history = (
        USER,
        called(("c", "f"), ("d", "g")),
        {"role": "tool", "tool_call_id": "c", "content": "r"},
        {"role": "tool", "tool_call_id": "d", "content": "r"},
    )
    first, second = ask(*history, model="gemini-3-pro", notes=notes)["contents"][1]["parts"]
    assert first["thoughtSignature"] == "skip_thought_signature_validator" and "thoughtSignature" not in second and notes
    assert "thoughtSignature" not in ask(*history, model="gemini-2.5-pro")["contents"][1]["parts"][0]


def test_p85_signatures_are_forgotten_and_bounded():
    now = [0.0]
    kept = Signatures(lambda: now[0])
    kept.keep("a", "s")
    now[0] = MAX_AGE_S - 1
    assert kept.find("a") == "s"
    now[0] = MAX_AGE_S
    assert kept.find("a") is None
    for number in range(MAX_ENTRIES + 10):
        kept.keep(str(number), "s")
    assert kept.find("0") is None and kept.find("a") is None and kept.find(str(MAX_ENTRIES)) == "s"
    kept.keep("huge", "x" * 100_000)
    assert kept.find("huge") is None
