"""Values that servers wrap differently."""

from __future__ import annotations

import pytest

from octoroute.dialects.openai.schema import text_within


@pytest.mark.parametrize(
    ("thinking", "text"),
    [("hm", "hm"), ([{"type": "text", "text": "h"}, "m"], "hm"), ({"text": [{"text": "hm"}]}, "hm"), (None, ""), (7, ""), ({}, "")],
)
def test_thinking_as_text(thinking, text):
    assert text_within(thinking) == text
