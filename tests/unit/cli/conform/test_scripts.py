"""What the scripted model servers say."""

from __future__ import annotations

import asyncio
import json

from openai.types.chat import ChatCompletion, ChatCompletionChunk

from octoroute.cli.conform.model_server import SeenRequest
from octoroute.cli.conform.scripts import ARGUMENTS, TEXT, LockStep, call_a_tool, completion, plain_answer


class Recorder:
    """An exchange that keeps what is sent."""

    def __init__(self, **fields):
        self.seen = SeenRequest("POST", "/v1/chat/completions", json.dumps(fields).encode())
        self.events = []
        self.ended = False

    def head(self, *_):
        pass

    async def event(self, body):
        self.events.append(body)

    async def done(self):
        self.ended = True


def test_the_whole_answer_is_of_the_vendors_type():
    answer = ChatCompletion.model_validate_json(completion())
    assert answer.choices[0].message.content == TEXT


async def test_the_stream_is_of_the_vendors_type():
    recorder = Recorder(stream=True, stream_options={"include_usage": True})
    await plain_answer(recorder)
    chunks = [ChatCompletionChunk.model_validate(event) for event in recorder.events]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == TEXT
    assert chunks[-1].usage.total_tokens == 14
    assert recorder.ended


async def test_the_pieces_of_the_call_are_its_arguments():
    recorder = Recorder(stream=True)
    await call_a_tool(recorder)
    chunks = [ChatCompletionChunk.model_validate(event) for event in recorder.events]
    calls = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or []]
    assert json.loads("".join(call.function.arguments for call in calls)) == ARGUMENTS
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


async def test_an_event_waits_for_the_one_before_it():
    script, recorder = LockStep(30), Recorder(stream=True)
    task = asyncio.ensure_future(script(recorder))
    for count in range(1, 5):
        while len(recorder.events) < count:
            await asyncio.sleep(0)
        for _ in range(10):
            await asyncio.sleep(0)
        assert len(recorder.events) == count
        script.arrived.release()
    script.arrived.release()
    await task
    assert script.held_back is None


async def test_an_event_that_does_not_arrive_is_named():
    script = LockStep(0.01)
    await script(Recorder(stream=True))
    assert script.held_back == "One "
