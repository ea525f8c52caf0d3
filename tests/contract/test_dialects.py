"""Every wire format keeps the Protocols' promises: the registered ones, and the plug-in package's. Registering one tests it."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute import dialects
from octoroute.dialects.base import Inbound
from octoroute.dialects.local_routes import ModelCard
from octoroute.dialects.request.body import RequestBody
from octoroute.domain.conversation import Conversation, Role, Text, Turn
from octoroute.domain.endpoint import CHAT_TIERS
from octoroute.domain.events import Finished, TextDelta
from octoroute.errors import BadRequest, ClientError, UpstreamError
from tests.contract.acme.acme_chat.dialect import NdjsonOutbound
from tests.contract.conftest import ACME
from tests.support.laws.cuts import cut, singly
from tests.support.spine import make_endpoint

OUTBOUND = {**dialects.outbound(lambda: 0.0), NdjsonOutbound.name: NdjsonOutbound()}
INBOUND = {**dialects.inbound(lambda: 0.0), **dialects.interfaces(lambda: 0.0)}
STREAMS = {name: Path("tests/golden/streams") / f"tools.{name}.sse" for name in dialects.outbound(lambda: 0.0)}
STREAMS["bedrock"] = STREAMS["bedrock"].with_suffix(".bin")
STREAMS[NdjsonOutbound.name] = ACME / "stream.ndjson"
"""A recorded stream of each format; a new format brings one."""
QUESTION = Conversation(turns=(Turn(Role.USER, (Text("hello"),)),), max_tokens=10)
ENDPOINT = make_endpoint("e")

each_outbound = pytest.mark.parametrize("outbound", OUTBOUND.values(), ids=OUTBOUND)
each_inbound = pytest.mark.parametrize("inbound", INBOUND.values(), ids=INBOUND)


def recorded(outbound) -> bytes:
    return STREAMS[outbound.name].read_bytes()


def decoded(outbound, reads):
    """Events of a stream that arrives in these reads, as the upstream client reads it."""
    framer, decoder = outbound.framer(), outbound.decoder()
    events = [event for read in reads if (frames := framer.feed(read)) for event in decoder.feed(frames)]
    rest = framer.rest
    return [*events, *(decoder.feed(rest) if rest.strip() else ()), *decoder.end()]


def text_of(events):
    return "".join(event.text for event in events if isinstance(event, TextDelta))


# endpoints' side


@each_outbound
@given(seed=st.integers(0, 255))
def test_a_stream_says_the_same_however_it_is_cut(outbound, seed):
    stream = recorded(outbound)
    whole = decoded(outbound, [stream])
    for reads in (cut(stream, seed), singly(stream)):
        framer = outbound.framer()
        assert b"".join(map(framer.feed, reads)) + framer.rest == stream
        events = decoded(outbound, reads)
        assert text_of(events) == text_of(whole)
        assert [event for event in events if isinstance(event, Finished)] == [
            event for event in whole if isinstance(event, Finished)
        ]


@each_outbound
def test_a_recorded_stream_finishes_once_and_splits_into_its_frames(outbound):
    stream = recorded(outbound)
    assert sum(isinstance(event, Finished) for event in decoded(outbound, [stream])) == 1
    frames = list(outbound.framer().split(stream))
    assert len(frames) > 3
    assert b"".join(frames) == stream
    for frame in frames:
        assert outbound.framer().feed(frame) == frame


@each_outbound
def test_the_beginning_of_a_stream_is_not_its_end(outbound):
    frames = list(outbound.framer().split(recorded(outbound)))
    assert not any(isinstance(event, Finished) for event in decoded(outbound, frames[: len(frames) // 3]))


@each_outbound
@given(noise=st.binary(max_size=200))
def test_noise_is_an_upstreams_failure_and_no_crash(outbound, noise):
    for read in (lambda: decoded(outbound, [noise]), lambda: outbound.decode_response(noise)):
        with contextlib.suppress(UpstreamError):
            read()
    error = outbound.read_error(400, {}, noise)
    assert error is None or isinstance(error, UpstreamError)
    assert outbound.read_count(noise) is None or isinstance(outbound.read_count(noise), int)


@each_outbound
def test_a_plain_question_can_be_put_whole_and_streamed(outbound):
    assert outbound.unsupported(QUESTION, ENDPOINT) is None
    for stream in (False, True):
        body = outbound.encode_request(QUESTION, ENDPOINT, stream=stream)
        assert b"hello" in body
        assert body == outbound.encode_request(QUESTION, ENDPOINT, stream=stream)
        assert body[1:-1] in outbound.count_request(body, ENDPOINT)


# clients' side


def test_the_formats_both_sides_speak_are_those_that_pass_through():
    assert set(dialects.SHARED) == set(dialects.inbound(lambda: 0.0)) & set(dialects.outbound(lambda: 0.0))
    assert dialects.DEFAULT in dialects.inbound(lambda: 0.0)
    assert tuple(dialects.outbound(lambda: 0.0)) == dialects.OUTBOUND_NAMES


def test_no_path_and_no_version_header_belongs_to_two_formats():
    paths = [path for inbound in INBOUND.values() for path in (*inbound.paths, inbound.count_path) if path is not None]
    assert len(paths) == len(set(paths))
    headers = [inbound.version_header for inbound in INBOUND.values() if inbound.version_header is not None]
    assert len(headers) == len(set(headers))


@each_inbound
def test_its_facts_have_the_shapes_that_the_server_relies_on(inbound):
    assert all(path.startswith("/") for path in inbound.paths)
    for header in (inbound.id_header, inbound.version_header or ""):
        assert header == header.lower()
    assert set(inbound.model_classes.values()) <= set(CHAT_TIERS)
    for silence in (inbound.keep_alive, inbound.silence):
        assert not silence.strip() or silence.endswith(b"\n\n")


@each_inbound
def test_an_error_holds_its_message(inbound):
    error = BadRequest("model: is missing", param="model")
    assert 400 <= inbound.status(error) < 500
    assert b"model: is missing" in inbound.error(error, "r-1")
    if inbound.paths and inbound.name != "simple":
        assert "error" in json.loads(inbound.error(error, "r-1"))
        assert b"model: is missing" in inbound.error_event(error, "r-1")
    if inbound.stream_type.startswith("text/event-stream") and inbound.paths:
        assert inbound.error_event(error, "r-1").endswith(b"\n\n")


@each_inbound
def test_models_are_listed_under_their_names(inbound):
    owners = {"auto": "octoroute", "mine": "user"}
    cards = [ModelCard(name, owner) for name, owner in owners.items()]
    listing = json.loads(json.dumps(inbound.models.listing(cards, ["claude-mine"], {})))
    entries = next(value for value in listing.values() if isinstance(value, list))
    names = [entry.get("id") or entry["name"].removeprefix("models/") for entry in entries]
    assert [name for name in names if name in owners] == list(owners)
    assert set(names) <= {*owners, "claude-mine"}
    assert inbound.models.entry(cards[1]) in entries


@each_inbound
@given(
    noise=st.one_of(
        st.binary(max_size=100), st.dictionaries(st.text(max_size=9), st.none()).map(lambda v: json.dumps(v).encode())
    ).filter(lambda data: b'"model"' not in data)  # with a model alone a completion is complete
)
def test_a_request_that_is_none_is_the_clients_error(inbound, noise):
    if inbound.paths and not (noise.startswith(b"{") and getattr(inbound, "has_default_model", False)):
        with pytest.raises(ClientError):
            inbound.read(noise, request_id="r", headers={})


@each_inbound
def test_the_model_is_replaced_and_everything_else_keeps_its_bytes(inbound):
    if inbound.name not in OUTBOUND or type(inbound).present is not Inbound.present:
        return
    content = b'[{"role":"user","content":"h\\u00e4","parts":[{"text":"h\\u00e4"}]}]'
    body = b'{ "model":"auto",  "messages":%b, "contents" : %b, "input":"x", "prompt":"x", "new_field": 1.50 }' % (content, content)
    if inbound.name == "responses":  # in which a prompt is a stored one
        body = body.replace(b', "prompt":"x"', b"")
    request = inbound.read(body, request_id="r", headers={":path": "/v1beta/models/auto:generateContent"})
    assert isinstance(request.body, RequestBody)
    assert request.model == "auto"
    sent = inbound.with_model(request, "other")
    if "{" not in inbound.paths[0]:
        assert json.loads(sent)["model"] == "other"
    else:
        assert sent == body
    assert sent.count(content) == 2
    assert b"1.50" in sent
