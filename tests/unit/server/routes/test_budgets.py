"""What is used of limits and budgets."""

from __future__ import annotations

from calendar import timegm

from tests.support.live_gateway import endpoint, question

NOW = float(timegm((2026, 11, 30, 18, 0, 30)))
BOSS = {"x-api-key": "boss"}


async def test_every_holder_has_its_windows_with_what_is_used_and_when_they_end(make_gateway, fake):
    gateway = await make_gateway(
        [endpoint(fake, id="a", price={"input": 1.0, "output": 2.0})],
        parts={"wall": lambda: NOW},
        auth={"admin_keys": ["boss"], "clients": [{"name": "web", "key": "k", "budget_usd": {"day": 0.00002}}]},
        limits={"everything": {"budget_usd": {"month": 10.0}, "requests_per_minute": 100, "max_in_flight": 3}},
    )
    assert (await gateway.ask(question("hi"), headers={"x-api-key": "k"}, max_tokens=3)).status_code == 200
    told = (await gateway.get("/admin/budgets", headers=BOSS)).json()
    assert (told["at"], told["left_out"]) == (NOW, 0)
    found = {(row["holder"], row["resource"]): row for row in told["windows"]}
    assert found["key 'web'", "day"] == {
        "holder": "key 'web'", "kind": "key", "name": "web", "resource": "day", "words": "2e-05 USD a day", "is_money": True,
        "limit": 20, "used": 13, "held": 0,
        "begins_at": float(timegm((2026, 11, 30, 0, 0, 0))), "ends_at": float(timegm((2026, 12, 1, 0, 0, 0))),
    }  # fmt: skip
    month = found["everything", "month"]
    assert (month["used"], month["begins_at"], month["ends_at"]) == (
        13,
        timegm((2026, 11, 1, 0, 0, 0)),
        timegm((2026, 12, 1, 0, 0, 0)),
    )
    minute = found["everything", "requests"]
    assert (minute["used"], minute["begins_at"], minute["ends_at"]) == (1, NOW - 30, NOW + 30)
    assert (found["everything", "in_flight"]["used"], found["everything", "in_flight"]["ends_at"]) == (0, None)
    assert told["windows"][0]["holder"] == "key 'web'", "the fullest first"


async def test_without_limits_there_are_no_windows(make_gateway, fake):
    gateway = await make_gateway([endpoint(fake)], auth={"admin_keys": ["boss"]})
    assert (await gateway.get("/admin/budgets", headers=BOSS)).json()["windows"] == []
