"""How OpenAI describes models: `{"object": "list", "data": [...]}`. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from octoroute.dialects.local_routes import ModelCard


class OpenAIModels:
    def entry(self, card: ModelCard) -> Mapping[str, object]:
        return {"id": card.name, "object": "model", "created": 0, "owned_by": card.owner}

    def listing(self, cards: Sequence[ModelCard], aliases: Sequence[str], query: Mapping[str, str]) -> Mapping[str, object]:
        del aliases, query  # its clients list every name, on one page
        return {"object": "list", "data": list(map(self.entry, cards))}
