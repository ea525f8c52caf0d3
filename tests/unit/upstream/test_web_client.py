from __future__ import annotations

import pytest

from octoroute.errors import BadUpstreamResponse, Unreachable
from octoroute.upstream.transports.native import NativeTransport
from octoroute.upstream.web_client import WebClient
from tests.support.fake import whole


async def test_a_page_is_read_and_a_form_is_sent(fake):
    transport = NativeTransport()
    web = WebClient(transport)
    fake.models = whole(b'{"a": 1}')
    assert await web.get(f"{fake.url}/models") == b'{"a": 1}'
    answer = await web.post_form(f"{fake.url}/chat/completions", {"a": "ä &"}, (("authorization", "Basic x"),))
    request = fake.requests[-1]
    assert request.body == b"a=%C3%A4+%26"
    assert (request.headers["content-type"], request.headers["authorization"]) == ("application/x-www-form-urlencoded", "Basic x")
    assert answer.status in {200, 400}
    await transport.close()


async def test_errors_name_the_host_only(fake):
    transport = NativeTransport()
    web = WebClient(transport)
    fake.models = whole(b"secret", status=503)
    with pytest.raises(BadUpstreamResponse) as caught:
        await web.get(f"{fake.url}/models?secret=1")
    assert caught.value.message == f"127.0.0.1:{fake.port} answered with status 503"
    with pytest.raises(Unreachable):
        await web.get("http://127.0.0.1:1/x")
    await transport.close()
