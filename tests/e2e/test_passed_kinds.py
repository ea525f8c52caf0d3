"""OpenAI's own SDK asks for speech, transcriptions, images, and moderations; a scripted server looks at the bytes."""

from __future__ import annotations

import email.parser
import email.policy

import pytest

pytest.importorskip("openai", reason="pip install --group e2e")

import openai

from tests.support.fake import Fake, event, stream, whole
from tests.support.live_gateway import endpoint

WAV = b"RIFF" + bytes(range(256)) * 500
PNG = b"\x89PNG\r\n\x1a\n" + bytes(reversed(range(256))) * 700


@pytest.fixture
async def client(make_gateway, fake):
    models = {
        "audio": [
            endpoint(fake, "whisper-1", id="stt", model="Systran/faster-whisper"),
            endpoint(fake, "tts-1", id="tts", model="kokoro"),
        ],
        "image": [endpoint(fake, "gpt-image-1", id="image", model="flux")],
        "moderation": [endpoint(fake, "guard", model="llama-guard")],
    }
    gateway = await make_gateway([], models=models)
    async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="k", max_retries=0) as sdk:
        yield sdk


def form_of(fake: Fake) -> dict[str, bytes]:
    """The last request's fields, as another library reads them."""
    seen = fake.requests[-1]
    head = b"Content-Type: " + seen.headers["content-type"].encode() + b"\r\n\r\n"
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + seen.body)
    parts = list(message.iter_parts())
    return {part.get_param("name", header="content-disposition"): part.get_payload(decode=True) for part in parts}


async def test_a_transcription(client, fake):
    usage = {"type": "tokens", "input_tokens": 9, "output_tokens": 2, "total_tokens": 11}
    fake.then(whole({"text": "hello", "usage": usage}))
    found = await client.audio.transcriptions.create(
        model="whisper-1", file=("a.wav", WAV, "audio/wav"), language="en", timestamp_granularities=["word", "segment"]
    )
    assert (found.text, found.usage.input_tokens) == ("hello", 9)
    fields = form_of(fake)
    assert (fields["model"], fields["language"], fields["file"]) == (b"Systran/faster-whisper", b"en", WAV)
    assert fake.requests[-1].path == "/v1/audio/transcriptions"


async def test_a_transcription_as_text_and_as_a_stream(client, fake):
    fake.then(whole(b"hello\n", headers={"content-type": "text/plain; charset=utf-8"}))
    assert await client.audio.transcriptions.create(model="whisper-1", file=("a.wav", WAV), response_format="text") == "hello\n"
    done = {"type": "transcript.text.done", "text": "hello"}
    fake.then(stream([event({"type": "transcript.text.delta", "delta": "hel"}), event(done)]))
    events = await client.audio.transcriptions.create(model="whisper-1", file=("a.wav", WAV), stream=True)
    assert [one.type async for one in events] == ["transcript.text.delta", "transcript.text.done"]
    assert form_of(fake)["stream"] == b"true"


async def test_speech_in_pieces(client, fake):
    fake.then(stream([WAV[:1000], 0.05, WAV[1000:]], content_type="audio/wav"))
    async with client.audio.speech.with_streaming_response.create(model="tts-1", voice="alloy", input="hello") as answer:
        assert answer.headers["content-type"] == "audio/wav"
        assert answer.headers["x-octoroute-endpoint"] == "tts"
        assert b"".join([piece async for piece in answer.iter_bytes()]) == WAV
    assert fake.requests[-1].json == {"model": "kokoro", "voice": "alloy", "input": "hello"}


async def test_pictures_whole_and_in_parts(client, fake):
    fake.then(
        whole({"created": 1, "data": [{"b64_json": "QUJD"}], "usage": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}})
    )
    assert (await client.images.generate(prompt="a cat")).data[0].b64_json == "QUJD"
    assert fake.requests[-1].json == {"model": "flux", "prompt": "a cat"}
    partial = {"type": "image_generation.partial_image", "b64_json": "QUJD", "partial_image_index": 0}
    fake.then(stream([event(partial, partial["type"])]))
    events = await client.images.generate(model="gpt-image-1", prompt="a cat", stream=True, partial_images=1)
    assert [one.b64_json async for one in events] == ["QUJD"]


async def test_an_edit_of_several_pictures(client, fake):
    fake.then(whole({"created": 1, "data": [{"url": "http://x/y.png"}]}))
    pictures = [("a.png", PNG, "image/png"), ("b.png", PNG[::-1], "image/png")]
    found = await client.images.edit(model="gpt-image-1", image=pictures, prompt="a hat")
    assert found.data[0].url == "http://x/y.png"
    body = fake.requests[-1].body
    assert PNG in body
    assert PNG[::-1] in body
    assert form_of(fake)["model"] == b"flux"


async def test_a_moderation_without_a_model(client, fake):
    fake.then(whole({"id": "m", "model": "llama-guard", "results": []}))
    assert (await client.moderations.create(input=["a", "b"])).model == "llama-guard"
    assert fake.requests[-1].json == {"model": "llama-guard", "input": ["a", "b"]}


async def test_the_sdk_names_a_table_that_is_missing(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake)])
    async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="k") as sdk:
        with pytest.raises(openai.NotFoundError, match=r"\[\[models\.image\]\]"):
            await sdk.images.generate(prompt="a cat", model="dall-e-3")
    assert not fake.requests
