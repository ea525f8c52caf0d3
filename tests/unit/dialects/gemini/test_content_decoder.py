"""Contents as turns: media, thoughts, and function calls with and without ids."""

from __future__ import annotations

import base64

import msgspec
import pytest

from octoroute.dialects.gemini import schema
from octoroute.dialects.gemini.content_decoder import ContentDecoder
from octoroute.dialects.gemini.marks import CALL, encode_mark
from octoroute.dialects.gemini.signatures import SKIP_SIGNATURE
from octoroute.domain.conversation import Audio, Document, Image, RedactedThinking, Text, Thinking, ToolCall, ToolResult
from octoroute.errors import BadRequest

BYTES = bytes(range(251, 256)) * 5
STANDARD, URL_SAFE = base64.b64encode(BYTES).decode(), base64.urlsafe_b64encode(BYTES).decode()


def blocks(*parts, role="user", ignored=None):
    decoder = ContentDecoder([] if ignored is None else ignored)
    encoded = msgspec.json.encode([{"role": role, "parts": parts}])
    contents = msgspec.json.decode(encoded, type=list[schema.RequestContent])
    return [block for turn in decoder.turns(contents) for block in turn.content]


def inline(mime, data=URL_SAFE, **more):
    return {"inlineData": {"mimeType": mime, "data": data, **more}}


def test_media_in_either_alphabet():
    assert blocks(inline("image/jpg"), inline("image/png", STANDARD.rstrip("="))) == [
        Image(media_type="image/jpeg", data=STANDARD),
        Image(media_type="image/png", data=STANDARD),
    ]
    assert blocks(inline("audio/mpeg"), inline("audio/x-wav")) == [Audio(STANDARD, "mp3"), Audio(STANDARD, "wav")]
    assert blocks(inline("application/pdf", displayName="a.pdf")) == [
        Document(media_type="application/pdf", data=STANDARD, title="a.pdf")
    ]
    text = base64.b64encode("grüß".encode()).decode()
    assert blocks(inline("text/plain; charset=utf-8", text)) == [Document(media_type="text/plain", text="grüß")]


def test_files_by_url():
    assert blocks({"fileData": {"fileUri": "https://example.org/a.png", "mimeType": "image/png"}}) == [
        Image(media_type="image/png", url="https://example.org/a.png")
    ]
    assert blocks({"fileData": {"fileUri": "https://example.org/a.pdf"}}) == [Document(url="https://example.org/a.pdf")]


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"fileData": {"fileUri": "gs://bucket/a"}}, "only Google"),
        ({"fileData": {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/1"}}, "only Google"),
        (inline(""), "mimeType"),
        (inline("image/png", ""), "data"),
        (inline("text/plain", "%%%"), "base64"),
        ({"inlineData": 5}, "inlineData"),
    ],
)
def test_what_nobody_else_can_read_is_told(part, words):
    with pytest.raises(BadRequest, match=words) as error:
        blocks(part)
    assert (error.value.param or "").startswith("contents[0].parts[0]")


def test_responses_find_their_calls():
    def call(name, id=None):
        return {"functionCall": {"name": name, "args": {"a": 1}, **({"id": id} if id else {})}}

    def response(name, output, id=None):
        return {"functionResponse": {"name": name, "response": {"output": output}, **({"id": id} if id else {})}}

    read = blocks(call("f"), call("g", "own"), call("f"), response("g", "3", "own"), response("f", "1"), response("f", "2"))
    assert [block.id for block in read if isinstance(block, ToolCall)] == ["call_1", "own", "call_3"]
    results = [block for block in read if isinstance(block, ToolResult)]
    assert [(result.call_id, result.content) for result in results] == [
        ("own", (Text("3"),)),
        ("call_1", (Text("1"),)),
        ("call_3", (Text("2"),)),
    ]
    assert blocks(response("h", "x"))[0].call_id == "call_h"


@pytest.mark.parametrize(
    ("response", "text", "failed"),
    [
        ({"output": "plain"}, "plain", False),
        ({"output": {"a": [1]}}, '{"a":[1]}', False),
        ({"error": "no such file"}, "no such file", True),
        ({"result": "x"}, '{"result":"x"}', False),
        ({"error": "e", "code": 5}, '{"error":"e","code":5}', True),
        ({}, "{}", False),
        (None, "", False),
    ],
)
def test_the_text_of_a_response(response, text, failed):
    (result,) = blocks({"functionResponse": {"name": "f", "response": response}})
    assert (result.content, result.is_error) == ((Text(text),) if text else (), failed)


def test_a_response_with_media():
    parts = [inline("image/png"), inline("audio/wav"), {"fileData": {"fileUri": "https://a.org/x"}}]
    (result,) = blocks({"functionResponse": {"name": "f", "id": "1", "response": {"output": "see"}, "parts": parts}})
    assert result.content == (
        Text("see"),
        Image(media_type="image/png", data=STANDARD),
        Audio(STANDARD, "wav"),
        Document(url="https://a.org/x"),
    )


def test_thoughts_and_their_signatures():
    def thought(text, signature=None):
        return {"text": text, "thought": True, **({"thoughtSignature": signature} if signature else {})}

    mark = encode_mark("", "anthropic", "sig")
    assert blocks(thought("a"), thought("b"), thought("", mark), {"text": "so"}, thought("c"), role="model") == [
        Thinking("ab", "sig", "anthropic"),
        Text("so"),
        Thinking("c"),
    ]
    assert blocks(thought("a", "CiQB"), role="model") == [Thinking("a", "CiQB", "gemini")]
    assert blocks(thought("", encode_mark("", "redacted", "xyz")), role="model") == [RedactedThinking("xyz")]


@pytest.mark.parametrize(
    ("signature", "kept"), [("CiQB", "CiQB"), (SKIP_SIGNATURE, None), (encode_mark("", CALL, "-"), None), (None, None)]
)
def test_signatures_of_calls(signature, kept):
    part = {"functionCall": {"name": "f", "args": None}, "thoughtSignature": signature}
    assert blocks(part, role="model") == [ToolCall("call_1", "f", "", kept)]


def test_what_ran_at_google():
    ignored = []
    read = blocks(
        {"executableCode": {"language": "PYTHON", "code": "print(1)"}},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1\n"}},
        inline("image/png"),
        {"toolCall": {"x": 1}},
        {"text": ""},
        role="model",
        ignored=ignored,
    )
    assert read == [Text("(ran code)\nprint(1)"), Text("(its output: 1\n)"), Image(media_type="image/png", data=STANDARD)]
    assert ignored == ["contents[0].parts[3] (a tool that runs at Google)"]


def test_a_stream_that_was_kept_as_one_content_a_chunk():
    mark = encode_mark("", "anthropic", "sig")
    chunks = [
        {"text": "a", "thought": True},
        {"text": "b", "thought": True},
        {"text": "", "thought": True, "thoughtSignature": mark},
    ]
    encoded = msgspec.json.encode([{"role": "model", "parts": [part]} for part in [*chunks, {"text": "so"}]])
    turns = list(ContentDecoder([]).turns(msgspec.json.decode(encoded, type=list[schema.RequestContent])))
    assert [turn.content for turn in turns] == [(Thinking("ab", "sig", "anthropic"), Text("so"))]
