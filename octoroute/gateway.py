"""The spine: decide → plan → try in order → relay → settle. Every request walks it, whatever it asks in whatever dialect.

A retry is the next item of the plan. There is no back-off between different endpoints: waiting does not help another
machine. Nothing is promised to the client before an answer has begun.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import msgspec

from octoroute import context
from octoroute.context import Context, Cut, fitted
from octoroute.conversation import Conversation
from octoroute.dialects import INTERPRETERS
from octoroute.dialects.base import Inbound
from octoroute.dialects.shortening import without_thinking
from octoroute.errors import BadRequest, ContextTooLong, Exhausted, OctorouteError, Throttled, UnknownModel, UpstreamError
from octoroute.health import Health, Lease
from octoroute.mending import Mending
from octoroute.relay import Reply
from octoroute.routers.base import Router
from octoroute.selection import FALLS_TO, Random, fits, plan, unfit, weighted
from octoroute.trail import ABANDONED, Ledger, Trail, ending_of
from octoroute.types import CHAT_TIERS, Capability, Decision, Ending, Endpoint, Facts, Importance, Outcome, Request, Tier
from octoroute.upstream import Opened, Question, Upstream


class Retry(msgspec.Struct, frozen=True, kw_only=True):
    max_attempts: int = 3
    """0: every candidate exactly once."""
    backoff: str = "exponential"
    base_s: float = 0.1
    cap_s: float = 30.0

    def wait_s(self, again: int, random: Random) -> float:
        """Before asking the same endpoint for the `again`-th time again; half of it is jitter."""
        factor = {"exponential": 2 ** min(again - 1, 30), "linear": again, "fixed": 1}[self.backoff]
        return min(self.base_s * factor, self.cap_s) * (0.5 + 0.5 * random())


class House(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a configuration decides about requests; replaced as a whole by a reload."""

    endpoints: tuple[Endpoint, ...]
    router: Router
    default_importance: Importance = Importance.NORMAL
    retry: Retry = Retry()
    policy: Callable[[Sequence[Endpoint], Random], list[Endpoint]] = weighted
    context: Context = Context()

    def tier(self, tier: Tier) -> list[Endpoint]:
        return [endpoint for endpoint in self.endpoints if endpoint.tier is tier]

    def named(self, name: str, api: str = "chat") -> tuple[Endpoint, ...]:
        """By name, else by id, of those that serve `api`."""
        serving = self.serving(api)
        found = tuple(endpoint for endpoint in serving if endpoint.name == name)
        return found or tuple(endpoint for endpoint in serving if endpoint.id == name)

    def serving(self, api: str) -> list[Endpoint]:
        embeds = api == "embeddings"
        return [endpoint for endpoint in self.endpoints if (endpoint.tier is Tier.EMBEDDING) is embeds]


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """`order` is whom to ask, best first; `left_out` says of everybody else who was considered why not."""

    order: list[Endpoint]
    fit: list[Endpoint]
    """Those that could answer it, now or later."""
    considered: list[Endpoint]
    left_out: dict[str, str]
    cuts: dict[str, Cut]
    """By endpoint's id: the request made to fit it."""


class _Translation:
    """Whether a request can be said in an endpoint's format; read once for all endpoints that need it."""

    def __init__(self, request: Request, inbound: Inbound, upstream: Upstream) -> None:
        self._request = request
        self._inbound = inbound
        self._upstream = upstream
        self._read: Conversation | str | None = None

    def unsayable(self, endpoint: Endpoint) -> str | None:
        """Why this endpoint's format has no words for the request; None when it has, or is the client's own."""
        request = self._request
        if request.api != "chat" and self._upstream.provider(endpoint).url(endpoint, request.api, stream=request.stream) is None:
            return f"endpoints of kind {endpoint.kind} have no {request.api} interface"
        outbound = self._upstream.outbound(endpoint)
        if outbound.name == request.dialect:
            return None
        interpreter = INTERPRETERS.get((request.api, outbound.name))
        if interpreter is not None:
            try:
                return interpreter.unsayable(request)
            except BadRequest as error:
                return error.message
        if self._read is None:
            try:
                self._read = self._inbound.conversation(self._request, endpoint)
            except BadRequest as error:
                self._read = error.message
        return self._read if isinstance(self._read, str) else outbound.unsayable(self._read, endpoint)


class Gateway:
    def __init__(
        self,
        *,
        house: House,
        upstream: Upstream,
        health: Health,
        ledger: Ledger,
        inbound: Mapping[str, Inbound],
        clock: Callable[[], float],
        random: Random,
    ) -> None:
        self.house = house
        self.upstream = upstream
        self.health = health
        self.ledger = ledger
        self.inbound = inbound
        self.clock = clock
        self.random = random
        self.mending = Mending(upstream, clock)

    async def answer(self, request: Request, *, key_name: str | None = None) -> Reply:
        """An answer that has begun; close it. Raises OctorouteError, and has then settled already."""
        trail = Trail(request, self.ledger, self.clock, key_name=key_name)
        house = self.house  # a reload in the middle changes nothing for this request
        try:
            decision = await self.decide(request, house)
            trail.decided(decision)
            planned = self.plan(decision, request, house)
            opened = await self._open_first(request, planned, trail, house)
            headers = {**opened.headers, **self._way(trail)}
            if trail.warnings:
                headers["x-octoroute-warning"] = one_line(trail.warnings)
            endpoint, progress, sent = opened.endpoint, opened.progress, trail.request
            trail.context = use = house.context.use(sent, endpoint, progress.usage, trail.cut)
            if use is not None:
                headers |= context.headers(use, endpoint, house.context)
            outward = context.outward(house.context, sent, endpoint, progress, trail.cut)
            return await Reply.begin(sent, self.inbound[request.dialect], opened, trail, headers, outward)
        except OctorouteError as error:
            trail.end(ending_of(error), error)
            trail.settle()
            error.told |= self._way(trail)
            raise
        except Exception:
            trail.end(Ending.FAILED, OctorouteError())
            trail.settle()
            raise
        except BaseException:  # the client has left
            trail.settle()
            raise

    def turned_away(self, dialect: str, request_id: str, error: OctorouteError) -> None:
        """What was no request yet, and is none now."""
        self.ledger.settle(
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

    async def decide(self, request: Request, house: House | None = None) -> Decision:
        """Raises UnknownModel."""
        house = house or self.house
        model = request.model
        if request.api == "embeddings":
            return _embedder(model, house)
        word = ALIASES.get(model.lower(), model.lower())
        if word == "auto":
            facts = request.facts
            if facts.importance is None:
                facts = msgspec.structs.replace(facts, importance=house.default_importance)
            return await house.router.route(facts)
        tier = _TIERS.get(word)
        if tier is not None:
            return _ASKED[tier]
        found = house.named(model) or self._variant(model, house)
        if found:
            return _named(found)
        if request.dialect == "anthropic":
            tier = next((tier for name, tier in CLASSES if name in word), None)
            if tier is not None:
                return _CLASSED[tier]
        raise UnknownModel(_unknown(model, house.serving("chat"), "auto, fast, balanced, deep, or one of: "), param="model")

    def _variant(self, model: str, house: House) -> tuple[Endpoint, ...]:
        """`NAME-openai` and `NAME-anthropic`: those endpoints of a name that speak this dialect, where a name has both."""
        name, _, dialect = model.rpartition("-")
        if dialect not in {"openai", "anthropic"}:
            return ()
        return tuple(endpoint for endpoint in house.named(name) if self.upstream.outbound(endpoint).name == dialect)

    def plan(self, decision: Decision, request: Request, house: House | None = None) -> Planned:
        """Raises BadRequest when no endpoint could ever answer this, Exhausted when none can now."""
        house = house or self.house
        planned = self.candidates(decision, request, house)
        if planned.order:
            return planned
        if not planned.fit:
            raise _nobody_could(planned, house.context.measured(request.facts))
        raise Exhausted("no endpoint can be asked now; try again later", retry_after_s=self.health.next_chance_s(planned.fit))

    def candidates(self, decision: Decision, request: Request, house: House) -> Planned:
        """Never raises. The first tier that can answer: the decided one, for want of a fit endpoint the next bigger, then smaller.

        A tier whose endpoints are all out of order is passed over only when the tier was our own choice: who asks for `fast`
        gets fast or the truth.
        """
        planned = Planned(order=[], fit=[], considered=[], left_out={}, cuts={})
        translation = _Translation(request, self.inbound[request.dialect], self.upstream)
        facts = house.context.measured(request.facts)
        for pool in self._pools(decision, request.facts, house):
            planned.considered.extend(pool)
            fit: list[Endpoint] = []
            for endpoint in pool:
                reason = unfit(endpoint, facts) or translation.unsayable(endpoint)
                if reason is None:
                    fit.append(endpoint)
                else:
                    planned.left_out[endpoint.id] = reason
            planned.fit.extend(fit)
            order = plan(fit, self.health.available, self.random, house.policy)
            if len(order) < len(fit):
                planned.left_out.update({e.id: self.health.unavailable_because(e) or "full" for e in fit if e not in order})
            planned.order.extend(order)
            if order or (fit and decision.by == "client"):
                break
        if not planned.fit and house.context.policy == "truncate":
            self._cut(planned, request, house, translation)
        return planned

    def _cut(self, planned: Planned, request: Request, house: House, translation: _Translation) -> None:
        """Plan with those for whom the request can be made to fit, the largest window first: there the least is lost."""
        sizeless = msgspec.structs.replace(request.facts, context_tokens=0, output_tokens=None)
        inbound = self.inbound[request.dialect]
        made: dict[tuple[int | None, bool], Cut | None] = {}
        fit: list[Endpoint] = []
        for endpoint in dict.fromkeys(planned.considered):
            if unfit(endpoint, sizeless) is not None or translation.unsayable(endpoint) is not None:
                continue
            signed = self.upstream.outbound(endpoint).name == SIGNS
            shape = (endpoint.context_window, signed)
            if shape not in made:
                made[shape] = fitted(request, endpoint, inbound, house.context, signed=signed)
            cut = made[shape]
            if cut is not None:
                planned.cuts[endpoint.id] = cut
                del planned.left_out[endpoint.id]
                fit.append(endpoint)
        planned.fit.extend(fit)
        order = plan(fit, self.health.available, self.random, house.policy)
        planned.left_out.update({e.id: self.health.unavailable_because(e) or "full" for e in fit if e not in order})
        planned.order.extend(sorted(order, key=lambda endpoint: -(endpoint.context_window or 0)))

    def _pools(self, decision: Decision, facts: Facts, house: House) -> list[list[Endpoint]]:
        tiers = [house.tier(tier) for tier in FALLS_TO[decision.tier]]
        if decision.only is None:
            return tiers
        named = [endpoint for endpoint in house.endpoints if endpoint.id in decision.only]
        if facts.images and not any(Capability.VISION in endpoint.capabilities for endpoint in named):
            return [named, *tiers]  # an image goes where it can be seen, whatever was named
        return [named]

    async def _open_first(self, request: Request, planned: Planned, trail: Trail, house: House) -> Opened:
        """Walk the plan, and walk it again while tries are left, until an answer begins."""
        retry = house.retry
        errors: list[UpstreamError] = []
        again = 0
        while True:
            asked = False
            for endpoint in planned.order:
                if retry.max_attempts and len(errors) >= retry.max_attempts:
                    break
                if again and self.health.available(endpoint):
                    await asyncio.sleep(retry.wait_s(again, self.random))
                lease = self.health.admit(endpoint)
                if lease is None:
                    continue
                asked = True
                try:
                    return await self._attempt(request, lease, trail, planned.cuts.get(endpoint.id))
                except UpstreamError as error:
                    if not error.retryable:
                        raise
                    errors.append(error)
            again += 1
            if not asked or retry.max_attempts == 0 or len(errors) >= retry.max_attempts:
                raise _exhausted(errors, self.health.next_chance_s(planned.order))

    async def _attempt(self, request: Request, lease: Lease, trail: Trail, cut: Cut | None) -> Opened:
        endpoint = lease.endpoint
        if cut is not None:
            request = cut.request
            trail.shortened(cut)
        since = self.clock()
        try:
            question = self._question(request, endpoint, cut)
            opened, question = await self.mending.open(endpoint, question)
        except UpstreamError as error:
            lease.failed(error)
            lease.release()
            trail.failed(endpoint, since, error.code)
            raise
        except BaseException as error:
            lease.release()
            trail.failed(endpoint, since, OctorouteError.code if isinstance(error, Exception) else ABANDONED)
            raise
        trail.answered(lease, opened, since)
        trail.warnings = question.notes
        return opened

    def _question(self, request: Request, endpoint: Endpoint, cut: Cut | None = None) -> Question:
        inbound = self.inbound[request.dialect]
        outbound = self.upstream.outbound(endpoint)
        conversation = reading = None
        notes = [] if cut is None else cut.notes()
        interpreter = INTERPRETERS.get((request.api, outbound.name))
        if interpreter is not None:
            body, reading = interpreter.write(request, endpoint, notes), partial(interpreter.read, request)
        elif outbound.name == request.dialect:
            body = inbound.patched(request, endpoint.model)
        else:
            conversation = inbound.conversation(request, endpoint)
            if cut is not None and cut.messages_removed and outbound.name == SIGNS:
                conversation = without_thinking(conversation)
            notes += [f"{field} is not passed on to this endpoint" for field in conversation.ignored]
            body = outbound.write(conversation, endpoint, stream=request.stream, notes=notes)
        return Question(
            body=body,
            stream=request.stream,
            api=request.api,
            conversation=conversation,
            reading=reading,
            client_headers=request.headers,
            timeout_s=request.timeout_s,
            notes=tuple(notes),
        )

    def _way(self, trail: Trail) -> dict[str, str]:
        """Which way the request went, as headers; of the last endpoint that was asked."""
        way = {"x-octoroute-attempts": str(len(trail.attempts))}
        if trail.decision is not None:
            way["x-octoroute-strategy"] = trail.decision.by
            way["x-octoroute-tier"] = trail.decision.tier
        if trail.attempts:
            endpoint = trail.attempts[-1].endpoint
            way["x-octoroute-tier"] = endpoint.tier
            way["x-octoroute-endpoint"] = endpoint.id
            way["x-octoroute-model"] = endpoint.model
        return way


MAX_WARNING = 500
SIGNS = "anthropic"
"""The dialect whose servers verify thinking against all that came before it."""


def one_line(warnings: Sequence[str]) -> str:
    """Fit for a header: printable ASCII, at most 500 characters (v1's rule)."""
    text = "".join(" " if char < " " or char == "\x7f" else char if char.isascii() else "?" for char in "; ".join(warnings))
    return text if len(text) <= MAX_WARNING else text[: MAX_WARNING - 3] + "..."


_TIERS: Mapping[str, Tier] = {tier.value: tier for tier in CHAT_TIERS}
ALIASES: Mapping[str, str] = {f"claude-octoroute-{word}": word for word in ("auto", *_TIERS)}
"""The same by names that Claude Code lists: it shows only those that begin with `claude` or `anthropic`."""
CLASSES = (("opus", Tier.DEEP), ("sonnet", Tier.BALANCED), ("haiku", Tier.FAST))
"""What Anthropic's clients call their models, and the tier that stands for it; a configured name comes first."""
_CLASSED = {tier: Decision(tier=tier, by="client", why=f"the client asked for {name}") for name, tier in CLASSES}
_ASKED = {tier: Decision(tier=tier, by="client", why="the client asked for this tier") for tier in CHAT_TIERS}
_EMBEDDING = Decision(tier=Tier.EMBEDDING, by="default", why="embeddings have a tier of their own")


def _named(endpoints: Sequence[Endpoint]) -> Decision:
    ids = frozenset(endpoint.id for endpoint in endpoints)
    return Decision(tier=endpoints[0].tier, by="client", why="the client named it", only=ids)


def _embedder(model: str, house: House) -> Decision:
    """Raises UnknownModel."""
    found = house.named(model, "embeddings")
    if found:
        return _named(found)
    serving = house.serving("embeddings")
    if not serving:
        raise UnknownModel("no embedding model is configured; add [[models.embedding]]", param="model")
    if model.lower() in {"auto", Tier.EMBEDDING}:
        return _EMBEDDING
    raise UnknownModel(_unknown(model, serving, "auto, or one of: "), param="model")


def _unknown(model: str, endpoints: Sequence[Endpoint], words: str) -> str:
    names = list(dict.fromkeys(endpoint.name for endpoint in endpoints))
    known = ", ".join(names[:20]) + (" …" if len(names) > 20 else "")
    return f"the model {model[:200]!r} does not exist; ask for {words}{known}"


def _nobody_could(planned: Planned, facts: Facts) -> BadRequest:
    """Why none of them will do, in the words of the nearest miss."""
    if not planned.considered:
        return BadRequest("no model that chats is configured; add [[models.balanced]]", param="model")
    able = [endpoint for endpoint in planned.considered if facts.needs <= endpoint.capabilities]
    if not able:
        missing = ", ".join(sorted(facts.needs))
        return BadRequest(f"no configured endpoint that may answer this request has: {missing}", param="messages")
    windows = [endpoint.context_window or 0 for endpoint in able if not fits(endpoint, facts)]
    if len(windows) == len(able):
        return ContextTooLong(facts.context_tokens + (facts.output_tokens or 0), max(windows))
    reason = next(planned.left_out[endpoint.id] for endpoint in able if fits(endpoint, facts))
    return BadRequest(f"no configured endpoint that may answer this request can be asked it: {reason}")


def _exhausted(errors: Sequence[UpstreamError], next_chance_s: float | None) -> Exhausted:
    """The last real cause; a 429 only when there was nothing else."""
    if not errors:
        return Exhausted("no endpoint can be asked now; try again later", retry_after_s=next_chance_s)
    tries = f"{len(errors)} attempt{'s' if len(errors) > 1 else ''}"
    causes = [error for error in errors if not isinstance(error, Throttled)]
    if causes:
        last = causes[-1]
        return Exhausted(
            f"{last.message} ({tries})", status=last.status, code=last.code, kind=last.kind, retry_after_s=last.retry_after_s
        )
    waits = [error.retry_after_s for error in errors if error.retry_after_s is not None]
    return Exhausted(
        f"every upstream limits its rate ({tries})",
        status=429,
        code=errors[-1].code,
        kind=errors[-1].kind,
        retry_after_s=min(waits, default=None),
    )
