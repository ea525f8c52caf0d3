"""The request pipeline: resolve, plan, attempt, relay, settle. Every request takes this path, in every dialect.

The client gets nothing before a response has begun, so that until then another endpoint can be asked.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

from octoroute.balancing.health import HealthRegistry
from octoroute.balancing.policies import Random
from octoroute.balancing.queue import AdmissionQueue
from octoroute.dialects.base import Inbound
from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import PASSED_TIERS, Endpoint, Tier
from octoroute.domain.outcome import ContextChange, Ending, Outcome
from octoroute.domain.request import CHAT, Request
from octoroute.domain.trace import DecisionTrace, NumericFacts
from octoroute.errors import Exhausted, Forbidden, OctorouteError, RequestCancelled, TooSlow
from octoroute.gateway import context_window
from octoroute.gateway.admission import AdmissionControl, QueueGrant
from octoroute.gateway.attempts import Attempts
from octoroute.gateway.cascade import Cascade
from octoroute.gateway.client_timeout import TIMEOUT_HEADER, read_timeout_s
from octoroute.gateway.constraints import resolve_within, restrictions_of
from octoroute.gateway.context_editor import ContextEditor, largest_too_small, may_exceed
from octoroute.gateway.headers import route_headers, warning_header
from octoroute.gateway.lifecycle import OutcomeReceiver, RequestLifecycle, ending_of
from octoroute.gateway.live_requests import LiveRequests
from octoroute.gateway.planner import Planner
from octoroute.gateway.privacy import inherit
from octoroute.gateway.relay import Reply
from octoroute.gateway.resolver import Resolver
from octoroute.gateway.response_cache import ResponseCache
from octoroute.gateway.settings import QueueSettings, RetryPolicy, Settings
from octoroute.gateway.traced_planner import TracedPlanner
from octoroute.gateway.translation import TranslationCheck, Translator
from octoroute.telemetry.routing_events import RoutingEvents
from octoroute.upstream.client import UpstreamClient
from octoroute.upstream.response import ResponseStream, UpstreamResponse

__all__ = ["Gateway", "QueueSettings", "RetryPolicy", "Settings"]


class Gateway:
    def __init__(
        self,
        *,
        settings: Settings,
        upstream: UpstreamClient,
        health: HealthRegistry,
        queue: AdmissionQueue[QueueGrant],
        sink: OutcomeReceiver,
        inbound: Mapping[str, Inbound],
        clock: Callable[[], float],
        random: Random,
        events: RoutingEvents | None = None,
        traces: bool = False,
    ) -> None:
        """`queue` must be the one whose `on_capacity` was given to `health`."""
        self.settings = settings
        """Replaced as a whole by a reload; a request keeps the settings it began with."""
        self.upstream = upstream
        self.health = health
        self.queue = queue
        self.sink = sink
        self.inbound = inbound
        self.live = LiveRequests(clock)
        self.traces = traces
        """Whether outcomes have a trace, from which a decision record is made."""
        self.planner = (TracedPlanner if traces else Planner)(health, upstream, inbound, random)
        self.resolver = Resolver(self.planner, upstream, inbound)
        self.translator = Translator(inbound, upstream)
        self.attempts = Attempts(
            upstream=upstream,
            health=health,
            planner=self.planner,
            admission=AdmissionControl(queue, health, self.planner, clock),
            translator=self.translator,
            events=events or RoutingEvents(),
            clock=clock,
            random=random,
        )

    @property
    def clock(self) -> Callable[[], float]:
        return self.live.clock

    async def answer(self, request: Request) -> Reply:
        """A reply that has begun, which the caller must close. Raises OctorouteError; the request is then settled already."""
        lifecycle = RequestLifecycle(request, self.sink, self.live)
        self.live.running[lifecycle] = self.upstream.deadlines.task()
        try:
            if TIMEOUT_HEADER in request.headers:
                return await self._answer_in_time(request, lifecycle)
            return await self._answer(request, lifecycle)
        except OctorouteError as error:
            _settle_failed(lifecycle, error)
            raise
        except Exception:
            lifecycle.finish(Ending.FAILED, OctorouteError())
            lifecycle.settle()
            raise
        except BaseException:  # the client has left, or an operator has cancelled its request
            if self.live.cancelled_here(lifecycle):
                error = RequestCancelled()
                _settle_failed(lifecycle, error)
                raise error from None
            lifecycle.settle()
            raise

    async def _answer(self, request: Request, lifecycle: RequestLifecycle) -> Reply:
        settings = self.settings
        trace = None
        if self.traces:
            trace = lifecycle.trace = DecisionTrace.of(request, settings)
        keeper = settings.bookkeeper
        if keeper is not None and (account := keeper.open(request)) is not None:
            lifecycle.account = account
            lifecycle.observe(account.settle)
            await account.enter(request.facts)
            request = account.paced(request)
            if trace is not None:
                trace.facts = NumericFacts.of(request)
        restrictions = restrictions_of(request, settings)
        if restrictions is None:
            decision = self.resolver.remembered(request, settings) or await self.resolver.resolve(request, settings)
            return await self._answer_decided(request, decision, settings, lifecycle)
        within = settings.restricted(restrictions)
        if trace is not None:
            trace.restrictions = restrictions
        with inherit(restrictions):
            decision = await resolve_within(self.resolver, request, within, settings)
            return await self._answer_decided(request, decision, within, lifecycle)

    async def _answer_decided(self, request: Request, decision: Decision, settings: Settings, lifecycle: RequestLifecycle) -> Reply:
        lifecycle.decided(decision)
        if decision.reject is not None:
            raise Forbidden(decision.reject)
        if settings.context_editor is not None and request.api == CHAT:
            request = await self._edit(settings.context_editor, request, decision, settings, lifecycle)
        if settings.cache is not None:
            return await self._answer_with_cache(settings.cache, request, decision, settings, lifecycle)
        return await self._reply(await self.open(request, decision, settings, lifecycle), settings, lifecycle)

    async def _edit(
        self, editor: ContextEditor, request: Request, decision: Decision, settings: Settings, lifecycle: RequestLifecycle
    ) -> Request:
        """`request` as `[context]` changes it. The transforms come first, because they may make it fit."""
        inbound, context, fast = self.inbound[request.dialect], settings.context, settings.tier(Tier.FAST)
        changes: list[ContextChange] = []
        edited = request
        if context.transforms:
            edited = await editor.transform(edited, inbound, fast, context, changes)
        if context.policy == "summarize":
            endpoints = [endpoint for pool in self.planner.pools(decision, edited.facts, settings) for endpoint in pool]
            if may_exceed(edited, endpoints, context):
                decoded = await self.translator.decode_large(edited, endpoints)
                check = TranslationCheck(edited, inbound, self.upstream, decoded)
                target = largest_too_small(edited, endpoints, context, check)
                if target is not None:
                    edited = await editor.summarize(edited, inbound, target, fast, context, changes)
        if changes:
            lifecycle.edited(edited, tuple(changes))
        return edited

    async def _answer_in_time(self, request: Request, lifecycle: RequestLifecycle) -> Reply:
        """As long as the client waits: the attempt that is under way then is abandoned, and no failure of its endpoint."""
        timeout_s = read_timeout_s(request.headers[TIMEOUT_HEADER])
        try:
            with self.upstream.deadlines.limit(timeout_s):
                return await self._answer(request, lifecycle)
        except TimeoutError:
            message = f"no answer began within the {timeout_s:g} s that the client waits ({TIMEOUT_HEADER})"
            raise Exhausted(message, status=TooSlow.status, code=TooSlow.code, kind=TooSlow.kind) from None

    def open(
        self, request: Request, decision: Decision, settings: Settings, lifecycle: RequestLifecycle
    ) -> Awaitable[UpstreamResponse]:
        """A response whose first event has arrived: from the decided tier, or from the cascade if the decision asks for one."""
        if self.queue.depth:
            self.queue.catch_up()
        cascade = settings.cascade if decision.then is not None and request.api == CHAT else None
        if cascade is None and settings.shadow is None:
            return self.attempts.walk(request, decision, settings, lifecycle)
        return self._open_watched(cascade, request, decision, settings, lifecycle)

    async def _open_watched(
        self, cascade: Cascade | None, request: Request, decision: Decision, settings: Settings, lifecycle: RequestLifecycle
    ) -> UpstreamResponse:
        """As `open`, by the cascade if there is one; the shadow looks on."""
        if cascade is None:
            response = await self.attempts.walk(request, decision, settings, lifecycle)
        else:
            response = await cascade.open(
                request,
                decision,
                lambda tier, once: self.attempts.walk(request, tier, settings, lifecycle, once=once),
                lifecycle,
                self.inbound[request.dialect],
                self.upstream.outbound,
            )
        if settings.shadow is not None:
            settings.shadow.watch(request, decision, response, lifecycle)
        return response

    async def _answer_with_cache(
        self, cache: ResponseCache, request: Request, decision: Decision, settings: Settings, lifecycle: RequestLifecycle
    ) -> Reply:
        """Answer from the cache; on a miss, answer from an endpoint and record the response."""
        key = cache.key_for(request, decision, settings.restrictions)
        cached = cache.get(key, request)
        if cached is not None:
            lifecycle.served_from_cache(cached.notes)
            endpoint = cached.endpoint
            return await self._reply(
                cached,
                settings,
                lifecycle,
                {
                    "x-octoroute-cache": "hit",
                    "x-octoroute-tier": endpoint.tier,
                    "x-octoroute-endpoint": endpoint.id,
                    "x-octoroute-model": endpoint.model,
                },
            )
        state = lifecycle.details.cache = "bypass" if key.digest is None else "miss"
        upstream = await self.open(request, decision, settings, lifecycle)
        response: ResponseStream = upstream
        is_second_best = lifecycle.details.cascade == "fell_back" or _is_substitute(upstream.endpoint, decision, settings)
        if lifecycle.truncation is None and not is_second_best:
            response = cache.record(key, upstream, self.upstream.outbound(upstream.endpoint, request), request, lifecycle.warnings)
        return await self._reply(response, settings, lifecycle, {"x-octoroute-cache": state})

    def _reply(
        self, response: ResponseStream, settings: Settings, lifecycle: RequestLifecycle, extra: Mapping[str, str] | None = None
    ) -> Coroutine[Any, Any, Reply]:
        headers = {**response.headers, **route_headers(lifecycle)}
        if extra is not None:
            headers |= extra
        changes = lifecycle.context_changes
        if lifecycle.warnings or changes:
            headers["x-octoroute-warning"] = warning_header([*(change.note for change in changes), *lifecycle.warnings])
        request, endpoint, progress = lifecycle.request, response.endpoint, response.progress
        use = settings.context.use(request, endpoint, progress.usage, lifecycle.truncation, changes)
        if use is not None:
            lifecycle.details.context = use
            headers |= context_window.headers(use, endpoint, settings.context)
        inbound, rewriter = self.inbound[request.dialect], None
        if inbound.answers_json and request.api not in PASSED_TIERS:
            rewriter = context_window.rewriter_for(settings.context, request, endpoint, progress, lifecycle.truncation, changes)
        return Reply.begin(request, inbound, response, lifecycle, headers, rewriter=rewriter, deadlines=self.upstream.deadlines)

    def rejected(self, dialect: str, request_id: str, error: OctorouteError) -> None:
        """Settle a request that could not be read."""
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


def _settle_failed(lifecycle: RequestLifecycle, error: OctorouteError) -> None:
    """Settle a request that gets `error` for an answer, and say in its headers what was tried."""
    lifecycle.finish(ending_of(error), error)
    lifecycle.settle()
    error.headers = {**route_headers(lifecycle), **error.headers}
    if lifecycle.context_changes:
        error.headers["x-octoroute-warning"] = warning_header([change.note for change in lifecycle.context_changes])
    if lifecycle.hint is not None:
        error.headers["x-octoroute-hint"] = lifecycle.hint


def _is_substitute(endpoint: Endpoint, decision: Decision, settings: Settings) -> bool:
    """Another tier answered for the decided one, although that one has endpoints: the next such request should ask them again."""
    return decision.only is None and endpoint.tier not in {decision.tier, decision.then} and bool(settings.tier(decision.tier))
