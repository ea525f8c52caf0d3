"""What a client of Gemini's API sees: at endpoints of every kind, and at the edges of its paths, keys, and streams."""

from __future__ import annotations

import json

import pytest

from tests.support.fake import event, stream, whole
from tests.support.live_gateway import endpoint
from tests.support.pairs import GOOD, WHOLE, row

ASKED = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
ANSWER = {
    "candidates": [{"content": {"role": "model", "parts": [{"text": "one"}]}, "finishReason": "STOP", "index": 0}],
    "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 1, "totalTokenCount": 4},
}
GENERATE = "/v1beta/models/auto:generateContent"
STREAM = "/v1beta/models/auto:streamGenerateContent?alt=sse"
ARRAY = "/v1beta/models/auto:streamGenerateContent"
kinds = pytest.mark.parametrize("kind", GOOD)


def texts(chunks) -> str:
    return "".join(part["text"] for chunk in chunks for part in chunk["candidates"][0].get("content", {}).get("parts", ()))


def events(data: bytes) -> list[dict]:
    return [json.loads(line[6:]) for line in data.splitlines() if line.startswith(b"data: ")]


@kinds
async def test_an_answer_of_every_kind_of_endpoint(make_gateway, fake, kind):
    fake.always(whole(WHOLE[kind]))
    gateway = await make_gateway([row(fake, kind)])
    answer = await gateway.ask(ASKED, GENERATE)
    assert answer.status_code == 200
    assert texts([answer.json()]) == "one"
    assert answer.json()["candidates"][0]["finishReason"] == "STOP"
    assert answer.headers["x-octoroute-tier"] == "fast"
    assert answer.headers["content-type"].startswith("application/json")


@kinds
@pytest.mark.parametrize("path", [STREAM, ARRAY])
async def test_a_stream_in_both_forms(make_gateway, fake, kind, path):
    fake.always(stream(GOOD[kind]))
    gateway = await make_gateway([row(fake, kind)])
    answer = await gateway.ask(ASKED, path)
    if path is STREAM:
        assert answer.headers["content-type"].startswith("text/event-stream")
        chunks = events(answer.content)
    else:
        assert answer.headers["content-type"].startswith("application/json")
        chunks = answer.json()
    assert texts(chunks) == "one"
    assert chunks[-1]["candidates"][0]["finishReason"] == "STOP"
    await gateway.quiet()
    assert gateway.metric("octoroute_outcomes_total", outcome="answered") == 1


async def test_bytes_pass_unchanged_to_and_from_a_gemini_endpoint(make_gateway, fake):
    body = b'{ "contents": [{"parts":[{"text":"h\\u00e4"}]}],  "tools":[{"google_search":{}}], "new_field": 1.50 }'
    sent = b'data: {"candidates": [ {"content":{"parts":[{"text":"a"}]}, "new": 1.0 }]}\r\n\r\n'
    last = b'data: {"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":2}}\r\n\r\n'
    fake.always(stream([sent, last]))
    gateway = await make_gateway([row(fake, "gemini", model="gemini-3-pro")])
    answer = await gateway.ask(body, STREAM)
    assert answer.content == sent + last
    assert fake.requests[-1].body == body
    assert fake.requests[-1].path == "/v1/models/gemini-3-pro:streamGenerateContent?alt=sse"
    await gateway.quiet()
    assert gateway.metric("octoroute_tokens_total", kind="input") == 9
    fake.always(whole(ANSWER))
    answer = await gateway.ask(body, GENERATE)
    assert answer.json() == ANSWER
    assert fake.requests[-1].body == body


async def test_googles_own_rejection_comes_back_as_it_is(make_gateway, fake):
    rejection = {"error": {"code": 400, "message": "no", "status": "FAILED_PRECONDITION", "details": [{"@type": "x"}]}}
    fake.always(whole(rejection, 400))
    gateway = await make_gateway([row(fake, "gemini")])
    answer = await gateway.ask(ASKED, STREAM)
    assert (answer.status_code, answer.json()) == (400, rejection)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/models/auto:generateContent",
        "/v1alpha/models/auto:generateContent",
        "/v1beta/models/models/auto:generateContent",
        "/v1beta/models/models%2Fauto:generateContent",
        "/v1beta/v1beta/models/auto:generateContent",
        "/v1/v1beta/models/auto:generateContent",
        "/models/auto:generateContent",
        "//v1beta//models/auto:generateContent/",
        "/v1beta/models/AUTO%3AgenerateContent",
    ],
)
async def test_paths_are_forgiving(make_gateway, fake, path):
    gateway = await make_gateway([endpoint(fake)])
    assert (await gateway.ask(ASKED, path)).status_code == 200


@pytest.mark.parametrize(
    ("model", "served"),
    [
        ("gemini-2.5-flash-lite", "small"),
        ("gemini-3-flash-preview", "middle"),
        ("models/gemini-3-pro", "large"),
        ("deep", "large"),
        ("org/large:8b", "org/large:8b"),
    ],
)
async def test_names_in_the_path(make_gateway, fake, model, served):
    gateway = await make_gateway(
        [endpoint(fake, "small")], [endpoint(fake, "middle")], [endpoint(fake, "large"), endpoint(fake, "org/large:8b", priority=0)]
    )
    answer = await gateway.ask(ASKED, f"/v1beta/models/{model.replace('/', '%2F')}:generateContent")
    assert answer.headers["x-octoroute-model"] == served


async def test_an_unknown_model_and_an_unknown_route(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake)])
    unknown = await gateway.ask(ASKED, "/v1beta/models/nothing:generateContent")
    assert unknown.status_code == 404
    assert (unknown.json()["error"]["code"], unknown.json()["error"]["status"]) == (404, "NOT_FOUND")
    assert unknown.headers["x-should-retry"] == "false"
    for path in ("/v1beta/cachedContents", "/v1beta/models/auto:dance", "/v1alpha/tunedModels"):
        answer = await gateway.ask(ASKED, path)
        assert answer.status_code in {404, 405}, path
        assert isinstance(answer.json()["error"]["code"], int)
    get = await gateway.get("/v1beta/models/auto:generateContent")
    assert get.status_code in {404, 405} and isinstance(get.json()["error"]["code"], int)


async def test_keys_in_googles_header_and_in_the_url(make_gateway, fake, tmp_path):
    gateway = await make_gateway([row(fake, "gemini")], auth={"keys": ["right-key"]})
    fake.always(whole(ANSWER))
    for path, headers in (
        (GENERATE + "?key=right-key", {}),
        (GENERATE, {"x-goog-api-key": "right-key"}),
        ("/v1beta/models/auto:countTokens?key=right-key", {}),
    ):
        assert (await gateway.ask(ASKED, path, headers)).status_code == 200, path
    assert (await gateway.get("/v1beta/models?key=right-key")).status_code == 200
    for path, headers in ((GENERATE + "?key=wrong", {}), (GENERATE, {"x-goog-api-key": "wrong"}), (GENERATE, {})):
        refused = await gateway.ask(ASKED, path, headers)
        assert (refused.status_code, refused.json()["error"]["status"]) == (401, "UNAUTHENTICATED")
    assert (await gateway.get("/metrics?key=right-key")).status_code == 401
    assert all("right-key" not in str(seen.headers) + seen.path for seen in fake.requests)


async def test_a_key_in_the_url_is_written_nowhere(make_gateway, fake, tmp_path, caplog):
    fake.always(whole(WHOLE["openai"]))
    traffic = {"enabled": True, "directory": str(tmp_path)}
    gateway = await make_gateway(
        [endpoint(fake)], auth={"keys": ["secret-key"]}, logging={"traffic": traffic}, observability={"log_level": "trace"}
    )
    for path in (GENERATE, STREAM.partition("?")[0], "/v1beta/models/nothing:generateContent", "/v1beta/models/auto:countTokens"):
        await gateway.ask(ASKED, path + "?key=secret-key&alt=sse")
    await gateway.close()
    written = "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    assert "generateContent" in written
    assert "secret-key" not in written + caplog.text


async def test_an_answer_is_cached_for_one_key_only(make_gateway, fake):
    gateway = await make_gateway([row(fake, "gemini")], auth={"keys": ["one", "two"]}, cache={"enabled": True})
    fake.always(whole(ANSWER))
    body = {**ASKED, "generationConfig": {"temperature": 0}}
    states = [
        (await gateway.ask(body, GENERATE, {"x-goog-api-key": key})).headers["x-octoroute-cache"] for key in ("one", "one", "two")
    ]
    assert states == ["miss", "hit", "miss"]
    assert (await gateway.ask(body, GENERATE + "?key=two")).headers["x-octoroute-cache"] == "hit"


async def test_tokens_are_counted_by_the_endpoint_or_estimated(make_fake, make_gateway):
    counts, other = await make_fake("a"), await make_fake("b")
    counts.always(whole({"totalTokens": 77}))
    gateway = await make_gateway([row(counts, "gemini", model="g")], [row(other, "openai")])
    answer = await gateway.ask(ASKED, "/v1beta/models/fast:countTokens")
    assert answer.json()["totalTokens"] == 77
    assert counts.requests[-1].json["generateContentRequest"] == {"model": "models/g", **ASKED}
    enveloped = {"generateContentRequest": {"model": "models/x", **ASKED}}
    for version in ("v1beta", "v1", "v1alpha"):
        answer = await gateway.ask(enveloped, f"/{version}/models/balanced:countTokens")
        assert 0 < answer.json()["totalTokens"] < 30
        assert answer.headers["x-octoroute-token-count"] == "estimate"


async def test_models(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake, "mine", context_window=5000)])
    listed = (await gateway.get("/v1beta/models")).json()["models"]
    assert [model["name"] for model in listed] == [f"models/{name}" for name in ("auto", "fast", "balanced", "deep", "mine")]
    one = (await gateway.get("/v1beta/models/mine")).json()
    assert (one["name"], one["inputTokenLimit"]) == ("models/mine", 5000)
    assert (await gateway.get("/v1beta/models/other")).json()["error"]["status"] == "NOT_FOUND"
    sdk = await gateway.get("/v1/models", headers={"x-goog-api-client": "google-genai-sdk/3"})
    assert ("models/mine", 5000) in [(model["name"], model.get("inputTokenLimit")) for model in sdk.json()["models"]]
    assert "data" in (await gateway.get("/v1/models")).json()


@kinds
@pytest.mark.parametrize("path", [STREAM, ARRAY])
async def test_a_failure_in_the_middle_is_an_error_and_no_end(make_gateway, fake, kind, path):
    fake.always(stream([*GOOD[kind][:-1], 0.02] if len(GOOD[kind]) > 1 else [event({"candidates": [{}]}), 0.02], end="cut"))
    gateway = await make_gateway([row(fake, kind)], retry={"max_attempts": 1})
    answer = await gateway.ask(ASKED, path)
    chunks = events(answer.content) if path is STREAM else answer.json()
    assert chunks[-1]["error"]["code"] == 502
    assert not any("finishReason" in candidate for chunk in chunks for candidate in chunk.get("candidates", ()))
    await gateway.quiet()
    assert gateway.metric("octoroute_outcomes_total", outcome="broken") == 1


@pytest.mark.parametrize("path", [STREAM, ARRAY])
async def test_a_keep_alive_is_nothing_to_a_parser(make_gateway, fake, path):
    """Google's SDK for Python takes a comment for a response."""
    first, *rest = GOOD["openai"]
    fake.always(stream([first, 0.15, *rest[:1], 0.15, *rest[1:]]))
    gateway = await make_gateway([endpoint(fake)], parts={"keep_alive_s": 0.05})
    answer = await gateway.ask(ASKED, path)
    if path is STREAM:
        assert all(line.startswith(b"data: ") for line in answer.content.splitlines() if line)
        assert b"\n\n\n" in answer.content or answer.content.startswith(b"\n")
        assert texts(events(answer.content)) == "one"
    else:
        assert b" " in answer.content
        assert texts(answer.json()) == "one"


async def test_an_overloaded_endpoint_is_left_for_another(make_fake, make_gateway):
    bad, good = await make_fake("bad"), await make_fake("good")
    bad.always(whole({"error": {"code": 503, "message": "overloaded", "status": "UNAVAILABLE"}}, 503))
    good.always(whole(WHOLE["openai"]))
    gateway = await make_gateway([row(bad, "gemini", priority=2), row(good, "openai")])
    answer = await gateway.ask(ASKED, GENERATE)
    assert texts([answer.json()]) == "one"
    assert answer.headers["x-octoroute-attempts"] == "2"


async def test_a_history_that_is_too_long_is_cut_and_the_limit_lowered(make_gateway, fake):
    fake.always(whole(ANSWER))
    gateway = await make_gateway([row(fake, "gemini", context_window=1000)], context={"policy": "truncate"})
    turns = [{"role": role, "parts": [{"text": f"{number} " + "x" * 1000}]} for number in range(6) for role in ("user", "model")]
    body = {"contents": [*turns, {"role": "user", "parts": [{"text": "last"}]}], "generation_config": {"max_output_tokens": 5000}}
    answer = await gateway.ask(body, GENERATE)
    assert answer.status_code == 200, answer.text
    sent = fake.requests[-1].json
    assert len(sent["contents"]) < 9 and sent["contents"][-1] == body["contents"][-1]
    assert sent["generation_config"]["max_output_tokens"] < 1000


async def test_a_rule_may_be_about_its_clients(make_gateway, fake):
    rule = {"name": "google", "dialect": "gemini", "tier": "deep"}
    gateway = await make_gateway([endpoint(fake, "small")], [], [endpoint(fake, "large")], routing={"rules": [rule]})
    assert (await gateway.ask(ASKED, GENERATE)).headers["x-octoroute-model"] == "large"


async def test_what_an_endpoint_does_not_get_is_told(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake)])
    body = {**ASKED, "tools": [{"googleSearch": {}}], "safetySettings": [{"category": "X"}], "cachedContent": "cachedContents/1"}
    warning = (await gateway.ask(body, GENERATE)).headers["x-octoroute-warning"]
    for word in ("googleSearch", "safetySettings", "cachedContent"):
        assert word in warning


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"contents":5}', b'{"contents":[{"parts":"x"}]}', b'{"contents":[]}'])
@pytest.mark.parametrize("path", [GENERATE, STREAM, ARRAY, "/v1beta/models/auto:countTokens", "/v1/models/auto:countTokens"])
async def test_what_is_no_request_is_an_error_in_googles_format(make_gateway, fake, body, path):
    gateway = await make_gateway([endpoint(fake)])
    answer = await gateway.ask(body, path)
    assert answer.status_code == 400
    assert answer.json()["error"]["status"] == "INVALID_ARGUMENT"


@pytest.mark.parametrize(
    ("path", "body"), [(ARRAY, ASKED), ("/api/chat", {"model": "auto", "messages": [{"role": "user", "content": "x"}]})]
)
async def test_a_client_that_leaves_a_stream_of_another_form_closes_the_upstream(make_gateway, fake, path, body):
    fake.always(stream(GOOD["openai"][:2], end="hang"))
    gateway = await make_gateway([endpoint(fake, id="a")])
    async with gateway.client.stream("POST", path, json=body) as response:
        async for piece in response.aiter_raw():
            if b"one" in piece:
                break
    await fake.hung_up_on(within_s=1.0)
    await gateway.quiet()
    assert (await gateway.row("a"))["consecutive_failures"] == 0
    assert gateway.metric("octoroute_outcomes_total", outcome="abandoned") == 1
