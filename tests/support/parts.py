"""Endpoints, requests, and errors for tests that need no socket."""

from __future__ import annotations

from typing import Any

from octoroute.domain.endpoint import Endpoint, Tier
from octoroute.domain.request import Facts, Request
from octoroute.errors import (
    BadUpstreamResponse,
    Overloaded,
    Throttled,
    TooSlow,
    Unreachable,
    UpstreamAuthError,
    UpstreamError,
    UpstreamRejected,
)


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


def declined() -> UpstreamRejected:
    return UpstreamRejected("no", status=400, body=b"{}", headers={}, dialect="openai")


BLAMED: tuple[UpstreamError, ...] = (Unreachable("x"), TooSlow("x"), Overloaded("x"), BadUpstreamResponse("x"))
FAILURES: tuple[UpstreamError, ...] = (*BLAMED, UpstreamAuthError("x"), Throttled("x"), Throttled("x", retry_after_s=5), declined())
