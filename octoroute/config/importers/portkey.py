"""Importer of Portkey's gateway configs, and of OpenRouter's lists of models. Pure. Source: both vendors' documentation.

Targets of a fallback become priorities, targets of a load balance weights; a config inside a target keeps its place.
"""

from __future__ import annotations

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
from octoroute.config.importers.tree import ImportResult
from octoroute.config.importers.vendor_prefixes import VENDORS

_VENDORS: Mapping[str, str] = {
    "azure-openai": "azure",
    "google": "gemini",
    "mistral-ai": "mistral",
    "x-ai": "xai",
    "together-ai": "together_ai",
    "fireworks-ai": "fireworks_ai",
    "perplexity-ai": "perplexity",
    "ollama": "ollama",
}
"""Portkey's names of vendors that the importer of LiteLLM has under another one."""
_STATUSES = frozenset({"429", "500", "502", "503", "504"})
"""That an endpoint fails with anyway."""
_INSTEAD: Mapping[str, str] = {
    "cache": "see [cache]",
    "virtual_key": "is kept at Portkey; the provider's own key is written as the name of a variable",
    "input_guardrails": "has no counterpart",
    "output_guardrails": "has no counterpart",
    "before_request_hooks": "has no counterpart",
    "after_request_hooks": "has no counterpart",
    "metadata": "has no counterpart",
    "conditions": "see [[routing.rules]]",
    "default": "see [[routing.rules]]",
}
OPENROUTER = "https://openrouter.ai/api/v1"


def is_portkey(tree: Mapping[object, object]) -> bool:
    return isinstance(tree.get("targets"), list) or (
        isinstance(tree.get("strategy"), Mapping) and "mode" in as_tables(tree["strategy"])
    )


def is_openrouter(tree: Mapping[object, object]) -> bool:
    """The fields `models` and `provider` of a request to OpenRouter."""
    listed = tree.get("models")
    return (
        isinstance(listed, list)
        and len(cast("list[object]", listed)) > 0
        and all(isinstance(model, str) for model in cast("list[object]", listed))
    )


def convert(tree: Mapping[object, object]) -> ImportResult:
    root = ForeignTable(tree, "")
    notes, providers = ImportNotes(), ProviderTables()
    retry = root.table("retry")
    attempts = retry.number("attempts", 0, 9)
    limit = root.number("request_timeout", 1000, 3_600_000)
    models = list(_targets(root, {}, 255, providers, notes))
    notes.lost(retry, _INSTEAD)
    rest: dict[str, Mapping[str, object]] = {
        "server": {"port": 8787, **({"request_timeout_seconds": limit / 1000} if limit is not None else {})},
        "retry": {"max_attempts": int(attempts) + 1} if attempts is not None else {},
    }
    return tree_of(models, providers, notes, rest)


def _targets(
    table: ForeignTable, inherited: Mapping[str, object], priority: int, providers: ProviderTables, notes: ImportNotes
) -> Iterator[ForeignModel]:
    """The endpoints of a config: of its targets, or of itself if it has none. `inherited`: override_params from further out."""
    strategy = table.table("strategy")
    mode = strategy.text("mode") or "single"
    params = {**inherited, **as_tables(table.take("override_params"))}
    rows = table.rows("targets")
    if mode not in {"single", "fallback", "loadbalance"}:
        notes.say(strategy.at("mode"), f"{mode} has no counterpart; see [[routing.rules]]. Its targets are tried in their order")
    statuses = strategy.take("on_status_codes")
    if isinstance(statuses, list) and not set(map(str, cast("list[object]", statuses))) <= _STATUSES:
        notes.say(
            strategy.at("on_status_codes"), "what an endpoint's refusal means goes by status and words; see docs/reliability.md"
        )
    notes.lost(strategy, _INSTEAD)
    if not rows:
        yield from _endpoint(table, params, priority, providers, notes)
        return
    for index, row in enumerate(rows):
        yield from _targets(row, params, max(1, priority - index) if mode != "loadbalance" else priority, providers, notes)
    notes.lost(table, _INSTEAD)


def _endpoint(
    table: ForeignTable, params: Mapping[str, object], priority: int, providers: ProviderTables, notes: ImportNotes
) -> Iterator[ForeignModel]:
    named = (table.text("provider") or "").lstrip("@")
    vendor = VENDORS.get(_VENDORS.get(named, named))
    host = table.text("custom_host")
    model = params.get("model")
    if not isinstance(model, str):
        notes.say(table.path or "the file", "has no override_params.model, so the endpoint has no name; the target is left out")
        return
    slug, slash, rest = model.removeprefix("@").partition("/")
    if vendor is None and slash and slug in {*VENDORS, *_VENDORS}:  # Portkey's "@provider/model"
        named, vendor, model = slug, VENDORS[_VENDORS.get(slug, slug)], rest
    if vendor is None and not host:
        notes.say(table.path or "the file", f"{named or 'nothing'} is a vendor that octoroute does not know; it is left out")
        return
    kind, address = (vendor.kind, vendor.base_url) if vendor else ("openai", "")
    key = table.text("api_key")
    settings: dict[str, object] = {"kind": kind, "base_url": secret_text(host) if host else address}
    if key or (vendor and vendor.variable):
        settings["api_key"] = secret_text(key) if key else f"${{{vendor.variable if vendor else ''}}}"
    if kind == "azure":
        settings["api_version"] = str(params.get("api_version") or table.text("azure_api_version") or "2024-10-21")
        if resource := table.text("azure_resource_name"):
            settings["base_url"] = f"https://{secret_text(resource)}.openai.azure.com"
        model = table.text("azure_deployment_id") or model
    keys: dict[str, object] = {"priority": priority}
    if (weight := table.number("weight", 1e-9, 1e9)) is not None:
        keys["weight"] = weight
    if (limit := table.number("request_timeout", 1000, 3_600_000)) is not None:
        keys["timeout_seconds"] = limit / 1000
    for name in ("max_tokens", "temperature"):
        if isinstance(params.get(name), int | float):
            keys[name] = params[name]
    for name in params:
        if name not in {"model", "max_tokens", "temperature", "api_version"}:
            notes.say(f"{table.path or 'the file'}: override_params.{name}", "has no counterpart; the client says it")
    notes.lost(table, _INSTEAD)
    yield ForeignModel(
        path=table.path or "the file", name=secret_text(model), provider=providers.name_of(named or "portkey", settings), keys=keys
    )


def convert_openrouter(tree: Mapping[object, object]) -> ImportResult:
    """Models in the order of preference."""
    root = ForeignTable(tree, "")
    notes, providers = ImportNotes(), ProviderTables()
    provider = providers.name_of("openrouter", {"kind": "openai", "base_url": OPENROUTER, "api_key": "${OPENROUTER_API_KEY}"})
    listed = list(dict.fromkeys(root.texts("models")))
    models = [
        ForeignModel(path=f"models[{index}]", name=secret_text(model), provider=provider, keys={"priority": max(1, 255 - index)})
        for index, model in enumerate(listed)
    ]
    notes.lost(
        root,
        {
            "provider": "OpenRouter's choice of a provider is the client's to send: unknown fields are passed on",
            "model": "is in models",
        },
    )
    return tree_of(models, providers, notes, {})
