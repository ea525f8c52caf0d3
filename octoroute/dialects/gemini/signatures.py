"""Thought signatures kept for clients that drop them. The one memory among the dialects: bounded, forgetful, clock injected.

Gemini 3 refuses a history whose calls lack the signatures they came with; neither Anthropic's nor most OpenAI clients carry them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import msgspec.structs

from octoroute.domain.conversation import Block, Conversation, ToolCall, Turn

MAX_AGE_S = 3600.0
MAX_ENTRIES = 20_000
MAX_SIGNATURE_CHARS = 64 * 1024
SKIP_SIGNATURE = "skip_thought_signature_validator"
"""Google's documented stand-in for a signature that is lost."""


class Signatures:
    """Tool-call id → signature. One per outbound; `clock` counts seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._entries: OrderedDict[str, tuple[float, str]] = OrderedDict()

    def keep(self, call_id: str, signature: str) -> None:
        if len(signature) > MAX_SIGNATURE_CHARS:
            return
        now = self._clock()
        self._entries[call_id] = (now, signature)
        self._entries.move_to_end(call_id)
        while self._entries:
            oldest, (kept_at, _) = next(iter(self._entries.items()))
            if len(self._entries) <= MAX_ENTRIES and now - kept_at < MAX_AGE_S:
                break
            del self._entries[oldest]

    def find(self, call_id: str) -> str | None:
        found = self._entries.get(call_id)
        return found[1] if found is not None and self._clock() - found[0] < MAX_AGE_S else None

    def restore(self, conversation: Conversation) -> Conversation:
        """With the signatures that the client did not send back, as far as they are known."""
        turns = tuple(Turn(turn.role, tuple(map(self._restore_block, turn.content)), turn.name) for turn in conversation.turns)
        return msgspec.structs.replace(conversation, turns=turns)

    def _restore_block(self, block: Block) -> Block:
        if not isinstance(block, ToolCall) or block.signature is not None:
            return block
        signature = self.find(block.id)
        return block if signature is None else ToolCall(block.id, block.name, block.arguments, signature)
