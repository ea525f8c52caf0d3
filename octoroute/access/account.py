"""What one request is charged: reserved before it is sent anywhere, settled when it has ended.

The caller's windows of requests, tokens, and requests in flight are reserved once, when the request arrives. Money, and the windows
of models, providers, and tiers are reserved for each attempt, because each attempt may cost.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from octoroute.access.leases.base import LeaseRefusal
from octoroute.access.leases.lease import BudgetLease, LeaseLedger
from octoroute.access.limits import (
    MONEY,
    Holder,
    Holders,
    LimitSettings,
    Periods,
    Portion,
    Resource,
    limits_of,
    portions,
    window_name,
)
from octoroute.access.output_estimate import OutputEstimate
from octoroute.access.own_hardware import is_own_server
from octoroute.access.pace import Pace
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.outcome import Attempt, Outcome, Usage
from octoroute.domain.price import to_usd
from octoroute.domain.request import Facts, Request
from octoroute.domain.trace import BudgetUse
from octoroute.errors import ClientError, Exhausted, OverBudget, OverLimit, TooExpensive

IN_FLIGHT_RETRY_S = 1.0
"""When a request that is one too many in flight may be sent again; when another one ends is not known."""
SHORT_WAIT_S = 60.0
"""Clients repeat a request by themselves if they have to wait no longer."""
WORDS = {
    Resource.REQUESTS: "requests per minute",
    Resource.TOKENS: "tokens per minute",
    Resource.IN_FLIGHT: "requests in flight",
    Resource.DAY: "USD a day",
    Resource.MONTH: "USD a month",
}


_POLICIES = {
    Resource.REQUESTS: ";w=60",
    Resource.TOKENS: ';w=60;qu="tokens"',
    Resource.IN_FLIGHT: ';qu="concurrent-requests"',
    Resource.DAY: ';w=86400;qu="micro-usd"',
    Resource.MONTH: ';w=2592000;qu="micro-usd"',
}
"""Window in seconds, and unit, as parameters of `ratelimit-policy`; a month is said to have 30 days."""


class Reservation(NamedTuple):
    """A lease, and what each of its charges stands for."""

    portions: Sequence[Portion]
    lease: BudgetLease


class Bookkeeper:
    """Opens the accounts of requests."""

    def __init__(
        self, ledger: LeaseLedger, settings: LimitSettings, outputs: OutputEstimate, count: Callable[[str, str], None]
    ) -> None:
        """`count(kind, resource)` is called for each refusal, with words of closed sets."""
        self.ledger = ledger
        self.settings = settings
        self.outputs = outputs
        self.count = count
        self.pace = Pace(settings.pace_from)
        self._holders = Holders(settings)
        self._is_on = settings.is_on
        self._periods: Periods | None = None

    def open(self, request: Request) -> Account | None:
        """None: no limit concerns the request."""
        if not self._is_on and (request.principal is None or request.principal.limits is None):
            return None
        callers = self._holders.of_caller(request)
        return Account(self, callers) if callers or self.settings.of_endpoints else None

    def periods(self) -> Periods:
        now, periods = self.ledger.now(), self._periods
        if periods is None or now >= periods.minute.ends_at or now < periods.minute.ends_at - 60:
            periods = self._periods = Periods.of(now)
        return periods

    def holders_of(self, endpoint: Endpoint) -> list[Holder]:
        return self._holders.of_endpoint(endpoint)


class Account:
    __slots__ = ("_attempts", "_callers", "_entry", "_keeper", "_quality", "money_left", "refusal")

    def __init__(self, keeper: Bookkeeper, callers: Sequence[Holder]) -> None:
        self._keeper = keeper
        self._callers = callers
        self._entry: Reservation | None = None
        self._quality: float | None = None
        """The quality that replaced the client's; None: none did."""
        self._attempts: dict[int, Reservation] = {}
        """By index of the attempt."""
        self.money_left: int | None = None
        """Micro-dollars that are left in the narrowest budget; None: there is no budget, or it was not asked yet."""
        self.refusal: ClientError | Exhausted | None = None
        """Of the attempts that limits did not permit, the one that may be repeated first."""

    def paced(self, request: Request) -> Request:
        """`request`, with the quality that its caller's budgets leave it."""
        keeper = self._keeper
        if not keeper.pace.is_on:
            return request
        windows = [
            window_name(holder, resource, keeper.periods())
            for holder in self._callers
            for resource, _ in limits_of(holder.limits)
            if resource in MONEY
        ]
        quality = keeper.pace.quality(request.facts.quality, windows)
        if quality == request.facts.quality:
            return request
        self._quality = quality
        return msgspec.structs.replace(request, facts=msgspec.structs.replace(request.facts, quality=quality))

    async def enter(self, facts: Facts) -> None:
        """Reserve the caller's share of requests, tokens, and requests in flight. Raises OverLimit."""
        amounts = {Resource.REQUESTS: 1, Resource.IN_FLIGHT: 1}
        if any(holder.limits.tokens_per_minute for holder in self._callers):
            amounts[Resource.TOKENS] = facts.context_tokens + (facts.output_tokens or 0)
        try:
            self._entry = await self._reserve(self._callers, amounts, self._keeper.periods())
        except (OverLimit, Exhausted) as error:
            self.refusal = error
            raise

    async def try_reserve(self, endpoint: Endpoint, facts: Facts, attempts: Sequence[Attempt]) -> bool:
        """As `reserve`; False if a limit does not permit the attempt. `refusal` says which."""
        try:
            await self.reserve(endpoint, facts, attempts)
        except (OverLimit, TooExpensive, Exhausted) as error:
            if self.refusal is None or _wait_s(error) < _wait_s(self.refusal):
                self.refusal = error
            return False
        return True

    async def reserve(self, endpoint: Endpoint, facts: Facts, attempts: Sequence[Attempt]) -> None:
        """Reserve what an attempt at `endpoint` may use; `attempts` were made before.

        Raises OverLimit or TooExpensive if a limit does not permit the attempt; one at another endpoint may be permitted.
        """
        for index, attempt in enumerate(attempts):
            if attempt.error is not None:
                self._settle_attempt(index, attempt)
        keeper = self._keeper
        usage = Usage(input_tokens=facts.context_tokens, output_tokens=keeper.outputs.tokens(endpoint, facts.output_tokens))
        money: dict[Resource, int] = {}
        if endpoint.price is not None:
            cost = usage.cost_micros(endpoint.price)
            money = {Resource.DAY: cost, Resource.MONTH: cost}
        periods, settings = keeper.periods(), keeper.settings
        owners = keeper.holders_of(endpoint)
        amounts = {**money, Resource.REQUESTS: 1, Resource.IN_FLIGHT: 1, Resource.TOKENS: usage.input_tokens + usage.output_tokens}
        wanted = [*portions(self._callers, money, periods, settings), *portions(owners, amounts, periods, settings)]
        if endpoint.price is None and not is_own_server(endpoint.base_url):
            self._refuse_without_price(endpoint, [*self._callers, *owners])
        if wanted:
            self._attempts[len(attempts)] = await self._take(wanted)

    @staticmethod
    def _refuse_without_price(endpoint: Endpoint, holders: Sequence[Holder]) -> None:
        for holder in holders:
            if holder.limits.budget_day_micros or holder.limits.budget_month_micros:
                raise TooExpensive(
                    f"the price of model {endpoint.name!r} is not known, and {holder.label} has a budget; "
                    "an operator must set the model's price"
                )

    async def _reserve(self, holders: Sequence[Holder], amounts: dict[Resource, int], periods: Periods) -> Reservation | None:
        wanted = list(portions(holders, amounts, periods, self._keeper.settings))
        return await self._take(wanted) if wanted else None

    async def _take(self, wanted: Sequence[Portion]) -> Reservation:
        lease = await self._keeper.ledger.reserve([portion.charge for portion in wanted])
        if isinstance(lease, LeaseRefusal):
            if not lease.charge.limit:
                raise Exhausted("limits cannot be checked, because their store cannot be reached", retry_after_s=1.0)
            refused = next(portion for portion in wanted if portion.charge.window == lease.charge.window)
            self._keeper.pace.note(refused.charge.window, refused.charge.limit, lease.left)
            self._keeper.count(refused.holder.kind, refused.resource.value)
            raise refusal_error(refused, lease.left, self._keeper.ledger.now())
        for portion, left in zip(wanted, lease.left, strict=True):
            if portion.resource in MONEY:
                self._keeper.pace.note(portion.charge.window, portion.charge.limit, left)
                if portion.holder in self._callers:
                    self.money_left = left if self.money_left is None else min(self.money_left, left)
        return Reservation(wanted, lease)

    def settle(self, outcome: Outcome) -> None:
        """Settle everything that is still reserved, by what the providers counted."""
        tokens = 0
        for index, attempt in enumerate(outcome.attempts):
            self._settle_attempt(index, attempt)
            tokens += _tokens(attempt.usage)
            if attempt.usage is not None and not attempt.usage.estimated and attempt.error is None:
                self._keeper.outputs.add(attempt.endpoint, attempt.usage.output_tokens)
        for index in list(self._attempts):  # a reservation whose attempt was never made
            self._close(self._attempts.pop(index), 0, 0, 0)
        if self._entry is not None:
            self._close(self._entry, 1, tokens, 0)
            self._entry = None

    def _settle_attempt(self, index: int, attempt: Attempt) -> None:
        reservation = self._attempts.pop(index, None)
        if reservation is not None:
            self._close(reservation, 1, _tokens(attempt.usage), attempt.cost_micros or 0)

    def _close(self, reservation: Reservation, requests: int, tokens: int, micros: int) -> None:
        used = {Resource.REQUESTS: requests, Resource.TOKENS: tokens, Resource.DAY: micros, Resource.MONTH: micros}
        self._keeper.ledger.settle(reservation.lease, [used.get(portion.resource, 0) for portion in reservation.portions])

    def use(self) -> BudgetUse:
        """What limits and budgets meant for the request, for its decision record."""
        return BudgetUse(self._quality, self.money_left, None if self.refusal is None else self.refusal.message)

    def headers(self) -> dict[str, str]:
        """For the client: what is left of its budget, the reservation of this request included."""
        return {} if self.money_left is None else {"x-octoroute-budget-remaining": _usd(max(0, self.money_left))}


def _wait_s(error: ClientError | Exhausted) -> float:
    return math.inf if error.retry_after_s is None else error.retry_after_s


def _tokens(usage: Usage | None) -> int:
    return 0 if usage is None else usage.input_tokens + usage.output_tokens


def _usd(micros: int) -> str:
    return f"{to_usd(micros):.6f}"


def refusal_error(portion: Portion, left: int, now: float) -> OverLimit | TooExpensive:
    """The error of a reservation that does not fit a window, with the headers that say which, and when it is renewed.

    The headers' syntax is that of draft-ietf-httpapi-ratelimit-headers-10.
    """
    holder, resource, charge = portion
    is_money, left = resource in MONEY, max(0, left)
    limit = f"{_usd(charge.limit) if is_money else charge.limit} {WORDS[resource]}"
    if is_money and charge.amount > charge.limit:
        return TooExpensive(
            f"the request may cost {_usd(charge.amount)} USD, more than the whole budget of {holder.label}: {limit}"
        )
    wait_s = IN_FLIGHT_RETRY_S if resource is Resource.IN_FLIGHT else max(1.0, charge.ends_at - now)
    seconds = math.ceil(wait_s)
    error = (OverBudget if is_money else OverLimit)(
        f"the limit of {holder.label} is reached: {limit}; try again in {seconds} s", retry_after_s=wait_s
    )
    policy = f'"{holder.kind}-{resource.value}"'
    error.headers["ratelimit"] = f"{policy};r={left};t={seconds}"
    error.headers["ratelimit-policy"] = f"{policy};q={charge.limit}{_POLICIES[resource]}"
    if is_money:
        error.headers["x-octoroute-budget-remaining"] = _usd(left)
    if wait_s > SHORT_WAIT_S:
        error.headers["x-should-retry"] = "false"
    return error
