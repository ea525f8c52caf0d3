"""How OpenAI describes models: `{"object": "list", "data": [...]}`. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class OpenAIModels:
    def entry(self, name: str, owner: str) -> Mapping[str, object]:
        return {"id": name, "object": "model", "created": 0, "owned_by": owner}

    def listing(self, owners: Mapping[str, str], aliases: Sequence[str], query: Mapping[str, str]) -> Mapping[str, object]:
        del aliases, query  # its clients list every name, on one page
        return {"object": "list", "data": [self.entry(name, owner) for name, owner in owners.items()]}
