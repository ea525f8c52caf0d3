"""A client's body goes out as it came in but for `model`; the endpoint's answer comes back as it went out."""

from __future__ import annotations

import json

import pytest

from tests.support.fake import completion, error, stream, tokens, whole
from tests.support.live_gateway import endpoint, question

PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

EVERYTHING = {
    "model": "model-a",
    "messages": [
        {"role": "system", "content": "be brief"},
        {"role": "developer", "content": "really"},
        {"role": "user", "name": "ann", "content": [{"type": "text", "text": "what is this?"}, {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}}]},
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"a": 1}'}},
            {"id": "c2", "type": "function", "function": {"name": "look", "arguments": "{}"}},
        ]},
        {"role": "tool", "tool_call_id": "c1", "content": "a dot"},
        {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "nothing"}]},
        {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}, {"type": "file", "file": {"file_id": "f"}}]},
    ],
    "tools": [{"type": "function", "function": {"name": "look", "strict": True, "parameters": {"type": "object", "properties": {}}}}],
    "tool_choice": {"type": "function", "function": {"name": "look"}},
    "parallel_tool_calls": False,
    "response_format": {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": {"type": "object"}}},
    "n": 2, "logprobs": True, "top_logprobs": 3, "logit_bias": {"50256": -100}, "seed": -42, "stop": ["\n", "END"],
    "temperature": 0.30000000000000004, "top_p": 1, "presence_penalty": -2, "frequency_penalty": 2.0, "max_completion_tokens": 99,
    "reasoning_effort": "high", "thinking": {"type": "enabled", "budget_tokens": 1024}, "verbosity": "low", "modalities": ["text", "audio"],
    "audio": {"voice": "alloy", "format": "mp3"}, "prediction": {"type": "content", "content": "x"}, "store": True, "metadata": {"a": "b"},
    "service_tier": "flex", "prompt_cache_key": "k", "safety_identifier": "s", "web_search_options": {}, "user": "u",
    "a_field_nobody_knows_yet": {"deep": [1, {"er": None}], "U+2028": "\u2028\u2029"},
}  # fmt: skip

RAW = [
    pytest.param(json.dumps(EVERYTHING).encode(), id="every field there is"),
    pytest.param(json.dumps(EVERYTHING, indent=3, ensure_ascii=False).encode(), id="indented, in UTF-8"),
    pytest.param(b'\n\t {\r\n "messages"\t:[ {"content":"hi"  ,"role":"user"}\n] ,  "model" : "model-a" }  \n', id="white space and model last"),
    pytest.param(b'{"model":"model-a","messages":[{"role":"user","content":"\\u0068\\u00e9 \\ud83d\\ude00 \\/ \\t"}]}', id="unicode escapes stay escapes"),
    pytest.param('{"model":"model-a","messages":[{"role":"user","content":"h\u00e9 \U0001f600 \u2028"}]}'.encode(), id="and characters stay characters"),
    pytest.param(b'{"\\u006dodel":"model-a","messages":[{"role":"user","content":"x"}]}', id="an escaped key"),
    pytest.param(b'{"model":"model-a","messages":[{"role":"user","content":"x"}],"seed":123456789012345678901234567890,"x":1e400,"y":-0.0,"z":1E+2}', id="numbers as written"),
    pytest.param(b'{"z":1,"model":"model-a","a":{"model":"not this one"},"messages":[{"role":"user","content":"\\"model\\": \\"auto\\""}]}', id="other things called model"),
    pytest.param(b'{"model":"model-a","messages":[{"role":"user","content":"x","k":1,"k":2}],"o":{"a":1,"a":2}}', id="keys twice inside"),
    pytest.param(b'{"":0," ":1,"model":"model-a","messages":[{"role":"user","content":"x"}],"\\"":2,"\\\\":3}', id="odd keys"),
]  # fmt: skip


@pytest.mark.parametrize("body", RAW)
async def test_the_endpoint_gets_the_clients_bytes_with_only_model_replaced(make_gateway, fake, body):
    gateway = await make_gateway([endpoint(fake, model="real/model:1")])
    assert body.count(b'"model-a"') == 1
    response = await gateway.ask(body)
    assert response.status_code == 200
    assert fake.requests[0].body == body.replace(b'"model-a"', b'"real/model:1"')
    assert fake.requests[0].path == "/v1/chat/completions"
    assert fake.requests[0].method == "POST"
    assert fake.requests[0].headers["content-type"] == "application/json"


async def test_of_a_key_that_stands_twice_the_last_counts_and_only_that_goes_out(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake, model="up")])
    body = b'{"model":"nobody","messages":[{"role":"user","content":"1"}],"model":"model-a","seed":1,"seed":2,"messages":[{"role":"user","content":"2"}]}'
    assert (await gateway.ask(body)).status_code == 200
    assert json.loads(fake.requests[0].body, object_pairs_hook=list) == [
        ("model", "up"),
        ("messages", [[("role", "user"), ("content", "2")]]),
        ("seed", 2),
    ]


async def test_a_body_made_to_look_like_another_cannot_smuggle_a_model(make_gateway, fake):
    """The nested `messages` key stands exactly where a walk by lengths alone would look for the outer one."""
    gateway = await make_gateway([endpoint(fake, model="up")])
    inner = b'[{"role":"user","content":"x","pad":"' + b"p" * 40 + b'","q":1}]'
    for pad in range(0, 60, 7):
        body = (
            b'{"model":"x","messages":'
            + inner.replace(b'"q":1', b'"q":{"messages":"' + b"y" * pad + b'"}')
            + b',"model":"model-a"}'
        )
        response = await gateway.ask(body)
        assert response.status_code == 200
        assert fake.requests[-1].json["model"] == "up", body


async def test_our_own_object_is_taken_out_and_nothing_else(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake)])
    for body, left in [
        (b'{"model":"auto","octoroute":{"importance":"low"},"messages":[{"role":"user","content":"x"}]}', b'{"model":"model-a","messages":[{"role":"user","content":"x"}]}'),
        (b'{"octoroute":{},"model":"auto","messages":[{"role":"user","content":"x"}]}', b'{"model":"model-a","messages":[{"role":"user","content":"x"}]}'),
        (b'{"model":"auto","messages":[{"role":"user","content":"octoroute"}] , "octoroute":{"task_type":"code"} }', b'{"model":"model-a","messages":[{"role":"user","content":"octoroute"}] }'),
    ]:  # fmt: skip
        assert (await gateway.ask(body)).status_code == 200
        assert json.loads(fake.requests[-1].body) == json.loads(left)
        assert b"importance" not in fake.requests[-1].body


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(json.dumps(completion("caf\u00e9", extra={"any": ["thing", None]})).encode(), id="escapes"),
        pytest.param(json.dumps(completion("caf\u00e9 \u2028"), ensure_ascii=False, indent=1).encode() + b"\n\n", id="white space"),
        pytest.param(b'{"choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls"}]}', id="tool calls, and no usage"),
        pytest.param(b'{"id":1,"choices":[{"message":{"content":[{"type":"text","text":"parts"}],"reasoning_content":null},"finish_reason":null,"n":1e999}],"usage":null,"x":123456789012345678901234567890}', id="odd but an answer"),
        pytest.param(b'{"choices":[{"message":{"content":{"not":"foreseen"},"reasoning_content":["a","b"]},"finish_reason":{"type":"stop"}}],"usage":{"prompt_tokens":1.5,"total":"many"}}', id="shapes nobody foresaw"),
        pytest.param(b'{"choices":[]}', id="no choice at all"),
    ],
)  # fmt: skip
async def test_the_answers_bytes_come_back_unchanged(gateway, fake, body):
    fake.then(whole(body))
    response = await gateway.ask()
    assert response.status_code == 200, response.content
    assert response.content == body
    assert response.headers["content-type"] == "application/json"


async def test_the_streams_bytes_come_back_unchanged_odd_chunks_and_all(gateway, fake):
    odd = [
        b": a comment\n\n",
        b'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":{"odd":1}},"finish_reason":null}],"usage":null}\n\n',
        b'data:{"choices":[{"delta":{"content":"no space"}}]}\n\n',
        b'id: 7\nretry: 10\nevent: message\ndata: {"choices":[{"delta":{"content":"fields"}}]}\n\n',
        b'data: {"choices":[{"delta":{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":"{"}}]}}],"nobody_knows":"me"}\n\n',
        b'data: {"choices":[{"delta":null,"finish_reason":"stop","index":0}],"usage":{"prompt_tokens":1.5}}\n\n',
        b"\n\ndata: [DONE]\n\n",
    ]
    fake.then(stream(odd))
    response, data = await gateway.streamed()
    assert response.status_code == 200
    assert data == b"".join(odd)


async def test_only_certain_headers_of_an_answer_are_passed_on(gateway, fake):
    sent = {
        "content-type": "application/json; charset=utf-8",
        "cache-control": "max-age=7",
        "request-id": "up-1",
        "x-request-id": "up-2",
        "x-ratelimit-remaining-requests": "41",
        "anthropic-ratelimit-tokens-limit": "9",
        "retry-after": "3",
        "set-cookie": "spy=1",
        "server": "secret-server/1.2",
        "x-powered-by": "elves",
        "access-control-allow-origin": "*",
    }
    for step, asks in (
        (whole(completion(), headers=sent), False),
        (stream(tokens(), headers={**sent, "content-type": "text/event-stream"}), True),
    ):
        fake.then(step)
        if asks:
            response, _ = await gateway.streamed(headers={"x-request-id": "mine"})
            assert response.headers["content-type"].startswith("text/event-stream")
        else:
            response = await gateway.ask(headers={"x-request-id": "mine"})
            assert response.headers["content-type"] == "application/json; charset=utf-8"
        for name in (
            "request-id",
            "x-ratelimit-remaining-requests",
            "anthropic-ratelimit-tokens-limit",
            "cache-control",
            "retry-after",
        ):
            assert response.headers[name] == sent[name], name
        assert response.headers["x-request-id"] == "mine"
        for name in ("set-cookie", "server", "x-powered-by", "access-control-allow-origin"):
            assert name not in response.headers


async def test_the_clients_credentials_and_headers_do_not_go_upstream(make_gateway, fake):
    gateway = await make_gateway(
        [endpoint(fake, api_key="upstream-key", headers={"X-Team": "search"})], auth={"keys": ["client-key"]}
    )
    response = await gateway.ask(headers={"authorization": "Bearer client-key", "cookie": "c=1", "x-octoroute-importance": "low"})
    assert response.status_code == 200
    got = fake.requests[0].headers
    assert got["authorization"] == "Bearer upstream-key"
    assert got["x-team"] == "search"
    assert "cookie" not in got
    assert "client-key" not in str(got)
    assert not [name for name in got if name.startswith("x-octoroute")]


async def test_an_upstreams_refusal_comes_back_with_its_status_and_its_bytes(gateway, fake):
    for status in (400, 404, 405, 413, 422, 451):
        body = b'{"error": {"message":"too long","type":"x","param":"messages","code":"context_length_exceeded"},  "odd": 1}'
        fake.then(whole(body, status, {"x-ratelimit-limit-requests": "5", "set-cookie": "no"}))
        response = await gateway.ask()
        assert (response.status_code, response.content) == (status, body)
        assert response.headers["x-ratelimit-limit-requests"] == "5"
        assert "set-cookie" not in response.headers
        assert response.headers["x-octoroute-attempts"] == "1"


async def test_a_refusal_that_is_not_json_keeps_its_media_type(gateway, fake):
    fake.then(whole(b"no such parameter", 422, {"content-type": "text/plain"}))
    response = await gateway.ask()
    assert (response.status_code, response.content, response.headers["content-type"]) == (422, b"no such parameter", "text/plain")


async def test_a_refusal_without_a_word_still_says_something(gateway, fake):
    fake.then(whole(b"", 422))
    response = await gateway.ask()
    assert response.status_code == 422
    assert response.json()["error"]["code"] == "upstream_declined"
    assert response.headers["content-type"] == "application/json"


async def test_a_refused_stream_is_refused_before_the_status_line(gateway, fake):
    fake.then(error(400, "bad schema"))
    response = await gateway.ask(question(stream=True))
    assert response.status_code == 400
    assert response.json()["error"]["message"] == "bad schema"
