"""Parts of a request that no struct describes."""

from __future__ import annotations

from octoroute.dialects.request.raw_messages import RawMessages


def test_a_part_is_found_by_its_place():
    raw = RawMessages(b'{"messages":[{"content":"a"},{"content":[{"type":"x"},{"type":"y","deep":{"er":[1]}}]}]}')
    assert raw.part(1, 1) == {"type": "y", "deep": {"er": [1]}}
    assert raw.part(1, 0) == {"type": "x"}


def test_a_body_that_is_not_utf8_has_no_parts():
    assert RawMessages(b'{"messages":[{"content":[{"type":"\xff"}]}]}').part(0, 0) == {}
