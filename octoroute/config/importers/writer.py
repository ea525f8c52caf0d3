"""Writer of an imported tree as a file in which each secret is the name of a variable. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

import msgspec
import tomli_w

from octoroute.config.environment import child, escape, references
from octoroute.config.importers.legacy import LegacyEnvironment
from octoroute.config.schema.models import ModelsTable

_HARMLESS = re.compile(r"(?i)\s*(?:(?:bearer|basic|token|key)\s+)?\$\{[A-Za-z_][A-Za-z0-9_]*(?::-)?\}\s*")
"""A reference, alone or after the name of an authentication scheme."""
_SECRET_HEADER = re.compile(r"(?i)auth|key|token|secret|cookie|password|credential|signature")
"""Part of the name of a header whose value is a secret."""


class ReferenceTree(msgspec.Struct, frozen=True):
    tree: Mapping[str, object]
    """The tree without nulls, and with a reference in place of each secret."""
    variables: Mapping[str, str]
    """The key path of the secret that a variable must be set to, by variable."""


def conceal(tree: Mapping[str, object]) -> ReferenceTree:
    """Replace the secrets of a tree of octoroute's schema with references."""
    work = _SecretMasker(references(dict(tree)))
    copy = cast("dict[str, object]", _without_nulls(tree))
    for name, provider in _tables(copy.get("providers")):
        work.hide(provider, child("providers", name), _variable(name))
    groups = dict(_tables({"models": copy.get("models")})).get("models", {})
    for group in ModelsTable.__struct_fields__:
        for index, endpoint in enumerate(_list(groups.get(group))):
            path = child(f"models.{group}", index)
            work.hide(endpoint, path, _variable(str(endpoint.get("id") or endpoint.get("name") or group)))
    auth = dict(_tables({"auth": copy.get("auth")})).get("auth", {})
    for name, variable in (("keys", "OCTOROUTE_API_KEY"), ("admin_keys", "OCTOROUTE_ADMIN_KEY")):
        if isinstance(auth.get(name), list):
            keys = cast("list[object]", auth[name])
            auth[name] = [work.text(key, child(f"auth.{name}", index), variable) for index, key in enumerate(keys)]
    return ReferenceTree(copy, work.variables)


class _SecretMasker:
    def __init__(self, taken: frozenset[str]) -> None:
        self._taken = taken
        self._made: dict[tuple[str, str], str] = {}
        self.variables: dict[str, str] = {}

    def hide(self, table: dict[str, object], path: str, stem: str) -> None:
        if "api_key" in table:
            table["api_key"] = self.text(table["api_key"], child(path, "api_key"), f"{stem}_API_KEY")
        if "@" in str(table.get("proxy", "")):
            table["proxy"] = self.text(table["proxy"], child(path, "proxy"), f"{stem}_PROXY")
        for headers in (table.get("headers"),):
            for name, value in list(cast("dict[str, object]", headers or {}).items()):
                if _SECRET_HEADER.search(name):
                    here = child(child(path, "headers"), name)
                    cast("dict[str, object]", headers)[name] = self.text(value, here, f"{stem}_HEADER_{_variable(name)}")

    def text(self, value: object, path: str, name: str) -> object:
        if not isinstance(value, str) or not value.strip() or _HARMLESS.fullmatch(value):
            return value
        known = self._made.get((value, name))
        variable = known or self._free(name)
        self._made[value, name] = variable
        self.variables.setdefault(variable, path)
        return f"${{{variable}}}"

    def _free(self, name: str) -> str:
        made, number = name, 1
        while made in self._taken or made in self.variables:
            number += 1
            made = f"{name}_{number}"
        return made


def _variable(name: str) -> str:
    """`us-east` → `US_EAST`."""
    made = re.sub(r"[^A-Z0-9]+", "_", name.upper()).strip("_")
    return made if made[:1].isalpha() else f"PROVIDER_{made}".rstrip("_")


def _without_nulls(value: object) -> object:
    """A deep copy without nulls, which TOML does not have. `90.0` becomes `90`."""
    if isinstance(value, Mapping):
        table = cast("Mapping[object, object]", value)
        return {str(name): _without_nulls(item) for name, item in table.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_without_nulls(item) for item in cast("Sequence[object]", value)]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _tables(value: object) -> list[tuple[str, dict[str, object]]]:
    named = cast("dict[str, object]", value) if isinstance(value, dict) else {}
    return [(name, cast("dict[str, object]", table)) for name, table in named.items() if isinstance(table, dict)]


def _list(value: object) -> list[dict[str, object]]:
    items = cast("list[object]", value) if isinstance(value, list) else []
    return [cast("dict[str, object]", item) for item in items if isinstance(item, dict)]


def to_toml(concealed: ReferenceTree, remark: str) -> str:
    """`remark`: one line about the origin of the tree."""
    needed = sorted(references(dict(concealed.tree)))
    lines = [remark, f"Needs in the environment: {', '.join(needed)}"] if needed else [remark]
    rest = {name: part for name, part in concealed.tree.items() if name != "models"}
    return "".join((*(f"# {line}\n" for line in lines), "\n", tomli_w.dumps(rest), *_endpoints(concealed.tree)))


def _endpoints(tree: Mapping[str, object]) -> Iterator[str]:
    """The endpoints as [[models.TIER]] tables, which are easy to move and copy; tomli-w would write short ones inline."""
    groups = dict(_tables(tree)).get("models", {})
    for group in groups:
        for endpoint in _list(groups[group]):
            yield f"\n[[models.{group}]]\n"
            for key, value in endpoint.items():
                yield f"{_key(key)} = {_inline(value)}\n"


def _inline(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {_inline(item)}" for key, item in cast("dict[str, object]", value).items()) + " }"
    return tomli_w.dumps({"x": value}).partition(" = ")[2].rstrip()


def _key(name: str) -> str:
    return tomli_w.dumps({name: 0}).partition(" = ")[0]


def to_providers_json(read: LegacyEnvironment, provider: str) -> str:
    """A legacy environment as a providers.json."""
    variables = read.variables
    row: dict[str, object] = {
        "name": provider,
        "enabled": True,
        "priority": 1,
        "api_key": "${OPENAI_API_KEY}",
        "base_url": escape(variables.OPENAI_BASE_URL or "https://api.openai.com/v1"),
    }
    if variables.AZURE_API_VERSION:
        row["api_version"] = variables.AZURE_API_VERSION
    if variables.REQUEST_TIMEOUT != type(variables)().REQUEST_TIMEOUT:
        row["timeout"] = variables.REQUEST_TIMEOUT
    if read.headers:
        row["custom_headers"] = {name: f"${{{variable}}}" for name, variable in read.headers.items()}
    middle = variables.MIDDLE_MODEL or variables.BIG_MODEL
    row["models"] = {
        "big": [escape(variables.BIG_MODEL)],
        "middle": [escape(middle)],
        "small": [escape(variables.SMALL_MODEL)],
    }
    return json.dumps({"providers": [row]}, indent=2, ensure_ascii=False) + "\n"


def lost_in_json(read: LegacyEnvironment) -> Iterator[str]:
    """Remarks on settings that a providers.json has no key for."""
    for name in ("MAX_RETRIES", "MAX_TOKENS_LIMIT", "ANTHROPIC_API_KEY"):
        if getattr(read.variables, name) != getattr(type(read.variables)(), name):
            yield f"{name}: cannot be kept in a providers.json; `octoroute migrate --from-env` without --format json keeps it"
    server = cast("Mapping[str, object]", read.server_tables.get("server", {}))
    for name, default in (("HOST", "0.0.0.0"), ("PORT", "8082")):  # noqa: S104  claude-code-proxy's defaults
        if name.lower() not in server:
            yield f"{name}: {default} is the default only without a configuration file; set {name}={default} to keep it"
