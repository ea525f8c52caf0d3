"""Importer of claude-code-router's config.json. Pure. Source: its documentation of `Providers`, `Router`, and transformers.

`Router.default` is balanced, `background` fast, `think` deep; what a scenario chooses becomes a rule.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import cast

from octoroute.config.importers.foreign import (
    ForeignModel,
    ForeignTable,
    ImportNotes,
    ProviderTables,
    as_tables,
    secret_text,
    tree_of,
)
from octoroute.config.importers.model_size import rank
from octoroute.config.importers.tree import ImportResult
from octoroute.domain.endpoint import Tier

_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")
_ROUTES = ("/chat/completions", "/messages", "/models/", "/models", "/responses")
_TIERS: Mapping[str, Tier] = {"default": Tier.BALANCED, "background": Tier.FAST, "think": Tier.DEEP}
_RULES: Mapping[str, Mapping[str, object]] = {
    "think": {"request_type": "thinking"},
    "image": {"request_type": "vision"},
    "longContext": {},
}
"""The scenarios that become rules, with their conditions."""
_LONG_CONTEXT_TOKENS = 60_000
"""claude-code-router's default of longContextThreshold."""
_QUIRKS: Mapping[str, str] = {
    "openrouter": "openrouter",
    "deepseek": "deepseek",
    "enhancetool": "mend-tool-calls",
    "maxcompletiontokens": "openai-reasoning",
}
_NEEDLESS = frozenset({"cleancache", "tooluse", "reasoning", "sampling", "streamoptions", "openai", "groq", "cerebras", "vercel"})
"""Transformers whose work octoroute does by itself, for the endpoint that it talks to."""
_KINDS: Mapping[str, str] = {"anthropic": "anthropic", "gemini": "gemini"}
_LEVELS: Mapping[str, str] = {
    "fatal": "error",
    "error": "error",
    "warn": "warn",
    "info": "info",
    "debug": "debug",
    "trace": "trace",
}
_INSTEAD: Mapping[str, str] = {
    "LOG": "logs go to the standard output; see observability.log_level",
    "NON_INTERACTIVE_MODE": "not needed",
    "CUSTOM_ROUTER_PATH": "a program that routes has no counterpart; see [[routing.rules]]",
    "StatusLine": "has no counterpart",
    "webSearch": "a model for web searches has no counterpart: a search tool of the model's own vendor is passed on to it",
    "transformers": "programs that transform requests have no counterpart; see quirks, and docs/library.md for plug-ins",
}


def is_claude_code_router(tree: Mapping[object, object]) -> bool:
    return isinstance(tree.get("Providers"), list) or isinstance(tree.get("Router"), dict)


def convert(tree: Mapping[object, object]) -> ImportResult:
    root = ForeignTable(_references(tree), "")
    notes, providers = ImportNotes(), ProviderTables()
    rows = [_Provider(row, providers, notes, root.rest.get("PROXY_URL")) for row in root.rows("Providers")]
    router = root.table("Router")
    known = {f"{row.name},{model}": row for row in rows for model in row.models}
    chosen = {scenario: target for scenario in (*_TIERS, *_RULES) if (target := _target(router, scenario, known, notes))}
    tiers = {target: _TIERS[scenario] for scenario, target in reversed(chosen.items()) if scenario in _TIERS}
    spare = rank([model for row in rows for model in row.models])
    names = _names(rows)
    models = [
        ForeignModel(
            path=row.path,
            name=names[row.name, model],
            provider=row.provider,
            model=model,
            tier=tiers.get(f"{row.name},{model}", spare[model]),
            keys=row.keys(model, preferred=f"{row.name},{model}" in tiers),
        )
        for row in rows
        for model in row.models
    ]
    rest: dict[str, Mapping[str, object]] = {
        "server": _server(root, notes),
        "auth": {"keys": [key]} if (key := root.text("APIKEY")) else {},
        "observability": {"log_level": _LEVELS.get(level, "info")} if (level := root.text("LOG_LEVEL")) else {},
        "routing": {"rules": list(_rules(router, chosen, names))},
    }
    if not rest["routing"]["rules"]:
        rest["routing"] = {}
    for table in (router, root):
        notes.lost(table, _INSTEAD)
    notes.say(
        "Router",
        "Claude Code's own choice of a model decides the tier (haiku fast, sonnet balanced, opus deep); `auto` looks at the task",
    )
    return tree_of(models, providers, notes, rest)


def _references(value: object) -> object:
    """`$NAME` and `${NAME}` as `${NAME}`, where they are a whole text."""
    if isinstance(value, str):
        found = _VARIABLE.fullmatch(value.strip())
        return f"${{{found[1] or found[2]}}}" if found else secret_text(value)
    if isinstance(value, Mapping):
        return {name: _references(item) for name, item in cast("Mapping[object, object]", value).items()}
    if isinstance(value, list):
        return [_references(item) for item in cast("list[object]", value)]
    return value


class _Provider:
    """One row of `Providers`."""

    def __init__(self, row: ForeignTable, providers: ProviderTables, notes: ImportNotes, proxy: object) -> None:
        self.path = row.path
        self.name = row.text("name") or "provider"
        self.models = list(dict.fromkeys(row.texts("models")))
        self._transformers = _transformers(row.table("transformer"), notes)
        url = row.text("api_base_url", "api_base", "baseUrl") or ""
        general = dict(self._transformers.get("", ()))
        kind = next((_KINDS[name.lower()] for name in general if name.lower() in _KINDS), "openai")
        table: dict[str, object] = {"kind": kind, "base_url": _root(url)}
        if key := row.text("api_key"):
            table["api_key"] = key
        if isinstance(proxy, str) and proxy:
            table["proxy"] = proxy
        if not url:
            notes.say(row.at("api_base_url"), "is missing; the provider is left out")
            self.models = []
        elif not self.models:
            notes.say(row.at("models"), "has no model; the provider is left out")
        notes.lost(row, _INSTEAD)
        self.provider = providers.name_of(self.name, table)

    def keys(self, model: str, *, preferred: bool) -> dict[str, object]:
        """Further keys of a model's endpoint. `preferred`: the router names it, so it goes before others of its tier."""
        found: dict[str, object] = {"priority": 2} if preferred else {}
        used = {**dict(self._transformers.get("", ())), **dict(self._transformers.get(model, ()))}
        quirks = [quirk for name in used if (quirk := _QUIRKS.get(name.lower())) is not None]
        if quirks:
            found["quirks"] = list(dict.fromkeys(quirks))
        limit = as_tables(used.get("maxtoken")).get("max_tokens")
        if isinstance(limit, int) and 0 < limit < 2**32:
            found["max_output_tokens"] = limit
        return found


def _transformers(table: ForeignTable, notes: ImportNotes) -> dict[str, list[tuple[str, object]]]:
    """(name, options) of the transformers of every model ("") and of single models."""
    found: dict[str, list[tuple[str, object]]] = {}
    for model in ("use", *[name for name in table.rest if name != "use"]):
        value = table.take(model)
        if model != "use":
            value = as_tables(value).get("use")
        for item in cast("list[object]", value) if isinstance(value, list) else []:
            parts = cast("list[object]", item) if isinstance(item, list) else [item]
            name = str(parts[0]) if parts else ""
            found.setdefault("" if model == "use" else model, []).append((name, parts[1] if len(parts) > 1 else None))
            known = name.lower() in {*_QUIRKS, *_NEEDLESS, *_KINDS, "maxtoken"}
            if not known:
                notes.say(
                    table.at(model),
                    f"the transformer {name} has no counterpart; octoroute adapts requests to the endpoint by itself",
                )
    return found


def _root(url: str) -> str:
    """The address without the route at its end."""
    url = url.rstrip("/")
    return next((url.removesuffix(route.rstrip("/")) for route in _ROUTES if url.endswith(route.rstrip("/"))), url)


def _target(router: ForeignTable, scenario: str, known: Mapping[str, _Provider], notes: ImportNotes) -> str | None:
    """The `provider,model` of a scenario, if it is one of the file's."""
    text = router.text(scenario)
    if text is None:
        return None
    provider, _, model = text.partition(",")
    target = f"{provider.strip()},{model.strip()}"
    if target in known:
        return target
    notes.say(router.at(scenario), f"{text} is not among the models of Providers; it is left out")
    return None


def _names(rows: list[_Provider]) -> Mapping[tuple[str, str], str]:
    """By provider and model, the name in octoroute: the model's own, or with the provider if two of them have it."""
    owners: dict[str, str] = {}
    names: dict[tuple[str, str], str] = {}
    for row in rows:
        for model in row.models:
            own = owners.setdefault(model, row.name) == row.name
            names[row.name, model] = model if own else f"{model}@{row.name}"
    return names


def _rules(router: ForeignTable, chosen: Mapping[str, str], names: Mapping[tuple[str, str], str]) -> Iterator[dict[str, object]]:
    threshold = router.number("longContextThreshold", 0, 1e9)
    for scenario, conditions in _RULES.items():
        if scenario in chosen:
            provider, _, model = chosen[scenario].partition(",")
            rule: dict[str, object] = {"name": scenario, **conditions}
            if scenario == "longContext":
                rule["min_tokens"] = int(threshold if threshold is not None else _LONG_CONTEXT_TOKENS)
            if scenario != "think":  # a request that names a tier, as Claude Code's do, is one of these scenarios, too
                rule["override"] = True
            yield {**rule, "endpoint": names[provider, model]}


def _server(root: ForeignTable, notes: ImportNotes) -> dict[str, object]:
    """claude-code-router listens at 3456."""
    table: dict[str, object] = {"port": 3456}
    if (port := root.number("PORT", 0, 65_535)) is not None:
        table["port"] = port
    if host := root.text("HOST"):
        table["host"] = host
    if (limit := root.number("API_TIMEOUT_MS", 1000, 3_600_000)) is not None:
        table["request_timeout_seconds"] = limit / 1000
    if root.text("PROXY_URL"):
        table["upstream"] = "aiohttp"
        notes.say("PROXY_URL", 'a proxy needs server.upstream = "aiohttp", which is written')
    return table
