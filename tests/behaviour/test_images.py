"""Images need a model that sees them."""

from __future__ import annotations

import pytest

from tests.support.fake import by_wish
from tests.support.live_gateway import endpoint
from tests.support.pairs import MESSAGE, PNG


@pytest.mark.parametrize("where", ["first", "result", "history"])
async def test_c3_an_image_goes_where_it_can_be_seen_wherever_it_stands(make_gateway, make_fake, where):
    text, sees = (await make_fake("text")).always(by_wish), (await make_fake("sees")).always(by_wish)
    gateway = await make_gateway(
        [
            endpoint(text, "glm", id="text", capabilities=["tools"], priority=5),
            endpoint(sees, "glm-v", id="sees", capabilities=["tools", "vision"]),
        ]
    )
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    use = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [image]}
    turns = {
        "first": [{"role": "user", "content": [image]}],
        "result": [
            {"role": "user", "content": "look"},
            {"role": "assistant", "content": [use]},
            {"role": "user", "content": [result]},
        ],
        "history": [
            {"role": "user", "content": [image]},
            {"role": "assistant", "content": "a cat"},
            {"role": "user", "content": "sure?"},
        ],
    }[where]
    asked = {**MESSAGE, "messages": turns, "tools": [{"name": "f", "input_schema": {"type": "object"}}]}
    for model in ("auto", "glm"):
        assert (await gateway.ask({**asked, "model": model}, "/v1/messages")).headers["x-octoroute-endpoint"] == "sees"
    assert text.requests == []


async def test_c3_without_a_model_that_sees_it_is_a_400_that_says_so(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake, capabilities=["tools"])])
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
    refused = await gateway.ask(messages=[{"role": "user", "content": [image]}])
    assert refused.status_code == 400
    assert "vision" in refused.json()["error"]["message"]
    assert fake.requests == []
