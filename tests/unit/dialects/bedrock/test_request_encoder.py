"""Conversations as Converse requests."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.anthropic.request_encoder import uses_response_tool
from octoroute.dialects.bedrock.model_limits import model_limits
from octoroute.dialects.bedrock.request_encoder import THINKING_LOST, encode_request, unsupported
from octoroute.domain.conversation import (
    AnswerFormat,
    Audio,
    Conversation,
    Document,
    Image,
    Role,
    Text,
    Thinking,
    ThinkingWish,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from octoroute.errors import BadRequest

CLAUDE = model_limits("anthropic.claude-sonnet-4-5-20250929-v1:0")
NEWER = model_limits("anthropic.claude-opus-4-6-v1")
NOVA, LLAMA = model_limits("amazon.nova-pro-v1:0"), model_limits("meta.llama3-3-70b-instruct-v1:0")
MISTRAL, QWEN = model_limits("mistral.mistral-large-2407-v1:0"), model_limits("qwen.qwen3-32b-v1:0")
HELLO = Turn(Role.USER, (Text("hello"),))
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
F, G = (Tool(name=name, description=f"the tool {name}", schema={"type": "object", "properties": {}}) for name in "fg")
LOOP = (
    HELLO,
    Turn(Role.ASSISTANT, (ToolCall("c1", "f", '{"q":1}'),)),
    Turn(Role.USER, (ToolResult("c1", (Text("r"),)),)),
)


def encoded(can=CLAUDE, notes=None, **fields):
    conversation = Conversation(**{"turns": (HELLO,), **fields})
    return json.loads(encode_request(conversation, can=can, notes=notes))


def test_a_plain_question():
    body = encoded(system=(Text("be brief"),), max_tokens=50, temperature=0.5, stop=("END",))
    assert body == {
        "messages": [{"role": "user", "content": [{"text": "hello"}]}],
        "system": [{"text": "be brief"}],
        "inferenceConfig": {"maxTokens": 50, "temperature": 0.5, "stopSequences": ["END"]},
        "additionalModelResponseFieldPaths": ["/stop_sequence"],
    }


def test_only_claude_needs_a_limit():
    assert encoded()["inferenceConfig"]["maxTokens"] > 1000
    assert "inferenceConfig" not in encoded(NOVA)
    assert json.loads(encode_request(Conversation(turns=(HELLO,)), can=NOVA, default_max_tokens=9))["inferenceConfig"] == {
        "maxTokens": 9
    }


@pytest.mark.parametrize(
    ("can", "choice", "sent"),
    [
        (CLAUDE, ToolChoice(mode="auto"), {"auto": {}}),
        (CLAUDE, ToolChoice(mode="any"), {"any": {}}),
        (CLAUDE, ToolChoice(mode="tool", name="f"), {"tool": {"name": "f"}}),
        (NOVA, ToolChoice(mode="tool", name="f"), {"tool": {"name": "f"}}),
        (CLAUDE, None, None),
    ],
)
def test_tools_and_their_choice(can, choice, sent):
    config = encoded(can, tools=(F, G), tool_choice=choice)["toolConfig"]
    assert [tool["toolSpec"]["name"] for tool in config["tools"]] == ["f", "g"]
    assert config["tools"][0]["toolSpec"]["description"] == "the tool f"
    assert config.get("toolChoice") == sent


def test_a_model_that_cannot_be_forced_to_one_tool_gets_only_that_one():
    config = encoded(MISTRAL, tools=(F, G), tool_choice=ToolChoice(mode="tool", name="g"))["toolConfig"]
    assert [tool["toolSpec"]["name"] for tool in config["tools"]] == ["g"]
    assert config["toolChoice"] == {"any": {}}


def test_a_model_that_cannot_be_forced_is_not_and_a_warning_says_so():
    notes: list[str] = []
    assert encoded(LLAMA, notes, tools=(F,), tool_choice=ToolChoice(mode="any"))["toolConfig"]["toolChoice"] == {"auto": {}}
    assert any(note.startswith("tool_choice") for note in notes)


def test_no_tools_are_wanted():
    notes: list[str] = []
    assert "toolConfig" not in encoded(notes=notes, tools=(F,), tool_choice=ToolChoice(mode="none"))
    assert not notes
    config = encoded(notes=notes, turns=LOOP, tools=(F,), tool_choice=ToolChoice(mode="none"))["toolConfig"]
    assert "toolChoice" not in config
    assert any(note.startswith("tool_choice") for note in notes)


def test_tools_of_the_history_are_declared_where_the_client_declares_none():
    body = encoded(turns=LOOP)
    [spec] = body["toolConfig"]["tools"]
    assert spec["toolSpec"] == {"name": "f", "inputSchema": {"json": {"type": "object", "properties": {}}}}
    assert body["messages"][1]["content"] == [{"toolUse": {"toolUseId": "c1", "name": "f", "input": {"q": 1}}}]
    assert body["messages"][2]["content"] == [{"toolResult": {"toolUseId": "c1", "content": [{"text": "r"}]}}]


def test_parallel_calls_cannot_be_forbidden():
    notes: list[str] = []
    encoded(notes=notes, tools=(F,), tool_choice=ToolChoice(parallel=False))
    assert any("parallel" in note for note in notes)


def test_thinking_is_claudes_own_field():
    wish = ThinkingWish(enabled=True, budget_tokens=2000)
    assert encoded(thinking=wish, max_tokens=5000)["additionalModelRequestFields"] == {
        "thinking": {"type": "enabled", "budget_tokens": 2000}
    }
    body = encoded(NEWER, thinking=ThinkingWish(effort="high"), max_tokens=5000)
    assert body["additionalModelRequestFields"]["thinking"]["type"] == "adaptive"
    assert body["outputConfig"] == {"effort": "high"}
    notes: list[str] = []
    assert "additionalModelRequestFields" not in encoded(NOVA, notes, thinking=wish)
    assert any(note.startswith("thinking") for note in notes)


def test_earlier_thinking_goes_back_to_claude_only():
    thought = Turn(Role.ASSISTANT, (Thinking("hm", "sig==", "anthropic"), ToolCall("c1", "f", "{}")))
    turns = (HELLO, thought, LOOP[2])
    content = encoded(turns=turns)["messages"][1]["content"]
    assert content[0] == {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "sig=="}}}
    notes: list[str] = []
    assert "hm" not in json.dumps(encoded(LLAMA, notes, turns=turns))
    assert notes == [THINKING_LOST]


def test_top_k_is_claudes_too():
    assert encoded(top_k=5)["additionalModelRequestFields"] == {"top_k": 5}
    notes: list[str] = []
    encoded(NOVA, notes, top_k=5)
    assert any(note.startswith("top_k") for note in notes)


def test_cache_points_stand_after_what_is_marked():
    result = ToolResult("c1", (Text("r", cache="1h"),))
    body = encoded(
        system=(Text("s", cache="1h"),),
        turns=(*LOOP[:2], Turn(Role.USER, (result, Text("and?", cache="5m")))),
        tools=(Tool(name="f", schema=None, cache="1h"),),
    )
    long, short = {"cachePoint": {"type": "default", "ttl": "1h"}}, {"cachePoint": {"type": "default"}}
    assert body["system"] == [{"text": "s"}, long]
    assert body["toolConfig"]["tools"][1] == long
    assert body["messages"][2]["content"][1:] == [long, {"text": "and?"}, short]
    assert encoded(cache="5m")["messages"][-1]["content"] == [{"text": "hello"}, short]


def test_models_without_a_cache_get_no_points():
    notes: list[str] = []
    marked = {"system": (Text("s", cache="5m"),), "turns": (Turn(Role.USER, (Text("a", cache="5m"),)),), "cache": "5m"}
    assert "cachePoint" not in json.dumps(encoded(LLAMA, notes, **marked))
    assert len(notes) == 1
    assert json.dumps(encoded(NOVA, **marked)).count("cachePoint") == 3


def test_a_schema_by_the_models_own_means_or_by_a_tool():
    wanted = Conversation(turns=(HELLO,), format=AnswerFormat(schema=SCHEMA, name="my answer"))
    for can in (CLAUDE, QWEN):
        said = json.loads(encode_request(wanted, can=can))["outputConfig"]["textFormat"]
        assert said["structure"]["jsonSchema"]["name"] == "my_answer"
        assert json.loads(said["structure"]["jsonSchema"]["schema"]) == SCHEMA
        assert not uses_response_tool(wanted, can.limits)
    older = model_limits("anthropic.claude-3-7-sonnet-20250219-v1:0")
    config = json.loads(encode_request(wanted, can=older))["toolConfig"]
    assert config["toolChoice"] == {"tool": {"name": "structured_answer"}}
    assert uses_response_tool(wanted, older.limits)
    assert json.loads(encode_request(wanted, can=MISTRAL))["toolConfig"]["toolChoice"] == {"any": {}}
    notes: list[str] = []
    said = json.loads(encode_request(wanted, can=LLAMA, notes=notes))
    assert '"a"' in said["system"][0]["text"]
    assert any(note.startswith("response_format") for note in notes)
    assert not uses_response_tool(wanted, LLAMA.limits)


@pytest.mark.parametrize(
    ("block", "word"),
    [
        (Audio("AAAA", "wav"), "audio"),
        (Image(url="https://a.org/i.png"), "URL"),
        (Document(url="https://a.org/a.pdf"), "URL"),
        (Image(media_type="image/tiff", data="AAEC"), "image/tiff"),
        (Document(media_type="application/zip", data="AAEC"), "application/zip"),
        (Image(media_type="image/png", data="no base64!"), "base64"),
    ],
)
def test_what_it_cannot_hold_makes_it_ineligible(block, word):
    for content in ((block,), (ToolResult("c1", (block,)),)):
        conversation = Conversation(turns=(*LOOP[:2], Turn(Role.USER, content)))
        reason = unsupported(conversation)
        assert reason is not None
        assert word in reason
        with pytest.raises(BadRequest):
            encode_request(conversation, can=CLAUDE)


def test_office_documents_are_passed_on():
    word = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    turn = Turn(Role.USER, (Document(media_type=word, data="UEsDBA==", title="Plan_2026.docx"), Text("sum it up")))
    document = encoded(turns=(turn,))["messages"][0]["content"][0]["document"]
    assert document == {"format": "docx", "name": "Plan 2026 docx", "source": {"bytes": "UEsDBA=="}}


def test_the_end_user_is_named_and_a_service_tier_is_not_passed_on():
    notes: list[str] = []
    assert encoded(notes=notes, user="team-7", service_tier="flex")["requestMetadata"] == {"user_id": "team-7"}
    assert any("service_tier" in note for note in notes)


def test_without_content_there_is_no_request():
    with pytest.raises(BadRequest, match="content"):
        encoded(turns=(Turn(Role.USER, (Text(" "),)),))
