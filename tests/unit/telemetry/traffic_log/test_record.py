"""A record is one line of JSON with bounded bodies and the outcome of its request."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from octoroute.telemetry.traffic_log.record import BoundedBody, TrafficRecord
from octoroute.telemetry.traffic_log.redaction import Redaction
from tests.support.outcomes import outcome


@given(chunks=st.lists(st.binary(max_size=400), max_size=10), limit=st.integers(0, 300))
def test_a_body_is_bounded_and_its_length_is_right(chunks, limit):
    body = BoundedBody(limit)
    for chunk in chunks:
        body.add(chunk)
    whole = b"".join(chunks)
    assert body.size == len(whole)
    assert body.bytes() == whole[: limit + 512 if limit else 0]


@given(question=st.binary(max_size=200), answer=st.binary(max_size=200))
def test_a_recording_is_one_line_whatever_was_said(question, answer):
    recording = TrafficRecord("POST", "/x", [(b"x", b"\xff")], 100, 0.0)
    recording.request_body.add(question)
    recording.response_body.add(answer)
    line = recording.line(Redaction())
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert json.loads(line)["request"]["bytes"] == len(question)


def record(max_body_bytes: int = 100) -> TrafficRecord:
    return TrafficRecord("POST", "/v1/messages", [(b"x-api-key", b"k"), (b"accept", b"*/*")], max_body_bytes, 1.5)


def test_a_line_holds_the_head_the_bodies_and_the_outcome():
    one = record()
    one.status, one.request_id, one.outcome = 200, "mine", outcome(request_id="mine")
    one.request_body.add(b'{"model": "auto"}')
    one.response_body.add(b"text")
    line = json.loads(one.line(Redaction()))
    assert (line["time"], line["method"], line["path"]) == ("1970-01-01T00:00:01.500Z", "POST", "/v1/messages")
    assert (line["request_id"], line["ending"], line["status"], line["endpoint"]) == ("mine", "answered", 200, "a")
    assert line["request"] == {"headers": {"x-api-key": "***", "accept": "*/*"}, "bytes": 17, "body": {"model": "auto"}}
    assert line["response"] == {"bytes": 4, "body": "text"}


def test_a_long_body_is_cut_and_the_line_says_so():
    one = record(max_body_bytes=3)
    one.response_body.add(b"abcdef")
    assert json.loads(one.line(Redaction()))["response"] == {"bytes": 6, "body": "abc", "cut": True}


def test_without_bodies_only_their_lengths_are_written():
    one = record(max_body_bytes=0)
    one.response_body.add(b"abcdef")
    assert json.loads(one.line(Redaction()))["response"] == {"bytes": 6}
    assert one.cost == record(0).cost


def test_of_a_compressed_body_only_the_length_is_written_because_no_secret_is_recognised_in_it():
    one = TrafficRecord("POST", "/v1/messages", [(b"content-encoding", b"gzip")], 100, 1.5)
    one.request_body.add(b"abcdef")
    assert json.loads(one.line(Redaction()))["request"] == {"headers": {"content-encoding": "gzip"}, "bytes": 6}


def test_without_an_outcome_the_ending_follows_from_the_status():
    endings = {}
    for status in (None, 404, 503):
        one = record()
        one.status = status
        endings[status] = json.loads(one.line(Redaction()))["ending"]
    assert endings == {None: "abandoned", 404: "refused", 503: "failed"}
