"""Whose limits a request is subject to, and in which windows."""

import pytest

from octoroute.access import limits as module
from octoroute.access.limits import (
    OTHER_USERS,
    Holder,
    Holders,
    LimitSettings,
    Periods,
    Resource,
    portions,
)
from octoroute.domain.principal import Principal, PrincipalLimits
from octoroute.domain.request import Facts, Request
from tests.support.parts import endpoint

RPM = PrincipalLimits(requests_per_minute=5)
DAY = PrincipalLimits(budget_day_micros=100, budget_month_micros=1000)


def asked(**more) -> Request:
    return Request(id="r", dialect="openai", model="auto", stream=False, body=None, facts=Facts(), **more)


def labels(holders) -> list[tuple[str, str]]:
    return [(holder.kind, holder.name) for holder in holders]


def test_a_caller_is_its_key_its_groups_its_user_and_everything():
    settings = LimitSettings(everything=RPM, groups={"team": DAY}, each_user=RPM, user_header="x-user")
    principal = Principal(name="k", limits=RPM, groups=("team", "other"))
    found = Holders(settings).of_caller(asked(principal=principal, headers={"x-user": "ann"}))
    assert labels(found) == [("key", "k"), ("group", "team"), ("user", "ann"), ("everything", "")]


def test_keys_that_share_a_budget_holder_share_its_windows():
    principal = Principal(name="k2", limits=RPM, budget_holder="dept")
    assert labels(Holders(LimitSettings()).of_caller(asked(principal=principal))) == [("key", "dept")]


def test_an_attempt_is_its_model_its_provider_and_its_tier():
    settings = LimitSettings(models={"m": RPM}, providers={"nobody": RPM}, tiers={"fast": DAY})
    assert labels(Holders(settings).of_endpoint(endpoint("a", name="m"))) == [("model", "m"), ("tier", "fast")]


def test_clients_cannot_make_any_number_of_users(monkeypatch):
    monkeypatch.setattr(module, "MAX_USERS", 3)
    holders = Holders(LimitSettings(each_user=RPM, users={"vip": DAY}, user_header="x-user"))
    names = [holders.of_caller(asked(headers={"x-user": f"u{number}" * 100}))[0].name for number in range(6)]
    assert names[3:] == [OTHER_USERS] * 3
    assert all(len(name) <= module.MAX_NAME_LENGTH for name in names)
    assert holders.of_caller(asked(headers={"x-user": "vip"}))[0].limits == DAY


@pytest.mark.parametrize(
    ("now", "day", "month", "month_ends"),
    [
        (1_796_083_199.0, "2026-11-30", "2026-11", 1_796_083_200.0),
        (1_798_761_599.0, "2026-12-31", "2026-12", 1_798_761_600.0),
        (1_830_297_600.0, "2028-01-01", "2028-01", 1_832_976_000.0),
    ],
)
def test_days_and_months_are_those_of_utc(now, day, month, month_ends):
    periods = Periods.of(now)
    assert (periods.day.name, periods.month.name, periods.month.ends_at) == (day, month, month_ends)
    assert now < periods.day.ends_at <= now + 86400
    assert now < periods.minute.ends_at <= now + 60


def test_a_holder_takes_from_the_windows_that_it_has_a_limit_in():
    holder = Holder("key", "k", PrincipalLimits(requests_per_minute=5, tokens_per_minute=100, budget_day_micros=50))
    amounts = {Resource.REQUESTS: 1, Resource.TOKENS: 900, Resource.IN_FLIGHT: 1}
    found = list(portions([holder], amounts, Periods.of(0.0), LimitSettings(replicas=4)))
    assert [(portion.resource, portion.charge.amount) for portion in found] == [(Resource.REQUESTS, 1), (Resource.TOKENS, 100)]
    assert found[0].charge.window == "key:k|requests|0"
    assert [portion.charge.local_limit for portion in found] == [1, 25]


def test_money_is_closed_when_the_backend_is_down_unless_it_is_said_to_be_open():
    assert LimitSettings().local_limit(Resource.DAY, 100) == 0
    assert LimitSettings(budgets_stay_open=True, replicas=3).local_limit(Resource.MONTH, 100) == 33
    assert LimitSettings(rates_stay_open=False).local_limit(Resource.REQUESTS, 100) == 0
