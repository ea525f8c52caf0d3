"""Own traffic becomes labels: the other tiers are asked the same, off the request path, and who was right is kept. Never text."""

from __future__ import annotations

from octoroute.gateway.shadow.mirror import ShadowMirror, ShadowOptions

__all__ = ["ShadowMirror", "ShadowOptions"]
