"""Endpoints, requests, and errors for tests that need no socket."""

from __future__ import annotations

from typing import Any

from octoroute.domain.endpoint import Endpoint, Tier
from octoroute.domain.request import Facts, Request
from octoroute.errors import Broke, Declined, Misconfigured, Overloaded, Throttled, TooSlow, Unreachable, UpstreamError


def endpoint(id: str = "a", **more: Any) -> Endpoint:
    basis: dict[str, Any] = {
        "id": id,
        "name": id,
        "tier": Tier.FAST,
        "kind": "openai",
        "provider": "openai",
        "base_url": "http://127.0.0.1:1/v1",
        "model": id,
    }
    return Endpoint(**{**basis, **more})


def request(**more: Any) -> Request:
    basis: dict[str, Any] = {"id": "r", "dialect": "openai", "model": "auto", "stream": False, "body": None, "facts": Facts()}
    return Request(**{**basis, **more})


def declined() -> Declined:
    return Declined("no", status=400, body=b"{}", headers={}, dialect="openai")


BLAMED: tuple[UpstreamError, ...] = (Unreachable("x"), TooSlow("x"), Overloaded("x"), Broke("x"))
FAILURES: tuple[UpstreamError, ...] = (*BLAMED, Misconfigured("x"), Throttled("x"), Throttled("x", retry_after_s=5), declined())
