"""Errors that no repetition mends say so, so that SDKs and agents stop at once; and paths that are nearly right are served."""

from __future__ import annotations

import pytest

from tests.support.fake import error
from tests.support.live_gateway import endpoint, question

NEVER = "false"


async def test_our_own_refusals_are_final(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake)], auth={"keys": ["right"]}, server={"max_request_bytes": 2000})
    key = {"authorization": "Bearer right"}
    answers = {
        401: await gateway.ask(question(), headers={"authorization": "Bearer wrong"}),
        400: await gateway.ask(b"{", headers=key),
        404: await gateway.ask(question(model="no-such-model"), headers=key),
        405: await gateway.get("/v1/messages", headers=key),
        413: await gateway.ask({**question(), "pad": "x" * 3000}, headers=key),
        415: await gateway.ask(question(), headers={**key, "content-type": "text/plain"}),
    }
    assert {status: answer.status_code for status, answer in answers.items()} == {status: status for status in answers}
    assert {answer.headers.get("x-should-retry") for answer in answers.values()} == {NEVER}
    unknown = await gateway.get("/v1/chat/completion", headers=key)
    assert (unknown.status_code, unknown.headers["x-should-retry"]) == (404, NEVER)
    assert "/v1/chat/completions" in unknown.json()["error"]["message"]


async def test_what_may_pass_is_not_final(make_gateway, fake):
    fake.always(error(503))
    gateway = await make_gateway([endpoint(fake)])
    answer = await gateway.ask()
    assert answer.status_code == 502
    assert "x-should-retry" not in answer.headers


async def test_an_upstreams_own_refusal_keeps_its_headers(make_gateway, fake):
    fake.always(error(400, "bad", {"x-ratelimit-remaining-requests": "7"}))
    answer = await (await make_gateway([endpoint(fake)])).ask()
    assert (answer.status_code, answer.headers["x-ratelimit-remaining-requests"]) == (400, "7")


@pytest.mark.parametrize(
    "path", ["/chat/completions", "/v1/v1/chat/completions", "/v1/chat/completions/", "//v1//chat/completions"]
)
async def test_a_base_url_with_a_version_or_a_slash_too_many_or_too_few_works(make_gateway, fake, path):
    gateway = await make_gateway([endpoint(fake)], auth={"keys": ["right"]})
    answer = await gateway.client.post(gateway.url + path, json=question(), headers={"api-key": "right"})
    assert (answer.status_code, answer.json()["choices"][0]["message"]["content"]) == (200, "hello from fake")
    refused = await gateway.client.post(gateway.url + path, json=question())
    assert refused.status_code == 401


async def test_no_spelling_of_a_path_goes_around_the_key(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake)], auth={"keys": ["right"], "admin_keys": ["admin"]})
    for path in (
        "/v1/models/",
        "//metrics",
        "/metrics/",
        "/admin/stats/",
        "//admin/stats",
        "/v1//admin/stats",
        "/health/../metrics",
        "/v1/v1/models",
    ):
        answer = await gateway.client.get(gateway.url + path)
        assert answer.status_code in {401, 403, 404}, path
