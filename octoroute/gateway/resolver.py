"""Model resolution: which tier or endpoints a request goes to, by the operator's rules, the client's model name, or the router."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence

import msgspec

from octoroute.dialects import SUFFIXES
from octoroute.dialects.base import Inbound
from octoroute.dialects.internal import InternalInbound
from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import CHAT_TIERS, OTHER_TIERS, Endpoint, Tier
from octoroute.domain.request import CHAT, PROVIDER_HEADER, Importance, Request
from octoroute.errors import Forbidden, UnknownModel
from octoroute.gateway.model_names import names_of, only_name, unknown_model, word_of
from octoroute.gateway.planner import Planner
from octoroute.gateway.settings import Settings
from octoroute.routing.aliases import Alias
from octoroute.routing.rules import Rule
from octoroute.upstream.client import UpstreamClient

_TIERS: Mapping[str, Tier] = {tier.value: tier for tier in CHAT_TIERS}
_BY_TIER = {tier: Decision(tier=tier, by="client", why="the client asked for this tier") for tier in CHAT_TIERS}


class Resolver:
    def __init__(self, planner: Planner, upstream: UpstreamClient, inbound: Mapping[str, Inbound]) -> None:
        self._planner = planner
        self._inbound = inbound
        self._upstream = upstream

    def remembered(self, request: Request, settings: Settings) -> Decision | None:
        """What `resolve` returned for an earlier client that named the same configured model; None: resolve the request."""
        if settings.rules or request.api != CHAT or PROVIDER_HEADER in request.headers:
            return None
        return settings.named_decisions.get(request.model)

    def resolve(self, request: Request, settings: Settings) -> Awaitable[Decision]:
        """Raises UnknownModel, and Forbidden for a provider that the client may not choose."""
        tag = self._inbound[request.dialect].default_tag
        if tag:
            request = _with_known_tag(request, tag, settings)
        if settings.aliases and request.dialect != InternalInbound.name:
            alias = self.alias(request.model, settings, request.api)
            if alias is not None:
                return self._by_alias(alias, request, settings)
        return self._resolve(request, settings)

    def _resolve(self, request: Request, settings: Settings) -> Awaitable[Decision]:
        # rules are about clients, not about the gateway's own requests
        if request.api in OTHER_TIERS or (settings.rules and request.dialect != InternalInbound.name):
            return self._under_rules(request, settings)
        return self._by_client(request, settings)

    def alias(self, model: str, settings: Settings, api: str = CHAT) -> Alias | None:
        """The alias for a model's name. The words of octoroute, and names and ids that are configured, are no aliases."""
        word = word_of(model)
        if not model or word == "auto" or word in _TIERS or settings.named(model, api) or self._variant(model, settings):
            return None
        return settings.aliases.find(model)

    async def _by_alias(self, alias: Alias, request: Request, settings: Settings) -> Decision:
        """What the alias stands for decides, unless a rule is about the name itself."""
        if settings.rules and request.api == CHAT:
            ruled = await self._by_rule(request, settings, [], only_by_model=True)
            if ruled is not None:
                return ruled
        decision = await self._resolve(msgspec.structs.replace(request, model=alias.target), settings)
        why = f"the alias {alias.name!r} stands for {alias.target!r}: {decision.why}"
        return msgspec.structs.replace(decision, why=why, routed=decision.routed or _routed_part(decision))

    async def _under_rules(self, request: Request, settings: Settings) -> Decision:
        tier = OTHER_TIERS.get(request.api)
        if tier is not None:
            return self._forbidden(tier, request, settings) or self._of_kind(tier, request, settings)
        passed_over: list[str] = []
        decision = await self._by_rule(request, settings, passed_over) or await self._by_client(request, settings)
        return msgspec.structs.replace(decision, passed_over=tuple(passed_over)) if passed_over else decision

    def _forbidden(self, tier: Tier, request: Request, settings: Settings) -> Decision | None:
        """A rule that rejects the request. Rules choose among chat models; a request of another kind they can only reject."""
        is_auto = word_of(request.model) == "auto"
        rule = next((rule for rule in settings.rules if (is_auto or rule.override) and rule.applies(request)), None)
        if rule is None or rule.reject is None:
            return None
        why = f"the rule {rule.name!r}"
        return Decision(tier=tier, by="rule", why=why, rule=rule.name, fixed=True, reject=rule.reject)

    def _of_kind(self, tier: Tier, request: Request, settings: Settings) -> Decision:
        """The endpoints of a tier for other models than chat. Raises UnknownModel, BadRequest, and Forbidden for a provider."""
        model, provider, api = request.model, _provider_of(request, settings), request.api
        serving = settings.serving(api)
        if not serving:
            raise UnknownModel(f"no {tier} model is configured; add [[models.{tier}]]", param="model")
        if not model:
            model = only_name(serving)
        found = settings.named(model, api)
        prefix, slash, rest = model.partition("/")
        if provider is None and not found and slash and settings.allow_provider_prefix and settings.of_provider(prefix, api):
            provider, model = prefix, rest
        if provider is not None:
            found = tuple(endpoint for endpoint in settings.of_provider(provider, api) if model in names_of(endpoint))
        if found:
            return msgspec.structs.replace(_named(found), within=provider)
        if word_of(model) not in {"auto", tier}:
            raise UnknownModel(unknown_model(model, serving, "auto, or one of: "), param="model")
        return Decision(tier=tier, by="default", why=f"{tier} models have a tier of their own", within=provider)

    async def _by_rule(
        self, request: Request, settings: Settings, passed_over: list[str], *, only_by_model: bool = False
    ) -> Decision | None:
        """The first rule that applies, and whose target, if it has one, is available.

        `passed_over` gets the names of those that apply before it. `only_by_model`: of the rules that are about models, and decide.
        """
        word = word_of(request.model)
        is_auto = word == "auto"
        unknown = not is_auto and word not in _TIERS and not self._names(request.model, settings)
        for rule in settings.rules:
            considered = is_auto or rule.override or (unknown and rule.model is not None)
            if only_by_model and (rule.model is None or not (rule.has_target or rule.reject)):
                continue
            if not considered or not rule.applies(request):
                continue
            why = f"the rule {rule.name!r}"
            tier = _TIERS.get(word, Tier.BALANCED)
            if rule.reject is not None:
                return Decision(tier=tier, by="rule", why=why, rule=rule.name, fixed=True, reject=rule.reject)
            if not rule.has_target:
                decision = await self._by_client(request, settings)
                return msgspec.structs.replace(decision, rule=rule.name, policy=rule.policy)
            target = self._target(rule, settings)
            if not target:
                passed_over.append(rule.name)
                continue
            ruled = Decision(
                tier=rule.tier or target[0].tier,
                by="rule",
                why=why,
                rule=rule.name,
                fixed=True,
                policy=rule.policy,
                only=frozenset(endpoint.id for endpoint in target),
            )
            if rule.fall_through and not self._planner.plan(ruled, request, settings).order:
                passed_over.append(rule.name)
                continue
            if rule.tier is not None:
                return msgspec.structs.replace(ruled, only=None)
            if rule.provider is not None:
                return await self._inside(ruled, rule.provider, request, settings)
            return ruled
        return None

    def _target(self, rule: Rule, settings: Settings) -> Sequence[Endpoint]:
        if rule.tier is not None:
            return settings.tier(rule.tier)
        return settings.of_provider(rule.provider) if rule.provider is not None else settings.named(rule.endpoint or "")

    async def _inside(self, ruled: Decision, provider: str, request: Request, settings: Settings) -> Decision:
        """The provider's endpoints: those that the client named, or else those of the decided tier."""
        named = [endpoint for endpoint in settings.of_provider(provider) if request.model in names_of(endpoint)]
        if named:
            only = frozenset(endpoint.id for endpoint in named)
            return msgspec.structs.replace(ruled, only=only, tier=named[0].tier, within=provider)
        decision = await self._by_word(word_of(request.model), request, settings) or await self._routed(request, settings)
        why = f"{ruled.why}, then: {decision.why}"
        routed = decision.routed or _routed_part(decision)
        return msgspec.structs.replace(
            ruled,
            only=None,
            tier=decision.tier,
            within=provider,
            fixed=False,
            why=why,
            routed=routed,
            affinity=decision.affinity,
        )

    def _by_client(self, request: Request, settings: Settings) -> Awaitable[Decision]:
        provider = _provider_of(request, settings)
        if provider is not None:
            return self._of_provider(provider, request.model, request, settings)
        return self._routed(request, settings) if word_of(request.model) == "auto" else self._by_model(request, settings)

    async def _by_model(self, request: Request, settings: Settings) -> Decision:
        model = request.model
        decision = await self._by_word(word_of(model), request, settings)
        if decision is not None:
            return decision
        found = settings.named(model)
        if found:
            decision = settings.named_decisions[model] = _named(found)
            return decision
        found = self._variant(model, settings)
        if found:
            return _named(found)
        provider, slash, rest = model.partition("/")
        if slash and settings.allow_provider_prefix and settings.of_provider(provider):
            return await self._of_provider(provider, rest, request, settings)
        decision = self._by_class(model, request)
        if decision is not None:
            return decision
        raise UnknownModel(unknown_model(model, settings.serving(CHAT), "auto, fast, balanced, deep, or one of: "), param="model")

    async def _by_word(self, word: str, request: Request, settings: Settings) -> Decision | None:
        if word == "auto":
            return await self._routed(request, settings)
        tier = _TIERS.get(word)
        return None if tier is None else _BY_TIER[tier]

    def _by_class(self, model: str, request: Request) -> Decision | None:
        """The tier for a word in the vendor's model names, such as `opus`; a configured name has precedence."""
        name = model.lower()
        for word, tier in self._inbound[request.dialect].model_classes.items():
            if word in name:
                return Decision(tier=tier, by="client", why=f"the client asked for {word}")
        return None

    async def _routed(self, request: Request, settings: Settings) -> Decision:
        facts = request.facts
        if facts.importance is None and settings.default_importance is not Importance.NORMAL:  # routers take None for NORMAL
            facts = msgspec.structs.replace(facts, importance=settings.default_importance)
        decision = await settings.router.route(facts)
        return decision if settings.affinity is None else settings.affinity.adjust(request, decision, dry=settings.dry_run)

    async def _of_provider(self, provider: str, model: str, request: Request, settings: Settings) -> Decision:
        endpoints = settings.of_provider(provider)
        if not endpoints:
            known = ", ".join(dict.fromkeys(endpoint.provider for endpoint in settings.serving(CHAT)))
            raise UnknownModel(f"there is no provider {provider[:200]!r}; there are: {known}", param="model")
        decision = await self._by_word(word_of(model), request, settings)
        if decision is None:
            found = tuple(endpoint for endpoint in endpoints if model in names_of(endpoint))
            decision = _named(found) if found else self._by_class(model, request)
            if decision is None:
                known = ", ".join(dict.fromkeys(endpoint.name for endpoint in endpoints))
                raise UnknownModel(f"the provider {provider} has no model {model[:200]!r}; it has: {known}", param="model")
        return msgspec.structs.replace(decision, within=provider)

    def _names(self, model: str, settings: Settings) -> bool:
        """Whether the configuration has this name."""
        provider, slash, _ = model.partition("/")
        prefixed = slash and settings.allow_provider_prefix and settings.of_provider(provider)
        return bool(prefixed or settings.named(model) or self._variant(model, settings))

    def names(self, settings: Settings) -> list[str]:
        """The names that clients can use: the configured ones, and variants of those with endpoints in several dialects."""
        dialects: dict[str, set[str]] = {}
        for endpoint in settings.endpoints:
            dialects.setdefault(endpoint.name, set()).update(self._upstream.dialects(endpoint))
        shared = {name: [dialect for dialect in SUFFIXES if dialect in found] for name, found in dialects.items()}
        variants = [f"{name}-{dialect}" for name, found in shared.items() if len(found) > 1 for dialect in found]
        return list(dict.fromkeys([*dialects, *variants, *settings.aliases.names]))

    def _variant(self, model: str, settings: Settings) -> tuple[Endpoint, ...]:
        """For `NAME-openai` and `NAME-anthropic`: the endpoints of that name that speak the dialect."""
        name, _, dialect = model.rpartition("-")
        if dialect not in SUFFIXES:
            return ()
        return tuple(endpoint for endpoint in settings.named(name) if dialect in self._upstream.dialects(endpoint))


def _with_known_tag(request: Request, tag: str, settings: Settings) -> Request:
    """Add the tag to the model's name, or remove it, where the configuration knows only the other form."""
    model = request.model
    if settings.named(model) or settings.aliases.find(model) or not (model.endswith(tag) or settings.named(model + tag)):
        return request
    other = model.removesuffix(tag) if model.endswith(tag) else model + tag
    return msgspec.structs.replace(request, model=other)


def _provider_of(request: Request, settings: Settings) -> str | None:
    """The provider in the client's header. Raises Forbidden if clients may not choose one."""
    provider = request.headers.get(PROVIDER_HEADER)
    if provider is not None and not settings.allow_provider_prefix:
        raise Forbidden(f"{PROVIDER_HEADER}: this gateway does not let clients choose the provider; remove the header")
    return provider


def _routed_part(decision: Decision) -> Decision | None:
    """The router's decision, before its `why` becomes a part of a longer one; None: it is the client's."""
    return None if decision.by == "client" else decision


def _named(found: Sequence[Endpoint]) -> Decision:
    only = frozenset(endpoint.id for endpoint in found)
    return Decision(tier=found[0].tier, by="client", why="the client named it", only=only)
