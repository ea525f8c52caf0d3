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
        if path.startswith((*dialect.paths, *dialect.prefixes)):
            return dialect
    return inbound[dialects.DEFAULT]
