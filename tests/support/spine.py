"""The gateway without HTTP: scripted endpoints behind a fake transport, on whatever clock the loop has."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

import msgspec

from octoroute import dialects
from octoroute.balancing.health import HealthRegistry
from octoroute.balancing.policies import ORDERS, POLICIES, PolicyInputs
from octoroute.balancing.queue import AdmissionQueue
from octoroute.dialects.base import Inbound
from octoroute.dialects.request.identity import opening_of, user_of
from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import CircuitState, Endpoint, ProviderLimits, Tier
from octoroute.domain.outcome import Outcome
from octoroute.domain.principal import Principal
from octoroute.domain.request import Facts, Request
from octoroute.errors import BadUpstreamResponse, OctorouteError, Unreachable
from octoroute.gateway.admission import QueueGrant
from octoroute.gateway.gateway import Gateway, QueueSettings, RetryPolicy, Settings
from octoroute.routing.rules import Rule
from octoroute.upstream.client import UpstreamClient
from octoroute.upstream.providers import PROVIDERS
from octoroute.upstream.transports.base import TransportRequest
from tests.support.fake import DONE, chunk, completion, tokens
from tests.support.virtual import now

BEHAVIOURS = ("ok", "429", "500", "hang", "reset_before", "reset_after", "401", "garbage", "unreachable")


def make_endpoint(endpoint_id: str, **more: Any) -> Endpoint:
    fields: dict[str, Any] = {
        "id": endpoint_id,
        "name": endpoint_id,
        "tier": Tier.BALANCED,
        "kind": "openai",
        "provider": "openai",
        "base_url": f"http://{endpoint_id}.test/v1",
        "model": endpoint_id,
        "first_event_timeout_s": 10.0,
    }
    return Endpoint(**{**fields, **more})


def providers(layout: Mapping[str, Sequence[str]], **more: Any) -> list[Endpoint]:
    """{"p1": ["a", "b"]} → endpoints of one address each; descending priority in the order given."""
    return [
        make_endpoint(model, provider=provider, base_url=f"http://{provider}.test/v1", position=at, priority=100 - place, **more)
        for place, (provider, models) in enumerate(layout.items())
        for at, model in enumerate(models)
    ]


class FakeAnswer:
    def __init__(
        self, transport: FakeTransport, status: int, headers: Mapping[str, str], pieces: Sequence[bytes | Exception]
    ) -> None:
        self.status = status
        self.headers = {"content-type": "application/json", **headers}
        self._transport = transport
        self._pieces = list(pieces)
        self._open = True
        transport.open += 1

    async def chunk(self) -> bytes:
        await asyncio.sleep(0)
        if not self._pieces:
            return b""
        piece = self._pieces.pop(0)
        if isinstance(piece, Exception):
            raise piece
        if piece == b"HANG":
            await asyncio.Event().wait()
        return piece

    def flow(self, sink):
        return self.chunk()

    async def body(self, limit: int) -> bytes:
        found = b""
        while piece := await self.chunk():
            found += piece
        return found

    def close(self) -> None:
        if self._open:
            self._open = False
            self._transport.open -= 1


class FakeTransport:
    """`behave(model, body)` says what the endpoint that is asked for `model` does; `delay` how long it takes."""

    def __init__(self, behave: Callable[[str, dict[str, Any]], str], delay_s: Callable[[str], float] = lambda _: 0.0) -> None:
        self.behave = behave
        self.delay_s = delay_s
        self.open = 0
        self.asked: list[tuple[str, str, float]] = []
        """(who asked: the body's `user`, the model, when)."""

    async def send(self, call: TransportRequest) -> FakeAnswer:
        body = json.loads(call.body)
        model, stream = body["model"], bool(body.get("stream"))
        self.asked.append((body.get("user", ""), model, now()))
        how = self.behave(model, body)
        await asyncio.sleep(self.delay_s(model))
        if how == "unreachable":
            raise Unreachable("no connection")
        if how == "hang":
            await asyncio.Event().wait()
        if how == "429":
            return FakeAnswer(self, 429, {"retry-after": "7"}, [b'{"error": {"message": "slow down"}}'])
        if how in {"500", "401"}:
            return FakeAnswer(self, int(how), {}, [b'{"error": {"message": "no"}}'])
        if how == "400":
            return FakeAnswer(self, 400, {}, [b'{"error": {"message": "bad", "type": "invalid_request_error"}}'])
        if how == "garbage":
            return FakeAnswer(self, 200, {"content-type": "text/event-stream"} if stream else {}, [b"data: ]]nonsense\n\n"])
        return self._answer(how, model, stream)

    def _answer(self, how: str, model: str, stream: bool) -> FakeAnswer:
        cut = BadUpstreamResponse("the connection was reset")
        if not stream:
            pieces = [json.dumps(completion(f"hello from {model}")).encode()]
            return FakeAnswer(self, 200, {}, pieces if how == "ok" else [pieces[0][:20], cut])
        head = chunk({"role": "assistant", "content": f"hello from {model}"})
        pieces = {
            "ok": [head, *tokens(["more"], usage=False)],
            "reset_before": [b": waking up\n\n", cut],
            "reset_after": [head, cut],
        }[how]
        return FakeAnswer(self, 200, {"content-type": "text/event-stream"}, pieces)

    async def close(self) -> None:
        pass


class Book:
    """A ledger that keeps."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []

    def settle(self, outcome: Outcome, request: Request | None) -> None:
        self.outcomes.append(outcome)

    def of(self, request_id: str) -> Outcome:
        (found,) = [outcome for outcome in self.outcomes if outcome.request_id == request_id]
        return found


class Always:
    """A router of one opinion."""

    def __init__(self, tier: Tier = Tier.BALANCED) -> None:
        self.tier = tier
        self.asked = 0

    async def route(self, facts: Facts) -> Decision:
        self.asked += 1
        return Decision(tier=self.tier, by="rule", why="no_rule")


class Spine:
    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        behave: Callable[[str, dict[str, Any]], str] | Mapping[str, str] | None = None,
        *,
        policy: str = "weighted",
        order: str = "endpoint",
        max_attempts: int = 0,
        rules: Sequence[Rule] = (),
        limits: Mapping[str, ProviderLimits] | None = None,
        waiting: QueueSettings | None = None,
        failure_threshold: int = 3,
        recovery_s: float = 30.0,
        seed: int = 1,
        delay_s: Callable[[str], float] = lambda _: 0.0,
        sticky_by: str = "conversation",
        on_transition: Callable[[CircuitState, Endpoint, str, str], None] | None = None,
        inbound: Mapping[str, Inbound] | None = None,
        **settings: Any,
    ) -> None:
        table = behave if isinstance(behave, Mapping) else {}
        self.transport = FakeTransport(behave if callable(behave) else lambda model, _: table.get(model, "ok"), delay_s)
        self.clock = now
        self.random = Random(seed)
        queue = AdmissionQueue(self.clock, QueueGrant.release)
        self.health = HealthRegistry(
            failure_threshold=failure_threshold,
            recovery_s=recovery_s,
            clock=self.clock,
            wall=lambda: 0.0,
            on_capacity=queue.on_capacity,
            on_transition=on_transition,
        )
        self.health.set_limits(limits or {})
        self.book = Book()
        self.router = Always()
        inputs = PolicyInputs(self.clock, lambda e: self.health.breaker(e).in_flight, user_of, opening_of, sticky_by)
        self.policy = POLICIES[policy](inputs) if order == "endpoint" else ORDERS[order](inputs)
        named = {rule.policy: POLICIES[rule.policy](inputs) for rule in rules if rule.policy}
        self.gateway = Gateway(
            settings=Settings(
                endpoints=tuple(endpoints),
                router=self.router,
                retry=RetryPolicy(max_attempts=max_attempts),
                policy=self.policy,
                policies=named,
                rules=tuple(rules),
                queue=waiting or QueueSettings(),
                **settings,
            ),
            upstream=UpstreamClient(self.transport, PROVIDERS, dialects.outbound(self.clock)),
            health=self.health,
            queue=queue,
            sink=self.book,
            inbound=inbound or dialects.inbound(lambda: 0.0),
            clock=self.clock,
            random=self.random.random,
        )
        self._ids = itertools.count(1)

    def request(
        self, model: str = "auto", *, dialect: str = "openai", headers: Mapping[str, str] | None = None, **body: Any
    ) -> Request:
        given_id = f"r{next(self._ids)}"
        said = {"model": model, "messages": [{"role": "user", "content": "hello"}], "user": given_id, **body}
        raw = json.dumps(said).encode()
        return self.gateway.inbound[dialect].read(raw, request_id=given_id, headers=headers or {})

    async def ask(self, request: Request | None = None, *, key: str | None = None, **body: Any) -> Told:
        """The whole way: what a client would have got."""
        request = request or self.request(**body)
        try:
            reply = await self.gateway.answer(
                msgspec.structs.replace(request, principal=None if key is None else Principal(name=key))
            )
        except OctorouteError as error:
            return Told(request.id, error.status, error.code, b"", error, self)
        try:
            if not request.stream:
                reply.delivered()
                return Told(request.id, 200, None, reply.body or b"", None, self)
            text = b"".join([piece async for piece in reply.pieces()])
            return Told(request.id, 200, None, text, None, self)
        finally:
            reply.close()


class Told:
    def __init__(
        self, request_id: str, status: int, code: str | None, body: bytes, error: OctorouteError | None, spine: Spine
    ) -> None:
        self.request_id = request_id
        self.status = status
        self.code = code
        self.body = body
        self.error = error
        self._spine = spine

    @property
    def outcome(self) -> Outcome:
        return self._spine.book.of(self.request_id)

    @property
    def asked(self) -> list[str]:
        return [attempt.endpoint.id for attempt in self.outcome.attempts]

    @property
    def broken(self) -> bool:
        return b'"error"' in self.body

    @property
    def complete(self) -> bool:
        return self.body.endswith(DONE) if b"data: " in self.body else b'"choices"' in self.body
