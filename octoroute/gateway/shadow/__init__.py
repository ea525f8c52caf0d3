"""Shadow mode turns traffic into labels: other tiers get the same question, off the request path. Labels, never texts, are kept."""

from __future__ import annotations

from octoroute.gateway.shadow.mirror import ShadowMirror, ShadowOptions

__all__ = ["ShadowMirror", "ShadowOptions"]
