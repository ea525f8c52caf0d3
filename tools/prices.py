"""Write octoroute/access/prices.json from the package genai-prices (MIT), which quotes the vendors' price pages.

    python tools/prices.py

Only what a price of octoroute can say is taken: prices that depend on the time of day are left out, as are other units than tokens.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

VENDORS = {
    "openai": "api.openai.com",
    "anthropic": "api.anthropic.com",
    "google": "generativelanguage.googleapis.com",
    "mistral": "api.mistral.ai",
    "x-ai": "api.x.ai",
    "groq": "api.groq.com",
}
FIELDS = {
    "input_mtok": "input",
    "output_mtok": "output",
    "cache_read_mtok": "cached",
    "cache_write_mtok": "written",
    "input_audio_mtok": "audio_input",
    "output_audio_mtok": "audio_output",
    "input_image_mtok": "image_input",
    "output_image_mtok": "image_output",
}
TARGET = Path(__file__).parents[1] / "octoroute" / "access" / "prices.json"


def price(found: Any, today: dt.date) -> dict[str, Any] | None:
    """None: it cannot be said."""
    if isinstance(found, list):
        constraints = [getattr(entry.constraint, "start_date", entry.constraint) for entry in found]
        if not all(start is None or isinstance(start, dt.date) for start in constraints):
            return None
        begun = [entry for entry, start in zip(found, constraints, strict=True) if start is None or start <= today]
        found = begun[-1].prices
    made: dict[str, Any] = {}
    steps: dict[int, dict[str, Any]] = {}
    for theirs, ours in FIELDS.items():
        value = getattr(found, theirs, None)
        if value is None:
            continue
        if hasattr(value, "tiers"):
            for tier in value.tiers:
                steps.setdefault(tier.start, {"above_tokens": tier.start})[ours] = float(tier.price)
            value = value.base
        made[ours] = float(value)
    if "input" not in made:
        return None
    if steps:
        made["long_context"] = [steps[start] for start in sorted(steps)]
    return made


def main() -> None:
    from genai_prices.data import providers  # noqa: PLC0415 - of the group e2e

    today = dt.datetime.now(dt.UTC).date()
    vendors: dict[str, Any] = {}
    for provider in providers:
        if (host := VENDORS.get(provider.id)) is None:
            continue
        models = {}
        for model in provider.models:
            if model.id.startswith("claude") and provider.id != "anthropic":  # at Vertex, another address
                continue
            if ":" in model.id or model.id.startswith("gpt-oss"):  # other servers' offers
                continue
            made = price(model.prices, today)
            if made is not None:
                models[re.sub(r"-latest$", "", model.id)] = made
        vendors[host] = {"sources": provider.pricing_urls, "models": dict(sorted(models.items()))}
    found = {"date": today.isoformat(), "from": f"genai-prices {version('genai-prices')} (MIT)", "vendors": vendors}
    text = json.dumps(found, indent=1)
    TARGET.write_text(re.sub(r"\n\s{5,}", " ", re.sub(r"\n\s{4}\}", " }", text)) + "\n", "utf-8")


if __name__ == "__main__":
    main()
