"""The path names the model and the method."""

from __future__ import annotations

import pytest

from octoroute.dialects.gemini.target import Target, target_of, templates
from octoroute.errors import BadRequest


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/v1beta/models/auto:generateContent?", Target("auto", "generateContent", events=False)),
        ("/v1/models/deep:streamGenerateContent?alt=sse", Target("deep", "streamGenerateContent", events=True)),
        ("/v1beta/models/models/auto:countTokens?alt=json", Target("auto", "countTokens", events=False)),
        ("/v1beta/models/org/name:8b:generateContent?alt=SSE", Target("org/name:8b", "generateContent", events=True)),
        ("/v1beta/models/auto:0.3:generateContent?", Target("auto:0.3", "generateContent", events=False)),
        ("/v1beta/models/a/models/b:generateContent?", Target("a/models/b", "generateContent", events=False)),
    ],
)
def test_reads_a_path(path, target):
    assert target_of({":path": path}) == target


@pytest.mark.parametrize("path", ["", "/v1beta/models/:generateContent?", "/v1beta/models/ :generateContent?", "/v1beta/x:y?"])
def test_a_path_without_a_model_is_the_clients_error(path):
    with pytest.raises(BadRequest, match="model"):
        target_of({":path": path})


def test_only_a_stream_streams():
    assert Target("a", "streamGenerateContent", events=True).streams
    assert not Target("a", "generateContent", events=True).streams


def test_there_is_a_template_for_every_version():
    assert "/v1beta/models/{model}:generateContent" in templates("generateContent")
    assert len(templates("a", "b")) == 4
