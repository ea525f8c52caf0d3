"""Content is passed on in the nearest form that the endpoint understands, or named in `x-octoroute-warning`; cache marks survive."""

from __future__ import annotations

import json

import pytest

from tests.support.chunks import DONE, chunk, sse
from tests.support.fake import stream, whole
from tests.support.kinds import by_kind
from tests.support.live_gateway import endpoint
from tests.support.pairs import PNG
from tests.support.servers import SERVERS, Saying

CLAUDE = {"provider": "anthropic", "model": "claude-sonnet-4-5"}
GEMINI = {"provider": "gemini", "model": "gemini-2.5-pro"}
PLAIN: dict = {}
ROUTER = {"quirks": ["openrouter"], "model": "anthropic/claude-sonnet-4.5"}
ENDPOINTS = [PLAIN, ROUTER, GEMINI]
SHORT, LONG = {"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"}


async def sent(make_gateway, fake, path, body, **settings):
    """What the endpoint got, and the warning."""
    fake.always(by_kind)
    gateway = await make_gateway([endpoint(fake, **settings)])
    answer = await gateway.ask({"model": "auto", "max_tokens": 100, **body}, path)
    assert answer.status_code == 200, answer.text
    return fake.requests[-1].json, answer.headers.get("x-octoroute-warning", "")


def user(content):
    return {"role": "user", "content": content}


def said(*blocks):
    return {"role": "assistant", "content": list(blocks)}


def text(words, **more):
    return {"type": "text", "text": words, **more}


@pytest.mark.parametrize("settings", ENDPOINTS)
async def test_protocol_a04_the_summary_of_a_compaction_is_told(make_gateway, fake, settings):
    summary = {"type": "compaction", "content": "Summary: file a.py was edited"}
    history = [user("long ago"), said(summary, text("ok")), user("go on")]
    asked, warning = await sent(make_gateway, fake, "/v1/messages", {"messages": history}, **settings)
    whole = json.dumps(asked)
    assert whole.index("Summary: file a.py was edited") < whole.index('"ok"') < whole.index("go on")
    assert "long ago" not in whole
    assert "messages[1].content[0] (compaction): its summary replaces" in warning


async def test_protocol_a04_the_last_of_several_compactions_counts(make_gateway, fake):
    one, two = ({"type": "compaction", "content": f"summary {number}"} for number in (1, 2))
    history = [user("a"), said(one, text("b")), user("c"), said(text("d"), two, text("e")), user("f")]
    asked, _ = await sent(make_gateway, fake, "/v1/messages", {"messages": history})
    assert [message["content"].splitlines()[-1] for message in asked["messages"]] == ["summary 2", "e", "f"]


async def test_protocol_a04_a_compaction_without_a_summary_replaces_nothing(make_gateway, fake):
    history = [user("a"), said({"type": "compaction", "content": None}, text("b")), user("c")]
    asked, _ = await sent(make_gateway, fake, "/v1/messages", {"messages": history})
    assert [message["content"] for message in asked["messages"]] == ["a", "b", "c"]


RESULTS = [
    (
        "bash_code_execution",
        {"type": "bash_code_execution_result", "stdout": "OUTPUT", "stderr": "TROUBLE", "return_code": 3, "content": []},
        ["OUTPUT", "TROUBLE"],
    ),
    (
        "code_execution",
        {"type": "code_execution_result", "stdout": "OUTPUT", "stderr": "", "return_code": 0, "content": []},
        ["OUTPUT"],
    ),
    ("text_editor_code_execution", {"type": "text_editor_code_execution_view_result", "content": "FILE TEXT"}, ["FILE TEXT"]),
    (
        "web_search",
        [{"type": "web_search_result", "title": "TITLE", "url": "http://found", "encrypted_content": "e"}],
        ["TITLE", "http://found"],
    ),
    (
        "web_fetch",
        {
            "type": "web_fetch_result",
            "url": "http://u",
            "content": {"type": "document", "source": {"type": "text", "data": "PAGE"}},
        },
        ["PAGE"],
    ),
    ("mcp", [{"type": "text", "text": "FROM MCP"}], ["FROM MCP"]),
]


@pytest.mark.parametrize("settings", ENDPOINTS)
@pytest.mark.parametrize(("tool", "content", "wanted"), RESULTS, ids=[tool for tool, *_ in RESULTS])
async def test_protocol_a05_what_a_server_tool_returned_is_told(make_gateway, fake, settings, tool, content, wanted):
    use = {"type": "mcp_tool_use" if tool == "mcp" else "server_tool_use", "id": "s1", "name": tool, "input": {"q": "ASKED"}}
    result = {"type": f"{tool}_tool_result", "tool_use_id": "s1", "content": content}
    history = [user("hi"), said(use, result, text("so it is")), user("go on")]
    asked, _ = await sent(make_gateway, fake, "/v1/messages", {"messages": history}, **settings)
    for words in (*wanted, "ASKED", "so it is"):
        assert words in json.dumps(asked)


@pytest.mark.parametrize(
    ("path", "settings"), [("/v1/messages", PLAIN), ("/v1/chat/completions", CLAUDE), ("/v1/messages", GEMINI)]
)
async def test_protocol_a09_an_unknown_role_is_a_system_message(make_gateway, fake, path, settings):
    history = [user("hi"), {"role": "ctx", "content": "CONTEXT"}]
    asked, warning = await sent(make_gateway, fake, path, {"messages": history}, **settings)
    assert "CONTEXT" in json.dumps(asked)
    assert "messages[1].role: 'ctx' is not known" in warning


@pytest.mark.parametrize("settings", [CLAUDE, GEMINI])
async def test_o12_anthropics_blocks_in_a_chat_request(make_gateway, fake, settings):
    use = {"type": "tool_use", "id": "x", "name": "f", "input": {"a": 1}}
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    result = {"type": "tool_result", "tool_use_id": "x", "content": [text("RESULT"), image], "is_error": True}
    document = {"type": "document", "source": {"type": "text", "data": "PAPER"}}
    history = [user("u"), said(text("let me see"), use), user([result, text("and?"), document])]
    asked, _ = await sent(make_gateway, fake, "/v1/chat/completions", {"messages": history}, **settings)
    whole = json.dumps(asked)
    for words in ("let me see", '"a":1', "RESULT", PNG, "and?", "PAPER"):
        assert words in whole.replace('"a": 1', '"a":1')


async def test_o12_a_broken_block_is_named(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake, **CLAUDE)])
    body = {"model": "auto", "messages": [user([{"type": "tool_result", "content": "r"}])]}
    answer = await gateway.ask(body)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "messages[0].content[0].tool_use_id"


@pytest.mark.parametrize("settings", [PLAIN, GEMINI, CLAUDE])
async def test_images_of_a_system_message_and_of_the_assistant(make_gateway, fake, settings):
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
    path, part = "/v1/chat/completions", image
    if settings is PLAIN:
        path, part = "/v1/messages", {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    history = [
        user("draw"),
        {"role": "assistant", "content": [text("here"), part]},
        {"role": "system", "content": [text("look at"), part]},
        user("nice"),
    ]
    asked, _ = await sent(make_gateway, fake, path, {"messages": history}, **settings)
    assert json.dumps(asked).count(PNG) == 2


async def test_images_that_an_assistant_made_in_openrouters_form(make_gateway, fake):
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
    history = [user("draw"), {"role": "assistant", "content": "here", "images": [image]}, user("bigger")]
    asked, _ = await sent(make_gateway, fake, "/v1/chat/completions", {"messages": history}, **GEMINI)
    assert asked["contents"][1]["parts"] == [{"text": "here"}, {"inlineData": {"mimeType": "image/png", "data": PNG}}]
    asked, _ = await sent(make_gateway, fake, "/v1/chat/completions", {"messages": history}, **CLAUDE)
    assert [block["type"] for block in asked["messages"][2]["content"]] == ["text", "image", "text"]


async def test_images_that_an_assistant_made_in_a_text(make_gateway, fake):
    history = [user("draw"), said(text(f"here ![image](data:image/png;base64,{PNG}) done")), user("bigger")]
    asked, _ = await sent(make_gateway, fake, "/v1/messages", {"messages": history})
    assert asked["messages"][1]["content"] == "here  done"
    assert asked["messages"][2]["content"][1]["image_url"]["url"] == f"data:image/png;base64,{PNG}"


PDF = {"type": "document", "title": "a.pdf", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}}


@pytest.mark.parametrize(("quirks", "shown"), [(["openrouter"], True), (["openai"], True), ([], False)])
async def test_a_file_that_a_tool_returned(make_gateway, fake, quirks, shown):
    use = {"type": "tool_use", "id": "t", "name": "Read", "input": {}}
    history = [user("read"), said(use), user([{"type": "tool_result", "tool_use_id": "t", "content": [PDF]}])]
    asked, warning = await sent(make_gateway, fake, "/v1/messages", {"messages": history}, quirks=quirks)
    assert ("JVBERi0=" in json.dumps(asked)) is shown
    assert ("documents in tool results" in warning) is not shown


async def test_citations_of_the_history_are_named(make_gateway, fake):
    cited = text("it says so", citations=[{"type": "char_location", "cited_text": "so"}])
    _, warning = await sent(make_gateway, fake, "/v1/messages", {"messages": [user("?"), said(cited), user("sure?")]})
    assert "messages[1].content[0].citations" in warning


async def test_o09_the_lifetime_of_a_mark_survives(make_gateway, fake):
    tool = {
        "type": "function",
        "function": {"name": "f", "parameters": {"type": "object", "properties": {}}},
        "cache_control": LONG,
    }
    history = [
        {"role": "system", "content": [text("sys", cache_control=LONG)]},
        user([text("u", cache_control=SHORT)]),
        {"role": "assistant", "content": [text("a", cache_control=SHORT)]},
        user("go"),
    ]
    asked, warning = await sent(make_gateway, fake, "/v1/chat/completions", {"messages": history, "tools": [tool]}, **CLAUDE)
    assert asked["tools"][0]["cache_control"] == LONG
    assert asked["system"] == [text("sys", cache_control=LONG)]
    assert [message["content"][0].get("cache_control") for message in asked["messages"]] == [SHORT, SHORT, None]
    assert "cache_control" not in warning


async def test_o09_a_short_mark_before_a_long_one(make_gateway, fake):
    history = [{"role": "system", "content": [text("sys", cache_control=SHORT)]}, user([text("u", cache_control=LONG)])]
    asked, warning = await sent(make_gateway, fake, "/v1/chat/completions", {"messages": history}, **CLAUDE)
    assert asked["system"][0]["cache_control"] == asked["messages"][0]["content"][0]["cache_control"] == LONG
    assert "cache_control" in warning


@pytest.mark.parametrize("settings", [ROUTER, {"model": "anthropic/claude-opus-4.8"}])
async def test_protocol_a03_marks_reach_claude_behind_an_aggregator(make_gateway, fake, settings):
    use = {"type": "tool_use", "id": "t", "name": "Bash", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": "out", "cache_control": SHORT}
    body = {
        "system": [text("sys", cache_control=LONG), text("more")],
        "messages": [user([text("long", cache_control=SHORT)]), said(use), user([result])],
        "tools": [{"name": "Bash", "input_schema": {"type": "object"}, "cache_control": LONG}],
        "cache_control": SHORT,
    }
    asked, _ = await sent(make_gateway, fake, "/v1/messages", body, **settings)
    assert asked["tools"][0].get("cache_control") is None, "five marks are one too many"
    assert asked["messages"][0] == {"role": "system", "content": [text("sys", cache_control=LONG), text("more")]}
    assert asked["messages"][1]["content"] == [text("long", cache_control=SHORT)]
    assert asked["messages"][3] == {"role": "tool", "tool_call_id": "t", "content": [text("out", cache_control=SHORT)]}
    assert asked["cache_control"] == SHORT
    del body["cache_control"]
    asked, _ = await sent(make_gateway, fake, "/v1/messages", body, **settings)
    assert asked["tools"][0]["cache_control"] == LONG


async def test_marks_stay_away_from_servers_that_do_not_know_them(make_gateway, fake):
    body = {"system": [text("sys", cache_control=LONG)], "messages": [user([text("u", cache_control=SHORT)])]}
    asked, _ = await sent(make_gateway, fake, "/v1/messages", body, model="gpt-4.1")
    assert "cache_control" not in json.dumps(asked)
    assert asked["messages"][0] == {"role": "system", "content": "sys"}


async def test_an_earlier_answer_in_sound_is_told_or_named(make_gateway, fake):
    history = [user("a"), {"role": "assistant", "audio": {"id": "audio_1"}, "content": None}, user("b")]
    _, warning = await sent(make_gateway, fake, "/v1/chat/completions", {"messages": history}, **CLAUDE)
    assert "messages[1].audio is not passed on to this endpoint" in warning


@pytest.mark.parametrize("settings", [CLAUDE, GEMINI])
async def test_the_transcript_of_an_earlier_answer_in_sound_is_told(make_gateway, fake, settings):
    sound = {"id": "audio_1", "transcript": "What I said.", "data": "UklGRg==", "expires_at": 1}
    history = [user("a"), {"role": "assistant", "audio": sound, "content": None}, user("b")]
    asked, warning = await sent(make_gateway, fake, "/v1/chat/completions", {"messages": history}, **settings)
    assert "What I said." in json.dumps(asked)
    assert "messages[1].audio: only its transcript is passed on" in warning


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/v1/chat/completions", {"messages": [user("a")], "modalities": ["text", "audio"]}, "modalities"),
        (
            "/v1beta/models/auto:generateContent",
            {"contents": [{"parts": [{"text": "a"}]}], "generationConfig": {"responseModalities": ["AUDIO"]}},
            "responseModalities",
        ),
    ],
)
async def test_who_asks_for_sound_is_not_answered_in_text(make_gateway, fake, path, body, field):
    gateway = await make_gateway([endpoint(fake, **CLAUDE)])
    answer = await gateway.ask({"model": "auto", **body}, path)
    assert answer.status_code == 400
    assert field in answer.text
    assert "sound" in answer.text
    assert fake.requests == []


@pytest.mark.parametrize(("message", "status"), [({"transcript": "Said so."}, 200), ({}, 502)])
async def test_an_answer_in_sound_is_its_transcript_or_an_error(make_gateway, fake, message, status):
    sound = {"id": "audio_1", "data": "UklGRg==", "expires_at": 1, **message}
    choice = {"index": 0, "message": {"role": "assistant", "content": None, "audio": sound}, "finish_reason": "stop"}
    fake.always(whole({"id": "c", "object": "chat.completion", "choices": [choice]}))
    gateway = await make_gateway([endpoint(fake)])
    answer = await gateway.ask({"model": "auto", "max_tokens": 9, "messages": [user("a")]}, "/v1/messages")
    assert answer.status_code == status
    assert ("Said so." in answer.text) == (status == 200)
    if status == 200:
        deltas = [
            {"audio": {"id": "audio_1", "transcript": "Said "}},
            {"audio": {"data": "UklG"}},
            {"audio": {"transcript": "so."}},
        ]
        frames = [sse({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}) for delta in deltas]
        fake.always(stream([*frames, chunk("stop"), DONE]))
        asked = {"model": "auto", "max_tokens": 9, "stream": True, "messages": [user("a")]}
        streamed = await gateway.ask(asked, "/v1/messages")
        assert b"Said " in streamed.content
        assert b"so." in streamed.content


CITED = {"type": "url_citation", "url": "https://a.org", "title": "A", "start_index": 0, "end_index": 1}
HISTORIES = [
    (
        "/v1/chat/completions",
        {
            "messages": [
                user("a"),
                {"role": "assistant", "content": "b", "annotations": [{"type": "url_citation", "url_citation": CITED}]},
                user("c"),
            ]
        },
        "messages[1].annotations",
    ),
    (
        "/v1/responses",
        {
            "input": [
                user("a"),
                {"role": "assistant", "content": [{"type": "output_text", "text": "b", "annotations": [CITED]}]},
                user("c"),
            ]
        },
        "annotations in input",
    ),
    (
        "/v1/messages",
        {"messages": [user("a"), said(text("b", citations=[{"type": "char_location", "cited_text": "x"}])), user("c")]},
        "messages[1].content[0].citations",
    ),
]


@pytest.mark.parametrize(("path", "body", "field"), HISTORIES)
async def test_the_sources_of_an_earlier_answer_are_named(make_gateway, fake, path, body, field):
    body = {**body, "max_output_tokens": 100} if path.endswith("responses") else body
    _, warning = await sent(make_gateway, fake, path, body, **GEMINI)
    assert f"{field} is not passed on to this endpoint" in warning


DOCUMENT = {"type": "document", "source": {"type": "text", "data": "Grass is green."}, "citations": {"enabled": True}}
OTHER = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLjQ="}}


async def test_citations_of_documents_are_asked_of_claude_at_bedrock(make_gateway, fake):
    settings = {"provider": "bedrock", "model": "anthropic.claude-sonnet-4-5-v1:0", "api_key": "k"}
    answer = SERVERS["Bedrock"].body(Saying("Grass is green."))
    fake.always(whole(answer))
    gateway = await make_gateway([{**endpoint(fake, **settings), "base_url": f"http://127.0.0.1:{fake.port}"}])
    asked = {"model": "auto", "max_tokens": 100, "messages": [user([DOCUMENT, OTHER, text("what is green?")])]}
    response = await gateway.ask(asked, "/v1/messages")
    assert "citations" not in response.headers.get("x-octoroute-warning", "")
    documents = [part["document"] for part in fake.requests[-1].json["messages"][0]["content"] if "document" in part]
    assert [document["citations"] for document in documents] == [{"enabled": True}] * 2


async def test_citations_of_documents_are_named_where_no_model_makes_them(make_gateway, fake):
    _, warning = await sent(make_gateway, fake, "/v1/messages", {"messages": [user([DOCUMENT, text("b")])]}, **GEMINI)
    assert "messages[0].content[0].citations is not passed on to this endpoint" in warning
    unwanted = {**DOCUMENT, "citations": {"enabled": False}}
    _, warning = await sent(make_gateway, fake, "/v1/messages", {"messages": [user([unwanted, text("b")])]}, **GEMINI)
    assert "citations" not in warning
