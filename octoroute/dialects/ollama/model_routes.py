"""The routes of Ollama's API that ask no model: lists and descriptions, the version, and the refusal to manage models. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec

from octoroute.dialects.local_routes import LocalRequest, LocalRoute, ModelCard
from octoroute.dialects.request.body import RequestBody
from octoroute.domain.endpoint import Capability
from octoroute.errors import Forbidden, UnknownModel

VERSION = "0.13.0"
"""Of the API that is spoken here; clients refuse versions that they take for too old."""
LATEST = ":latest"
"""The tag that a name without one has."""
_NEVER = "2099-01-01T00:00:00Z"
_LONG_AGO = "2024-01-01T00:00:00Z"
_FAMILY = "octoroute"
_TEXT = msgspec.json.Decoder(str | None)
_DETAILS = {
    "parent_model": "",
    "format": "gguf",
    "family": _FAMILY,
    "families": [_FAMILY],
    "parameter_size": "unknown",
    "quantization_level": "unknown",
}
_MANAGED = (
    ("POST", "/api/pull"),
    ("POST", "/api/push"),
    ("POST", "/api/create"),
    ("POST", "/api/copy"),
    ("DELETE", "/api/delete"),
    ("POST", "/api/blobs/{digest:path}"),
)


def local_routes() -> Sequence[LocalRoute]:
    return [
        LocalRoute("GET", "/api/tags", _tags),
        LocalRoute("POST", "/api/show", _show),
        LocalRoute("GET", "/api/ps", _running),
        LocalRoute("GET", "/api/version", _version),
        *(LocalRoute(method, path, _refuse) for method, path in _MANAGED),
    ]


def _entry(card: ModelCard) -> dict[str, object]:
    return {
        "name": card.name,
        "model": card.name,
        "modified_at": _LONG_AGO,
        "size": 0,
        "digest": hashlib.sha256(card.name.encode("utf-8", "surrogatepass")).hexdigest(),
        "details": _DETAILS,
    }


def _tags(request: LocalRequest) -> bytes:
    return msgspec.json.encode({"models": list(map(_entry, request.models.values()))})


def _running(request: LocalRequest) -> bytes:
    """Every model: none has to be loaded first."""
    running = [
        {**_entry(card), "expires_at": _NEVER, "size_vram": 0, "context_length": card.context_window or 0}
        for card in request.models.values()
    ]
    return msgspec.json.encode({"models": running})


def _version(request: LocalRequest) -> bytes:
    del request
    return msgspec.json.encode({"version": VERSION})


def _show(request: LocalRequest) -> bytes:
    body = RequestBody.parse(request.body)
    name = body.decode("model", _TEXT) or body.decode("name", _TEXT) or ""
    card = request.models.get(name) or request.models.get(name.removesuffix(LATEST)) or request.models.get(name + LATEST)
    if card is None:
        raise UnknownModel(f"model '{name[:200]}' not found", param="model")
    info: dict[str, object] = {"general.architecture": _FAMILY, "general.basename": card.name}
    if card.context_window is not None:
        info[f"{_FAMILY}.context_length"] = card.context_window
    return msgspec.json.encode(
        {
            "modelfile": "",
            "parameters": "",
            "template": "",
            "license": "",
            "details": _DETAILS,
            "model_info": info,
            "capabilities": _capabilities(card),
            "modified_at": _LONG_AGO,
        }
    )


def _capabilities(card: ModelCard) -> list[str]:
    if card.api != "chat":
        return ["embedding"]
    offered = (("tools", Capability.TOOLS), ("vision", Capability.VISION))
    return ["completion", *(word for word, capability in offered if capability in card.capabilities), "thinking"]


def _refuse(request: LocalRequest) -> bytes:
    del request
    raise Forbidden("this gateway does not manage models: its operator lists them in the configuration; GET /api/tags shows them")
