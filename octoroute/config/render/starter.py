"""A first configuration for the local model servers and the vendor keys on a machine. Pure.

Keys are written as the names of their variables. Model names come from servers and are not trusted: each is one quoted string.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from octoroute.config import rules
from octoroute.config.describe import toml
from octoroute.config.environment import escape
from octoroute.config.schema.key import Names
from octoroute.domain.endpoint import CHAT_TIERS, Tier

MAX_MODELS = 200
"""Models of one server that are written."""

_BILLIONS = re.compile(r"(?<![a-z0-9.])(?:(\d{1,3})x)?(\d{1,5}(?:\.\d{1,3})?)(b|m)(?![a-z])")
_EMBEDDERS = re.compile(r"embed|minilm|(?<![a-z])(?:bge|gte|e5)-")


class LocalServer(msgspec.Struct, frozen=True, kw_only=True):
    """A local model server, with its models in the order of its list."""

    title: str
    base_url: str
    models: tuple[str, ...]

    @property
    def model_count(self) -> str:
        """In words: "1 model", "3 models"."""
        return f"{len(self.models)} model{'' if len(self.models) == 1 else 's'}"


class StarterVendor(msgspec.Struct, frozen=True, kw_only=True):
    """`variables`: names of the key's variable, by precedence. `models`: of fast, balanced, and deep."""

    kind: str
    title: str
    variables: tuple[str, ...]
    base_url: str
    models: tuple[str, ...] = ()


VENDORS = (
    StarterVendor(
        kind="openai",
        title="OpenAI",
        variables=("OPENAI_API_KEY",),
        base_url="https://api.openai.com/v1",
        models=("gpt-4.1-nano", "gpt-4.1-mini", "gpt-4.1"),
    ),
    StarterVendor(
        kind="anthropic",
        title="Anthropic",
        variables=("ANTHROPIC_API_KEY",),
        base_url="https://api.anthropic.com/v1",
        models=("claude-haiku-4-5", "claude-sonnet-4-5", "claude-opus-4-5"),
    ),
    StarterVendor(
        kind="gemini",
        title="Google Gemini",
        variables=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        base_url="https://generativelanguage.googleapis.com/v1beta",
        models=("gemini-2.5-flash-lite", "gemini-2.5-flash", "gemini-2.5-pro"),
    ),
    StarterVendor(kind="azure", title="Azure OpenAI", variables=("AZURE_OPENAI_API_KEY",), base_url="${AZURE_OPENAI_ENDPOINT}"),
)
"""Azure has no models: operators choose the names of their deployments."""


class VendorKey(msgspec.Struct, frozen=True):
    """A vendor whose key is in the environment, and the name of the variable."""

    vendor: StarterVendor
    variable: str


class ModelLine(msgspec.Struct, frozen=True):
    """One endpoint of the file."""

    group: str
    name: str
    keys: Mapping[str, str]
    billions: float


def keys_in(env: Mapping[str, str]) -> tuple[VendorKey, ...]:
    """The vendors whose variable holds a valid key. Azure also needs a valid address in its variable."""
    found: list[VendorKey] = []
    for vendor in VENDORS:
        variable = next((name for name in vendor.variables if env.get(name) and not rules.client_key(env[name])), None)
        if variable and (vendor.kind != "azure" or not rules.base_url(env.get("AZURE_OPENAI_ENDPOINT", ""))):
            found.append(VendorKey(vendor, variable))
    return tuple(found)


def billions(model: str) -> float | None:
    """The parameter count in a model's name, in billions: the largest of `8b`, `0.6b`, `270m`, `8x7b` (56). None without one."""
    sizes = [
        float(size) * (int(experts) if experts else 1) / (1000 if unit == "m" else 1)
        for experts, size, unit in _BILLIONS.findall(model.lower())
    ]
    return max(sizes, default=None)


def group(model: str) -> str:
    """The tier of a model: below 14 billion parameters fast, from 50 on deep, otherwise or unknown balanced; or embedding."""
    if _EMBEDDERS.search(model.lower()):
        return str(Tier.EMBEDDING)
    size = billions(model)
    if size is None:
        return str(Tier.BALANCED)
    return str(Tier.FAST if size < 14 else Tier.BALANCED if size < 50 else Tier.DEEP)


def usable(model: str) -> bool:
    return rules.model_name(model) is None and len(model) <= 200


def starter(servers: Sequence[LocalServer], keys: Sequence[VendorKey], names: Names) -> str | None:
    """The text of the file; None if no model for chat was found."""
    usable_keys = [key for key in keys if key.vendor.kind in names.kinds]
    local = list(_local(servers))
    taken = {line.name for line in local}  # a name belongs to one tier, and a local proxy may list a vendor's models
    lines = [*local, *(line for line in _vendors(usable_keys) if line.name not in taken)]
    if not any(line.group != Tier.EMBEDDING for line in lines):
        return None
    return "".join(_text(servers, keys, lines, names))


def _local(servers: Sequence[LocalServer]) -> Iterator[ModelLine]:
    for server in servers:
        for model in filter(usable, dict.fromkeys(server.models[:MAX_MODELS])):
            yield ModelLine(group(model), model, {"base_url": toml(server.base_url)}, billions(model) or 0)


def _vendors(keys: Sequence[VendorKey]) -> Iterator[ModelLine]:
    for key in keys:
        for tier, model in zip(CHAT_TIERS, key.vendor.models, strict=False):
            yield ModelLine(str(tier), model, {"provider": toml(key.vendor.kind)}, -1)


def _text(servers: Sequence[LocalServer], keys: Sequence[VendorKey], lines: Sequence[ModelLine], names: Names) -> Iterator[str]:
    yield (
        "# Written by `octoroute init` from what it found:\n"
        + "".join(f"#   {server.title} at {server.base_url}, {server.model_count}\n" for server in servers)
        + "".join(f"#   {key.vendor.title}: {key.variable} in the environment\n" for key in keys)
        + "# Validate it with `octoroute check`, start with `octoroute`. Every key is explained in `octoroute config`.\n"
        "#\n"
        "# Tiers were guessed from the parameter counts in the names: below 14B fast, from 50B on deep, the rest balanced.\n"
        "# Move a table to another tier by renaming it. In a tier, the highest priority is tried first; the others are fallbacks.\n"
        '\n[server]\nhost = "127.0.0.1"\nport = 3000\n\n[routing]\nstrategy = "learned"\n'
    )
    for key in keys:
        yield from _provider(key, names)
    for name in Tier:
        yield from _tables(str(name), [line for line in lines if line.group == name])


def _provider(key: VendorKey, names: Names) -> Iterator[str]:
    vendor = key.vendor
    if vendor.kind not in names.kinds:
        yield f"\n# {vendor.title}: this version has no provider of kind {vendor.kind}, so {key.variable} is not used.\n"
        return
    yield f"\n# {vendor.title}\n[providers.{vendor.kind}]\nkind = {toml(vendor.kind)}\nbase_url = {toml(vendor.base_url)}\n"
    yield f"api_key = {toml(f'${{{key.variable}}}')}\n"
    if not vendor.models:
        yield f'# Add your deployments:\n#[[models.balanced]]\n#name = "your-deployment"\n#provider = {toml(vendor.kind)}\n'


def _tables(name: str, lines: Sequence[ModelLine]) -> Iterator[str]:
    """The tables of one tier by falling priority: local models before vendors', larger before smaller."""
    ordered = sorted(lines, key=lambda line: -line.billions)
    for index, line in enumerate(ordered):
        yield f"\n[[models.{name}]]\nname = {toml(escape(line.name))}\n"
        yield "".join(f"{key} = {value}\n" for key, value in line.keys.items())
        yield f"priority = {min(255, len(ordered) - index)}\n"
