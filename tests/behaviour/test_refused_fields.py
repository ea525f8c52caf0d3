"""A server that refuses a field is asked again at once without it, and asked right from then on."""

import json

import pytest

from tests.support.fake import DONE, chunk, completion, error, stream, whole
from tests.support.live_gateway import Clock, endpoint, question

MESSAGES = "/v1/messages"
ANSWER = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [{"type": "text", "text": "hi"}],
    "stop_reason": "end_turn", "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 1},
}  # fmt: skip


def claude(**more):
    return {"model": "auto", "max_tokens": 99, "messages": [{"role": "user", "content": "x"}], **more}


def refusing(field, answer, message="{}: Extra inputs are not permitted"):
    """A server that does not know `field`."""

    def step(exchange):
        found = field in exchange.seen.json
        return (error(400, message.format(field)) if found else answer)(exchange)

    return step


def streaming():
    return stream([chunk({"content": "hi"}), chunk({}, "stop"), DONE])


async def test_p93_what_we_added_is_left_out_at_once_and_from_then_on(make_gateway, fake):
    fake.always(refusing("stream_options", streaming()))
    gateway = await make_gateway([endpoint(fake, id="a")])
    for _ in range(3):
        async with gateway.client.stream("POST", MESSAGES, json=claude(stream=True)) as response:
            data = b"".join([piece async for piece in response.aiter_raw()])
        assert response.status_code == 200
        assert b"message_stop" in data
        assert response.headers["x-octoroute-attempts"] == "1"
        assert "x-octoroute-warning" not in response.headers
    assert ["stream_options" in seen.json for seen in fake.requests] == [True, False, False, False]
    assert (await gateway.row("a"))["consecutive_failures"] == 0
    assert gateway.metric("octoroute_retries_total") == 0


async def test_what_the_client_said_is_warned_of(make_gateway, fake):
    fake.always(refusing("reasoning_effort", whole(completion())))
    gateway = await make_gateway([endpoint(fake, model="gpt-oss-20b")])
    asked = claude(thinking={"type": "enabled", "budget_tokens": 1024})
    for _ in range(2):
        response = await gateway.ask(asked, MESSAGES)
        assert response.status_code == 200
        assert response.headers["x-octoroute-warning"] == "reasoning_effort: left out, this endpoint does not take it"
    assert len(fake.requests) == 3


async def test_one_field_after_the_other(make_gateway, fake):
    def step(exchange):
        body = exchange.seen.json
        for field in ("temperature", "seed", "stream_options"):
            if field in body:
                return error(400, f"Unknown parameter: '{field}'.")(exchange)
        return whole(completion())(exchange)

    fake.always(step)
    gateway = await make_gateway([endpoint(fake)])
    asked = {"model": "auto", "input": "x", "temperature": 0.5}
    assert (await gateway.ask(asked, "/v1/responses")).status_code == 200
    assert len(fake.requests) == 2
    assert (await gateway.ask(asked, "/v1/responses")).status_code == 200
    assert len(fake.requests) == 3


async def test_the_name_of_the_limit(make_gateway, fake):
    message = "Unsupported parameter: '{}' is not supported with this model. Use 'max_completion_tokens' instead."
    fake.always(refusing("max_tokens", whole(completion()), message))
    gateway = await make_gateway([endpoint(fake)])
    assert (await gateway.ask(claude(), MESSAGES)).status_code == 200
    assert fake.requests[-1].json["max_completion_tokens"] == 99


async def test_null_content(make_gateway, fake):
    def step(exchange):
        null = any(message.get("content", "") is None for message in exchange.seen.json["messages"])
        return (error(400, "Invalid value for 'content': expected a string, got null.") if null else whole(completion()))(exchange)

    fake.always(step)
    gateway = await make_gateway([endpoint(fake)])
    messages = [
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "r"}]},
    ]
    assert (await gateway.ask(claude(messages=messages), MESSAGES)).status_code == 200
    assert [message.get("content") for message in fake.requests[-1].json["messages"]] == ["x", "", "r"]


async def test_p57_a_third_partys_anthropic_server(make_gateway, fake):
    fake.always(refusing("context_management", whole(ANSWER)))
    gateway = await make_gateway([endpoint(fake, provider="anthropic")])
    body = b'{ "model":"auto", "max_tokens" : 9,"context_management":{"edits":[]}, "messages":[{"role":"user","content":"x"}] }'
    for _ in range(2):
        response = await gateway.ask(body, MESSAGES)
        assert (response.status_code, response.json()) == (200, ANSWER)
        assert response.headers["x-octoroute-warning"] == "context_management: left out, this endpoint does not take it"
    assert len(fake.requests) == 3
    assert fake.requests[1].body == fake.requests[2].body
    assert fake.requests[1].body == b'{ "model":"model-a", "max_tokens" : 9, "messages":[{"role":"user","content":"x"}] }'


async def test_p57_a_beta_it_does_not_know(make_gateway, fake):
    def step(exchange):
        if "new-thing-2026-01-01" in exchange.seen.headers.get("anthropic-beta", ""):
            text = "Unexpected value(s) `new-thing-2026-01-01` for the `anthropic-beta` header."
            return whole({"type": "error", "error": {"type": "invalid_request_error", "message": text}}, 400)(exchange)
        return whole(ANSWER)(exchange)

    fake.always(step)
    gateway = await make_gateway([endpoint(fake, provider="anthropic")])
    headers = {"anthropic-beta": "old-thing, new-thing-2026-01-01", "anthropic-version": "2023-06-01"}
    assert (await gateway.ask(claude(), MESSAGES, headers)).status_code == 200
    assert [seen.headers["anthropic-beta"] for seen in fake.requests] == [headers["anthropic-beta"], "old-thing"]
    assert (await gateway.ask(claude(), MESSAGES, {"anthropic-beta": "new-thing-2026-01-01"})).status_code == 200
    assert "anthropic-beta" not in fake.requests[-1].headers


async def test_p93_azures_older_versions(make_gateway, fake):
    fake.always(refusing("stream_options", streaming(), "Unrecognized request argument supplied: {}"))
    gateway = await make_gateway([endpoint(fake.url.removesuffix("/v1"), provider="azure")])
    for _ in range(2):
        response, data = await gateway.streamed(question(stream=True, stream_options={"include_usage": True}))
        assert response.status_code == 200
        assert data.endswith(DONE)
        assert "stream_options" in response.headers["x-octoroute-warning"]
    assert len(fake.requests) == 3


@pytest.mark.parametrize("field", ["stream_options", "temperature", "unknown"])
async def test_what_an_openai_client_says_to_an_openai_server_is_its_own_business(make_gateway, fake, field):
    fake.always(refusing(field, whole(completion())))
    gateway = await make_gateway([endpoint(fake)])
    for _ in range(2):
        response = await gateway.ask(question(**{field: 1}))
        assert (response.status_code, response.json()["error"]["message"]) == (400, f"{field}: Extra inputs are not permitted")
    assert len(fake.requests) == 2


@pytest.mark.parametrize(
    "message", ["tool_choice is not supported", "messages.0.content: is required", "no", "Unknown parameter: 'seed'."]
)
async def test_what_is_no_complaint_about_a_missable_field_of_this_request_is_relayed(make_gateway, fake, message):
    fake.always(error(400, message))
    gateway = await make_gateway([endpoint(fake)])
    response = await gateway.ask(
        claude(tools=[{"name": "f", "input_schema": {"type": "object"}}], tool_choice={"type": "any"}), MESSAGES
    )
    assert (response.status_code, response.json()["error"]["message"]) == (400, message)
    assert len(fake.requests) == 1


async def test_a_server_that_is_never_content(make_gateway, fake):
    fields = iter(["temperature", "top_p", "temperature", "max_tokens"])

    def step(exchange):
        return error(400, f"Unknown parameter: '{next(fields)}'.")(exchange)

    fake.always(step)
    gateway = await make_gateway([endpoint(fake)])
    response = await gateway.ask(claude(temperature=0.5, top_p=0.5), MESSAGES)
    assert response.status_code == 400
    assert len(fake.requests) == 3
    fake.always(whole(completion()))
    await gateway.ask(claude(temperature=0.5, top_p=0.5), MESSAGES)
    assert fake.requests[-1].json["temperature"] == 0.5  # nothing was learned from it


async def test_it_is_forgotten_after_an_hour(make_gateway, fake):
    clock = Clock()
    fake.always(refusing("temperature", whole(completion())))
    gateway = await make_gateway([endpoint(fake)], parts={"clock": clock})
    for asked in (2, 3):
        await gateway.ask(claude(temperature=0.5), MESSAGES)
        assert len(fake.requests) == asked
    clock.pass_(3601)
    await gateway.ask(claude(temperature=0.5), MESSAGES)
    assert len(fake.requests) == 5


async def test_another_endpoint_is_not_judged_by_it(make_gateway, make_fake):
    strict, lenient = await make_fake(), await make_fake()
    strict.always(refusing("temperature", whole(completion())))
    gateway = await make_gateway([endpoint(strict, "strict"), endpoint(lenient, "lenient")])
    for model in ("strict", "lenient"):
        assert (await gateway.ask(claude(temperature=0.5, model=model), MESSAGES)).status_code == 200
    assert "temperature" in lenient.requests[0].json


async def test_gemini(make_gateway, fake):
    answer = {"candidates": [{"content": {"parts": [{"text": "hi"}], "role": "model"}, "finishReason": "STOP"}]}

    def step(exchange):
        if "thinkingConfig" in json.dumps(exchange.seen.json):
            text = "Invalid JSON payload received. Unknown name \"thinkingConfig\" at 'generation_config': Cannot find field."
            return whole({"error": {"code": 400, "message": text, "status": "INVALID_ARGUMENT"}}, 400)(exchange)
        return whole(answer)(exchange)

    fake.always(step)
    gateway = await make_gateway([endpoint(fake, provider="gemini", model="gemini-2.5-flash")])
    response = await gateway.ask(question(reasoning_effort="low"))
    assert response.status_code == 200
    assert "thinkingConfig" in response.headers["x-octoroute-warning"]
    assert len(fake.requests) == 2


async def test_a_limit_that_no_table_knows_is_learned_from_the_refusal(make_gateway, fake):
    def step(exchange):
        asked = exchange.seen.json["max_tokens"]
        refusal = error(400, "Invalid max_tokens value, the valid range of max_tokens is [1, 8192]")
        return (refusal if asked > 8192 else whole(completion()))(exchange)

    fake.always(step)
    gateway = await make_gateway([endpoint(fake)])
    for budget, sent in ((64_000, 8192), (64_000, 8192), (100, 100)):
        response = await gateway.ask(claude(max_tokens=budget), MESSAGES)
        assert response.status_code == 200
        assert fake.requests[-1].json["max_tokens"] == sent
        assert ("max_tokens: reduced to 8192" in response.headers.get("x-octoroute-warning", "")) is (sent == 8192)
    assert len(fake.requests) == 4
