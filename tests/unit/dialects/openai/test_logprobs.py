"""Log-probability margins of a response's tokens."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.openai.logprobs import read_margins


def token(logprob, *others, text="a"):
    top = [{"token": text, "logprob": logprob}, *({"token": name, "logprob": value} for name, value in others)]
    return {"token": text, "logprob": logprob, "top_logprobs": top}


def choice(*tokens, index=0):
    return {"index": index, "logprobs": {"content": list(tokens)}}


def test_a_margin_per_token_of_the_first_choice():
    body = {
        "choices": [
            choice(token(-1.0, ("b", -3.0), ("c", -2.5)), token(-2.0, ("b", -0.5))),
            choice(token(0.0, ("b", -9.0)), index=1),
        ]
    }
    assert read_margins(json.dumps(body).encode(), stream=False) == [1.5, -1.5]


def test_a_stream_is_read_chunk_by_chunk():
    chunks = [{"choices": [choice(token(-1.0, ("b", -2.0)))]}, {"choices": [{"index": 0, "logprobs": None}]}]
    stream = b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks) + b"data: [DONE]\n\n"
    assert read_margins(stream, stream=True) == [1.0]


def test_a_token_without_alternatives_has_no_margin():
    assert read_margins(json.dumps({"choices": [choice(token(-1.0))]}).encode(), stream=False) == []


@pytest.mark.parametrize(
    "body", [b"", b'{"choices":[]}', b'{"top_logprobs', b'{"choices":7,"top_logprobs":1}', b'"top_logprobs"\xff']
)
def test_other_bodies_have_none(body):
    assert read_margins(body, stream=False) == []
