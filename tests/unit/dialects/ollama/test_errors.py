"""Errors as Ollama writes them."""

from __future__ import annotations

import json

from octoroute.dialects.ollama.errors import error_line, write_error
from octoroute.errors import BadRequest, OctorouteError, UpstreamRejected


def test_a_body_and_a_line():
    assert json.loads(write_error(BadRequest("model: is missing"))) == {"error": "model: is missing"}
    assert error_line(BadRequest("x")) == b'{"error":"x"}\n'


def test_an_upstreams_words_and_no_words_at_all():
    error = UpstreamRejected("no", status=400, body=b'{"error":{"message":"why not"}}', headers={}, dialect="openai")
    assert json.loads(write_error(error)) == {"error": "why not"}
    assert json.loads(write_error(OctorouteError()))["error"]
