"""Clients of the time before `tools`: they send `functions` and read `function_call`, from endpoints of every format."""

from __future__ import annotations

import json

import openai
import pytest

from tests.support.fake import stream, whole
from tests.support.live_gateway import endpoint
from tests.support.sdks import client_without_tls
from tests.support.servers import SERVERS, Saying
from tests.support.vendors import Call

FUNCTIONS = [{"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}]


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("server", ["Anthropic", "Gemini", "Bedrock"])
async def test_a_client_with_functions_gets_a_function_call(make_gateway, fake, server, streamed):
    """Through OpenAI's SDK; its second request has the call and its result."""
    shape = SERVERS[server]
    says = Saying("I ask.", calls=[Call("weather", {"city": "Oslo"}, "c1")], finish="tools")
    content_type = "application/vnd.amazon.eventstream" if server == "Bedrock" else "text/event-stream"
    fake.always(stream(shape.frames(says), content_type=content_type) if streamed else whole(shape.body(says)))
    row = endpoint(f"http://127.0.0.1:{fake.port}{shape.path}", "m", provider=shape.kind, **shape.settings)
    gateway = await make_gateway([row])
    async with openai.AsyncOpenAI(base_url=gateway.url + "/v1", api_key="k", http_client=client_without_tls()) as sdk:
        asked: dict = {"model": "auto", "messages": [{"role": "user", "content": "weather in Oslo"}], "functions": FUNCTIONS}
        if streamed:
            chunks = [chunk async for chunk in await sdk.chat.completions.create(**asked, stream=True)]
            deltas = [chunk.choices[0].delta.function_call for chunk in chunks if chunk.choices]
            name = "".join(delta.name or "" for delta in deltas if delta)
            arguments = "".join(delta.arguments or "" for delta in deltas if delta)
            reason = chunks[-1].choices[0].finish_reason
        else:
            completion = await sdk.chat.completions.create(**asked)
            (choice,) = completion.choices
            assert choice.message.tool_calls is None
            name, arguments = choice.message.function_call.name, choice.message.function_call.arguments
            reason = choice.finish_reason
        assert (name, json.loads(arguments), reason) == ("weather", {"city": "Oslo"}, "function_call")
        asked["messages"] += [
            {"role": "assistant", "content": None, "function_call": {"name": name, "arguments": arguments}},
            {"role": "function", "name": name, "content": "sunny"},
        ]
        fake.always(whole(shape.body(Saying("Sunny."))))
        again = await sdk.chat.completions.create(**asked)
        assert again.choices[0].message.content == "Sunny."
        assert "sunny" in json.dumps(fake.requests[-1].json)
