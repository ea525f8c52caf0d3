"""What a Responses request and its response say about stored conversations. Pure.

Items are kept as the bytes of their JSON. An input item that the client gave no id gets one that its place determines, so that it
is the same each time the items are listed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from octoroute.dialects.request.body import decode
from octoroute.dialects.response import sse
from octoroute.dialects.responses.compaction import MARK, is_own_compaction
from octoroute.dialects.responses.schema import INPUT_ITEMS
from octoroute.domain.stored_response import StoredResponse

_WORDS = (b"item_reference", MARK.encode())
_BARE = re.compile(rb'\{\s{0,64}"id"\s{0,8}:\s{0,8}"[^"\\]{0,256}"\s{0,64}(?:,\s{0,64}"type"\s{0,8}:\s{0,8}null\s{0,64})?\}')
"""A reference without its type. Every repetition is bounded, so that the search takes time in proportion to the text."""
_FINAL = re.compile(rb'response\.(?:completed|incomplete)"')
_FINAL_EVENTS = frozenset({"response.completed", "response.incomplete"})
_FINAL_STATUSES = frozenset({"completed", "incomplete"})
_PREFIXES: Mapping[str, str] = {"message": "msg_", "function_call": "fc_", "reasoning": "rs_"}
_RESPONSE_PREFIX = "resp_"
_PLACE = re.compile(r"[a-z]+_(?P<response>.+)_in(?P<index>\d{1,9})")


class StatefulFields(msgspec.Struct):
    """The fields of a request that concern stored conversations; all others are skipped."""

    input: msgspec.Raw = msgspec.Raw(b"null")
    previous_response_id: str | None = None
    store: bool | None = None
    generate: bool | None = None
    """Over a WebSocket: false only prepares a turn, without asking a model."""


class ItemHead(msgspec.Struct):
    """What tells the kind of an item, and that it is no reference."""

    type: str | None = None
    id: str | None = None
    role: str | None = None
    encrypted_content: Any = None
    content: msgspec.Raw = msgspec.Raw(b"")
    summary: msgspec.Raw = msgspec.Raw(b"")
    output: msgspec.Raw = msgspec.Raw(b"")


class _FinalResponse(msgspec.Struct):
    id: str
    status: str | None = None


class _FinalEvent(msgspec.Struct):
    type: str = ""
    response: msgspec.Raw = msgspec.Raw(b"null")


class _OutputItems(msgspec.Struct):
    output: list[msgspec.Raw] = []


_FIELDS = msgspec.json.Decoder(StatefulFields)
_HEAD = msgspec.json.Decoder(ItemHead)
_HEADS = msgspec.json.Decoder(list[ItemHead])
_EVENT = msgspec.json.Decoder(_FinalEvent)
_RESPONSE = msgspec.json.Decoder(_FinalResponse)
_OUTPUT = msgspec.json.Decoder(_OutputItems)
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encode = msgspec.json.Encoder().encode


def read_fields(body: bytes) -> StatefulFields | None:
    """None: the body is no JSON object, which the decoder of all of it reports. Raises BadRequest that names the field."""
    try:
        return _FIELDS.decode(body)
    except msgspec.ValidationError as error:
        return decode(body, _FIELDS, "") if " - at `" in str(error) else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def input_items(raw: msgspec.Raw) -> list[msgspec.Raw]:
    """The items of a request's `input`; a text is one message. Raises BadRequest."""
    items = decode(raw, INPUT_ITEMS, "input")
    if items is None or isinstance(items, str):
        return [] if not items else [msgspec.Raw(_encode({"type": "message", "role": "user", "content": items}))]
    return items


def may_refer(raw: msgspec.Raw) -> bool:
    """Whether an input may hold references or compactions of the gateway's own; False is certain."""
    text = bytes(raw)
    return any(word in text for word in _WORDS) or _BARE.search(text) is not None


def replaced_items(raw: msgspec.Raw, limit: int) -> list[tuple[int, ItemHead]]:
    """Index and head of each reference, and of each compaction of the gateway's own; at most one more than `limit`.

    Empty if not every item is an object, which the decoder of all of it reports.
    """
    try:
        heads = _HEADS.decode(raw)
    except (ValueError, RecursionError):
        return []
    found: list[tuple[int, ItemHead]] = []
    for at, head in enumerate(heads):
        if head.type == "item_reference" or (head.type is None and _is_bare(head)) or is_own_compaction(head.encrypted_content):
            found.append((at, head))
            if len(found) > limit:
                break
    return found


def _is_bare(head: ItemHead) -> bool:
    return head.id is not None and head.role is None and not (bytes(head.content) or bytes(head.summary) or bytes(head.output))


def head_of_item(item: msgspec.Raw) -> ItemHead | None:
    """None: it is no item, which the decoder of all of it reports."""
    try:
        return _HEAD.decode(item)
    except (ValueError, RecursionError):
        return None


def join_items(items: Iterable[msgspec.Raw | bytes]) -> bytes:
    """A JSON array."""
    return b"[" + b",".join([bytes(item) for item in items]) + b"]"


def with_input(body: bytes, items: bytes) -> bytes:
    """The request with another `input`; its other fields keep their bytes."""
    fields = _OBJECT.decode(body)
    fields["input"] = msgspec.Raw(items)
    return _encode(fields)


def items_of(response: StoredResponse) -> list[msgspec.Raw]:
    """What the turn added to its conversation: its input, and the model's output."""
    return [*input_items(msgspec.Raw(response.input)), *output_items(response.body)]


def output_items(body: bytes) -> list[msgspec.Raw]:
    return _OUTPUT.decode(body).output


def id_of(item: msgspec.Raw) -> str | None:
    head = head_of_item(item)
    return None if head is None else head.id


def items_by_id(items: Iterable[msgspec.Raw]) -> dict[str, msgspec.Raw]:
    return {head.id: item for item in items if (head := head_of_item(item)) is not None and head.id is not None}


def place_of(item_id: str) -> tuple[str, int] | None:
    """Of an id that `listed_items` made: the id of the response, and the item's index in its input."""
    found = _PLACE.fullmatch(item_id)
    return None if found is None else (f"{_RESPONSE_PREFIX}{found['response']}", int(found["index"]))


def listed_items(response: StoredResponse) -> list[msgspec.Raw]:
    """The items of the turn's input, each with an id, and in the form in which OpenAI lists them."""
    return [
        msgspec.Raw(_encode(_listed(item, response.id, at))) for at, item in enumerate(input_items(msgspec.Raw(response.input)))
    ]


def _listed(item: msgspec.Raw, response_id: str, at: int) -> dict[str, Any]:
    fields: dict[str, Any] = dict(_OBJECT.decode(item))
    head = head_of_item(item) or ItemHead()
    kind = head.type or "message"
    fields["type"] = kind
    if head.id is None:
        fields["id"] = f"{_PREFIXES.get(kind, 'item_')}{response_id.removeprefix(_RESPONSE_PREFIX)}_in{at}"
    if kind == "message":
        fields.setdefault("status", "completed")
        content = bytes(fields.get("content", b"null"))
        if content.startswith(b'"'):
            part = "output_text" if head.role == "assistant" else "input_text"
            text: dict[str, Any] = {"type": part, "text": msgspec.Raw(content)}
            fields["content"] = [{**text, "annotations": []} if head.role == "assistant" else text]
    return fields


def final_response(frames: bytes) -> bytes | None:
    """The response object of a stream's last event, if it is among these complete frames; None: it is not, or it is a failure."""
    if _FINAL.search(frames) is None:
        return None
    for _, data in sse.read_frames(frames):
        if _FINAL.search(data) is not None:
            try:
                event = _EVENT.decode(data)
            except (ValueError, RecursionError):
                continue
            if event.type in _FINAL_EVENTS:
                return bytes(event.response)
    return None


def response_id(body: bytes) -> str | None:
    """The id of a response object that is complete; None: it is none, or no conversation can continue it."""
    try:
        response = _RESPONSE.decode(body)
        _OUTPUT.decode(body)
    except (ValueError, RecursionError):
        return None
    return response.id if response.status in _FINAL_STATUSES else None
