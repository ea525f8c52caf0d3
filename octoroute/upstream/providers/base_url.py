"""The root of an API, found in an address that was pasted with a route at its end. Pure."""

from __future__ import annotations

import re

_ROUTE = re.compile(
    r"""/(?: chat/completions | completions | responses(?:/compact | /input_tokens)? | embeddings | models | rerank | moderations
    | audio/(?:speech | transcriptions | translations) | images/(?:generations | edits | variations)
    | messages(?:/count_tokens | /batches)?
    | models/[^/]+:[A-Za-z]+ | model/[^/]+/(?:converse | converse-stream | invoke | invoke-with-response-stream)
    )/*$""",
    re.VERBOSE,
)
_OLLAMA = re.compile(r"/api/(?:chat|generate|embed|embeddings|tags|show|ps|version)/*$")
"""Routes of Ollama's own API, beside which it has OpenAI's."""
_ROOTS_CALLED_MODELS = re.compile(r"https?://[^/]+\.(?:services\.ai|models\.ai|inference\.ml)\.azure\.com/models/*$")
"""Azure AI Foundry's root ends like a route."""


def root_of(url: str, kind: str) -> str:
    """Return `url` without the route at its end and without slashes there. `kind`: of the provider."""
    if _ROOTS_CALLED_MODELS.match(url):
        return url.rstrip("/")
    if kind in {"openai", "ollama"} and (own := _OLLAMA.search(url)):
        return url[: own.start()] + ("/v1" if kind == "openai" else "")
    root = _ROUTE.sub("", url)
    host = root.partition("://")[2].partition("/")[0]
    return (root if host else url).rstrip("/")
