"""Whatever the fragments of a call's arguments are, a JSON object comes out or the call is known to be broken."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.dialects.response.tool_arguments import INVALID_JSON, ToolArguments, mend_arguments, normalize_arguments

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.text('\\"{}[]\n\t: ', max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | texts, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2), max_leaves=5
)  # fmt: skip
objects = st.dictionaries(texts, values, max_size=3)
styles = st.sampled_from([{}, {"indent": 1}, {"separators": (",", ":")}, {"ensure_ascii": False}])


def raw_controls(value: dict, style: dict) -> str:
    """As a model writes source code: line ends and tabs unescaped."""
    text = json.dumps(value, **style)
    out, at = [], 0
    while at < len(text):
        pair = text[at : at + 2]
        out.append({"\\n": "\n", "\\t": "\t"}.get(pair, pair if pair[0] == "\\" else text[at]))
        at += 2 if pair[0] == "\\" else 1
    return "".join(out)


DEFECTS = {
    "none": lambda text: text,
    "doubled": lambda text: text + text,
    "doubled, other white space": lambda text: text + "\n" + json.dumps(json.loads(text), indent=3),
    "placeholder": lambda text: "{}" + text,
    "placeholders": lambda text: "{ } \n{}" + text,
    "double-encoded": json.dumps,
    "encoded three times": lambda text: json.dumps(json.dumps(text)),
    "fenced": lambda text: f"```json\n{text}\n```",
    "closed twice": lambda text: text + "}",
    "a tag behind it": lambda text: text + "\n</tool_call>",
    "white space around it": lambda text: f" \n{text}\n ",
}


def pieces(data, text: str) -> list[str]:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def fed(fragments: list[str]) -> str | None:
    arguments = ToolArguments()
    passed = "".join([arguments.feed(fragment) for fragment in fragments])
    rest = arguments.finish()
    return None if rest is None else passed + rest


@pytest.mark.parametrize("defect", DEFECTS)
@given(data=st.data(), value=objects, style=styles)
def test_a_defect_is_mended_however_it_is_cut(data, defect, value, style):
    text = DEFECTS[defect](json.dumps(value, **style))
    mended = fed(pieces(data, text))
    assert mended is not None
    assert json.loads(mended or "{}") == value


@given(data=st.data(), value=objects, style=styles)
def test_control_characters_are_escaped(data, value, style):
    mended = fed(pieces(data, raw_controls(value, style)))
    assert mended is not None
    assert json.loads(mended or "{}") == value


@given(st.data(), objects.filter(bool))
def test_a_proper_object_is_passed_on_as_it_is_and_at_once(data, value):
    text = json.dumps(value)
    arguments, passed, sent = ToolArguments(), "", ""
    for fragment in pieces(data, text):
        sent += fragment
        passed += arguments.feed(fragment)
        assert passed == sent or (sent.rstrip() == "{") or (sent.endswith("\\") and passed == sent[:-1])
    assert passed == text
    assert arguments.finish() == ""
    assert arguments.complete


@pytest.mark.parametrize("text", ["", "null", "None", "{}", "{ }", "[]", '""', '"{}"', '"null"', " \n", "undefined", "{}{}"])
def test_no_arguments(text):
    assert mend_arguments(text) == ""
    assert fed(list(text)) == ""


@pytest.mark.parametrize("text", ["hello", "[1]", "7", "true", '"text"', '{"a":', "{", '{"a":1}{"a":2}', "{a:1}", "{'a':1}", '["x"]', '{"a":1]', '"{\\"a\\":"', '"[1]"'])  # fmt: skip
def test_what_is_no_object_is_never_passed_for_one(text):
    assert mend_arguments(text) is None
    assert fed(list(text)) is None


@given(
    st.lists(st.sampled_from(["{", "}", '"', "\\", "a", ":", "1", ",", "[", "]", " ", "\n", "null", '{"a":1}', "{}"]), max_size=14)
)
def test_any_text_becomes_an_object_or_nothing(parts):
    mended = mend_arguments("".join(parts))
    assert mended is None or isinstance(json.loads(mended or "{}"), dict)
    assert fed(parts) == fed(list("".join(parts))) == mended


def test_arguments_that_the_token_limit_cut():
    arguments = ToolArguments()
    assert arguments.feed('{"path":"/a') == '{"path":"/a'
    assert arguments.partial and not arguments.complete
    assert arguments.finish(cut=True) == ""
    assert arguments.finish() is None


def test_an_invalid_escape_is_escaped():
    assert json.loads(mend_arguments('{"p":"C:\\dir","r":"\\d+"}') or "") == {"p": "C:\\dir", "r": "\\d+"}


def test_an_empty_object_may_be_a_placeholder():
    arguments = ToolArguments()
    assert arguments.feed("{}") == ""
    assert arguments.begun and not arguments.complete and not arguments.partial
    assert arguments.feed('{"a":1}') == '{"a":1}'
    assert arguments.complete and arguments.text == '{"a":1}'


def test_many_small_fragments_cost_no_more_than_their_length():
    """A fragment is looked at once: 200,000 of them would take minutes otherwise."""
    arguments = ToolArguments()
    arguments.feed('{"a":"')
    for _ in range(200_000):
        arguments.feed("x\n")
    arguments.feed('"}')
    assert arguments.finish() == ""


@pytest.mark.parametrize("text", ["", "  ", "null", "{}", '"{}"'])
def test_in_a_history_no_arguments_are_an_empty_object(text):
    assert normalize_arguments(text) == "{}"


def test_in_a_history_an_object_keeps_its_bytes():
    assert normalize_arguments(' {"b":1, "a":2} ') == '{"b":1, "a":2}'


@pytest.mark.parametrize("text", ['"{\\"a\\":1}"', '{}{"a":1}', '{"a":1}{"a":1}'])
def test_in_a_history_a_defect_is_mended(text):
    assert json.loads(normalize_arguments(text)) == {"a": 1}


@pytest.mark.parametrize("text", ["[1]", "7", '{"a"', "ls -l"])
def test_in_a_history_what_is_no_object_is_wrapped(text):
    assert json.loads(normalize_arguments(text)) == {INVALID_JSON: text}
