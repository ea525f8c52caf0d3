"""How Gemini's API describes models: pages of `{"name": "models/..."}`. Pure. Source: https://ai.google.dev/api/models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from octoroute.dialects.local_routes import ModelCard
from octoroute.errors import BadRequest

_METHODS = {
    "chat": ("generateContent", "streamGenerateContent", "countTokens"),
    "embeddings": ("embedContent", "batchEmbedContents"),
}
_MAX_PAGE = 1000


class GeminiModels:
    def entry(self, card: ModelCard) -> Mapping[str, object]:
        return describe(card)

    def listing(self, cards: Sequence[ModelCard], aliases: Sequence[str], query: Mapping[str, str]) -> Mapping[str, object]:
        del aliases  # are for other clients
        return list_models(cards, query)


def describe(card: ModelCard) -> Mapping[str, object]:
    fields: dict[str, object] = {
        "name": f"models/{card.name}",
        "baseModelId": card.name,
        "version": "1",
        "displayName": card.name,
        "supportedGenerationMethods": list(_METHODS.get(card.api, ())),
    }
    if card.context_window is not None:
        fields["inputTokenLimit"] = card.context_window
    if card.max_output_tokens is not None:
        fields["outputTokenLimit"] = card.max_output_tokens
    return fields


def list_models(cards: Sequence[ModelCard], query: Mapping[str, str]) -> Mapping[str, object]:
    """One page; `pageToken` is the offset of its first model. Raises BadRequest."""
    size, start = _number(query, "pageSize", _MAX_PAGE), _number(query, "pageToken", 0)
    end = start + max(1, min(size, _MAX_PAGE))
    page: dict[str, object] = {"models": [describe(card) for card in cards[start:end]]}
    return page if end >= len(cards) else {**page, "nextPageToken": str(end)}


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise BadRequest(f"{name}: must be a whole number", param=name)
    return int(text)
