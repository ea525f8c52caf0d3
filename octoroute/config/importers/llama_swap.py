"""Importer of llama-swap's config.yaml. Pure. Source: llama-swap's documentation of its configuration.

llama-swap goes on starting and stopping the model servers; octoroute asks it. Its own address is not in the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
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
from octoroute.config.render.starter import billions
from octoroute.domain.endpoint import Tier

ADDRESS = "http://127.0.0.1:8080/v1"
"""llama-swap's default."""
_START_S = 120
"""llama-swap's default of healthCheckTimeout."""
_WINDOW = re.compile(r"(?:^|\s)(?:-c|--ctx-size|--max-model-len|--context-length)[ =]+(\d{2,9})(?=\s|$)")
_FILE = re.compile(r"(?:^|\s)(?:-m|--model|-hf|--hf-repo|--model-path)[ =]+['\"]?([^\s'\"]+)")
_SLOTS = re.compile(r"(?:^|\s)(?:-np|--parallel)[ =]+(\d{1,4})(?=\s|$)")
_EMBEDDER = re.compile(r"(?:^|\s)--embeddings?(?=\s|$)")
_RERANKER = re.compile(r"(?:^|\s)--rerank(?:ing)?(?=\s|$)")
_MACRO = re.compile(r"\$\{([A-Za-z0-9_-]{1,64})\}")
_MACRO_DEPTH = 4
_VARIABLE = re.compile(r"\$\{env\.([A-Za-z_][A-Za-z0-9_]*)\}")
MAX_COMMAND = 20_000
_INSTEAD: Mapping[str, str] = {
    "cmd": "llama-swap goes on running it",
    "cmdStop": "llama-swap goes on running it",
    "proxy": "llama-swap goes on asking it",
    "ttl": "llama-swap goes on unloading the model",
    "groups": "llama-swap goes on swapping; octoroute does not order requests by what is loaded",
    "macros": "llama-swap goes on expanding them",
    "hooks": "llama-swap goes on running them",
    "startPort": "llama-swap goes on choosing ports",
    "logLevel": "see observability.log_level",
    "env": "llama-swap goes on setting it",
    "checkEndpoint": "llama-swap goes on checking it",
    "description": "has no counterpart",
    "filters": "llama-swap goes on applying them",
    "matrix": "llama-swap goes on swapping; octoroute does not order requests by what is loaded",
    "metadata": "has no counterpart",
    "name": "has no counterpart",
    "useModelName": "llama-swap goes on sending it",
    "timeouts": "llama-swap goes on applying them",
    "peers": "has no counterpart: add their models with their own base_url",
}


def is_llama_swap(tree: Mapping[object, object]) -> bool:
    """A table of models with commands."""
    found = ForeignTable(tree.get("models"), "models")
    return any(isinstance(row, Mapping) and ("cmd" in row or "proxy" in row) for row in found.rest.values())


def convert(tree: Mapping[object, object]) -> ImportResult:
    root = ForeignTable(tree, "")
    notes, providers = ImportNotes(), ProviderTables()
    start = root.number("healthCheckTimeout", 1, 3600)
    macros = as_tables(root.rest.get("macros"))
    keys = [_VARIABLE.sub(r"${\1}", secret_text(key).replace("$${env.", "${env.")) for key in root.texts("apiKeys")]
    settings: dict[str, object] = {"kind": "openai", "base_url": ADDRESS, "timeout_seconds": _START_S + int(start or _START_S)}
    if keys:
        settings["api_key"] = keys[0]
    provider = providers.name_of("llama-swap", settings)
    notes.say("the file", f"does not say where llama-swap listens; {ADDRESS} is written, correct it if that is another address")
    listed = root.table("models")
    models: list[ForeignModel] = []
    aliases: dict[str, object] = {}
    for name in list(listed.rest):
        row = listed.table(name)
        if not row:
            notes.say(listed.at(name), "is no table; it is left out")
            continue
        models.append(_model(name, row, provider, macros))
        aliases |= dict.fromkeys(map(secret_text, _aliases(row)), secret_text(name))
        notes.lost(row, _INSTEAD)
    for table in (listed, root):
        notes.lost(table, _INSTEAD)
    names = {model.name for model in models}
    return tree_of(models, providers, notes, {"aliases": {alias: name for alias, name in aliases.items() if alias not in names}})


def _aliases(row: ForeignTable) -> list[str]:
    """Each is a text, or a table with an id."""
    named = [text for table in row.rows("aliases") if (text := table.text("id"))] if _has_tables(row.rest.get("aliases")) else []
    return named or row.texts("aliases")


def _has_tables(value: object) -> bool:
    return isinstance(value, list) and any(isinstance(item, Mapping) for item in cast("list[object]", value))


def _model(name: str, row: ForeignTable, provider: str, macros: Mapping[str, object]) -> ForeignModel:
    command = _command(row, macros)
    keys: dict[str, object] = {}
    slots = int(found[1]) if (found := _SLOTS.search(command)) else 1
    if (found := _WINDOW.search(command)) and int(found[1]) >= slots > 0:
        keys["context_window"] = int(found[1]) // slots  # llama.cpp divides its window among the slots
    limit = row.number("concurrencyLimit", 0, 1_000_000)
    if limit:
        keys["max_in_flight"] = int(limit)
    tier = Tier.EMBEDDING if _EMBEDDER.search(command) else Tier.RERANK if _RERANKER.search(command) else None
    file = _FILE.search(command)
    sized_by = file[1].rpartition("/")[2] if file and billions(name) is None else ""
    return ForeignModel(path=row.path, name=secret_text(name), provider=provider, sized_by=sized_by, tier=tier, keys=keys)


def _command(row: ForeignTable, macros: Mapping[str, object]) -> str:
    """The command on one line, without its comments, and with macros in it."""
    lines = [line for line in str(row.rest.get("cmd", "")).splitlines() if not line.lstrip().startswith("#")]
    command = " ".join(" ".join(lines).replace("\\ ", " ").split())[:MAX_COMMAND]
    known = {**macros, **as_tables(row.rest.get("macros"))}
    for _ in range(_MACRO_DEPTH):
        command = _MACRO.sub(lambda found: str(known.get(found[1], found[0])), command)[:MAX_COMMAND]
    return command
