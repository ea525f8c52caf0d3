"""The spine: decide → plan → try in order → relay → settle. Every request walks it, whatever it asks in whatever dialect.

A retry is the next item of the plan. There is no back-off between different endpoints: waiting does not help another
machine. Nothing is promised to the client before an answer has begun.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import msgspec

from octoroute.balancing.health import AT_CAPACITY, HealthRegistry, Lease
from octoroute.balancing.policies import Random, token_budget
from octoroute.balancing.queue import AdmissionQueue
from octoroute.dialects import ADAPTERS
from octoroute.dialects.base import Inbound
from octoroute.dialects.request.truncation import strip_thinking
from octoroute.dialects.response.error_hints import hint_of
from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import Endpoint, failure_domain
from octoroute.domain.events import Finished, FinishReason, Started
from octoroute.domain.outcome import Ending, Outcome, Usage
from octoroute.domain.request import Request
from octoroute.errors import (
    Empty,
    Exhausted,
    Forbidden,
    OctorouteError,
    OverLimit,
    Throttled,
    Unreachable,
    UpstreamAuthError,
    UpstreamError,
)
from octoroute.gateway import context_window
from octoroute.gateway.context_window import TruncatedRequest
from octoroute.gateway.lifecycle import ABANDONED, OutcomeReceiver, RequestLifecycle, ending_of
from octoroute.gateway.planner import THINKING_VERIFIER, Plan, Planner
from octoroute.gateway.relay import Reply
from octoroute.gateway.resolver import Resolver
from octoroute.gateway.response_cache import ResponseCache
from octoroute.gateway.settings import QueueSettings, RetryPolicy, Settings
from octoroute.telemetry.routing_events import RoutingEvents
from octoroute.upstream.client import UpstreamClient, UpstreamRequest
from octoroute.upstream.param_fallback import ParameterFallback, fallback_rule
from octoroute.upstream.response import ResponseStream, UpstreamResponse, synthetic_response

__all__ = ["Gateway", "QueueSettings", "RetryPolicy", "Settings"]


Watch: TypeAlias = Callable[[Request, Decision, UpstreamResponse, RequestLifecycle], None]


class QueueGrant(msgspec.Struct, frozen=True, kw_only=True):
    """What a request that has waited gets: a plan, and the place with the first of it."""

    plan: Plan
    lease: Lease


class Gateway:
    def __init__(
        self,
        *,
        settings: Settings,
        upstream: UpstreamClient,
        health: HealthRegistry,
        ledger: OutcomeReceiver,
        inbound: Mapping[str, Inbound],
        clock: Callable[[], float],
        random: Random,
        notices: RoutingEvents | None = None,
    ) -> None:
        self.settings = settings
        self.upstream = upstream
        self.health = health
        self.sink = ledger
        self.inbound = inbound
        self.clock = clock
        self.random = random
        self.cache: ResponseCache | None = None
        self.events = notices or RoutingEvents()
        self.param_fallback = ParameterFallback(upstream, clock)
        self.planner = Planner(health, upstream, inbound, random)
        self.resolver = Resolver(self.planner, upstream)
        self.queue: AdmissionQueue[QueueGrant] = AdmissionQueue(clock, lambda granted: granted.lease.release(_NOTHING))
        self.watch: Watch | None = None
        """Shown every answer as it begins."""
        health.on_capacity = lambda endpoint: self.queue.on_capacity(endpoint.id, endpoint.provider) if self.queue.depth else None

    async def answer(self, request: Request) -> Reply:
        """An answer that has begun; close it. Raises OctorouteError, and has then settled already."""
        lifecycle = RequestLifecycle(request, self.sink, self.clock)
        settings = self.settings  # a reload in the middle changes nothing for this request
        try:
            decision = await self.resolver.resolve(request, settings)
            lifecycle.decided(decision)
            if decision.reject is not None:
                raise Forbidden(decision.reject)  # noqa: TRY301 - settled below, as every refusal
            if self.cache is not None:
                return await self._answer_by(self.cache, request, decision, settings, lifecycle)
            return await self._reply(await self._open(request, decision, settings, lifecycle), settings, lifecycle)
        except OctorouteError as error:
            lifecycle.finish(ending_of(error), error)
            lifecycle.settle()
            error.headers |= self.route_headers(lifecycle)
            if lifecycle.hint is not None:
                error.headers["x-octoroute-hint"] = lifecycle.hint
            raise
        except Exception:
            lifecycle.finish(Ending.FAILED, OctorouteError())
            lifecycle.settle()
            raise
        except BaseException:  # the client has left
            lifecycle.settle()
            raise

    def _open(
        self, request: Request, decision: Decision, settings: Settings, lifecycle: RequestLifecycle
    ) -> Coroutine[Any, Any, UpstreamResponse]:
        """Ask until an answer begins: the decided tier, or a cheaper one first whose answer is checked."""
        if self.queue.depth:
            self.queue.catch_up()
        if decision.then is None or settings.cascade is None or request.api != "chat":
            opening = self._ask(decision, request, settings, lifecycle)
        else:
            opening = settings.cascade.answer(
                request,
                decision,
                lambda tier, once: self._ask(tier, request, settings, lifecycle, once=once),
                lifecycle,
                self.inbound[request.dialect],
                self.upstream.outbound,
            )
        return opening if self.watch is None else self._watched(opening, request, decision, lifecycle, self.watch)

    async def _watched(
        self,
        opening: Coroutine[Any, Any, UpstreamResponse],
        request: Request,
        decision: Decision,
        lifecycle: RequestLifecycle,
        watch: Watch,
    ) -> UpstreamResponse:
        opened = await opening
        watch(request, decision, opened, lifecycle)
        return opened

    def _ask(
        self, decision: Decision, request: Request, settings: Settings, lifecycle: RequestLifecycle, *, once: bool = False
    ) -> Coroutine[Any, Any, UpstreamResponse]:
        """Plan, wait for a place if there must be one, and try in order. `once`: no candidate twice."""
        planned = self.planner.plan(decision, request, settings)
        if planned.order:
            return self._try(planned, request, settings, lifecycle, once=once)
        return self._try_after_waiting(decision, planned, request, settings, lifecycle, once=once)

    async def _try_after_waiting(
        self, decision: Decision, planned: Plan, request: Request, settings: Settings, lifecycle: RequestLifecycle, *, once: bool
    ) -> UpstreamResponse:
        granted = await self._wait(decision, request, settings, planned, lifecycle)
        return await self._try(granted.plan, request, settings, lifecycle, granted.lease, once=once)

    def _try(
        self,
        planned: Plan,
        request: Request,
        settings: Settings,
        lifecycle: RequestLifecycle,
        lease: Lease | None = None,
        *,
        once: bool,
    ) -> Coroutine[Any, Any, UpstreamResponse]:
        if planned.policy.learns:
            planned.policy.on_selected(planned.order[0])
            lifecycle.observed_by(planned.policy)
        most = settings.retry.max_attempts
        if once:
            most = min(most or len(planned.order), len(planned.order))
        return self._open_first(request, planned, lifecycle, settings.retry, most, lease)

    def _reply(
        self, opened: ResponseStream, settings: Settings, lifecycle: RequestLifecycle, told: Mapping[str, str] | None = None
    ) -> Coroutine[Any, Any, Reply]:
        headers = {**opened.headers, **self.route_headers(lifecycle)}
        if told is not None:
            headers |= told
        if lifecycle.warnings:
            headers["x-octoroute-warning"] = one_line(lifecycle.warnings)
        endpoint, progress, sent = opened.endpoint, opened.progress, lifecycle.request
        lifecycle.context = use = settings.context.use(sent, endpoint, progress.usage, lifecycle.truncation)
        if use is not None:
            headers |= context_window.headers(use, endpoint, settings.context)
        outward = context_window.rewriter_for(settings.context, sent, endpoint, progress, lifecycle.truncation)
        inbound, patience = self.inbound[sent.dialect], self.upstream.deadlines
        return Reply.begin(sent, inbound, opened, lifecycle, headers, outward=outward, patience=patience)

    async def _answer_by(
        self, cache: ResponseCache, request: Request, decision: Decision, settings: Settings, lifecycle: RequestLifecycle
    ) -> Reply:
        """From the cache, or into it."""
        ticket = cache.key_for(request, decision)
        recalled = cache.get(ticket, request)
        if recalled is not None:
            lifecycle.served_from_cache(recalled.notes)
            who = recalled.endpoint
            way = {"x-octoroute-tier": who.tier, "x-octoroute-endpoint": who.id, "x-octoroute-model": who.model}
            return await self._reply(recalled, settings, lifecycle, {"x-octoroute-cache": "hit", **way})
        lifecycle.cache = "bypass" if ticket.key is None else "miss"
        opened = await self._open(request, decision, settings, lifecycle)
        answer: ResponseStream = opened
        if lifecycle.truncation is None and not lifecycle.fell_back and not _is_substitute(opened.endpoint, decision, settings):
            answer = cache.record(ticket, opened, self.upstream.outbound(opened.endpoint), request, lifecycle.warnings)
        return await self._reply(answer, settings, lifecycle, {"x-octoroute-cache": lifecycle.cache})

    def rejected(self, dialect: str, request_id: str, error: OctorouteError) -> None:
        """What was no request yet, and is none now."""
        self.sink.settle(
            Outcome(
                request_id=request_id,
                dialect=dialect,
                asked_for="unknown",
                stream=False,
                ending=ending_of(error),
                status=error.status,
                error=error.code,
            ),
            None,
        )

    async def _wait(
        self, decision: Decision, request: Request, settings: Settings, planned: Plan, lifecycle: RequestLifecycle
    ) -> QueueGrant:
        """For a place, if all that is wrong is that there is none. Raises why nobody can be asked."""
        tokens = token_budget(request.facts)
        fit = planned.eligible
        if not settings.queue.max_waiting or not any(self.health.unavailable_reason(e, tokens) in AT_CAPACITY for e in fit):
            raise self.planner.no_endpoint_error(planned, request, settings)
        if self.queue.depth >= settings.queue.max_waiting:
            raise OverLimit(
                "every endpoint that could answer is busy, and too many requests wait already",
                retry_after_s=self.health.next_available_s(fit, tokens),
            )

        def offer() -> QueueGrant | None:
            found = self.planner.plan(decision, request, settings)
            for at, endpoint in enumerate(found.order):
                lease = self.health.acquire(endpoint, tokens, request.id)
                if lease is not None:
                    del found.order[:at]
                    return QueueGrant(plan=found, lease=lease)
            return None

        wants = frozenset(name for endpoint in fit for name in (endpoint.id, endpoint.provider))
        since = self.clock()
        try:
            granted = await self.queue.acquire(
                request.key_name or "",
                wants,
                offer,
                lambda: self.health.recovery_due_s(fit, tokens),
                max_wait_s=settings.queue.max_wait_s,
            )
        finally:
            lifecycle.queued(self.clock() - since)
        if granted is None:
            raise OverLimit(
                f"every endpoint that could answer is busy; waited {settings.queue.max_wait_s:g} s for a place",
                retry_after_s=self.health.next_available_s(fit, tokens),
            )
        return granted

    async def _open_first(
        self,
        request: Request,
        planned: Plan,
        lifecycle: RequestLifecycle,
        retry: RetryPolicy,
        most: int,
        granted: Lease | None = None,
    ) -> UpstreamResponse:
        """Walk the plan, and walk it again while tries are left, until an answer begins. `most` tries, 0: each candidate once.

        `granted` is for the first of it.
        """
        tokens = token_budget(request.facts)
        errors: list[UpstreamError] = []
        avoid: set[object] = set()
        again = 0
        while True:
            asked = False
            for endpoint in planned.order:
                if most and len(errors) >= most:
                    break
                if avoid and failure_domain(endpoint) in avoid:
                    continue
                if again and self.health.available(endpoint, tokens):
                    await asyncio.sleep(retry.wait_s(again, self.random))
                lease, granted = granted or self.health.acquire(endpoint, tokens, request.id), None
                if lease is None:
                    continue
                asked = True
                if lifecycle.attempts or self.events.logs_first_selection:
                    self.events.selected(request.id, lifecycle.attempts, endpoint)
                tries_left = len(errors) + 1 < most if most else endpoint is not planned.order[-1]
                wants_words = tries_left and not (errors and any(isinstance(error, Empty) for error in errors))
                try:
                    return await self.attempt(
                        request, lease, lifecycle, planned.truncated.get(endpoint.id), wants_words=wants_words
                    )
                except UpstreamError as error:
                    if not error.retryable:
                        raise
                    errors.append(error)
                    if planned.policy.by_provider and isinstance(error, UpstreamAuthError | Unreachable):
                        avoid.add(failure_domain(endpoint))
            again += 1
            if not asked or most == 0 or len(errors) >= most:
                raise _exhausted(errors, self.health.next_available_s(planned.order, tokens))

    async def attempt(
        self,
        request: Request,
        lease: Lease,
        lifecycle: RequestLifecycle,
        cut: TruncatedRequest | None = None,
        *,
        wants_words: bool = False,
    ) -> UpstreamResponse:
        """Ask one endpoint once. Raises UpstreamError; then health knows, and the lease is released.

        `wants_words`: an answer that says nothing is a failure too.
        """
        endpoint = lease.endpoint
        if cut is not None:
            request = cut.request
            lifecycle.truncated(cut)
        since = self.clock()
        if request.warms and (outbound := self.upstream.outbound(endpoint)).name != request.dialect:  # it has no cache to warm
            lease.release(_NOTHING)
            opened = synthetic_response(endpoint, outbound, (Started(), Finished(FinishReason.LENGTH)))
            lifecycle.answered_locally(opened)
            return opened
        try:
            if lifecycle.attempts and self._has_moved(request, endpoint, lifecycle):
                request = self.inbound[request.dialect].strip_signed_thinking(request) or request
            question = self.upstream_request(request, endpoint, cut, wants_words=wants_words)
            who = fallback_rule(endpoint, question)
            if who is None:
                opened = await self.upstream.open(endpoint, question)
            else:
                opened, question = await self.param_fallback.open(endpoint, question, who)
        except UpstreamError as error:
            lease.failed(error)
            lease.release(_NOTHING)
            lifecycle.failed(endpoint, since, error.code)
            lifecycle.hint = hint_of(error)
            if lifecycle.hint is not None:
                self.events.upstream_rejected(request.id, endpoint, error.code, lifecycle.hint)
            raise
        except BaseException as error:
            lease.release()
            lifecycle.failed(endpoint, since, OctorouteError.code if isinstance(error, Exception) else ABANDONED)
            raise
        lifecycle.answered(lease, opened, since)
        lifecycle.warnings = question.notes
        return opened

    def _has_moved(self, request: Request, endpoint: Endpoint, lifecycle: RequestLifecycle) -> bool:
        """To another account or model than it was first sent to, in the client's own dialect: signed thinking does not travel."""
        if not lifecycle.attempts:
            return False
        tried = [attempt.endpoint for attempt in lifecycle.attempts]
        home = next((other for other in tried if self.upstream.outbound(other).name == request.dialect), endpoint)
        return (home.base_url, home.api_key, home.model) != (endpoint.base_url, endpoint.api_key, endpoint.model)

    def upstream_request(
        self, request: Request, endpoint: Endpoint, cut: TruncatedRequest | None = None, *, wants_words: bool = False
    ) -> UpstreamRequest:
        """The request in the endpoint's words. Raises BadRequest for what it has none for."""
        inbound = self.inbound[request.dialect]
        outbound = self.upstream.outbound(endpoint)
        conversation = reading = None
        notes = [] if cut is None else cut.notes()
        if outbound.name == request.dialect:
            body = inbound.with_model(request, endpoint.model)
        elif (interpreter := ADAPTERS.get((request.api, outbound.name))) is not None:
            body, reading = interpreter.encode_request(request, endpoint, notes), partial(interpreter.decode_response, request)
        else:
            conversation = inbound.conversation(request, endpoint)
            if cut is not None and cut.messages_removed and outbound.name == THINKING_VERIFIER:
                conversation = strip_thinking(conversation)
            notes += [f"{field} is not passed on to this endpoint" for field in conversation.ignored]
            body = outbound.encode_request(conversation, endpoint, stream=request.stream, notes=notes)
        return UpstreamRequest(
            body=body,
            stream=request.stream,
            api=request.api,
            conversation=conversation,
            adapter=reading,
            client_headers=request.headers,
            timeout_s=request.timeout_s,
            notes=tuple(notes),
            reject_empty=wants_words and request.api == "chat",
        )

    def route_headers(self, lifecycle: RequestLifecycle) -> dict[str, str]:
        """Which way the request went, as headers; of the last endpoint that was asked."""
        endpoint, decision = lifecycle.endpoint, lifecycle.decision
        way = {"x-octoroute-attempts": str(len(lifecycle.attempts))}
        if decision is not None:
            way["x-octoroute-strategy"] = decision.by
            way["x-octoroute-tier"] = decision.tier
        if endpoint is not None:
            way["x-octoroute-tier"] = endpoint.tier
            way["x-octoroute-endpoint"] = endpoint.id
            way["x-octoroute-model"] = endpoint.model
        return way


def _is_substitute(endpoint: Endpoint, decision: Decision, settings: Settings) -> bool:
    """Of another tier than the decided one, which has endpoints, too: the next one who asks should get one of those."""
    return decision.only is None and endpoint.tier not in {decision.tier, decision.then} and bool(settings.tier(decision.tier))


MAX_WARNING = 500


def one_line(warnings: Sequence[str]) -> str:
    """Fit for a header: printable ASCII, at most 500 characters (v1's rule)."""
    text = "".join(" " if char < " " or char == "\x7f" else char if char.isascii() else "?" for char in "; ".join(warnings))
    return text if len(text) <= MAX_WARNING else text[: MAX_WARNING - 3] + "..."


_NOTHING = Usage()
"""What an attempt that failed has used, as far as anybody counts."""


def _exhausted(errors: Sequence[UpstreamError], next_chance_s: float | None) -> Exhausted:
    """The last real cause; a 429 only when there was nothing else."""
    if not errors:
        return Exhausted("no endpoint can be asked now; try again later", retry_after_s=next_chance_s)
    tries = f"{len(errors)} attempt{'s' if len(errors) > 1 else ''}"
    causes = [error for error in errors if not isinstance(error, Throttled)]
    if causes:
        last = causes[-1]
        exhausted = Exhausted(
            f"{last.message} ({tries})", status=last.status, code=last.code, kind=last.kind, retry_after_s=last.retry_after_s
        )
        if all(isinstance(error, UpstreamAuthError) for error in errors):
            exhausted.headers["x-should-retry"] = "false"  # SDKs ask three times otherwise, and no wait mends a key
        return exhausted
    waits = [error.retry_after_s for error in errors if error.retry_after_s is not None]
    return Exhausted(
        f"every upstream limits its rate ({tries})",
        status=429,
        code=errors[-1].code,
        kind=errors[-1].kind,
        retry_after_s=min(waits, default=None),
    )
