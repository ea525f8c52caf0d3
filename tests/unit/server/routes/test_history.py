"""Questions about the history that cannot be answered."""

from __future__ import annotations

import pytest

from octoroute.store.base import StoreUnavailable
from tests.support.live_gateway import endpoint

AUTH = {"clients": [{"name": "ops", "key": "key-of-ops", "role": "viewer"}]}


async def stats(gateway, **parameters):
    return await gateway.client.get("/admin/stats", params=parameters, headers={"x-api-key": "key-of-ops"})


@pytest.mark.parametrize(
    ("parameters", "param"),
    [
        ({"by": "colour"}, "by"),
        ({"from": "yesterday"}, "from"),
        ({"from": "1h", "to": "2h"}, "from"),
        ({"bucket": "minute"}, "bucket"),
        ({"group": "key"}, "group"),
        ({"by": "key", "format": "xml"}, "format"),
        ({"by": "key\x00'; DROP TABLE labels --"}, "by"),
    ],
)
async def test_a_wrong_question_names_the_parameter(make_gateway, fake, parameters, param):
    guarded = await make_gateway([endpoint(fake, id="a")], auth=AUTH)
    answer = await stats(guarded, **parameters)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


async def test_a_history_that_is_off_is_said(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake, id="a")], auth=AUTH, store={"url": "none"})
    answer = await stats(gateway, by="key")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_stored")
    assert "store.url" in answer.json()["error"]["message"]


async def test_a_database_that_is_away_is_a_503(make_gateway, fake, monkeypatch):
    gateway = await make_gateway([endpoint(fake, id="a")], auth=AUTH)

    async def away(*_, **__):
        raise StoreUnavailable("the disk is gone")

    monkeypatch.setattr(gateway.app.runtime.history, "aggregate", away)
    answer = await stats(gateway, by="key")
    assert (answer.status_code, answer.json()["error"]["code"], answer.headers["retry-after"]) == (503, "store_unavailable", "1")
    assert "the disk is gone" in answer.json()["error"]["message"]
