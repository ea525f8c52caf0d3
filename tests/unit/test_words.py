"""The words of docs, docstrings, comments, and messages: machines are not persons. docs/development.md has vocabulary and tone."""

from __future__ import annotations

import io
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PERSONS = re.compile(r"\b(?:whom|whoever|whomever|somebody|nobody|anybody|everybody)\b", re.IGNORECASE)
"""Pronouns that hide the actor."""
TERMS = (
    "failover", "fallback", "retries", "cooldown", "rate limit", "circuit breaker", "circuit open", "half-open", "load balancing", "health check",
    "timeout", "streaming", "non-streaming", "time to first token", "session affinity", "round robin", "back-off", "upstream",
)  # fmt: skip
"""What engineers search for."""

PAGES = sorted(
    path
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"))
    if path.name != "development.md"  # which quotes what not to write
)
DATA = frozenset(
    {"lexicon.py", "phrases.py", "stuck.py", "features.py", "subject.py", "script.py", "answer_checks.py", "classifier.py"}
)
"""Modules that hold other people's sentences: words of prompts and answers."""
SOURCES = [path for path in sorted((ROOT / "octoroute").rglob("*.py")) if path.name not in DATA]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_pages_name_the_actor(path):
    prose = re.sub(r"(?ms)^```.*?^```|`[^`\n]*`", "", path.read_text("utf-8"))
    assert [line for line in prose.splitlines() if PERSONS.search(line)] == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_docstrings_comments_and_messages_name_the_actor(path):
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text("utf-8")).readline)
    texts = [(token.start[0], token.string) for token in tokens if token.type in {tokenize.STRING, tokenize.COMMENT}]
    assert [(line, found.group()) for line, text in texts for found in PERSONS.finditer(text)] == []


@pytest.mark.parametrize("term", TERMS)
def test_the_fields_terms_are_in_the_docs(term):
    text = "\n".join(path.read_text("utf-8").lower() for path in ROOT.glob("docs/*.md"))
    assert term in text
