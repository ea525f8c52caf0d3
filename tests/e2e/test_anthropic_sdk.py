"""What only Anthropic's SDK does, against every kind of vendor: results with images, counting, models, its errors' names."""

from __future__ import annotations

import pytest

anthropic = pytest.importorskip("anthropic", reason="pip install --group e2e")
pytest.importorskip("google.genai", reason="pip install --group e2e")
pytest.importorskip("openai", reason="pip install --group e2e")

from tests.support.fake import whole  # noqa: E402 - only where the SDKs are
from tests.support.sdks import TOOLS  # noqa: E402
from tests.support.vendors import VENDORS, Asked, Call, Image, Result, Says  # noqa: E402

pairs = pytest.mark.parametrize("kind", VENDORS)
PNG = Image("image/png", "iVBORw0KGgo=")
WEATHER = [{"name": "weather", "input_schema": TOOLS["weather"]}]


@pairs
async def test_an_image_in_a_tools_result_is_seen(street, kind):
    def model(asked: Asked) -> Says:
        return Says("It rains.") if asked.said(Result) else Says("", [Call("weather", {"city": "Ulm"})], "tools")

    there = await street(kind, model)
    sdk = there.talk("messages").sdk
    asked = {"model": "sonnet", "max_tokens": 100, "tools": WEATHER}
    history = [{"role": "user", "content": "a picture of the weather?"}]
    first = await sdk.messages.create(**asked, messages=history)
    source = {"type": "base64", "media_type": PNG.media_type, "data": PNG.data}
    content = [{"type": "text", "text": "the sky over Ulm"}, {"type": "image", "source": source}]
    result = {"type": "tool_result", "tool_use_id": first.content[0].id, "content": content}
    history += [{"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
    second = await sdk.messages.create(**asked, messages=history)
    assert second.content[0].text == "It rains."
    assert there.asked.said(Image) == [PNG]
    assert [told.text for told in there.asked.said(Result)] == ["the sky over Ulm"]


@pairs
async def test_a_tool_that_failed_says_so(street, kind):
    def model(asked: Asked) -> Says:
        results = asked.said(Result)
        return Says(results[0].text) if results else Says("", [Call("weather", {"city": "Ulm"})], "tools")

    there = await street(kind, model)
    sdk = there.talk("messages").sdk
    asked = {"model": "sonnet", "max_tokens": 100, "tools": WEATHER}
    history = [{"role": "user", "content": "the weather?"}]
    first = await sdk.messages.create(**asked, messages=history)
    failed = {"type": "tool_result", "tool_use_id": first.content[0].id, "content": "no such city", "is_error": True}
    history += [{"role": "assistant", "content": first.content}, {"role": "user", "content": [failed]}]
    await sdk.messages.create(**asked, messages=history)
    (result,) = there.asked.said(Result)
    assert "no such city" in result.text
    assert result.is_error or "error" in result.text


@pytest.mark.parametrize(
    ("kind", "answer", "least", "most"),
    [
        ("openai", None, 5, 40),
        ("azure", None, 5, 40),
        ("anthropic", {"input_tokens": 1234}, 1234, 1234),
        ("gemini", {"totalTokens": 77}, 77, 77),
    ],
)
async def test_counting(street, kind, answer, least, most):
    there = await street(kind)
    if answer is not None:
        there.fake.always(whole(answer))
    sdk = there.talk("messages").sdk
    counted = await sdk.messages.count_tokens(model="sonnet", messages=[{"role": "user", "content": "how long is this question?"}])
    assert least <= counted.input_tokens <= most
    assert bool(there.fake.requests) == (answer is not None)


async def test_models_are_listed_page_by_page(street):
    there = await street("openai")
    sdk = there.talk("messages").sdk
    assert [model.id async for model in sdk.models.list(limit=2)] == ["auto", "fast", "balanced", "deep", "the-model"]
    assert (await sdk.models.retrieve("the-model")).type == "model"
    with pytest.raises(anthropic.NotFoundError):
        await sdk.models.retrieve("nobody")


@pytest.mark.parametrize(
    ("status", "name", "word"),
    [
        (400, "BadRequestError", "invalid_request_error"),
        (404, "NotFoundError", "not_found_error"),
        (413, "RequestTooLargeError", "request_too_large"),
        (429, "RateLimitError", "rate_limit_error"),
        (529, "OverloadedError", "overloaded_error"),
        (500, "InternalServerError", "api_error"),
        (401, "InternalServerError", "api_error"),
    ],
)
@pairs
async def test_its_errors_have_their_names(street, kind, status, name, word):
    there = await street(kind)
    there.fake.always(whole(VENDORS[kind]().error(status, "the words of the upstream"), status))
    sdk = there.talk("messages").sdk
    with pytest.raises(getattr(anthropic, name)) as caught:
        await sdk.messages.create(model="sonnet", max_tokens=10, messages=[{"role": "user", "content": "hi"}])
    assert caught.value.body["error"]["type"] == word
    assert caught.value.request_id
