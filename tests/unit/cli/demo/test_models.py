"""The simulated servers speak OpenAI's format, and say that they are simulated."""

import json

import httpx2
import msgspec
import pytest

from octoroute.cli.demo.models import ModelServer, example, reply_to, tier_for
from octoroute.cli.demo.schema import ChatRequest
from octoroute.cli.demo.script import ANSWERS, MARK, PROFILES, TOUR, ModelProfile
from octoroute.domain.endpoint import CHAT_TIERS, Tier
from octoroute.domain.request import Facts
from octoroute.routing.llm_prompt import question
from octoroute.routing.strategies.llm import SCHEMA

AT_ONCE = ModelProfile(tier=Tier.FAST, models=("sim-small",), first_word_s=0, words_per_s=1e9)
TOOLS = [
    {"type": "function", "function": {"name": "weather", "parameters": {"properties": {"city": {"type": "string"}}}}},
    {"type": "function", "function": {"name": "time"}},
]


@pytest.fixture
async def client():
    transport = httpx2.ASGITransport(ModelServer(AT_ONCE))
    async with httpx2.AsyncClient(transport=transport, base_url="http://simulated") as client:
        yield client


def body(text: str = "Hi", **more: object) -> dict[str, object]:
    return {"model": "sim-small", "messages": [{"role": "user", "content": text}], **more}


async def test_a_whole_answer_is_marked_and_counted(client):
    answer = (await client.post("/v1/chat/completions", json=body())).json()
    assert answer["choices"][0]["message"]["content"].startswith(MARK)
    assert answer["system_fingerprint"] == "simulated"
    assert answer["usage"]["total_tokens"] == answer["usage"]["prompt_tokens"] + answer["usage"]["completion_tokens"] > 2


async def test_a_stream_comes_word_by_word_and_says_the_same(client):
    whole = (await client.post("/v1/chat/completions", json=body())).json()["choices"][0]["message"]["content"]
    options = {"stream": True, "stream_options": {"include_usage": True}}
    text = (await client.post("/v1/chat/completions", json=body(**options))).text
    frames = [frame.removeprefix("data: ") for frame in text.split("\n\n") if frame]
    assert frames[-1] == "[DONE]"
    chunks = [json.loads(frame) for frame in frames[:-1]]
    words = [chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks if chunk["choices"]]
    assert "".join(words) == whole
    assert len([word for word in words if word]) == len(whole.split())
    assert chunks[-2]["choices"][0]["finish_reason"] == "stop"
    assert chunks[-1]["usage"]["completion_tokens"] == len(whole.split())


async def test_without_asking_there_is_no_usage(client):
    text = (await client.post("/v1/chat/completions", json=body(stream=True))).text
    assert "usage" not in text


async def test_unavailable_it_answers_503_to_everything():
    server = ModelServer(AT_ONCE)
    server.available = False
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(server), base_url="http://simulated") as client:
        assert (await client.get("/v1/models")).status_code == 503
        assert (await client.post("/v1/chat/completions", json=body())).json()["error"]["code"] == "unavailable"
        server.available = True
        assert (await client.get("/v1/models")).json()["data"][0]["id"] == "sim-small"


@pytest.mark.parametrize("wrong", [b"", b"[]", b'{"model": 1}', b"[" * 100_000], ids=["empty", "list", "type", "deep"])
async def test_what_is_no_question_is_refused(client, wrong):
    assert (await client.post("/v1/chat/completions", content=wrong)).status_code == 400


async def test_another_models_name_is_not_found(client):
    answer = await client.post("/v1/chat/completions", json=body() | {"model": "gpt-4"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")


def asked(**more: object) -> ChatRequest:
    return msgspec.convert(body(**more), ChatRequest)


@pytest.mark.parametrize(
    ("choice", "name"),
    [(None, "weather"), ("auto", "weather"), ({"type": "function", "function": {"name": "time"}}, "time")],
    ids=["none said", "auto", "chosen"],
)
def test_offered_tools_are_called(choice, name):
    said = reply_to(asked(tools=TOOLS, tool_choice=choice))
    assert said.finish == "tool_calls"
    assert said.call["function"]["name"] == name


def test_a_forbidden_tool_is_not_called():
    assert reply_to(asked(tools=TOOLS, tool_choice="none")).call is None


def test_a_tools_result_is_answered_in_words():
    after = asked(tools=TOOLS, messages=[{"role": "tool", "content": "rain"}])
    assert "rain" in "".join(reply_to(after).words)


def test_max_tokens_cuts():
    said = reply_to(asked(max_tokens=2))
    assert (len(said.words), said.finish) == (2, "length")


def test_structured_output_has_the_schemas_shape():
    schema = {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "arms": {"type": "integer"},
            "mood": {"enum": ["calm", "shy"]},
            "friends": {"type": "array", "items": {"type": "string"}},
            "nick": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        },
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "octopus", "schema": schema}}
    answer = json.loads("".join(reply_to(asked(response_format=wanted)).words))
    assert answer == {"name": "simulated", "arms": 8, "mood": "calm", "friends": ["simulated"], "nick": "simulated"}


def test_a_schema_that_holds_itself_ends():
    endless: dict[str, object] = {"type": "array"}
    endless["items"] = endless
    assert json.dumps(example(endless)).count("[") < 20


@pytest.mark.parametrize(
    ("text", "tier"),
    [
        ("What is the tallest mountain on Earth?", Tier.FAST),
        ("Prove that there is no largest prime.", Tier.DEEP),
        (" ".join(["word"] * 40), Tier.BALANCED),
    ],
)
def test_asked_as_the_routing_model_it_names_a_tier(text, tier):
    asked_about = question(Facts(text=text))
    wanted = {"type": "json_schema", "json_schema": {"name": "routing", "schema": dict(SCHEMA)}}
    said = reply_to(msgspec.convert(body(asked_about, response_format=wanted), ChatRequest))
    assert json.loads("".join(said.words)) == {"tier": tier}
    assert tier_for(text) is tier


def test_the_cast_has_a_server_for_each_tier_and_the_tour_an_answer_for_each_prompt():
    assert [character.tier for character in PROFILES] == list(CHAT_TIERS)
    assert all(ANSWERS[stop.prompt] for stop in TOUR)
    assert len({stop.prompt for stop in TOUR}) == len(TOUR)
