"""Error bodies of upstreams, and errors in each dialect."""

from __future__ import annotations

import json

from octoroute.dialects.anthropic.errors import error_event as write_anthropic_event
from octoroute.dialects.openai.errors import error_event as write_openai_event
from octoroute.dialects.response.sse import read_frames
from octoroute.errors import UpstreamRejected


def test_an_upstreams_own_words_stay_within_one_event():
    body = b'{\n\n"error": {"message": "no"}\n\n}'
    for event in (write_openai_event, write_anthropic_event):
        ((_, data),) = read_frames(event(UpstreamRejected("no", status=400, body=body, headers={}, dialect="openai"), "r"))
        assert json.loads(data)["error"]["message"] == "no"
