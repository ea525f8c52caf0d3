"""Laws of translation: what holds for any stream, response, and request."""

from __future__ import annotations

import contextlib
import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octoroute.dialects.anthropic import request_encoder as to_anthropic
from octoroute.dialects.anthropic.request_decoder import decode_request as read_anthropic_question
from octoroute.dialects.anthropic.response import decode_response as read_anthropic
from octoroute.dialects.anthropic.response import encode_response as write_anthropic
from octoroute.dialects.anthropic.stream_decoder import AnthropicDecoder
from octoroute.dialects.anthropic.stream_encoder import AnthropicEncoder
from octoroute.dialects.gemini import request_encoder as to_gemini
from octoroute.dialects.gemini.stream_decoder import GeminiDecoder
from octoroute.dialects.openai import request_encoder as to_openai
from octoroute.dialects.openai.compat import PRESETS, merge_presets
from octoroute.dialects.openai.request_decoder import decode_request as read_openai_question
from octoroute.dialects.openai.response import decode_response as read_openai
from octoroute.dialects.openai.response import encode_response as write_openai
from octoroute.dialects.openai.stream_decoder import OpenAIDecoder
from octoroute.dialects.openai.stream_encoder import OpenAIEncoder
from octoroute.dialects.request import message_order
from octoroute.dialects.response.filters import StopSequenceFilter, ThinkTagFilter
from octoroute.dialects.response.sse import FrameSplitter
from octoroute.dialects.responses.stream_encoder import ResponsesEncoder
from octoroute.domain.conversation import Conversation, Role, Text, ToolCall, ToolResult
from octoroute.domain.events import Failed, Finished
from octoroute.errors import BadRequest, BadUpstreamResponse, OctorouteError, UpstreamError
from tests.support.anthropic_stream import check
from tests.support.chunks import DONE, anthropic, chunk, numbered, openai_message, sse, tool, tools, usage
from tests.support.dialects.laws import ids, results, texts, to_client
from tests.support.published_schemas import must_be_valid

MORE = settings(max_examples=int(os.environ.get("OCTOROUTE_EXAMPLES", "200")))


arguments = st.sampled_from(["", "{}", '{"a":1}', '{"a":', "1}", '"x"', "}", " ", "null", "[", "{"]) | texts


fragments = st.builds(
    tool,
    st.none() | st.integers(0, 2),
    st.none() | st.sampled_from(["a", "b", "c", "functions.x:0", ""]),
    st.none() | st.sampled_from(["f", "g", ""]),
    st.none() | arguments | st.just({"o": 1}),
)


chunks = st.one_of(
    st.builds(lambda text: chunk(content=text), texts),
    st.builds(lambda text: chunk(reasoning_content=text), texts),
    st.builds(lambda one, two: chunk(reasoning_content=one, content=two), texts, texts),
    st.builds(lambda calls: tools(*calls), st.lists(fragments, max_size=3)),
    st.builds(lambda text, call: chunk(content=text, tool_calls=[call]), texts, fragments),
    st.just(chunk(role="assistant", content="")),
    st.builds(lambda text: chunk(refusal=text), texts),
    st.just(usage()),
    st.builds(chunk, st.sampled_from(["stop", "length", "tool_calls", "content_filter", "eos"])),
)


streams = st.lists(chunks, max_size=14).map(lambda parts: [*parts, chunk("stop"), usage(), DONE])


@MORE
@given(streams)
def test_any_chunks_make_a_stream_that_a_strict_client_accepts(frames):
    raw, events = to_client(OpenAIDecoder(), AnthropicEncoder(model="m", new_id=numbered()), frames)
    message = check(raw, complete=False)
    assert ("message_stop" in message.get("events", ())) == any(isinstance(event, Finished) for event in events)
    assert "error" in message or "message_stop" in message["events"]


@MORE
@given(streams)
def test_any_chunks_make_a_stream_that_an_openai_client_accepts(frames):
    raw, _ = to_client(OpenAIDecoder(), OpenAIEncoder(model="m", created_s=1, include_usage=True, new_id=numbered()), frames)
    message = openai_message(raw)
    assert message["done"] != (message["error"] is not None)


ENCODERS = {
    "openai": lambda: OpenAIEncoder(model="m", created_s=1, include_usage=True),
    "anthropic": lambda: AnthropicEncoder(model="m"),
    "responses": lambda: ResponsesEncoder(model="m", created_s=1, echo={}),
}


@pytest.mark.parametrize("client", ENCODERS)
@MORE
@given(streams)
def test_every_event_satisfies_the_published_schema(client, frames):
    raw, _ = to_client(OpenAIDecoder(), ENCODERS[client](), frames)
    must_be_valid(client, raw)


values = st.dictionaries(
    st.text(max_size=3), st.text('\\"{}[]é ', max_size=6) | st.integers() | st.lists(st.booleans(), max_size=2), max_size=3
)


@MORE
@given(st.lists(values, min_size=1, max_size=4), st.data(), st.booleans())
def test_calls_come_out_whole_however_their_fragments_alternate(wanted, data, announced):
    """Each call's own fragments keep their order; between the calls there is none."""
    queues = []
    for index, value in enumerate(wanted):
        text = json.dumps(value, ensure_ascii=False)
        cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=4)))
        pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        queues.append(
            [tool(index, f"c{index}", "f", "" if announced else pieces.pop(0)), *(tool(index, args=piece) for piece in pieces)]
        )
    frames = [tools(queue.pop(0)) for queue in queues] if announced else []
    while any(queues):
        frames.append(tools(data.draw(st.sampled_from([queue for queue in queues if queue])).pop(0)))
    raw, _ = to_client(OpenAIDecoder(), AnthropicEncoder(model="m", new_id=numbered()), [*frames, chunk("tool_calls"), DONE])
    assert {block["id"]: block["input"] for block in check(raw)["content"]} == {
        f"c{index}": value for index, value in enumerate(wanted)
    }


@MORE
@given(streams)
def test_no_text_is_lost_or_reordered(frames):
    raw, _ = to_client(OpenAIDecoder(), AnthropicEncoder(model="m", new_id=numbered()), frames)
    message = check(raw, complete=False)
    if "error" in message:
        return
    sent = [json.loads(frame[6:]) for frame in frames if frame != DONE]
    deltas = [choice["delta"] for event in sent for choice in event["choices"]]
    said = "".join((delta.get("content") or "") + (delta.get("refusal") or "") for delta in deltas)
    texts = [block["text"] for block in message["content"] if block["type"] == "text"]
    assert all(text.strip() for text in texts), "Anthropic refuses a history with blank text"
    assert "".join("".join(texts).split()) == "".join(said.split())
    thought = "".join(delta.get("reasoning_content") or "" for delta in deltas)
    assert "".join(block["thinking"] for block in message["content"] if block["type"] == "thinking") == thought


def merged(events):
    """Neighbouring deltas of one kind made one: what a cut inside may split."""
    return [repr(event) for event in events]


@settings(max_examples=40)
@given(streams, st.booleans())
def test_recutting_the_bytes_changes_nothing(frames, crlf):
    raw = b"".join(frames)
    if crlf:
        raw = raw.replace(b"\n", b"\r\n")
    whole = list(OpenAIDecoder().feed(raw))
    for at in range(0, len(raw), 7):
        cutter, decoder, events = FrameSplitter(), OpenAIDecoder(), []
        for part in (raw[:at], raw[at:]):
            events += decoder.feed(cutter.feed(part))
        assert merged(events) == merged(whole)


def test_recutting_at_every_position_changes_nothing():
    anthropic = to_client(
        OpenAIDecoder(),
        AnthropicEncoder(model="m", new_id=numbered()),
        [
            chunk(reasoning_content="hm"),
            chunk(content="漢😀"),
            tools(tool(0, "a", "f", '{"x":"é')),
            tools(tool(0, args='"}')),
            chunk("stop"),
            usage(),
            DONE,
        ],
    )[0]
    whole = list(AnthropicDecoder().feed(anthropic))
    for at in range(len(anthropic) + 1):
        cutter, decoder, events = FrameSplitter(), AnthropicDecoder(), []
        for part in (anthropic[:at], anthropic[at:]):
            events += decoder.feed(cutter.feed(part))
        assert events == whole


@MORE
@given(st.lists(texts, max_size=8), st.lists(st.text("STOPx</end>", min_size=1, max_size=4), min_size=1, max_size=3))
def test_a_stop_sequence_cuts_wherever_the_text_is_cut(parts, stops):
    def said(frames):
        decoder = StopSequenceFilter(OpenAIDecoder(), stops)
        events = [event for frame in frames for event in decoder.feed(frame)]
        return "".join(getattr(event, "text", "") for event in events), [
            event.stop_sequence for event in events if isinstance(event, Finished)
        ]

    text = "".join(parts)
    got = said([*(chunk(content=part) for part in parts), chunk("stop"), DONE])
    assert got == said([chunk(content=text), chunk("stop"), DONE])
    met = min(((text.find(stop) + len(stop), text.find(stop)) for stop in stops if stop in text), default=None)
    assert got[0] == (text if met is None else text[: met[1]])
    assert (got[1] == [None]) == (met is None)


@MORE
@given(st.lists(texts, max_size=6))
def test_think_tags_are_split_wherever_the_text_is_cut(parts):
    def said(frames):
        decoder = ThinkTagFilter(OpenAIDecoder())
        events = [event for frame in frames for event in decoder.feed(frame)]
        return ["".join(event.text for event in events if type(event).__name__ == kind) for kind in ("ThinkingDelta", "TextDelta")]

    assert said([*(chunk(content=part) for part in parts), chunk("stop"), DONE]) == said(
        [chunk(content="".join(parts)), chunk("stop"), DONE]
    )


names = st.sampled_from(["f", "read_file", "größe", "a.b"])


blocks = st.one_of(
    st.builds(lambda text: {"type": "text", "text": text}, texts),
    st.builds(lambda id, name, value: {"type": "tool_use", "id": id, "name": name, "input": {"v": value}}, ids, names, texts),
    st.just({"type": "thinking", "thinking": "hm", "signature": "s"}),
)


user_blocks = st.one_of(
    st.builds(lambda text: {"type": "text", "text": text}, texts),
    results,
    st.just({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA"}}),
)


messages = st.lists(
    st.one_of(
        st.builds(lambda content: {"role": "user", "content": content}, texts | st.lists(user_blocks, max_size=4)),
        st.builds(lambda content: {"role": "assistant", "content": content}, texts | st.lists(blocks, max_size=4)),
        st.builds(lambda content: {"role": "system", "content": content}, texts),
    ),
    max_size=8,
)


def essence(conversation: Conversation):
    """What must survive: text, calls, results, and their order; ids only as far as they pair."""
    found = []
    pairs = {}
    system = "".join("".join(block.text.split()) for block in conversation.system)
    if system:
        found.append((("text", Role.USER), system))
    for turn in message_order.normalize_turns(conversation).turns:
        for block in turn.content:
            match block:
                case Text(text=text) if text.strip():
                    said = "".join(text.removeprefix(message_order.SYSTEM_MARK).split())
                    if found and found[-1][0] == ("text", turn.role):
                        found[-1] = (found[-1][0], found[-1][1] + said)
                    else:
                        found.append((("text", turn.role), said))
                case ToolCall(id=id, name=name, arguments=arguments):
                    pairs[id] = len(pairs)
                    found.append((("call", pairs[id]), name, json.loads(arguments or "{}")))
                case ToolResult(call_id=id, is_error=bad):
                    found.append((("result", pairs[id]), "".join(message_order.result_text(block).split()), bad))
    return found


@MORE
@given(messages)
def test_a_question_survives_the_trip_from_anthropic_to_openai_and_back(turns):
    first = read_anthropic_question(
        json.dumps({"messages": turns, "max_tokens": 9, "temperature": 0.5, "stop_sequences": ["x"]}).encode()
    )
    sent = to_openai.encode_request(first, model="m", quirks=merge_presets("openai"), stream=False)
    second = read_openai_question(sent)
    assert calls_last(essence(second)) == calls_last(essence(first))
    assert (second.max_tokens, second.temperature, second.stop) == (9, 0.5, ("x",))


def calls_last(found):
    """OpenAI's message says its text before its calls, whatever order they were made in; tool names as the wire has them."""
    from octoroute.dialects.request.ids import safe_name

    ordered, group = [], []
    for item in found:
        if item[0][0] == "call":
            group.append((item[0], safe_name(item[1]), item[2]))
        elif item[0] == ("text", Role.ASSISTANT):
            if ordered and ordered[-1][0] == item[0]:
                ordered[-1] = (item[0], ordered[-1][1] + item[1])
            else:
                ordered.append(item)
        else:
            ordered += [*group, item]
            group = []
    return [*ordered, *group]


@MORE
@given(messages, st.sampled_from(sorted(PRESETS)))
def test_every_call_is_answered_at_once_in_every_preset(turns, name):
    body = json.loads(
        to_openai.encode_request(
            read_anthropic_question(json.dumps({"messages": turns}).encode()), model="m", quirks=merge_presets(name), stream=False
        )
    )
    waiting = []
    for message in body["messages"]:
        if message["role"] == "tool":
            assert message["tool_call_id"] == waiting.pop(0)
            continue
        assert not waiting, "a call without its result"
        waiting = [call["id"] for call in message.get("tool_calls", ())]
    assert not waiting


@MORE
@given(messages)
def test_anthropic_and_gemini_get_turns_in_their_order(turns):
    conversation = read_anthropic_question(json.dumps({"messages": turns}).encode())
    try:
        body = json.loads(to_anthropic.encode_request(conversation, model="claude-sonnet-4-5", stream=False))
    except BadRequest:
        return
    ids_seen, waiting = set(), []
    for at, message in enumerate(body["messages"]):
        assert message["role"] == ("user", "assistant")[at % 2]
        content = message["content"] if isinstance(message["content"], list) else []
        results = [block["tool_use_id"] for block in content if block["type"] == "tool_result"]
        assert results == waiting
        assert [block["type"] for block in content[: len(results)]] == ["tool_result"] * len(results)
        waiting = [block["id"] for block in content if block["type"] == "tool_use"]
        assert not ids_seen & set(waiting) and len(set(waiting)) == len(waiting)
        ids_seen |= set(waiting)
        assert all(block["text"].strip() for block in content if block["type"] == "text")
    try:
        gemini = json.loads(to_gemini.encode_request(conversation, model="gemini-3-pro"))
    except BadRequest:
        return
    for at, content in enumerate(gemini["contents"]):
        assert content["role"] == ("user", "model")[at % 2] and content["parts"]
    for one, other in zip(gemini["contents"], [*gemini["contents"][1:], {"parts": []}], strict=True):
        calls = [part["functionCall"]["name"] for part in one["parts"] if "functionCall" in part]
        assert [part["functionResponse"]["name"] for part in other["parts"] if "functionResponse" in part] == calls


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


keys = st.sampled_from(
    ["messages", "role", "content", "type", "text", "tool_calls", "function", "name", "arguments", "choices", "delta", "message", "usage",
     "index", "id", "input", "tool_use", "content_block", "error", "finish_reason", "tools", "input_schema", "parameters", "properties",
     "thinking", "source", "system", "candidates", "parts", "functionCall", "args", "prompt_tokens", "model", "stop", "tool_choice",
     "response_format", "json_schema", "schema", "anyOf", "$ref", "required", "enum", "items"]
)  # fmt: skip


words = st.sampled_from(
    ["user", "assistant", "system", "tool", "text", "tool_use", "tool_result", "function", "image", "image_url", "object", "message_start",
     "content_block_start", "content_block_delta", "message_delta", "message_stop", "stop", "json_schema", "any", "thinking"]
)  # fmt: skip


shapes = st.recursive(
    json_values | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=5),
    max_leaves=25,
)


requests = st.one_of(
    shapes,
    st.builds(
        lambda content, rest: {**rest, "messages": content},
        st.lists(st.fixed_dictionaries({"role": words, "content": shapes}), max_size=3),
        st.dictionaries(keys, shapes, max_size=4),
    ),
)


@MORE
@given(requests, st.booleans())
def test_no_request_raises_anything_but_bad_request(body, anthropic):
    read = read_anthropic_question if anthropic else read_openai_question
    try:
        conversation = read(json.dumps(body).encode())
    except BadRequest as error:
        must_be_clear(error)
        return
    for name in ("openai", "deepseek", "mistral", "think-tags", "single-system"):
        tolerate(lambda name=name: to_openai.encode_request(conversation, model="m", quirks=merge_presets(name), stream=True))
    for model in ("claude-3-opus", "claude-opus-4-6", "claude-sonnet-5"):
        tolerate(lambda model=model: to_anthropic.encode_request(conversation, model=model, stream=True))
    for model in ("gemini-1.5-pro", "gemini-3-pro"):
        tolerate(lambda model=model: to_gemini.encode_request(conversation, model=model))


def must_be_clear(error: OctorouteError):
    assert error.message


def tolerate(write):
    try:
        assert isinstance(json.loads(write()), dict)
    except BadRequest as error:
        must_be_clear(error)


@MORE
@given(
    st.lists(shapes | st.binary(max_size=20), max_size=4), st.sampled_from(["", "error", "message_start", "content_block_delta"])
)
def test_no_stream_raises_anything_but_our_own_errors(parts, name):
    for decoder in (
        OpenAIDecoder(),
        AnthropicDecoder(),
        GeminiDecoder(),
        ThinkTagFilter(StopSequenceFilter(OpenAIDecoder(), ["x"])),
    ):
        for encoder in (AnthropicEncoder(model="m"), OpenAIEncoder(model="m", created_s=1)):
            try:
                for part in parts:
                    data = part if isinstance(part, bytes) else json.dumps(part).encode()
                    frame = (
                        (b"event: " + name.encode() + b"\n" if name else b"")
                        + b"data: "
                        + data.replace(b"\n", b"").replace(b"\r", b"")
                        + b"\n\n"
                    )
                    encoder.encode(decoder.feed(frame))
                encoder.encode(decoder.end())
            except UpstreamError as error:
                must_be_clear(error)


@MORE
@given(shapes | st.binary(max_size=30))
def test_no_answer_raises_anything_but_our_own_errors(body):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    for read in (read_openai, read_anthropic, GeminiDecoder().decode_body):
        try:
            events = read(data)
            write_openai(events, model="m", created_s=1)
            write_anthropic(events, model="m")
        except OctorouteError as error:
            must_be_clear(error)


@pytest.mark.parametrize(
    "body", [b'{"messages":[{"role":"user","content":"\\ud83d"}]}', b'{"messages":[{"role":"user","content":"a\xffb"}]}']
)
def test_half_a_character_is_no_reason_to_refuse(body):
    for read in (read_openai_question, read_anthropic_question):
        to_openai.encode_request(read(body), model="m", quirks=merge_presets(), stream=False)


@pytest.mark.parametrize("depth", [500, 5_000, 200_000])
def test_deep_nesting_is_a_bad_request_at_most(depth):
    nested = b"[" * depth + b"]" * depth
    tools = b'[{"name":"f","function":{"name":"f","parameters":{"enum":%b}},"input_schema":{"items":%b}}]' % (nested, nested)
    for read in (read_openai_question, read_anthropic_question):
        try:
            conversation = read(b'{"messages":[{"role":"user","content":"x"}],"tools":%b}' % tools)
        except BadRequest as error:
            must_be_clear(error)
            continue
        tolerate(
            lambda conversation=conversation: to_openai.encode_request(
                conversation, model="m", quirks=merge_presets(), stream=False
            )
        )
        tolerate(lambda conversation=conversation: to_gemini.encode_request(conversation, model="gemini-3"))
        tolerate(lambda conversation=conversation: to_gemini.encode_request(conversation, model="gemini-1.5"))
    with contextlib.suppress(UpstreamError):
        assert OpenAIDecoder().feed(sse(b'{"choices":%b}' % nested)) == []


@pytest.mark.parametrize("name", [None, ""])
def test_a_tool_call_without_a_name_is_the_upstreams_failure(name):
    block = {"type": "tool_use", "id": "t", "name": name, "input": {}}
    start = anthropic("message_start", message={"id": "m", "model": "m"})
    decoder = AnthropicDecoder()
    events = decoder.feed(start + anthropic("content_block_start", index=0, content_block=block) + anthropic("message_stop"))
    assert isinstance(events[-1], Failed)
    assert decoder.end() == []
    with pytest.raises(BadUpstreamResponse, match="tool call without a name"):
        read_anthropic(json.dumps({"content": [block], "stop_reason": "tool_use"}).encode())
    gemini = {"candidates": [{"content": {"parts": [{"functionCall": {"name": name or "", "args": {}}}]}, "finishReason": "STOP"}]}
    for read in (GeminiDecoder().decode_body, lambda body: GeminiDecoder().feed(sse(body))):
        with pytest.raises(BadUpstreamResponse, match="tool call without a name"):
            read(json.dumps(gemini).encode())
