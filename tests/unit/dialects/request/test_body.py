"""Only what is to be changed changes: the law of `RequestBody.with_values`."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.dialects.request.body import RequestBody
from octoroute.errors import BadRequest

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)
names = st.sampled_from(["model", "octoroute", "a", "b", "", 'mo"del', "\\", "\u00e9", "model "]) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=4
)
spaces = st.text(" \t\r\n", max_size=3)


def written(pairs, ascii_only, gaps) -> tuple[bytes, list[tuple[str, str]]]:
    """The object's bytes, and its members as they stand there."""
    take = iter(gaps)
    gap = lambda: next(take, "")  # noqa: E731
    members = []
    for name, value in pairs:
        text = json.dumps(value, ensure_ascii=ascii_only)
        members.append((name, f"{gap()}{json.dumps(name, ensure_ascii=ascii_only)}{gap()}:{gap()}", text, gap()))
    text = (
        gap()
        + "{"
        + ",".join(before + value + after for _, before, value, after in members)
        + (gap() if not members else "")
        + "}"
        + gap()
    )
    return text.encode(), [(name, value) for name, _, value, _ in members]


@given(st.dictionaries(names, values, max_size=6), st.booleans(), st.lists(spaces, max_size=40))
def test_replacing_a_value_is_the_identity_but_for_that_value(members, ascii_only, gaps):
    raw, _ = written(members.items(), ascii_only, gaps)
    body = RequestBody.parse(raw)
    assert body.with_values({}) == raw
    for name in members:
        marker = b'"\x01MARK"'
        patched = body.with_values({name: marker})
        before, found, after = patched.partition(marker)
        assert found
        assert raw.startswith(before)
        assert raw.endswith(after)
        assert json.loads(raw[len(before) : len(raw) - len(after)]) == members[name]


@given(st.dictionaries(names, values, min_size=1, max_size=6), st.booleans(), st.lists(spaces, max_size=40), st.data())
def test_removing_members_leaves_the_others_as_they_stand(members, ascii_only, gaps, data):
    raw, told = written(members.items(), ascii_only, gaps)
    removed = data.draw(st.sets(st.sampled_from(sorted(members))))
    patched = RequestBody.parse(raw).with_values(dict.fromkeys(removed))
    assert json.loads(patched, object_pairs_hook=list) == [
        (name, json.loads(value, object_pairs_hook=list)) for name, value in told if name not in removed
    ]


@given(st.lists(st.tuples(names, values), max_size=6), st.booleans(), st.lists(spaces, max_size=40), st.sets(names, max_size=3))
def test_of_keys_that_stand_twice_the_last_counts_whatever_the_bytes(pairs, ascii_only, gaps, removed):
    raw, _ = written(pairs, ascii_only, gaps)
    patched = RequestBody.parse(raw).with_values({"model": b"[77]", **dict.fromkeys(removed - {"model"})})
    expected = {name: value for name, value in dict(pairs).items() if name == "model" or name not in removed}
    if "model" in expected:
        expected["model"] = [77]
    assert json.loads(patched) == expected


@pytest.mark.parametrize("key", ["\\u001F", "\\u001f", "\\u000a", "\\/", "\\u00E9", "m\\u006fdel2", "\x7f"])
def test_a_key_stays_as_it_was_spelt(key):
    raw = f'{{"{key}":1,"model":"x","z":2}}'.encode()
    assert RequestBody.parse(raw).with_values({"model": b'"up"', "octoroute": None}) == raw.replace(b'"x"', b'"up"')
    assert RequestBody.parse(raw).with_values({"z": None}) == raw.replace(b',"z":2', b"")


def test_no_arrangement_of_lengths_passes_for_another_body():
    """The first value plus the length of the last lands on a key inside the second, from where the lengths add up to the end."""
    chance = random.Random(5)
    tried = 0
    for _ in range(4000):
        gap, pad = chance.randrange(40), chance.randrange(40)
        inner = '{"k":1,' + " " * gap + '"messages":1,"p":"' + "p" * pad + '"}'
        last = json.dumps("z" * chance.randrange(90))
        raw = ('{"model":"x","messages":' + inner + ',"model":' + last + "}").encode()
        patched = RequestBody.parse(raw).with_values({"model": b'"up"'})
        assert json.loads(patched) == {"model": "up", "messages": json.loads(inner)}
        tried += 1
    assert tried == 4000


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"", "empty"),
        (b" \n ", "empty"),
        (b"{", "JSON"),
        (b"[]", "object"),
        (b"null", "object"),
        (b'"x"', "object"),
        (b'{"a":1}{"b":2}', "JSON"),
        (b'{"a":NaN}', "JSON"),
        (b'{"a":Infinity}', "JSON"),
        (b'{"a":1,}', "JSON"),
        (b"{'a':1}", "JSON"),
        (b'{"a":"\xff"}', "UTF-8"),
        (b'\xef\xbb\xbf{"a":1}', "JSON"),
        (b'{"a":"\\ud800"}', "JSON"),
        (b'{"a":' + b"[" * 10_000 + b"]" * 10_000 + b"}", "deep"),
        (b'{"a":' * 10_000, "deep"),
        (b"\x00", "JSON"),
    ],
)
def test_what_is_no_object_is_refused_with_a_reason(raw, told):
    with pytest.raises(BadRequest, match=told):
        RequestBody.parse(raw)


@given(st.binary(max_size=60))
def test_no_bytes_do_more_than_be_refused(raw):
    try:
        body = RequestBody.parse(raw)
    except BadRequest:
        return
    assert body.with_values({}) == raw
