"""Separates the user's own words from what an agent's harness writes into the user's message. Pure; linear in the length.

The learned router's `subject` takes out more, as its training did; this list has only what no user can have meant.
"""

from __future__ import annotations

from typing import Final

ENVIRONMENT_TAGS: Final = ("environment_details", "environment_context", "environment_info", "workspace_info", "editorContext")
"""Blocks about the state of the workspace, which agents send again as it changes."""
_TAGS: Final = (
    *ENVIRONMENT_TAGS,
    "system-reminder",
    "reminderInstructions",
    "ide_selection",
    "ide_opened_file",
    "ide_diagnostics",
    "user-memory-input",
    "session_context",
    "local-command-stdout",
    "local-command-stderr",
    "local-command-caveat",
)
"""Only names that no user writes around a question: `<context>` or `<rules>` may be the user's own."""

MAX_CHARS = 200_000
"""A longer text is returned unchanged: what it adds up to decides its tier, not its words."""


def user_words(text: str) -> str:
    """The text without the blocks that a harness has added; a block without its closing tag stays.

    Seen from Claude Code, Cline, Codex, Gemini CLI, and GitHub Copilot: `<system-reminder>` holds CLAUDE.md and the date,
    `<environment_details>` the open files.
    """
    if "<" not in text or len(text) > MAX_CHARS:
        return text
    words = text
    for tag in _TAGS:
        if f"<{tag}>" in words:
            words = _without(words, f"<{tag}>", f"</{tag}>")
    return text if words is text else words.strip()


def _without(text: str, opening: str, closing: str) -> str:
    kept: list[str] = []
    at = 0
    while (start := text.find(opening, at)) >= 0 and (end := text.find(closing, start)) >= 0:
        kept.append(text[at:start])
        at = end + len(closing)
    return "".join((*kept, text[at:])) if kept else text
