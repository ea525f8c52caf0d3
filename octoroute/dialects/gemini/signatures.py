"""Stores Gemini's thought signatures for clients that drop them: the only state among the dialects, bounded in age and size.

Gemini 3 rejects a history whose tool calls lack their original signatures. Anthropic's clients and most OpenAI clients do not send
them back.
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
"""Sent in place of a lost signature, as documented by Google."""


class Signatures:
    """Maps tool-call ids to signatures; the oldest are dropped first. `clock` returns seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._entries: OrderedDict[str, tuple[float, str]] = OrderedDict()

    def keep(self, call_id: str, signature: str) -> None:
        """Store a signature; one that is too long is ignored."""
        if len(signature) > MAX_SIGNATURE_CHARS:
            return
        now = self._clock()
        self._entries[call_id] = (now, signature)
        self._entries.move_to_end(call_id)
        while self._entries:
            oldest, (stored_at_s, _) = next(iter(self._entries.items()))
            if len(self._entries) <= MAX_ENTRIES and now - stored_at_s < MAX_AGE_S:
                break
            del self._entries[oldest]

    def find(self, call_id: str) -> str | None:
        found = self._entries.get(call_id)
        return found[1] if found is not None and self._clock() - found[0] < MAX_AGE_S else None

    def restore(self, conversation: Conversation) -> Conversation:
        """Add the stored signatures to tool calls that the client sent back without one."""
        turns = tuple(Turn(turn.role, tuple(map(self._restore_block, turn.content)), turn.name) for turn in conversation.turns)
        return msgspec.structs.replace(conversation, turns=turns)

    def _restore_block(self, block: Block) -> Block:
        if not isinstance(block, ToolCall) or block.signature is not None:
            return block
        signature = self.find(block.id)
        return block if signature is None else ToolCall(block.id, block.name, block.arguments, signature)
