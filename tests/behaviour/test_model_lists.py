"""GET /v1/models in the shapes of OpenAI and Anthropic."""

from __future__ import annotations

from tests.support.live_gateway import endpoint


async def test_p109_models_in_two_shapes(make_fake, make_gateway):
    fake = await make_fake()
    gateway = await make_gateway(
        [endpoint(fake, "m"), endpoint(fake, "m", id="c", provider="anthropic"), endpoint(fake, "only-one")]
    )
    names = ["auto", "fast", "balanced", "deep", "m", "only-one", "m-openai", "m-anthropic"]
    plain = (await gateway.get("/v1/models")).json()
    assert plain["object"] == "list"
    assert [model["id"] for model in plain["data"]] == names
    assert {model["object"] for model in plain["data"]} == {"model"}
    theirs = (await gateway.get("/v1/models", headers={"anthropic-version": "2023-06-01"})).json()
    assert [model["id"] for model in theirs["data"]] == names
    assert {model["type"] for model in theirs["data"]} == {"model"}
    assert (theirs["first_id"], theirs["last_id"], theirs["has_more"]) == ("auto", "m-anthropic", False)
    assert (await gateway.get("/v1/models/m-anthropic")).status_code == 200
    assert (await gateway.get("/v1/models/only-one-anthropic")).status_code == 404


async def test_c6_the_list_in_both_shapes_and_an_unknown_model(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake, "glm")])
    openai = (await gateway.get("/v1/models")).json()
    anthropic = (await gateway.get("/v1/models", headers={"anthropic-version": "2023-06-01"})).json()
    assert [model["id"] for model in openai["data"]] == ["auto", "fast", "balanced", "deep", "glm"]
    assert [model["id"] for model in anthropic["data"]] == [model["id"] for model in openai["data"]]
    assert {model["type"] for model in anthropic["data"]} == {"model"}
    assert (await gateway.get("/v1/models/nobody")).status_code == 404
