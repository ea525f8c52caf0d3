"""The output budget of a request, within the limit of the model that it goes to. Pure."""

from __future__ import annotations


def fit_output_tokens(wanted: int | None, limit: int | None, notes: list[str]) -> int | None:
    """Tokens; None: the model's default. Not positive means no limit, as for LM Studio and llama.cpp (-1).

    `limit`: the most that the model accepts; None: not known. A reduction is noted.
    """
    if wanted is None or wanted <= 0:
        return None
    if limit is None or wanted <= limit:
        return wanted
    notes.append(f"max_tokens: {wanted} reduced to {limit}, the model's limit")
    return limit
