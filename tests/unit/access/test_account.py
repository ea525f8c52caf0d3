"""What one request is charged."""

from __future__ import annotations

import msgspec
import pytest

from octoroute.access.account import Account, Bookkeeper
from octoroute.access.leases.lease import MemoryLedger
from octoroute.access.limits import LimitSettings, Periods
from octoroute.access.output_estimate import OutputEstimate
from octoroute.domain.outcome import Attempt, Usage
from octoroute.domain.price import Price
from octoroute.domain.principal import Principal, PrincipalLimits
from octoroute.domain.request import Facts, Request
from octoroute.errors import OverLimit, TooExpensive
from tests.support.outcomes import outcome
from tests.support.parts import endpoint

NOW = 1_796_083_000.0
PRICED = endpoint("a", name="m", price=Price(input=1.0, output=2.0))
FACTS = Facts(context_tokens=10, output_tokens=20)
ESTIMATE = 50


class Books:
    def __init__(self, limits: PrincipalLimits | None = None, **settings) -> None:
        self.ledger = MemoryLedger(lambda: NOW)
        self.counted: list[tuple[str, str]] = []
        self.keeper = Bookkeeper(
            self.ledger,
            LimitSettings(**settings),
            OutputEstimate(),
            lambda holder, resource: self.counted.append((holder, resource)),
        )
        self.principal = Principal(name="k", limits=limits)

    def open(self) -> Account:
        request = Request(id="r", dialect="openai", model="auto", stream=False, body=None, facts=FACTS, principal=self.principal)
        account = self.keeper.open(request)
        assert account is not None
        return account

    async def state(self, holder: str, resource: str) -> tuple[int, int]:
        periods = Periods.of(NOW)
        period = {"day": periods.day, "month": periods.month}.get(resource, periods.minute)
        name = "" if resource == "in_flight" else period.name
        window = f"{holder}|{resource}|{name}"
        found = (await self.ledger.read([window]))[window]
        return found.spent, found.held


def answered(*attempts: Attempt):
    return outcome(attempts=attempts, endpoint=attempts[-1].endpoint if attempts else None)


def attempt(usage: Usage | None, **more) -> Attempt:
    return Attempt(endpoint=PRICED, took_s=0.1, usage=usage, **more)


async def test_a_request_without_limits_has_no_account():
    books = Books()
    assert books.keeper.open(Request(id="r", dialect="openai", model="m", stream=False, body=None, facts=FACTS)) is None


async def test_what_is_reserved_is_settled_by_what_the_provider_counted():
    books = Books(PrincipalLimits(requests_per_minute=9, tokens_per_minute=999, max_in_flight=3, budget_day_micros=1000))
    account = books.open()
    await account.enter(FACTS)
    await account.reserve(PRICED, FACTS, [])
    assert [await books.state("key:k", resource) for resource in ("requests", "tokens", "in_flight", "day")] == [
        (0, 1), (0, 30), (0, 1), (0, ESTIMATE),
    ]  # fmt: skip
    account.settle(answered(attempt(Usage(input_tokens=8, output_tokens=5))))
    assert [await books.state("key:k", resource) for resource in ("requests", "tokens", "in_flight", "day")] == [
        (1, 0), (13, 0), (0, 0), (18, 0),
    ]  # fmt: skip


async def test_each_attempt_is_billed_once_and_a_failed_one_frees_its_reservation_before_the_next():
    books = Books(PrincipalLimits(budget_day_micros=ESTIMATE + 10), models={"m": PrincipalLimits(requests_per_minute=9)})
    account = books.open()
    await account.reserve(PRICED, FACTS, [])
    failed = attempt(None, error="upstream_failed")
    await account.reserve(PRICED, FACTS, [failed])
    assert await books.state("key:k", "day") == (0, ESTIMATE)
    account.settle(answered(failed, attempt(Usage(input_tokens=1, output_tokens=1))))
    account.settle(answered(failed, attempt(Usage(input_tokens=1, output_tokens=1))))
    assert await books.state("key:k", "day") == (3, 0)
    assert await books.state("model:m", "requests") == (2, 0)


async def test_a_rejected_answer_of_a_cascade_is_billed_too():
    books = Books(PrincipalLimits(budget_day_micros=1000))
    account = books.open()
    await account.reserve(PRICED, FACTS, [])
    cheap = attempt(Usage(input_tokens=10, output_tokens=10), rejected="score")
    await account.reserve(PRICED, FACTS, [msgspec.structs.replace(cheap, usage=None)])
    account.settle(answered(cheap, attempt(Usage(input_tokens=10, output_tokens=20))))
    assert await books.state("key:k", "day") == (30 + 50, 0)


async def test_a_reservation_whose_attempt_was_never_made_costs_nothing():
    books = Books(PrincipalLimits(budget_day_micros=1000))
    account = books.open()
    await account.reserve(PRICED, FACTS, [])
    account.settle(answered())
    assert await books.state("key:k", "day") == (0, 0)


async def test_a_budget_that_is_used_up_is_429_until_the_day_ends_and_no_client_repeats_it():
    books = Books(PrincipalLimits(budget_day_micros=ESTIMATE + 1))
    account = books.open()
    await account.reserve(PRICED, FACTS, [])
    assert not await books.open().try_reserve(PRICED, FACTS, [])
    other = books.open()
    assert not await other.try_reserve(PRICED, FACTS, [])
    error = other.refusal
    assert isinstance(error, OverLimit)
    assert (error.status, error.code, error.kind) == (429, "budget_exceeded", "billing_error")
    assert error.retry_after_s == Periods.of(NOW).day.ends_at - NOW
    assert error.headers["x-should-retry"] == "false"
    assert error.headers["x-octoroute-budget-remaining"] == "0.000001"
    assert error.headers["ratelimit-policy"] == '"key-day";q=51;w=86400;qu="micro-usd"'
    assert books.counted == [("key", "day")] * 2


async def test_what_never_fits_is_402():
    books = Books(PrincipalLimits(budget_month_micros=ESTIMATE - 1))
    with pytest.raises(TooExpensive, match="more than the whole budget of key 'k'"):
        await books.open().reserve(PRICED, FACTS, [])


@pytest.mark.parametrize(("url", "permitted"), [("http://127.0.0.1:1/v1", True), ("https://api.vendor.example/v1", False)])
async def test_an_unknown_price_is_not_zero(url, permitted):
    books = Books(PrincipalLimits(budget_day_micros=1000))
    unpriced = endpoint("u", name="new-model", base_url=url)
    account = books.open()
    assert await account.try_reserve(unpriced, FACTS, []) is permitted
    if not permitted:
        assert "price of model 'new-model' is not known" in str(account.refusal)
    free = msgspec.structs.replace(unpriced, price=Price())
    assert await account.try_reserve(free, FACTS, []), "a price of 0 is known"


async def test_pacing_lowers_the_quality_of_a_caller_near_its_budget():
    books = Books(PrincipalLimits(budget_day_micros=100), pace_from=0.2)
    request = Request(id="r", dialect="openai", model="auto", stream=False, body=None, facts=FACTS, principal=books.principal)
    assert books.open().paced(request) is request
    await books.open().reserve(PRICED, FACTS, [])
    paced = books.open().paced(request)
    assert paced.facts.quality == pytest.approx(0.5 * 0.5 / 0.8)
