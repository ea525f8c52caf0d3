"""Which dialect a client speaks, where the route alone does not tell."""

from __future__ import annotations

from collections.abc import Mapping

from octoroute import dialects
from octoroute.dialects.base import Inbound


def inbound_of(inbound: Mapping[str, Inbound], path: str, headers: Mapping[str, str]) -> Inbound:
    """The dialect whose version header the client sends, else the one whose routes `path` is below, else OpenAI's."""
    for dialect in inbound.values():
        if dialect.version_header is not None and dialect.version_header in headers:
            return dialect
    for dialect in inbound.values():
        if path.startswith((*dialect.paths, *dialect.prefixes)) or _has_template(dialect, path):
            return dialect
    return inbound[dialects.DEFAULT]


def _has_template(dialect: Inbound, path: str) -> bool:
    """Whether `path` is an instance of one of the format's paths that have the model in them."""
    templates = (template for template in (*dialect.paths, dialect.count_path or "") if "{" in template)
    return any(path.startswith(one.partition("{")[0]) and path.endswith(one.rpartition("}")[2]) for one in templates)
