"""Compacts a stored or sent conversation: a model writes its summary, through the same pipeline as every request."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from octoroute.dialects.responses import compaction, state
from octoroute.dialects.responses.request_decoder import decode_request
from octoroute.errors import BadRequest
from octoroute.gateway.offload import by_size
from octoroute.gateway.stored_conversations import StoredConversations


class CompactionResponse:
    """Makes the client's response of the model's."""

    def __init__(self, items: Sequence[msgspec.Raw]) -> None:
        """`items`: of the conversation that is compacted."""
        self._items = items

    async def observe(self, frames: bytes) -> None:
        """No effect: the request for a summary is not streamed."""

    async def complete(self, body: bytes) -> bytes:
        return compaction.compact(body, self._items)


async def prepare_compaction(
    conversations: StoredConversations, body: bytes, owner: str
) -> tuple[bytes, CompactionResponse | None]:
    """The request for the summary. Raises what `StoredConversations.resolve` raises, and BadRequest."""
    resolved = await conversations.resolve(body, owner)
    size = len(resolved.body)
    fields = await by_size(size, state.read_fields, resolved.body)
    if fields is None:
        return body, None
    items = await by_size(size, state.input_items, fields.input)
    if not items:
        raise BadRequest("input: is empty; send a string, a list of items, or previous_response_id", param="input")
    conversation = await by_size(size, decode_request, resolved.body)
    return await by_size(size, compaction.summary_request, resolved.body, conversation), CompactionResponse(items)
