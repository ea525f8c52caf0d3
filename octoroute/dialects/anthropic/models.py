"""How Anthropic describes models: pages of `{"type": "model", ...}`. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from octoroute.dialects.local_routes import ModelCard
from octoroute.errors import BadRequest


class AnthropicModels:
    def entry(self, card: ModelCard) -> Mapping[str, object]:
        return _entry(card.name)

    def listing(self, cards: Sequence[ModelCard], aliases: Sequence[str], query: Mapping[str, str]) -> Mapping[str, object]:
        """One page of the aliases and the names."""
        page, has_more = page_of([*aliases, *(card.name for card in cards)], query)
        return {
            "data": list(map(_entry, page)),
            "has_more": has_more,
            "first_id": page[0] if page else None,
            "last_id": page[-1] if page else None,
        }


def _entry(name: str) -> Mapping[str, object]:
    return {"type": "model", "id": name, "display_name": name, "created_at": "1970-01-01T00:00:00Z"}


def page_of(names: Sequence[str], query: Mapping[str, str]) -> tuple[list[str], bool]:
    """The names that `limit`, `after_id`, and `before_id` select, and whether more follow. Raises BadRequest."""
    limit_text = query.get("limit", "20")
    if not (limit_text.isascii() and limit_text.isdigit() and 1 <= int(limit_text) <= 1000):
        raise BadRequest("limit: must be a whole number from 1 to 1000", param="limit")
    limit, found = int(limit_text), list(names)
    after, before = query.get("after_id"), query.get("before_id")
    if after in found:
        found = found[found.index(after) + 1 :]
    if before in found:
        found = found[: found.index(before)]
        return found[-limit:], len(found) > limit
    return found[:limit], len(found) > limit
