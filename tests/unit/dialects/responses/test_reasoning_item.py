"""Reasoning of an endpoint on its way through clients of other formats."""

from __future__ import annotations

import pytest

from octoroute.dialects.responses.reasoning_item import pack_reasoning, unpack_reasoning


@pytest.mark.parametrize("id", ["rs_1", None])
@pytest.mark.parametrize("text", ["hm", ""])
def test_it_comes_back_as_it_was(id, text):
    item = unpack_reasoning(text, pack_reasoning(id, "gAAA.b=="))
    assert item.get("id") == id and item["type"] == "reasoning" and item["encrypted_content"] == "gAAA.b=="
    assert item["summary"] == ([{"type": "summary_text", "text": "hm"}] if text else [])
