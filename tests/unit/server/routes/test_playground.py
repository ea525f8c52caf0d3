"""The playground's route: as the key's own request, and only from a page of the gateway."""

from __future__ import annotations

import json

from octoroute.server.routes.playground import PATH
from tests.support.fake import by_wish
from tests.support.live_gateway import endpoint, frames, question, until

OWN = {"content-type": "application/json"}


async def signed_in(gateway, key: str) -> dict[str, str]:
    """The headers of a page of the gateway."""
    answer = await gateway.client.post("/login", data={"key": key, "next": "/"}, headers={"origin": gateway.url})
    assert answer.status_code == 303
    return {**OWN, "origin": gateway.url}


async def test_a_session_asks_as_its_key_whole_and_streamed(make_gateway, fake):
    fake.always(by_wish)
    gateway = await make_gateway([endpoint(fake, id="a")], auth={"clients": [{"name": "ops", "key": "k", "role": "operator"}]})
    headers = await signed_in(gateway, "k")
    whole = await gateway.client.post(PATH, content=json.dumps(question("hi")), headers=headers)
    assert whole.json()["choices"][0]["message"]["content"] == "one two three"
    assert whole.headers["x-octoroute-endpoint"] == "a"
    streamed = await gateway.client.post(PATH, content=json.dumps(question("hi", stream=True)), headers=headers)
    assert streamed.headers["content-type"].startswith("text/event-stream")
    assert frames(streamed.content)[-1] == "[DONE]"
    assert all("cookie" not in seen.headers for seen in fake.requests)
    page = (await gateway.get("/admin/stats", headers=headers)).json()
    assert page["keys"]["ops"]["requests"] == 2
    await gateway.quiet()


async def test_another_page_and_a_viewer_get_nothing(make_gateway, fake):
    clients = [{"name": "ops", "key": "k", "role": "operator"}, {"name": "see", "key": "v", "role": "viewer"}]
    gateway = await make_gateway([endpoint(fake)], auth={"clients": clients})
    headers = await signed_in(gateway, "k")
    body = json.dumps(question("hi"))
    for origin in ("http://evil.example", "null", f"{gateway.url}0"):
        assert (await gateway.client.post(PATH, content=body, headers={**headers, "origin": origin})).status_code == 403
    assert (await gateway.client.post(PATH, content=body, headers=OWN)).status_code == 403
    headers = await signed_in(gateway, "v")
    assert (await gateway.client.post(PATH, content=body, headers=headers)).status_code == 403
    assert fake.requests == []


async def test_errors_are_openais_and_a_browser_that_leaves_settles_the_request(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake)], auth={"admin_keys": ["boss"]})
    headers = await signed_in(gateway, "boss")
    wrong = await gateway.client.post(PATH, content=b"{", headers=headers)
    assert (wrong.status_code, wrong.json()["error"]["type"]) == (400, "invalid_request_error")
    unknown = await gateway.client.post(PATH, content=json.dumps(question("hi", model="nothing")), headers=headers)
    assert unknown.status_code == 404
    async with gateway.client.stream("POST", PATH, content=json.dumps(question("hi")), headers=headers):
        pass
    await until(lambda: gateway.metric("octoroute_inflight_requests") == 0)
