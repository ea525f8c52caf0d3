"""What Ollama's clients ask besides answers."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.local_routes import LocalRequest, ModelCard
from octoroute.dialects.ollama.model_routes import local_routes
from octoroute.domain.endpoint import Capability
from octoroute.errors import BadRequest, Forbidden, UnknownModel

CARDS = {
    card.name: card
    for card in (
        ModelCard("auto", "octoroute"),
        ModelCard("mine:latest", "user", context_window=5000, capabilities=frozenset({Capability.TOOLS})),
        ModelCard("emb", "user", "embeddings"),
    )
}
ROUTES = {(route.method, route.path): route.answer for route in local_routes()}


def asked(method, path, body=b""):
    return json.loads(ROUTES[method, path](LocalRequest({}, {}, body, CARDS)))


def show(**body):
    return asked("POST", "/api/show", json.dumps(body).encode())


def test_every_model_is_listed_with_what_clients_require():
    models = asked("GET", "/api/tags")["models"]
    assert [model["name"] for model in models] == [model["model"] for model in models] == list(CARDS)
    for model in models:
        assert set(model) == {"name", "model", "modified_at", "size", "digest", "details"}
        assert len(model["digest"]) == 64
        assert {"family", "families", "format", "parameter_size", "quantization_level"} <= set(model["details"])
    assert len({model["digest"] for model in models}) == len(models)
    assert [model["name"] for model in asked("GET", "/api/ps")["models"]] == list(CARDS)
    assert asked("GET", "/api/version")["version"].count(".") == 2


@pytest.mark.parametrize("name", ["mine", "mine:latest"])
def test_a_model_is_shown_with_and_without_its_tag(name):
    shown = show(model=name)
    assert shown["capabilities"] == ["completion", "tools", "thinking"]
    assert shown["model_info"]["octoroute.context_length"] == 5000
    assert show(name=name) == shown


def test_what_is_not_known_is_not_told():
    assert "octoroute.context_length" not in show(model="auto:latest")["model_info"]
    assert show(model="emb")["capabilities"] == ["embedding"]
    with pytest.raises(UnknownModel):
        show(model="nothing")
    with pytest.raises(BadRequest):
        asked("POST", "/api/show", b"[")


@pytest.mark.parametrize(
    "route", [route for route in ROUTES if route[1].rpartition("/")[2] in {"pull", "push", "create", "copy", "delete"}]
)
def test_models_are_not_managed_here(route):
    with pytest.raises(Forbidden, match="does not manage models"):
        asked(*route)
