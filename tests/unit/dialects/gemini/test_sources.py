"""Grounding metadata: places in bytes and in characters, and metadata that does not fit its text."""

from __future__ import annotations

import json

import pytest
from google.genai import types
from hypothesis import given
from hypothesis import strategies as st

from octoroute.dialects.gemini.sources import GroundingWriter
from octoroute.dialects.gemini.stream_decoder import GeminiDecoder
from octoroute.domain.events import SourceCited
from tests.support.chunks import sse

words = st.text(st.sampled_from("abé漢😀 "), min_size=1, max_size=12)


def whole(parts, **metadata):
    candidate = {
        "content": {"parts": [{"text": part} if isinstance(part, str) else part for part in parts]},
        "finishReason": "STOP",
    }
    events = GeminiDecoder().decode_body(json.dumps({"candidates": [{**candidate, **metadata}]}).encode())
    return [event for event in events if isinstance(event, SourceCited)]


def web(*urls):
    return [{"web": {"uri": url, "title": url[-5:]}} for url in urls]


def support(chunks, **segment):
    return {"segment": segment, "groundingChunkIndices": chunks}


@given(st.lists(words, min_size=1, max_size=6), st.data())
def test_places_survive_from_an_endpoint_to_a_client(texts, data):
    text = "".join(texts)
    places = st.tuples(st.integers(0, len(text)), st.integers(0, len(text))).filter(lambda place: place[0] < place[1])
    cited = [
        SourceCited(f"https://{n}.org", "t", "", *place)
        for n, place in enumerate(data.draw(st.lists(places, max_size=4, unique=True)))
    ]
    writer = GroundingWriter()
    for part in texts:
        writer.add_text(part)
    for source in cited:
        writer.add(source)
    metadata = writer.metadata()
    if metadata is None:
        assert not cited
        return
    types.GroundingMetadata.model_validate(metadata)
    for one in metadata["groundingSupports"]:
        segment = one["segment"]
        assert text.encode()[segment["startIndex"] : segment["endIndex"]].decode() == segment["text"]
    assert whole(texts, groundingMetadata=metadata) == cited


def test_the_metadata_of_the_last_chunk_counts_in_a_stream():
    decoder = GeminiDecoder()
    parts = ["Ä ", "is ", "true"]
    for at, part in enumerate(parts):
        chunks = web("https://a.org", "https://b.org")[: at + 1]
        grounding = {"groundingChunks": chunks, "groundingSupports": [support([at], startIndex=3, endIndex=6, text="is ")][:at]}
        candidate = {"content": {"parts": [{"text": part}]}, "groundingMetadata": grounding}
        if at == 2:
            candidate["finishReason"] = "STOP"
            candidate["groundingMetadata"]["groundingSupports"] = [support([1, 7, -1], startIndex=3, endIndex=6, text="is ")]
        assert not any(isinstance(event, SourceCited) for event in decoder.feed(sse({"candidates": [candidate]})))
    found = [event for event in decoder.end() if isinstance(event, SourceCited)]
    assert [(event.url, event.start, event.end) for event in found] == [("https://b.org", 2, 5), ("https://a.org", 0, 0)]


@pytest.mark.parametrize(
    ("segment", "place"),
    [
        ({"startIndex": 0, "endIndex": 4, "text": "text"}, (11, 15)),  # not there: found by its words
        ({"partIndex": 2, "startIndex": 0, "endIndex": 4, "text": "text"}, (11, 15)),
        ({"partIndex": 2, "endIndex": 4}, (0, 4)),
        ({"startIndex": 3, "endIndex": 999, "text": "nowhere"}, (0, 0)),
        ({"startIndex": -5, "endIndex": -1}, (0, 0)),
        ({"text": "visible"}, (3, 10)),
        ({}, (0, 0)),
    ],
)
def test_a_segment_is_where_it_says_or_where_its_words_are(segment, place):
    parts = ["My visible ", {"text": "thought", "thought": True}, "text"]
    (found,) = whole(
        parts, groundingMetadata={"groundingChunks": web("https://a.org"), "groundingSupports": [support([0], **segment)]}
    )
    assert (found.start, found.end) == place


def test_documents_maps_and_recitations_are_sources_too():
    chunks = [
        {"retrievedContext": {"uri": "gs://b/a.pdf", "title": "a.pdf", "text": "passage"}},
        {"maps": {"uri": "https://maps.google.com/?cid=1", "title": "Cafe"}},
        {"image": {}},
    ]
    found = whole(["a"], groundingMetadata={"groundingChunks": chunks})
    assert found == [
        SourceCited(title="a.pdf", quote="passage", file_id="gs://b/a.pdf"),
        SourceCited("https://maps.google.com/?cid=1", "Cafe"),
    ]
    recited = {"startIndex": 0, "endIndex": 3, "uri": "https://r.org", "license": "mit"}
    for name in ("citationSources", "citations"):
        assert whole(["é and"], citationMetadata={name: [recited, {}]}) == [SourceCited("https://r.org", start=0, end=2)]


@pytest.mark.parametrize(
    "value", [{}, [], "x", {"groundingChunks": 3}, {"groundingSupports": [{"segment": [], "groundingChunkIndices": "a"}]}]
)
def test_metadata_of_another_shape_costs_nothing(value):
    assert whole(["a"], groundingMetadata=value) == []
