"""Repeated environment blocks: the latest stays, all other text keeps its bytes, and a second time changes nothing."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.dialects.anthropic.inbound import AnthropicInbound
from octoroute.dialects.openai.inbound import OpenAIInbound
from octoroute.dialects.request.environment_blocks import keep_latest
from octoroute.dialects.request.harness import ENVIRONMENT_TAGS
from octoroute.dialects.responses.inbound import ResponsesInbound

INBOUND = {"messages": AnthropicInbound(), "chat": OpenAIInbound(lambda: 0.0), "responses": ResponsesInbound(lambda: 0.0)}


def history(dialect, raws):
    inbound = INBOUND[dialect]
    key = "input" if dialect == "responses" else "messages"
    body = b'{"model":"auto","max_tokens":5,"%b":[%b]}' % (key.encode(), b",".join(raws))
    return inbound.history(inbound.read(body, request_id="r", headers={}))


def encoded(texts, escaped=False):
    raws = [json.dumps({"role": "user", "content": text}) for text in texts]
    return [(raw.replace("<", "\\u003c").replace(">", "\\u003E") if escaped else raw).encode() for raw in raws]


def told(raws):
    return [json.loads(raw)["content"] for raw in raws]


def block(text, tag="environment_details"):
    return f"<{tag}>{text}</{tag}>"


pieces = st.lists(
    st.text('ab<>\\"/\né ', max_size=8)
    | st.builds(block, st.text('a\\"\n', max_size=5), st.sampled_from(ENVIRONMENT_TAGS))
    | st.sampled_from(["<environment_details>", "</environment_details>", "\\u003cenvironment_details>", "<cwd>/a</cwd>"]),
    max_size=5,
).map("".join)


@given(st.lists(pieces, min_size=1, max_size=5), st.booleans(), st.sampled_from(sorted(INBOUND)))
def test_idempotent_and_what_stays_keeps_its_bytes(texts, escaped, dialect):
    raws = encoded(texts, escaped)
    once, removed = keep_latest(history(dialect, raws))
    twice, again = keep_latest(history(dialect, once))
    assert (twice, again) == (once, 0)
    assert len(once) == len(raws)
    for before, after in zip(raws, once, strict=True):
        json.loads(after)
        if b"left out" not in after:
            left = iter(before)
            assert all(byte in left for byte in after)  # what stays is there in its order
    assert (removed == 0) is (once == raws)
    if removed:
        assert any("</" in text for text in told(once))


@given(st.lists(st.tuples(st.text("ab \n", min_size=1), st.text("cd\n\"'")), min_size=2, max_size=6), st.booleans())
def test_exactly_the_older_blocks_go(turns, escaped):
    raws = encoded([f"x{words}" + block(inside) for words, inside in turns], escaped)
    shorter, removed = keep_latest(history("chat", raws))
    assert removed == len(turns) - 1
    assert told(shorter) == [*(f"x{words}" for words, _ in turns[:-1]), told(raws)[-1]]


def test_each_kind_has_its_latest():
    raws = encoded([block("1") + block("2", "environment_context"), block("3")])
    assert told(keep_latest(history("chat", raws))[0]) == [block("2", "environment_context"), block("3")]


def test_a_text_that_was_nothing_else_says_so():
    raws = encoded([block("1") + "\n", block("2")])
    first, _ = told(keep_latest(history("messages", raws))[0])
    assert first == "[environment left out: a later message has it]"


def test_a_block_that_says_more_than_the_latest_stays():
    raws = encoded([block("<cwd>/a</cwd><shell>zsh</shell>", "environment_context"), block("<cwd>/b</cwd>", "environment_context")])
    assert keep_latest(history("chat", raws)) == (raws, 0)


@pytest.mark.parametrize(
    "text", ["<environment_details>a", "a</environment_details>", "\\u003cenvironment_details>a</environment_details>"]
)
def test_what_is_no_whole_block_stays(text):
    raws = encoded([text, block("2")])
    assert keep_latest(history("chat", raws)) == (raws, 0)


def test_only_the_users_own_texts_are_looked_at():
    raws = [
        b'{"role":"user","content":"a"}',
        b'{"role":"assistant","content":[{"type":"tool_use","id":"1","name":"f","input":{"x":"<environment_details>1</environment_details>"}}]}',
        (
            b'{"role":"user","content":[{"type":"tool_result","tool_use_id":"1","content":"<environment_details>2</environment_details>"},'
            b'{"type":"text","text":"b<environment_details>3</environment_details>"}]}'
        ),
        b'{"role":"assistant","content":"<environment_details>4</environment_details>"}',
        b'{"role":"user","content":"c<environment_details>5</environment_details>"}',
    ]
    shorter, removed = keep_latest(history("messages", raws))
    assert removed == 1
    assert shorter == [*raws[:2], raws[2].replace(b"<environment_details>3</environment_details>", b""), *raws[3:]]


def test_openings_without_an_end_cost_no_more_than_their_length():
    raws = encoded(["<environment_details>" * 50_000, block("2")])
    assert keep_latest(history("chat", raws)) == (raws, 0)
