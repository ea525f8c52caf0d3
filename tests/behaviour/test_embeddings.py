"""POST /v1/embeddings: the same path as chat, to `[[models.embedding]]` and nobody else."""

import base64
import json
import struct

import pytest

from tests.support.fake import error, whole
from tests.support.live_gateway import endpoint

PATH = "/v1/embeddings"
ANSWER = {
    "object": "list",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.5, -0.25]}],
    "model": "upstream-model",
    "usage": {"prompt_tokens": 9, "total_tokens": 9},
}


def models(*embedding, fast=()):
    return {"models": {"fast": list(fast), "embedding": list(embedding)}}


async def test_the_clients_bytes_go_out_and_the_answers_bytes_come_back(make_gateway, fake):
    answer = json.dumps(ANSWER, indent=2).encode()
    fake.always(whole(answer))
    gateway = await make_gateway(**models(endpoint(fake, "embed", id="e", model="text-embedding-3-small")))
    body = b'{ "input": ["a", "b\\u00e9"], "model":"auto", "encoding_format": "base64", "unknown": [1] }'
    response = await gateway.ask(body, PATH)
    assert (response.status_code, response.content) == (200, answer)
    assert fake.requests[0].body == body.replace(b'"auto"', b'"text-embedding-3-small"')
    assert fake.requests[0].path == "/v1/embeddings"
    told = {name: value for name, value in response.headers.items() if name.startswith("x-octoroute")}
    assert told == {
        "x-octoroute-tier": "embedding",
        "x-octoroute-endpoint": "e",
        "x-octoroute-model": "text-embedding-3-small",
        "x-octoroute-strategy": "default",
        "x-octoroute-attempts": "1",
    }
    assert gateway.metric("octoroute_requests_total", tier="embedding", strategy="default") == 1
    assert gateway.metric("octoroute_tokens_total", endpoint="e", kind="input") == 9


@pytest.mark.parametrize("model", ["auto", "AUTO", "embed", "an-id", "embedding"])
async def test_models_that_embed(make_gateway, fake, model):
    fake.always(whole(ANSWER))
    gateway = await make_gateway(**models(endpoint(fake, "embed", id="an-id"), fast=[endpoint(fake, "chat")]))
    assert (await gateway.ask({"model": model, "input": "x"}, PATH)).status_code == 200


@pytest.mark.parametrize("model", ["chat", "fast", "balanced", "no-such"])
async def test_models_that_do_not(make_gateway, fake, model):
    gateway = await make_gateway(**models(endpoint(fake, "embed"), fast=[endpoint(fake, "chat")]))
    response = await gateway.ask({"model": model, "input": "x"}, PATH)
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "model_not_found"
    assert "embed" in response.json()["error"]["message"]
    assert not fake.requests


async def test_without_any_the_answer_says_what_to_configure(gateway):
    response = await gateway.ask({"model": "auto", "input": "x"}, PATH)
    assert response.status_code == 404
    assert "[[models.embedding]]" in response.json()["error"]["message"]


async def test_no_chat_reaches_an_embedding_model(make_gateway, fake):
    gateway = await make_gateway(**models(endpoint(fake, "embed", id="e")))
    assert (await gateway.ask(model="embed")).status_code == 404
    assert (await gateway.ask(model="e")).status_code == 404
    response = await gateway.ask(model="auto")
    assert response.status_code == 400
    assert "[[models.balanced]]" in response.json()["error"]["message"]
    assert not fake.requests


async def test_failures_move_on_and_open_the_circuit(make_gateway, make_fake):
    bad, good = await make_fake("bad"), await make_fake("good")
    bad.always(error(500))
    good.always(whole(ANSWER))
    gateway = await make_gateway(
        **models(endpoint(bad, "e", id="bad", priority=2), endpoint(good, "e", id="good")), health={"failure_threshold": 2}
    )
    for _ in range(2):
        response = await gateway.ask({"model": "auto", "input": "x"}, PATH)
        assert (response.status_code, response.headers["x-octoroute-attempts"]) == (200, "2")
    assert (await gateway.ask({"model": "auto", "input": "x"}, PATH)).headers["x-octoroute-attempts"] == "1"
    assert (await gateway.row("bad"))["circuit"] == "open"
    assert (await gateway.row("bad"))["tier"] == "embedding"


async def test_a_judgement_is_relayed(make_gateway, fake):
    fake.always(error(400, "input too long"))
    gateway = await make_gateway(**models(endpoint(fake, "e")))
    response = await gateway.ask({"model": "auto", "input": "x"}, PATH)
    assert (response.status_code, response.json()["error"]["message"]) == (400, "input too long")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"model": "auto"}, "input"),
        ({"model": "auto", "input": []}, "input"),
        ({"model": "auto", "input": None}, "input"),
        ({"model": "auto", "input": [1, "a"]}, "input"),
        ({"model": "auto", "input": {"a": 1}}, "input"),
        ({"model": "auto", "input": "x", "stream": True}, "stream"),
        ({"input": "x"}, "model"),
    ],
)
async def test_what_is_no_question_is_refused_by_name(make_gateway, fake, body, param):
    gateway = await make_gateway(**models(endpoint(fake, "e")))
    response = await gateway.ask(body, PATH)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param


async def test_each_input_has_the_window_to_itself(make_gateway, fake):
    fake.always(whole(ANSWER))
    gateway = await make_gateway(**models(endpoint(fake, "e", context_window=100)))
    assert (await gateway.ask({"model": "auto", "input": ["a" * 390] * 50}, PATH)).status_code == 200
    assert (await gateway.ask({"model": "auto", "input": [[1] * 100]}, PATH)).status_code == 200
    for too_long in (["a", "b" * 404], [1] * 101, [[1], [2] * 101]):
        response = await gateway.ask({"model": "auto", "input": too_long}, PATH)
        assert (response.status_code, response.json()["error"]["code"]) == (400, "context_length_exceeded")


async def test_who_lists_models_lists_these(make_gateway, fake):
    gateway = await make_gateway(**models(endpoint(fake, "embed"), fast=[endpoint(fake, "chat")]))
    assert {"embed", "chat"} <= {row["id"] for row in (await gateway.get("/v1/models")).json()["data"]}
    assert {row["tier"] for row in (await gateway.get("/models")).json()["models"]} == {"fast", "embedding"}
    explained = await gateway.ask(path="/v1/route")
    assert [row["name"] for row in explained.json()["candidates"]] == ["chat"]


async def test_they_are_probed(make_gateway, fake):
    gateway = await make_gateway(**models(endpoint(fake, "embed")))
    await gateway.app.runtime.health_check.round()
    assert [seen.path for seen in fake.probes] == ["/v1/models"]


async def test_azure_is_asked_at_its_deployment(make_gateway, fake):
    fake.always(whole(ANSWER))
    url = fake.url.removesuffix("/v1")
    gateway = await make_gateway(
        **models(endpoint(url, "e", provider="azure", model="my-deployment", api_key="k", api_version="2024-10-21"))
    )
    body = b'{"model":"e","input":"x","dimensions":8}'
    assert (await gateway.ask(body, PATH)).status_code == 200
    assert fake.requests[0].path == "/openai/deployments/my-deployment/embeddings?api-version=2024-10-21"
    assert fake.requests[0].body == body.replace(b'"e"', b'"my-deployment"')


# Gemini


@pytest.fixture
async def gemini(make_gateway, fake):
    fake.always(whole({"embeddings": [{"values": [3.0, 4.0]}, {"values": [0.5, -1.25]}]}))
    return await make_gateway(**models(endpoint(fake, "e", id="g", provider="gemini", model="gemini-embedding-001", api_key="k")))


async def test_gemini_is_asked_in_its_own_words(gemini, fake):
    response = await gemini.ask({"model": "auto", "input": ["eins", "zwei"], "dimensions": 2, "user": "u"}, PATH)
    assert response.status_code == 200
    assert fake.requests[0].path == "/v1/models/gemini-embedding-001:batchEmbedContents"
    assert fake.requests[0].headers["x-goog-api-key"] == "k"
    assert fake.requests[0].json == {
        "requests": [
            {"model": "models/gemini-embedding-001", "outputDimensionality": 2, "content": {"parts": [{"text": text}]}}
            for text in ("eins", "zwei")
        ]
    }
    told = response.json()
    assert (told["object"], told["model"]) == ("list", "auto")
    assert [(row["object"], row["index"]) for row in told["data"]] == [("embedding", 0), ("embedding", 1)]
    assert told["data"][0]["embedding"] == [0.6, 0.8]  # of length 1 again, as OpenAI's are
    assert told["usage"]["prompt_tokens"] == told["usage"]["total_tokens"] > 0
    assert response.headers["x-octoroute-warning"] == "user is not passed on to this endpoint"
    assert gemini.metric("octoroute_tokens_total", endpoint="g", kind="estimated") > 0


async def test_gemini_in_base64_as_the_sdk_asks(gemini):
    response = await gemini.ask({"model": "auto", "input": ["a", "b"], "encoding_format": "base64"}, PATH)
    vectors = [struct.unpack("<2f", base64.b64decode(row["embedding"])) for row in response.json()["data"]]
    assert vectors == [(3.0, 4.0), (0.5, -1.25)]


async def test_gemini_one_text(gemini, fake):
    fake.always(whole({"embeddings": [{"values": [1, 2]}]}))
    response = await gemini.ask({"model": "auto", "input": "alone"}, PATH)
    assert [row["embedding"] for row in response.json()["data"]] == [[1.0, 2.0]]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"input": [1, 2, 3]}, "token lists"),
        ({"input": [[1], [2]]}, "token lists"),
        ({"input": ["x"] * 101}, "at most 100"),
        ({"encoding_format": "hex"}, "encoding_format"),
        ({"dimensions": 0}, "dimensions"),
    ],
)
async def test_what_gemini_cannot_be_asked(gemini, fake, more, says):
    response = await gemini.ask({"model": "auto", "input": "x", **more}, PATH)
    assert response.status_code == 400
    assert says in response.json()["error"]["message"]
    assert not fake.requests


@pytest.mark.parametrize(
    "answer", [{}, {"embeddings": []}, {"embeddings": [{"values": [1e300]}]}, b"<html>", {"embeddings": [{"values": ["a"]}]}]
)
async def test_geminis_nonsense_is_its_failure(gemini, fake, answer):
    fake.always(whole(answer))
    response = await gemini.ask({"model": "auto", "input": "x", "encoding_format": "base64"}, PATH)
    assert response.status_code == 502
    assert (await gemini.row("g"))["consecutive_failures"] == 1


async def test_gemini_takes_over_only_what_it_can_embed(make_gateway, make_fake):
    openai, gemini = await make_fake("openai"), await make_fake("gemini")
    openai.always(error(503))
    gemini.always(whole({"embeddings": [{"values": [1.0]}]}))
    gateway = await make_gateway(
        **models(endpoint(openai, "e", id="o", priority=2), endpoint(gemini, "e", id="g", provider="gemini"))
    )
    assert (await gateway.ask({"model": "e", "input": "x"}, PATH)).headers["x-octoroute-endpoint"] == "g"
    assert (await gateway.ask({"model": "e", "input": [1]}, PATH)).status_code in {502, 503}
    assert len(gemini.requests) == 1


async def test_an_endpoint_without_embeddings_is_left_out(make_gateway, fake):
    gateway = await make_gateway(**models(endpoint(fake, "e", provider="anthropic")))
    response = await gateway.ask({"model": "e", "input": "x"}, PATH)
    assert response.status_code == 400
    assert "endpoints of kind anthropic have no embeddings interface" in response.json()["error"]["message"]


@pytest.mark.parametrize("kind", ["openai", "gemini"])
async def test_openais_sdk_as_it_is(make_gateway, fake, kind):
    openai = pytest.importorskip("openai")
    packed = base64.b64encode(struct.pack("<2f", 0.5, -1.25)).decode()
    row = {"object": "embedding", "index": 0, "embedding": packed}
    fake.always(whole({**ANSWER, "data": [row]} if kind == "openai" else {"embeddings": [{"values": [0.5, -1.25]}]}))
    gateway = await make_gateway(**models(endpoint(fake, "e", provider=kind)))
    async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="k") as client:
        answer = await client.embeddings.create(model="auto", input="x")
        assert answer.data[0].embedding == [0.5, -1.25]
        with pytest.raises(openai.NotFoundError):
            await client.embeddings.create(model="no-such", input="x")


@pytest.mark.parametrize(
    ("model", "headers", "goes_to"),
    [
        ("auto", {}, {"a", "b"}),
        ("e", {"x-octoroute-provider": "two"}, {"b"}),
        ("auto", {"x-octoroute-provider": "two"}, {"b"}),
        ("two/e", {}, {"b"}),
        ("two/auto", {}, {"b"}),
        ("two/other", {}, None),
        ("e", {"x-octoroute-provider": "three"}, None),
    ],
)
async def test_a_provider_may_be_named(make_gateway, fake, model, headers, goes_to):
    fake.always(whole(ANSWER))
    providers = {name: {"base_url": fake.url} for name in ("one", "two")}
    rows = [{"name": "e", "id": "a", "provider": "one"}, {"name": "e", "id": "b", "provider": "two"}]
    gateway = await make_gateway(providers=providers, **models(*rows))
    response = await gateway.ask({"model": model, "input": "x"}, PATH, headers)
    assert response.headers.get("x-octoroute-endpoint") in (goes_to or {None})
    assert response.status_code == (200 if goes_to else 404)


async def test_the_operators_rules_may_only_forbid(make_gateway, fake):
    fake.always(whole(ANSWER))
    target = {"name": "fast", "tier": "fast"}
    for rules, status in (
        ([target], 200),
        ([{"name": "no", "reject": "not today"}], 403),
        ([target, {"name": "no", "reject": "x"}], 200),
    ):
        gateway = await make_gateway(**models(endpoint(fake, "e"), fast=[endpoint(fake, "c")]), routing={"rules": rules})
        assert (await gateway.ask({"model": "auto", "input": "x"}, PATH)).status_code == status
