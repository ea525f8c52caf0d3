"""The attempts of one request: asks the endpoints of its plan in order until one answers.

A retry is the next endpoint of the plan. There is no back-off between different endpoints, because waiting does not help
another machine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from octoroute.balancing.eligibility import token_budget
from octoroute.balancing.health import HealthRegistry
from octoroute.balancing.lease import Lease
from octoroute.balancing.policies import Random
from octoroute.dialects.response.error_hints import hint_of
from octoroute.domain.conversation import Conversation
from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.events import Finished, FinishReason, Started
from octoroute.domain.request import Request
from octoroute.errors import OctorouteError, UpstreamError
from octoroute.gateway.admission import NO_USAGE, AdmissionControl
from octoroute.gateway.context_window import TruncatedRequest
from octoroute.gateway.failover import Failover
from octoroute.gateway.lifecycle import ABANDONED, RequestLifecycle
from octoroute.gateway.offload import is_large_translation, off_loop
from octoroute.gateway.plan import Plan, unavailable_error
from octoroute.gateway.planner import Planner
from octoroute.gateway.settings import Settings
from octoroute.gateway.translation import Translator
from octoroute.telemetry.routing_events import RoutingEvents
from octoroute.upstream.client import UpstreamClient
from octoroute.upstream.param_fallback import ParameterFallback
from octoroute.upstream.response import UpstreamResponse, synthetic_response


class Attempts:
    def __init__(
        self,
        *,
        upstream: UpstreamClient,
        health: HealthRegistry,
        planner: Planner,
        admission: AdmissionControl,
        translator: Translator,
        events: RoutingEvents,
        clock: Callable[[], float],
        random: Random,
    ) -> None:
        self._upstream = upstream
        self._health = health
        self._planner = planner
        self._admission = admission
        self._translator = translator
        self._events = events
        self._clock = clock
        self._random = random
        self._param_fallback = ParameterFallback(upstream, clock)

    async def walk(
        self, request: Request, decision: Decision, settings: Settings, lifecycle: RequestLifecycle, *, once: bool = False
    ) -> UpstreamResponse:
        """Plan, wait if every endpoint is at capacity, and ask one endpoint after another until a response begins.

        After the plan's endpoints come those that `Planner.extend` finds. Then the plan is walked again while attempts are left,
        with back-off; `once` and `max_attempts` 0 ask each endpoint once. Raises Exhausted, the error of an attempt that must not
        be retried, and what `AdmissionControl.wait` raises.
        """
        plan, granted = self._planner.plan_fast(decision, request, settings), None
        if plan is None:
            plan = await self._plan(decision, request, settings)
        if not plan.order:
            lifecycle.planned(decision, request, plan)
            plan, granted = await self._admission.wait(decision, request, settings, plan, lifecycle)
        limit = settings.retry.max_attempts
        if plan.policy.learns or lifecycle.trace is not None:
            _planned(plan, decision, request, lifecycle)
        tokens = token_budget(request.facts)
        failover: Failover | None = None
        order = plan.order
        while True:
            attempted = False
            for endpoint in order:
                if failover is not None:
                    if failover.spent:
                        break
                    if not failover.admits(endpoint):
                        continue
                    if failover.walks and self._health.available(endpoint, tokens):
                        await asyncio.sleep(settings.retry.wait_s(failover.walks, self._random))
                lease, granted = granted or self._health.acquire(endpoint, tokens, request.id), None
                if lease is None or (lifecycle.account is not None and not await self._reserve(request, lease, lifecycle)):
                    continue
                attempted = True
                if lifecycle.attempts or self._events.logs_first_selection:
                    self._events.selected(request.id, lifecycle.attempts, endpoint)
                may_repeat = endpoint is not order[-1] or (limit > 1 and not once)
                reject_empty = may_repeat and (limit != 1 if failover is None else failover.may_reject_empty)
                cut = plan.truncated.get(endpoint.id)
                try:
                    return await self.attempt(request, lease, lifecycle, cut, plan.conversation, reject_empty=reject_empty)
                except UpstreamError as error:
                    failover = failover or self._failover(plan, settings, once=once)
                    failover.failed(lease, error)
            failover = failover or self._failover(plan, settings, once=once)
            if not failover.walks:
                failover.walked += order
                plan = await self._extend(plan, decision, request, settings, suspects_only=once)
                failover.add(len(plan.order))
                lifecycle.planned(decision, request, plan)
            if plan.order and not failover.walks:
                order = plan.order
            else:
                order = await self._next_walk(failover, attempted, tokens, lifecycle)

    @staticmethod
    async def _reserve(request: Request, lease: Lease, lifecycle: RequestLifecycle) -> bool:
        """Reserve what the attempt may cost; False: a limit does not permit it, and the lease is released."""
        account, is_reserved = lifecycle.account, False
        assert account is not None
        try:
            is_reserved = await account.try_reserve(lease.endpoint, request.facts, lifecycle.attempts)
        finally:
            if not is_reserved:
                lease.release(NO_USAGE)
        return is_reserved

    async def _extend(self, plan: Plan, decision: Decision, request: Request, settings: Settings, *, suspects_only: bool) -> Plan:
        decoded = plan.decoded
        if decoded is None and is_large_translation(request):
            decoded = await self._translator.decode_large(request, settings.endpoints)
        return self._planner.extend(plan.with_decoded(decoded), decision, request, settings, suspects_only=suspects_only)

    def _failover(self, plan: Plan, settings: Settings, *, once: bool) -> Failover:
        return Failover(settings.retry, by_provider=plan.policy.by_provider, once=once, order=plan.order)

    async def _next_walk(self, failover: Failover, attempted: bool, tokens: int, lifecycle: RequestLifecycle) -> Sequence[Endpoint]:
        """Return the whole plan if it is walked again, after a short pause if all its endpoints asked for one.

        Raises the error for the client if it is not.
        """
        failover.walks += 1
        if not (attempted and failover.repeats):
            wait_s = failover.pause_s()
            if wait_s is None:
                raise self._exhausted(failover, tokens, lifecycle)
            await asyncio.sleep(wait_s)
        return failover.walked

    async def _plan(self, decision: Decision, request: Request, settings: Settings) -> Plan:
        """What takes long for a large request is done in a thread before the plan needs it."""
        decoded = await self._translator.decode_large(request, settings.tier(decision.tier))
        truncations = self._planner.truncations(request, settings)
        if settings.context.shortens and is_large_translation(request):
            pools = self._planner.pools(decision, request.facts, settings)
            await off_loop(truncations.make, [endpoint for pool in pools for endpoint in pool])
        return self._planner.plan_each(decision, request, settings, decoded, truncations)

    async def attempt(
        self,
        request: Request,
        lease: Lease,
        lifecycle: RequestLifecycle,
        cut: TruncatedRequest | None = None,
        conversation: Conversation | None = None,
        *,
        reject_empty: bool = False,
    ) -> UpstreamResponse:
        """Ask one endpoint once. Raises UpstreamError; by then health has recorded the failure and the lease is released.

        `cut`: the request truncated for this endpoint. `conversation`: `request` decoded, if the plan has it.
        `reject_empty`: an empty response is a failure too.
        """
        endpoint = lease.endpoint
        lifecycle.lease = lease
        if cut is not None:
            request, conversation = cut.request, None
            lifecycle.truncated(cut)
        since = self._clock()
        if lifecycle.attempts:
            lease.again = any(attempt.endpoint.id == endpoint.id and attempt.error for attempt in lifecycle.attempts)
        if request.warms and self._upstream.outbound(endpoint, request).name != request.dialect:
            return self._synthesise_warm_up(lease, lifecycle)
        try:
            if lifecycle.attempts and self._is_moved(request, endpoint, lifecycle):
                stripped = self._translator.strip_signed_thinking(request)
                if stripped is not request:
                    request, conversation = stripped, None
            encode = self._translator.upstream_request
            if self._translator.is_slow(request, endpoint):
                upstream_request = await off_loop(encode, request, endpoint, cut, conversation, reject_empty=reject_empty)
            else:
                upstream_request = encode(request, endpoint, cut, conversation, reject_empty=reject_empty)
            rule = self._param_fallback.rule(endpoint, upstream_request)
            if rule is None:
                response = await self._upstream.open(endpoint, upstream_request)
            else:
                response, upstream_request = await self._param_fallback.open(endpoint, upstream_request, rule)
        except UpstreamError as error:
            lease.failed(error)
            lease.release(NO_USAGE)
            lifecycle.failed(endpoint, since, error.code)
            hint = hint_of(error)
            if hint is not None:
                self._events.upstream_rejected(request.id, endpoint, error.code, hint)
            if hint != lifecycle.hint:
                lifecycle.details.hint = hint
            raise
        except BaseException as error:
            lease.release()
            lifecycle.failed(endpoint, since, OctorouteError.code if isinstance(error, Exception) else ABANDONED)
            raise
        lifecycle.answered(lease, response, since)
        lifecycle.warnings = upstream_request.notes
        return response

    def _synthesise_warm_up(self, lease: Lease, lifecycle: RequestLifecycle) -> UpstreamResponse:
        """Answer a request that only warms a prompt cache: an endpoint of another dialect has no such cache to warm."""
        lease.release(NO_USAGE)
        endpoint = lease.endpoint
        events = (Started(), Finished(FinishReason.LENGTH))
        response = synthetic_response(endpoint, self._upstream.outbound(endpoint), events)
        lifecycle.answered_locally(response)
        return response

    def _is_moved(self, request: Request, endpoint: Endpoint, lifecycle: RequestLifecycle) -> bool:
        """Whether `endpoint` is another account or model than the first one that was asked in the client's own dialect.

        Signed thinking is valid only where it came from.
        """
        attempted = [attempt.endpoint for attempt in lifecycle.attempts]
        first = next((other for other in attempted if self._upstream.outbound(other, request).name == request.dialect), endpoint)
        return (first.base_url, first.api_key, first.model) != (endpoint.base_url, endpoint.api_key, endpoint.model)

    def _exhausted(self, failover: Failover, tokens: int, lifecycle: RequestLifecycle) -> OctorouteError:
        if not failover.errors:
            if lifecycle.account is not None and lifecycle.account.refusal is not None:
                return lifecycle.account.refusal
            return unavailable_error(self._health, failover.walked, tokens)
        lifecycle.details.hint = hint_of(failover.cause)
        return failover.exhausted(self._health.next_available_s(failover.walked, tokens))


def _planned(plan: Plan, decision: Decision, request: Request, lifecycle: RequestLifecycle) -> None:
    """Tell those that want to know of the plan: its policy, and the trace."""
    if plan.policy.learns:
        plan.policy.on_selected(plan.order[0])
        lifecycle.observe(plan.policy.on_outcome)
    lifecycle.planned(decision, request, plan)
