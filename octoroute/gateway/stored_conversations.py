"""Stored conversations of Responses clients: a request that refers to earlier items becomes one that holds them.

The endpoints get whole conversations, so that each turn may go to another one. An interrupted response is not stored.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import msgspec

from octoroute.dialects.request.json_size import check_size
from octoroute.dialects.responses import state
from octoroute.dialects.responses.compaction import is_own_compaction, summary_message
from octoroute.domain.stored_response import ResponseStore, StoredResponse
from octoroute.errors import BadRequest, NotStored, TooLarge, UnknownPreviousResponse
from octoroute.gateway.offload import by_size

MAX_TURNS = 4096
"""Of one conversation."""
MAX_REFERENCES = 4096
"""In one request."""


class ResponseRecorder:
    """Stores one response when it is complete, before its last bytes are sent: the client may refer to it at once."""

    def __init__(self, store: ResponseStore, owner: str, previous: str | None, items: bytes) -> None:
        """`items`: those that the request added, a JSON array."""
        self._store = store
        self._owner = owner
        self._previous = previous
        self._items = items

    async def observe(self, frames: bytes) -> None:
        """Complete frames of a streamed response."""
        body = state.final_response(frames)
        if body is not None:
            await self.complete(body)

    async def complete(self, body: bytes) -> bytes:
        """The whole response object, which is returned as it is."""
        id = state.response_id(body)
        if id is not None:
            response = StoredResponse(id=id, owner=self._owner, previous=self._previous, input=self._items, body=body)
            await self._store.put(response)
        return body


class ResolvedRequest(msgspec.Struct, frozen=True):
    """A request whose references are replaced by what they refer to."""

    body: bytes
    """With the whole conversation in `input`; the client's own bytes if there was nothing to replace."""
    recorder: ResponseRecorder | None
    """None: the response is not stored."""
    generate: bool = True
    """False: no model is to be asked."""


class StoredConversations:
    """`stores`: the first takes what is stored; all are looked through, which a connection with a memory of its own needs."""

    def __init__(self, *stores: ResponseStore, max_bytes: int, own_memory: ResponseStore | None = None, hint: str = "") -> None:
        """`max_bytes`: of a conversation. `own_memory` takes what the client does not want stored. `hint` ends the text of an error
        about an unknown id.
        """
        self._stores = stores
        self._own_memory = own_memory
        self._max_bytes = max_bytes
        self._hint = hint

    async def resolve(self, body: bytes, owner: str) -> ResolvedRequest:
        """Raises BadRequest, UnknownPreviousResponse, NotStored, and TooLarge. A body that is not JSON is returned as it is."""
        fields = await by_size(len(body), _read_fields, body)
        if fields is None:
            return ResolvedRequest(body, None)
        raw = fields.input
        changed = await self._replace_references(raw, owner) if state.may_refer(raw) else None
        items = changed
        if fields.previous_response_id:
            earlier = await self._earlier(fields.previous_response_id, owner)
            sent = await by_size(len(body), state.input_items, raw) if changed is None else changed
            items = [*earlier, *sent]
        if items is not None:
            joined = state.join_items(items)
            self._check_size(len(joined))
            await asyncio.sleep(0)  # copying a long conversation takes its time
            body = state.with_input(body, joined)
        store = self._own_memory if fields.store is False else self._stores[0]
        if store is None:
            return ResolvedRequest(body, None, fields.generate is not False)
        added = bytes(raw) if changed is None else state.join_items(changed)
        recorder = ResponseRecorder(store, owner, fields.previous_response_id or None, added)
        return ResolvedRequest(body, recorder, fields.generate is not False)

    async def turns(self, id: str, owner: str) -> Sequence[StoredResponse]:
        """The conversation up to this response, oldest turn first; at most one turn more than MAX_TURNS.

        Raises UnknownPreviousResponse.
        """
        turns: list[StoredResponse] = []
        missing: str | None = id
        while missing is not None and len(turns) <= MAX_TURNS:
            for store in self._stores:
                earlier = await store.chain(owner, missing, MAX_TURNS + 1 - len(turns))
                if earlier:
                    break
            else:
                raise UnknownPreviousResponse(
                    f"previous_response_id: the response {id[:100]!r}, or one before it, is not stored; send the whole "
                    f"conversation in input{self._hint}",
                    param="previous_response_id",
                )
            turns = [*earlier, *turns]
            missing = turns[0].previous
        return turns

    async def _earlier(self, id: str, owner: str) -> list[msgspec.Raw]:
        turns = await self.turns(id, owner)
        if len(turns) > MAX_TURNS:
            raise BadRequest(
                f"previous_response_id: the conversation has more than {MAX_TURNS} turns; compact it, or start a new one",
                param="previous_response_id",
            )
        items: list[msgspec.Raw] = []
        size = 0
        for turn in turns:
            added = state.items_of(turn)
            size += sum(len(memoryview(item)) for item in added)
            self._check_size(size)
            items += added
            await asyncio.sleep(0)
        return items

    def _check_size(self, size: int) -> None:
        if size > self._max_bytes:
            raise TooLarge(
                f"input: the conversation with its earlier items exceeds the limit of {self._max_bytes} bytes; compact it, or "
                "start a new one"
            )

    async def _replace_references(self, raw: msgspec.Raw, owner: str) -> list[msgspec.Raw] | None:
        """The items with those that references and compactions stand for; None: there is none to replace."""
        sent_bytes = len(memoryview(raw))
        found = await by_size(sent_bytes, state.replaced_items, raw, MAX_REFERENCES)
        if len(found) > MAX_REFERENCES:
            raise BadRequest(f"input: has more than {MAX_REFERENCES} references to items; send the items", param="input")
        items = await by_size(sent_bytes, state.input_items, raw) if found else []
        lookup = _ItemLookup(self._stores, owner)
        size = 0
        for at, head in found:
            if is_own_compaction(head.encrypted_content):
                item = summary_message(head.encrypted_content)
                if item is None:
                    raise BadRequest(f"input[{at}].encrypted_content: is damaged; send it as it came", param=f"input[{at}]")
            else:
                item = await lookup.find(head.id or "")
                if item is None:
                    raise NotStored(
                        f"input[{at}]: the item {(head.id or '')[:100]!r} is not stored; send the item itself, or `store: true` "
                        f"with the request that makes it{self._hint}",
                        param=f"input[{at}]",
                    )
            size += len(item)
            self._check_size(size)
            items[at] = msgspec.Raw(item)
        return items if found else None


def _read_fields(body: bytes) -> state.StatefulFields | None:
    """Raises BadRequest for more values than are read."""
    check_size(body)
    return state.read_fields(body)


class _ItemLookup:
    """Items of one owner by their ids, for one request; each response is read once."""

    def __init__(self, stores: Sequence[ResponseStore], owner: str) -> None:
        self._stores = stores
        self._owner = owner
        self._read: dict[str, tuple[Sequence[msgspec.Raw], Mapping[str, msgspec.Raw]]] = {}
        """By id of the response: its input items, and its output items by their ids."""

    async def find(self, item_id: str) -> bytes | None:
        place = state.place_of(item_id)
        for store in self._stores:
            response = await store.find(self._owner, item_id)
            if response is not None:
                item = (await self._items(response))[1].get(item_id)
            elif place is not None and (response := await store.get(self._owner, place[0])) is not None:
                added = (await self._items(response))[0]
                item = added[place[1]] if place[1] < len(added) else None
            else:
                continue
            if item is not None:
                return bytes(item)
        return None

    async def _items(self, response: StoredResponse) -> tuple[Sequence[msgspec.Raw], Mapping[str, msgspec.Raw]]:
        if response.id not in self._read:
            await asyncio.sleep(0)
            added = state.input_items(msgspec.Raw(response.input))
            self._read[response.id] = added, state.items_by_id(state.output_items(response.body))
        return self._read[response.id]
