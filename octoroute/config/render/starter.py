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
from octoroute.config.render.template import ALIASES
from octoroute.config.render.vendors import VENDORS, StarterVendor
from octoroute.config.schema.key import Names
from octoroute.domain.endpoint import CHAT_TIERS, Tier

MAX_MODELS = 200
"""Of one server."""
SMALL = 14
LARGE = 50
"""Billions of parameters: a local model below SMALL is fast beside cloud models, from LARGE on deep."""

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


class VendorKey(msgspec.Struct, frozen=True):
    """A vendor whose key is in the environment, in this variable."""

    vendor: StarterVendor
    variable: str
    listed: tuple[str, ...] = ()
    """The models in the vendor's own list; (): the list could not be read."""


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


def tier_by_size(size: float | None) -> Tier:
    """For a local model beside cloud models. Balanced if the name does not say its size."""
    if size is None:
        return Tier.BALANCED
    return Tier.FAST if size < SMALL else Tier.BALANCED if size < LARGE else Tier.DEEP


def tier_by_rank(size: float | None, sizes: Sequence[float]) -> Tier:
    """For local models alone: of `sizes`, all of them in ascending order, the smallest is fast and the largest deep."""
    if size is None or len(sizes) < 2:
        return Tier.BALANCED
    return Tier.FAST if size == sizes[0] else Tier.DEEP if size == sizes[-1] else Tier.BALANCED


def usable(model: str) -> bool:
    return rules.model_name(model) is None and len(model) <= 200


def starter(servers: Sequence[LocalServer], keys: Sequence[VendorKey], names: Names) -> str | None:
    """The text of the file; None if no model for chat was found."""
    usable_keys = [key for key in keys if key.vendor.kind in names.kinds]
    cloud = list(_vendors(usable_keys))
    lines = list(_local(servers, alone=not cloud))
    tiers = {line.name: line.group for line in lines}  # a name means one tier, and a local proxy may list a vendor's models
    local = frozenset(tiers)
    lines += [line for line in cloud if line.name not in local and tiers.setdefault(line.name, line.group) == line.group]
    if not any(line.group != Tier.EMBEDDING for line in lines):
        return None
    return "".join(_text(servers, keys, lines, names))


def _local(servers: Sequence[LocalServer], *, alone: bool) -> Iterator[ModelLine]:
    """`alone`: there are no cloud models, so the local ones are ranked against each other."""
    models = [(server, model) for server in servers for model in filter(usable, dict.fromkeys(server.models[:MAX_MODELS]))]
    chat = [model for _, model in models if not _EMBEDDERS.search(model.lower())]
    sizes = sorted({size for size in map(billions, chat) if size is not None})
    for server, model in models:
        size = billions(model)
        ranked = tier_by_rank(size, sizes) if alone else tier_by_size(size)
        tier = ranked if model in chat else Tier.EMBEDDING
        yield ModelLine(str(tier), model, {"base_url": toml(server.base_url)}, size or 0)


def _vendors(keys: Sequence[VendorKey]) -> Iterator[ModelLine]:
    for key in keys:
        for tier, model in zip(CHAT_TIERS, key.vendor.choose(key.listed), strict=False):
            if model is not None:
                yield ModelLine(str(tier), model, {"provider": toml(key.vendor.name)}, -1)


def _text(servers: Sequence[LocalServer], keys: Sequence[VendorKey], lines: Sequence[ModelLine], names: Names) -> Iterator[str]:
    yield (
        "# Written by `octoroute init` from what it found:\n"
        + "".join(f"#   {server.title} at {server.base_url}, {server.model_count}\n" for server in servers)
        + "".join(f"#   {key.vendor.title}: {key.variable} in the environment\n" for key in keys)
        + "# Check it with `octoroute check`, start with `octoroute` (in a clone: `./run check`, `./run serve`).\n"
        "# Every key is explained in `octoroute config`.\n"
        "#\n"
        "# Tiers come from the parameter counts in the names: the smallest is fast, the largest deep, the others balanced; beside\n"
        f"# cloud models, below {SMALL}B is fast and from {LARGE}B on deep. Rename a table to move a model to another tier.\n"
        "# In a tier, the highest priority is tried first; the others take over when it fails.\n"
        '\n[server]\nhost = "127.0.0.1"\nport = 3000\n\n[routing]\nstrategy = "learned"\n'
    )
    for key in keys:
        yield from _provider(key, names)
    for name in Tier:
        yield from _tables(str(name), [line for line in lines if line.group == name])
    yield ALIASES


def _provider(key: VendorKey, names: Names) -> Iterator[str]:
    vendor = key.vendor
    if vendor.kind not in names.kinds:
        yield f"\n# {vendor.title}: this version has no provider of kind {vendor.kind}, so {key.variable} is not used.\n"
        return
    yield f"\n# {vendor.title}\n[providers.{vendor.name}]\nkind = {toml(vendor.kind)}\nbase_url = {toml(vendor.base_url)}\n"
    yield f"api_key = {toml(f'${{{key.variable}}}')}\n"
    if not vendor.models:
        yield f'# Add your deployments:\n#[[models.balanced]]\n#name = "your-deployment"\n#provider = {toml(vendor.name)}\n'


def _tables(name: str, lines: Sequence[ModelLine]) -> Iterator[str]:
    """The tables of one tier by falling priority: local models before vendors', larger before smaller."""
    ordered = sorted(lines, key=lambda line: -line.billions)
    for index, line in enumerate(ordered):
        yield f"\n[[models.{name}]]\nname = {toml(escape(line.name))}\n"
        yield "".join(f"{key} = {value}\n" for key, value in line.keys.items())
        yield f"priority = {min(255, len(ordered) - index)}\n"
