"""What a client of Ollama's API sees: at endpoints of every kind, and at the edges of its names and streams."""

from __future__ import annotations

import json

import pytest

from tests.support.fake import chunk, stream, whole
from tests.support.live_gateway import endpoint
from tests.support.pairs import GOOD, WHOLE, row

CHAT = {"model": "auto", "messages": [{"role": "user", "content": "hi"}]}
PROMPT = {"model": "auto", "prompt": "hi"}
kinds = pytest.mark.parametrize("kind", GOOD)


def lines(data: bytes) -> list[dict]:
    """As its clients read: every line is a response."""
    return [json.loads(line) for line in data.splitlines()]


def said(objects) -> str:
    return "".join(one.get("response", one.get("message", {}).get("content", "")) for one in objects)


@kinds
@pytest.mark.parametrize(("path", "asked"), [("/api/chat", CHAT), ("/api/generate", PROMPT)])
async def test_an_answer_of_every_kind_of_endpoint(make_gateway, fake, kind, path, asked):
    gateway = await make_gateway([row(fake, kind)])
    fake.always(whole(WHOLE[kind]))
    answer = await gateway.ask(asked, path, stream=False)
    assert answer.headers["content-type"].startswith("application/json")
    assert (said([answer.json()]), answer.json()["done"], answer.json()["model"]) == ("one", True, "auto")
    assert answer.headers["x-octoroute-tier"] == "fast"
    fake.always(stream(GOOD[kind]))
    answer = await gateway.ask(asked, path)
    assert answer.headers["content-type"] == "application/x-ndjson"
    *parts, last = lines(answer.content)
    assert (said(parts), [part["done"] for part in parts], last["done"]) == ("one", [False] * len(parts), True)
    await gateway.quiet()
    assert gateway.metric("octoroute_outcomes_total", outcome="answered") == 2


async def test_tools_and_their_results(make_gateway, fake):
    call = {"id": "call_9", "type": "function", "function": {"name": "add", "arguments": '{"a": 2}'}}
    first = chunk({"role": "assistant", "tool_calls": [{"index": 0, **call}]})
    fake.then(stream([first, chunk({}, "tool_calls"), b"data: [DONE]\n\n"]))
    gateway = await make_gateway([endpoint(fake)])
    tools = [{"type": "function", "function": {"name": "add", "parameters": {"type": "object", "properties": {}}}}]
    called, _ = lines((await gateway.ask(CHAT, "/api/chat", tools=tools)).content)
    (made,) = called["message"]["tool_calls"]
    assert made["function"]["arguments"] == {"a": 2}
    history = [*CHAT["messages"], called["message"], {"role": "tool", "tool_name": "add", "content": "5"}]
    await gateway.ask({**CHAT, "messages": history}, "/api/chat", tools=tools)
    _, asked, result = fake.requests[-1].json["messages"]
    assert json.loads(asked["tool_calls"][0]["function"]["arguments"]) == {"a": 2}
    assert (result["role"], result["tool_call_id"], result["content"]) == ("tool", asked["tool_calls"][0]["id"], "5")


@pytest.mark.parametrize(
    ("asked", "served"),
    [
        ("auto:latest", "small"),
        ("FAST", "small"),
        ("small:latest", "small"),
        ("tagged", "tagged:latest"),
        ("tagged:latest", "tagged:latest"),
        ("qwen3:8b", "qwen3:8b"),
    ],
)
async def test_names_with_and_without_a_tag(make_gateway, fake, asked, served):
    gateway = await make_gateway(
        [endpoint(fake, "small")], [endpoint(fake, "tagged:latest"), endpoint(fake, "qwen3:8b", priority=0)]
    )
    answer = await gateway.ask(CHAT, "/api/chat", model=asked, stream=False)
    assert answer.headers["x-octoroute-model"] == served
    assert answer.json()["model"] == asked


@pytest.mark.parametrize("asked", ["other:latest", "small:7b", "latest", ":latest"])
async def test_an_unknown_name(make_gateway, fake, asked):
    gateway = await make_gateway([endpoint(fake, "small")])
    answer = await gateway.ask(CHAT, "/api/chat", model=asked)
    assert answer.status_code == 404
    assert "does not exist" in answer.json()["error"]


async def test_any_content_type_is_taken(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake)])
    for kind in ("application/x-www-form-urlencoded", "text/plain"):
        answer = await gateway.ask(CHAT, "/api/chat", {"content-type": kind}, stream=False)
        assert answer.status_code == 200
    assert (await gateway.ask(path="/v1/chat/completions", headers={"content-type": "text/plain"})).status_code == 415


@pytest.mark.parametrize("path", ["/api/chat/", "/v1/api/chat", "/api//chat"])
async def test_paths_are_forgiving(make_gateway, fake, path):
    gateway = await make_gateway([endpoint(fake)])
    assert (await gateway.ask(CHAT, path, stream=False)).status_code == 200


async def test_a_server_that_is_alive(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake, "mine", context_window=5000)])
    assert (await gateway.client.head("/")).status_code == 200
    root = await gateway.get("/")
    assert root.json()["name"] == "octoroute" and "Ollama is running" in root.text
    assert (await gateway.get("/api/version")).json()["version"]
    names = [model["name"] for model in (await gateway.get("/api/tags")).json()["models"]]
    assert names == ["auto", "fast", "balanced", "deep", "mine"]
    shown = (await gateway.ask({"model": "mine"}, "/api/show")).json()
    assert shown["model_info"]["octoroute.context_length"] == 5000
    assert "tools" in shown["capabilities"]
    assert len((await gateway.get("/api/ps")).json()["models"]) == 5


async def test_a_model_is_loaded_without_asking_it(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake)], auth={"keys": ["k"]})
    assert (await gateway.ask({"model": "auto"}, "/api/generate")).status_code == 401
    answer = await gateway.ask({"model": "auto"}, "/api/generate", {"authorization": "Bearer k"})
    assert answer.json()["done_reason"] == "load" and not fake.requests
    assert answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/api/pull"), ("POST", "/api/create"), ("DELETE", "/api/delete"), ("POST", "/api/push")]
)
async def test_models_are_not_managed_here(make_gateway, fake, method, path):
    gateway = await make_gateway([endpoint(fake)])
    answer = await gateway.client.request(method, path, content=b'{"model":"x"}')
    assert answer.status_code == 403
    assert "does not manage models" in answer.json()["error"]


@pytest.mark.parametrize("path", ["/api/nothing", "/api/chat/more", "/api"])
async def test_an_unknown_route_is_an_error_in_its_format(make_gateway, fake, path):
    gateway = await make_gateway([endpoint(fake)])
    answer = await gateway.get(path)
    assert answer.status_code == 404
    if path != "/api":
        assert isinstance(answer.json()["error"], str)
    assert (await gateway.get("/api/chat")).status_code == 405


@kinds
async def test_a_failure_in_the_middle_is_an_error_and_no_end(make_gateway, fake, kind):
    if len(GOOD[kind]) == 1:
        pytest.skip("its stream is one event")
    fake.always(stream([*GOOD[kind][:-1], 0.02], end="cut"))
    gateway = await make_gateway([row(fake, kind)], retry={"max_attempts": 1})
    *parts, last = lines((await gateway.ask(CHAT, "/api/chat")).content)
    assert set(last) == {"error"} and not any(part["done"] for part in parts)
    await gateway.quiet()
    assert gateway.metric("octoroute_outcomes_total", outcome="broken") == 1


async def test_a_keep_alive_is_no_line(make_gateway, fake):
    first, *rest = GOOD["openai"]
    fake.always(stream([first, 0.15, *rest[:1], 0.15, *rest[1:]]))
    gateway = await make_gateway([endpoint(fake)], parts={"keep_alive_s": 0.05})
    answer = await gateway.ask(CHAT, "/api/chat")
    assert b" {" in answer.content
    assert said(lines(answer.content)) == "one"


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"model":"auto","messages":5}', b'{"messages":[]}', b'{"model":"auto","prompt":"x","raw":true}']
)
@pytest.mark.parametrize("path", ["/api/chat", "/api/generate"])
async def test_what_is_no_request_is_an_error_in_its_format(make_gateway, fake, body, path):
    gateway = await make_gateway([endpoint(fake)])
    answer = await gateway.ask(body, path)
    assert answer.status_code == 400
    assert isinstance(answer.json()["error"], str)


VECTORS = {"object": "list", "data": [{"index": 0, "embedding": [1.0, 2.0]}], "usage": {"prompt_tokens": 3, "total_tokens": 3}}


async def test_embeddings_of_both_new_formats(make_fake, make_gateway):
    fake = await make_fake()
    fake.always(whole(VECTORS))
    tables = {"models": {"embedding": [endpoint(fake, "emb", model="real")]}}
    gateway = await make_gateway([endpoint(fake)], **tables)
    ollama = await gateway.ask({"model": "emb:latest", "input": "a"}, "/api/embed")
    assert (ollama.json()["embeddings"], ollama.json()["prompt_eval_count"]) == ([[1.0, 2.0]], 3)
    assert fake.requests[-1].json == {"model": "real", "input": "a"}
    assert ollama.headers["x-octoroute-tier"] == "embedding"
    older = await gateway.ask({"model": "emb", "prompt": "a"}, "/api/embeddings")
    assert older.json() == {"embedding": [1.0, 2.0]}
    gemini = await gateway.ask({"content": {"parts": [{"text": "a"}]}}, "/v1beta/models/emb:embedContent")
    assert gemini.json() == {"embedding": {"values": [1.0, 2.0]}}
    wrong = await gateway.ask({"model": "nothing", "input": "a"}, "/api/embed")
    assert (wrong.status_code, isinstance(wrong.json()["error"], str)) == (404, True)
    wrong = await gateway.ask({"content": {"parts": [{"text": "a"}]}}, "/v1beta/models/nothing:embedContent")
    assert wrong.json()["error"]["status"] == "NOT_FOUND"
    fake.always(whole({"nothing": 1}))
    assert (await gateway.ask({"model": "emb", "input": "a"}, "/api/embed")).status_code == 502


async def test_embeddings_of_a_gemini_endpoint_for_gemini_clients(make_fake, make_gateway):
    fake = await make_fake()
    fake.always(whole({"embeddings": [{"values": [1.0, 2.0]}, {"values": [3.0, 4.0]}]}))
    gateway = await make_gateway([endpoint(fake)], models={"embedding": [endpoint(fake, "emb", provider="gemini")]})
    batch = {"requests": [{"content": {"parts": [{"text": text}]}} for text in ("a", "b")]}
    answer = await gateway.ask(batch, "/v1beta/models/emb:batchEmbedContents")
    assert answer.json() == {"embeddings": [{"values": [1.0, 2.0]}, {"values": [3.0, 4.0]}]}
