"""Shared by the laws: clients, endpoints, and bytes that were valid before a mutation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from octoroute import dialects
from octoroute.domain.endpoint import Endpoint, Tier

ROOT = Path(__file__).resolve().parents[3]
GOLDEN = ROOT / "tests" / "golden"

INBOUND = dialects.inbound(lambda: 1e9)
OUTBOUND = dialects.outbound(lambda: 1e9)


def _endpoint(kind: str, model: str, url: str, *quirks: str) -> Endpoint:
    return Endpoint(
        id=model, name=model, tier=Tier.FAST, kind=kind, provider=kind, base_url=url, model=model, max_tokens=99, quirks=quirks
    )


ENDPOINTS = (
    _endpoint("openai", "gpt-4o", "https://api.openai.com/v1"),
    _endpoint("anthropic", "claude-sonnet-4-5", "https://api.anthropic.com"),
    _endpoint("gemini", "gemini-3-pro", "https://generativelanguage.googleapis.com/v1beta"),
    _endpoint("openai", "local", "http://127.0.0.1:1/v1", "think-tags", "single-system"),
    _endpoint("openai", "mistral-large", "https://api.mistral.ai/v1"),
    _endpoint("gemini", "gemini-1.5-pro", "https://generativelanguage.googleapis.com/v1beta"),
    _endpoint("openai", "deepseek-chat", "https://api.deepseek.com/v1"),
    _endpoint("responses", "gpt-5", "https://api.openai.com/v1"),
)
TAGGED = ENDPOINTS[3]
"""It writes its thinking as tags in its text."""

TOOL = {"name": "read file!", "description": "d", "parameters": {"type": "object", "properties": {"path": {"type": "string"}}}}
QUESTIONS = {
    "openai": {
        "model": "m",
        "stream": True,
        "stream_options": {"include_usage": True},
        "stop": ["END", "x", "y", "z"],
        "messages": [{"role": "user", "content": "x"}],
        "tools": [{"type": "function", "function": TOOL}],
    },
    "anthropic": {
        "model": "m",
        "stream": True,
        "max_tokens": 9,
        "thinking": {"type": "enabled", "budget_tokens": 5},
        "stop_sequences": ["END", "x", "y", "z", "w"],
        "messages": [{"role": "user", "content": "x"}],
        "tools": [{"name": TOOL["name"], "input_schema": TOOL["parameters"]}],
    },
    "responses": {"model": "m", "stream": True, "input": "x", "tools": [{"type": "function", **TOOL}]},
    "gemini": {
        "contents": [{"role": "user", "parts": [{"text": "x"}]}],
        "generationConfig": {"stopSequences": ["END", "x", "y", "z"], "thinkingConfig": {"includeThoughts": True}},
        "tools": [{"functionDeclarations": [{"name": TOOL["name"], "parametersJsonSchema": TOOL["parameters"]}]}],
    },
    "ollama": {
        "model": "m",
        "messages": [{"role": "user", "content": "x"}],
        "think": True,
        "options": {"stop": ["END", "x", "y", "z"]},
        "tools": [{"type": "function", "function": TOOL}],
    },
}
HEADERS = {":path": "/v1beta/models/m:streamGenerateContent"}
"""Of every request: only Gemini's readers look at the path."""
ASKED = {
    name: INBOUND[name].read(json.dumps(question).encode(), request_id="r", headers=HEADERS) for name, question in QUESTIONS.items()
}


def golden(folder: str, *suffixes: str) -> Iterator[bytes]:
    for path in sorted((GOLDEN / folder).iterdir()):
        if path.suffix in suffixes:
            yield path.read_bytes()
