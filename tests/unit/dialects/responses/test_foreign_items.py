"""What octoroute made is not sent to OpenAI, and OpenAI's encryption not to others."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.request.body import RequestBody
from octoroute.dialects.responses.foreign_items import disown_reasoning, remove_own_reasoning

USER = '{"role": "user",  "content": "h\\u00e4"}'
THEIRS = '{"type":"reasoning", "id":"rs_1", "summary":[], "encrypted_content":"gAAA"}'
OURS = (
    '{"type":"reasoning","id":"rs_2","summary":[{"type":"summary_text","text":"hm"}],"encrypted_content":"octo.1.anthropic.Er=="}'
)
QUOTED = '{"role":"user","content":"octo.1.anthropic.x"}'


def body(*items):
    return RequestBody.parse(f'{{ "model":"auto", "input":[{", ".join(items)}] }}'.encode())


def test_reasoning_of_ours_is_removed_and_the_rest_keeps_its_bytes():
    made = body(USER, THEIRS, OURS, QUOTED)
    assert made.with_values(remove_own_reasoning(made)) == f'{{ "model":"auto", "input":[{USER},{THEIRS},{QUOTED}] }}'.encode()


@pytest.mark.parametrize("items", [[USER, THEIRS], [QUOTED], []])
def test_nothing_is_changed_where_there_is_none(items):
    assert remove_own_reasoning(body(*items)) == {}


def test_another_account_gets_the_text_only():
    made = body(USER, THEIRS, OURS)
    sent = json.loads(made.with_values(disown_reasoning(made)))["input"]
    assert sent[0] == json.loads(USER) and sent[2] == json.loads(OURS)
    assert sent[1]["id"] == "rs_1" and sent[1]["encrypted_content"].startswith("octo.1.octoroute.")
    again = body(*map(json.dumps, sent))
    assert [item.get("type") for item in json.loads(again.with_values(remove_own_reasoning(again)))["input"]] == [None]


@pytest.mark.parametrize(
    "raw", [b'{"input":"octo.1.x"}', b'{"input":[7,"octo.1.","encrypted_content"]}', b'{"input":{"octo.1.":"encrypted_content"}}']
)
def test_other_shapes_are_left_to_the_endpoint(raw):
    made = RequestBody.parse(raw)
    assert remove_own_reasoning(made) == {} and disown_reasoning(made) == {}
