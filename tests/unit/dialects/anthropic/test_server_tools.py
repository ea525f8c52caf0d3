"""Results of tools that ran at Anthropic's servers, as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.dialects.anthropic.server_tools import describe_result


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (
            {"type": "bash_code_execution_result", "stdout": "a.txt\nb.txt", "stderr": "warn", "return_code": 2, "content": []},
            ["a.txt\nb.txt", "stderr: warn", "return_code: 2"],
        ),
        ({"type": "text_editor_code_execution_view_result", "content": "line 1", "num_lines": 1, "file_type": "text"}, ["line 1"]),
        ({"type": "text_editor_code_execution_str_replace_result", "lines": ["-a", "+b"], "old_start": 3}, ["-a", "+b"]),
        ({"type": "code_execution_tool_result_error", "error_code": "unavailable"}, ["error_code: unavailable"]),
        (
            [{"type": "web_search_result", "title": "T", "url": "http://u", "encrypted_content": "zzz", "page_age": "1 day"}],
            ["T", "http://u"],
        ),
        (
            {
                "type": "web_fetch_result",
                "url": "http://u",
                "content": {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "words"}},
            },
            ["http://u", "words"],
        ),
        (
            {"content": {"source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}}},
            ["application/pdf is not"],
        ),
        ([{"type": "text", "text": "from an MCP server"}], ["from an MCP server"]),
        ({"type": "some_tool_of_next_year_result", "verdict": "fine"}, ["verdict: fine"]),
        ("plain", ["plain"]),
    ],
)
def test_what_the_assistant_worked_from_is_told(content, wanted):
    said = describe_result(content)
    for text in wanted:
        assert text in said
    assert "zzz" not in said
    assert "JVBERi0=" not in said


@pytest.mark.parametrize("content", [None, [], {}, {"type": "x", "encrypted_content": "zzz"}, "  "])
def test_nothing_readable(content):
    assert describe_result(content) == ""


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=20,
)


@given(json_values)
def test_any_json_is_described(value):
    assert isinstance(describe_result(value), str)


def test_deep_nesting_is_cut_off():
    value: object = "bottom"
    for _ in range(5000):
        value = [value]
    assert describe_result(value) == ""
