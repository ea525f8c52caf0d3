"""Importer of LiteLLM's config.yaml. Pure. Source: LiteLLM's documentation of `model_list` and its settings.

A deployment becomes an endpoint; deployments of one `model_name` are replicas. Which tier a name belongs to is not in the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import cast

from octoroute.config import rules
from octoroute.config.importers.foreign import (
    ForeignModel,
    ForeignTable,
    ImportNotes,
    ProviderTables,
    as_tables,
    dollars_per_million,
    secret_text,
    tree_of,
)
from octoroute.config.importers.tree import ImportResult
from octoroute.config.importers.vendor_prefixes import SAME_AS, VENDORS, LiteLLMVendor
from octoroute.domain.endpoint import Tier

_VARIABLE = re.compile(r"os\.environ/([A-Za-z_][A-Za-z0-9_]*)")


_BARE = ((re.compile(r"claude-"), "anthropic"), (re.compile(r"gemini[-/]"), "gemini"), (re.compile(r"command-"), "cohere"))
"""Names without a prefix; any other is OpenAI's."""
_MODES: Mapping[str, Tier] = {
    "embedding": Tier.EMBEDDING,
    "rerank": Tier.RERANK,
    "image_generation": Tier.IMAGE,
    "audio_transcription": Tier.AUDIO,
    "audio_speech": Tier.AUDIO,
    "moderation": Tier.MODERATION,
}
_POLICIES: Mapping[str, str] = {
    "simple-shuffle": "weighted",
    "least-busy": "least_busy",
    "latency-based-routing": "fastest",
    "cost-based-routing": "cheapest",
    "usage-based-routing": "least_busy",
    "usage-based-routing-v2": "least_busy",
}
_INSTEAD: Mapping[str, str] = {
    "fallbacks": "octoroute fails over among the endpoints of a name and, for auto, among the tiers; no other name is tried",
    "default_fallbacks": "octoroute fails over among the endpoints of a tier, and for auto among the tiers",
    "context_window_fallbacks": "not needed: context_window decides which endpoints a prompt fits",
    "content_policy_fallbacks": 'see retry.fallback_on = ["content_filter"]',
    "drop_params": "not needed: a parameter that an endpoint refuses is left out and named in a warning",
    "set_verbose": "see observability.log_level",
    "json_logs": "see observability.log_format",
    "callbacks": "see docs/operations.md for metrics, logs, and traces",
    "success_callback": "see docs/operations.md for metrics, logs, and traces",
    "failure_callback": "see docs/operations.md for metrics, logs, and traces",
    "cache": "see [cache]",
    "cache_params": "see [cache]",
    "database_url": "not needed: octoroute keeps its history in a file; see [store]",
    "store_model_in_db": "not needed: models are in the file, and PUT /admin/config replaces it",
    "enable_pre_call_checks": "not needed: context_window decides which endpoints a prompt fits",
    "num_workers": "see server.workers",
}


def is_litellm(tree: Mapping[object, object]) -> bool:
    return isinstance(tree.get("model_list"), list)


def convert(tree: Mapping[object, object]) -> ImportResult:
    root = ForeignTable(_references(tree), "")
    notes, providers = ImportNotes(), ProviderTables()
    models = [model for row in root.rows("model_list") if (model := _model(row, providers, notes)) is not None]
    router, settings, general = (root.table(name) for name in ("router_settings", "litellm_settings", "general_settings"))
    rest: dict[str, dict[str, object]] = {
        "server": _server(general, router, settings),
        "aliases": _aliases(router, notes),
        "selection": _selection(router, notes),
        "retry": _retry(router, settings),
        "health": _health(router, general),
        "auth": _auth(general),
    }
    for name, value in as_tables(root.take("environment_variables")).items():
        notes.say(f"environment_variables.{name}", "set it in the environment, or in a .env file" if value else "is empty")
    for table in (router, settings, general, root):
        notes.lost(table, _INSTEAD)
    return tree_of(models, providers, notes, rest)


def _references(value: object) -> object:
    """`os.environ/NAME` as `${NAME}`, in every text; a dollar sign in any other text is none."""
    if isinstance(value, str):
        found = _VARIABLE.fullmatch(value.strip())
        return f"${{{found[1]}}}" if found else secret_text(value)
    if isinstance(value, Mapping):
        return {name: _references(item) for name, item in cast("Mapping[object, object]", value).items()}
    if isinstance(value, list):
        return [_references(item) for item in cast("list[object]", value)]
    return value


def _model(row: ForeignTable, providers: ProviderTables, notes: ImportNotes) -> ForeignModel | None:
    name, params, info = row.text("model_name"), row.table("litellm_params"), row.table("model_info")
    written = params.text("model")
    if not name or not written:
        notes.say(row.path, "has no model_name, or no litellm_params.model; the row is left out")
        return None
    if "*" in name or "*" in written:
        notes.say(row.path, f"{name} stands for every model of a vendor; name the models that you use, a table each")
        return None
    prefix, model = _split(written, params.text("custom_llm_provider"))
    vendor = VENDORS.get(SAME_AS.get(prefix, prefix))
    if vendor is None:
        if not params.rest.get("api_base"):
            notes.say(row.path, f"{prefix} is a vendor that octoroute does not know; add it with its OpenAI-compatible base_url")
            return None
        vendor = LiteLLMVendor("")
    provider = _provider(prefix, vendor, params)
    address = str(provider["base_url"])
    if "$" not in address and (wrong := rules.base_url(address)) is not None:
        notes.say(row.path, f"its api_base {wrong}; the model is left out")
        return None
    keys = _keys(params, info)
    tier = _MODES.get(info.text("mode") or "")
    base = info.text("base_model")
    if base and tier is None:
        notes.say(info.at("base_model"), f"{base} is not needed")
    for table in (params, info, row):
        notes.lost(table, _INSTEAD)
    return ForeignModel(path=row.path, name=name, provider=providers.name_of(prefix, provider), model=model, tier=tier, keys=keys)


def _split(written: str, given: str | None) -> tuple[str, str]:
    """The vendor's prefix, and the model as the vendor calls it."""
    prefix, slash, model = written.partition("/")
    if given:
        return given, model if slash and prefix == given else written
    if slash and (prefix in VENDORS or prefix in SAME_AS):
        if prefix == "bedrock":
            model = re.sub(r"^(?:converse|invoke|converse_like)/", "", model)
        return prefix, model
    bare = next((vendor for pattern, vendor in _BARE if pattern.match(written)), None)
    if slash and bare is None:
        return prefix, model
    return bare or "openai", written


def _provider(prefix: str, vendor: LiteLLMVendor, params: ForeignTable) -> dict[str, object]:
    """Its table."""
    base_url = params.text("api_base", "base_url") or vendor.base_url
    key = params.text("api_key")
    table: dict[str, object] = {"kind": vendor.kind}
    if vendor.kind == "bedrock":
        region = params.text("aws_region_name") or "${AWS_REGION}"
        base_url = base_url or f"https://bedrock-runtime.{region}.amazonaws.com"
        table |= {
            "region": region,
            "access_key_id": params.text("aws_access_key_id") or "${AWS_ACCESS_KEY_ID}",
            "secret_access_key": params.text("aws_secret_access_key") or "${AWS_SECRET_ACCESS_KEY}",
        }
        if token := params.text("aws_session_token"):
            table["session_token"] = token
    elif key or vendor.variable:
        table["api_key"] = key or f"${{{vendor.variable}}}"
    if prefix in {"ollama", "ollama_chat"} and not base_url.rstrip("/").endswith("/v1"):
        base_url = f"{base_url.rstrip('/')}/v1"
    if vendor.kind == "anthropic" and not re.search(r"/v\d", base_url):
        base_url = f"{base_url.rstrip('/')}/v1"
    if vendor.kind == "azure":
        table["api_version"] = params.text("api_version") or "2024-10-21"
    table["base_url"] = base_url
    headers = {str(name): str(value) for name, value in as_tables(params.take("extra_headers") or params.take("headers")).items()}
    if organization := params.text("organization"):
        headers["OpenAI-Organization"] = organization
    if headers:
        table["headers"] = headers
    return table


def _keys(params: ForeignTable, info: ForeignTable) -> dict[str, object]:
    """Further keys of the endpoint."""
    keys: dict[str, object] = {}
    for name, key, low, high in (
        ("weight", "weight", 1e-9, 1e9),
        ("max_parallel_requests", "max_in_flight", 1, 1_000_000),
        ("timeout", "timeout_seconds", 1, 3600),
        ("stream_timeout", "first_event_timeout_seconds", 1, 3600),
        ("max_tokens", "max_tokens", 1, 2**32 - 1),
        ("temperature", "temperature", 0, 2),
    ):
        if (value := params.number(name, low, high)) is not None:
            keys[key] = value
    order = params.number("order", 0, 254)
    if order is not None:
        keys["priority"] = 255 - int(order)  # smaller is first there, higher here
    window = info.number("max_input_tokens", 1, 1e9)
    if window is not None:
        keys["context_window"] = int(window)
    if (output := info.number("max_output_tokens", 1, 2**32 - 1)) is not None:
        keys["max_output_tokens"] = int(output)
    price = _price(params, info)
    if price:
        keys["price"] = price
    keys |= _capabilities(info)
    if "id" in info.rest and (id := info.text("id")) and rules.endpoint_id(id) is None:
        keys["id"] = id
    return keys


def _price(*tables: ForeignTable) -> dict[str, object]:
    price: dict[str, object] = {}
    for name, key in (
        ("input_cost_per_token", "input"),
        ("output_cost_per_token", "output"),
        ("cache_read_input_token_cost", "cached"),
        ("cache_creation_input_token_cost", "written"),
    ):
        found = [value for table in tables if (value := table.number(name, 0, 1)) is not None]
        if found:
            price[key] = dollars_per_million(found[0])
    return price


def _capabilities(info: ForeignTable) -> dict[str, object]:
    """What the model can; a file that says something of one capability says it of all of them only by silence."""
    said = {name: info.flag(key) for key, name in (("supports_function_calling", "tools"), ("supports_vision", "vision"))}
    if False not in said.values():
        return {}
    return {"capabilities": [name for name, can in said.items() if can is not False] + ["json"]}


def _aliases(router: ForeignTable, notes: ImportNotes) -> dict[str, object]:
    """`model_group_alias`, whose values are a name, or a table with one."""
    aliases = router.table("model_group_alias")
    found: dict[str, object] = {}
    for name in list(aliases.rest):
        row = aliases.table(name)
        target = row.text("model") if row else aliases.text(name)
        if target is not None:
            found[name] = target
        notes.lost(row, {"hidden": "has no counterpart; the alias is listed"})
    notes.lost(aliases)
    return found


def _selection(router: ForeignTable, notes: ImportNotes) -> dict[str, object]:
    strategy = router.text("routing_strategy")
    if strategy is None:
        return {}
    policy = _POLICIES.get(strategy)
    if policy is None:
        notes.say(router.at("routing_strategy"), f"{strategy} has no counterpart; selection.policy is weighted")
        return {}
    if strategy.startswith("usage-based"):
        notes.say(router.at("routing_strategy"), f"{strategy} becomes least_busy, which looks at requests in flight")
    return {"policy": policy}


def _retry(router: ForeignTable, settings: ForeignTable) -> dict[str, object]:
    found = [value for table in (router, settings) if (value := table.number("num_retries", 0, 9)) is not None]
    return {"max_attempts": int(found[0]) + 1} if found else {}


def _health(router: ForeignTable, general: ForeignTable) -> dict[str, object]:
    found: dict[str, object] = {}
    if (fails := router.number("allowed_fails", 0, 999)) is not None:
        found["failure_threshold"] = max(1, int(fails))
    if (rest := router.number("cooldown_time", 0.001, 86_400)) is not None:
        found["recovery_seconds"] = rest
    if general.flag("background_health_checks") is False:
        found["interval_seconds"] = 0
    if (interval := general.number("health_check_interval", 0, 86_400)) is not None:
        found["interval_seconds"] = interval
    return found


def _server(general: ForeignTable, router: ForeignTable, settings: ForeignTable) -> dict[str, object]:
    """LiteLLM listens at 4000, which clients have in their configurations."""
    table: dict[str, object] = {"port": 4000}
    found = [
        value for source in (router, settings) for name in ("timeout", "request_timeout") if (value := source.number(name, 1, 3600))
    ]
    if found:
        table["request_timeout_seconds"] = found[0]
    if (size := general.number("max_request_size_mb", 1, 4096)) is not None:
        table["max_request_bytes"] = int(size * 1024 * 1024)
    return table


def _auth(general: ForeignTable) -> dict[str, object]:
    """The master key is a client's and an administrator's."""
    key = general.text("master_key")
    return {"keys": [key], "admin_keys": [key]} if key else {}
