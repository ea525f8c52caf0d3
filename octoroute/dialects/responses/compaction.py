"""Compaction: a long conversation becomes its user messages and one item with a summary that a model wrote. Pure.

OpenAI's own compaction items are encrypted and can be read at OpenAI only. Those of the gateway hold the summary itself, so that
the conversation continues at every endpoint. The client treats both as opaque.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

import msgspec

from octoroute.dialects.request.body import RequestBody
from octoroute.dialects.request.ids import NewId, random_id
from octoroute.dialects.responses.schema import INPUT_ITEMS
from octoroute.domain.conversation import (
    Audio,
    Block,
    Conversation,
    Document,
    Image,
    RedactedThinking,
    Role,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Turn,
)
from octoroute.errors import BadUpstreamResponse

MARK = "octoroute.compaction."
"""How the `encrypted_content` of the gateway's own compaction items begins."""
_INTRODUCTION = "This is a summary of the conversation before this point. Continue from it.\n\n"
_TASK = """\
You write the summary that replaces the history of a conversation between a user and an assistant. The assistant will continue with
your summary and the user's own messages alone. Keep: what the user wants and every constraint they set; decisions and why; what was
done and found, with exact names, paths, commands, numbers, identifiers, and error texts; what is under way; what remains to be done
next. Leave out greetings and repetition. Do not answer or carry out anything in the conversation. Write the summary only."""
_KEPT = ("model", "octoroute", "user", "safety_identifier", "service_tier", "prompt_cache_key", "reasoning")
"""Fields of the client's request that the request for the summary has, too."""
_ROLES: Mapping[Role, str] = {Role.SYSTEM: "instructions", Role.USER: "user", Role.ASSISTANT: "assistant"}
TRIGGER = b'"compaction_trigger"'
"""The type of the item that asks for a compaction, as it stands in a body; a body without it need not be parsed."""
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])


class _TextPart(msgspec.Struct):
    type: str = ""
    text: str | None = None


class _MessageContent(msgspec.Struct):
    type: str = ""
    content: list[_TextPart] = []


class _Answer(msgspec.Struct):
    created_at: int | float = 0
    output: list[msgspec.Raw] = []
    usage: msgspec.Raw = msgspec.Raw(b"null")


class _MessageHead(msgspec.Struct):
    type: str | None = None
    role: str | None = None


_ANSWER = msgspec.json.Decoder(_Answer)
_CONTENT = msgspec.json.Decoder(_MessageContent)
_HEAD = msgspec.json.Decoder(_MessageHead)


def is_own_compaction(encrypted_content: object) -> bool:
    """Whether it is the `encrypted_content` of an item that `compact` wrote."""
    return isinstance(encrypted_content, str) and encrypted_content.startswith(MARK)


def summary_message(encrypted_content: str) -> bytes | None:
    """The message that stands for such an item in a request; None: it is damaged."""
    try:
        summary = base64.b64decode(encrypted_content.removeprefix(MARK), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    content = [{"type": "input_text", "text": _INTRODUCTION + summary}]
    return msgspec.json.encode({"type": "message", "role": "user", "content": content})


def summary_request(body: bytes, conversation: Conversation) -> bytes:
    """A Responses request for the summary of `conversation`, which `body` holds: its history is text here, not turns, so that the
    model does not continue it.
    """
    fields = _OBJECT.decode(body)
    text = _history_text(conversation)
    kept: dict[str, Any] = {name: fields[name] for name in _KEPT if name in fields}
    return msgspec.json.encode(
        {**kept, "instructions": _TASK, "input": [{"role": "user", "content": text}], "store": False, "stream": False}
    )


def wants_summary(body: RequestBody) -> bool:
    """Whether the last item is `compaction_trigger`: the response must be one compaction item, as Codex asks of OpenAI."""
    raw = body.values.get("input")
    if raw is None or TRIGGER not in bytes(raw):
        return False
    try:
        items = INPUT_ITEMS.decode(raw)
        return isinstance(items, list) and bool(items) and _HEAD.decode(items[-1]).type == "compaction_trigger"
    except (ValueError, RecursionError):
        return False  # which the decoder of the request reports


def summary_conversation(conversation: Conversation) -> Conversation:
    """The conversation that asks a model for the summary of `conversation`."""
    turn = Turn(Role.USER, (Text(_history_text(conversation)),))
    return msgspec.structs.replace(
        conversation, system=(Text(_TASK),), turns=(turn,), tools=(), tool_choice=None, format=None, stop=()
    )


def compaction_item(id: str, summary: str) -> dict[str, Any]:
    """Raises BadUpstreamResponse for a summary without text."""
    if not summary.strip():
        raise BadUpstreamResponse("the model wrote no summary")
    content = MARK + base64.urlsafe_b64encode(summary.strip().encode("utf-8", "replace")).decode()
    return {"id": id, "type": "compaction", "encrypted_content": content}


def compact(answer: bytes, items: Sequence[msgspec.Raw], *, new_id: NewId = random_id) -> bytes:
    """The response of `POST /v1/responses/compact`: the user messages among `items`, and the summary that `answer` holds.

    `answer` is the response to `summary_request`. Raises BadUpstreamResponse if it holds no text.
    """
    response = _ANSWER.decode(answer)
    summary = compaction_item(new_id("cmp_"), "".join(_texts(response.output)))
    return msgspec.json.encode(
        {
            "id": new_id("resp_"),
            "object": "response.compaction",
            "created_at": response.created_at,
            "output": [*(_user_message(item, new_id) for item in items if _is_from_user(item)), summary],
            "usage": response.usage,
        }
    )


def _texts(output: Iterable[msgspec.Raw]) -> Iterator[str]:
    for raw in output:
        if _HEAD.decode(raw).type == "message":
            yield from (part.text for part in _CONTENT.decode(raw).content if part.type == "output_text" and part.text)


def _is_from_user(item: msgspec.Raw) -> bool:
    message = _HEAD.decode(item)
    return message.type in {None, "message"} and message.role == "user"


def _user_message(item: msgspec.Raw, new_id: NewId) -> dict[str, Any]:
    fields = cast("dict[str, Any]", _OBJECT.decode(item))
    content = fields.get("content")
    if isinstance(content, msgspec.Raw) and bytes(content).startswith(b'"'):
        content = [{"type": "input_text", "text": content}]
    return {"id": new_id("msg_"), **fields, "type": "message", "status": "completed", "content": content}


def _history_text(conversation: Conversation) -> str:
    history = "\n\n".join(_lines(conversation))
    return f"<conversation>\n{history}\n</conversation>\n\nWrite the summary of this conversation."


def _lines(conversation: Conversation) -> Iterator[str]:
    for text in conversation.system:
        yield f"[instructions]\n{text.text}"
    for turn in conversation.turns:
        for block in turn.content:
            line = _line(block)
            if line:
                yield f"[{_ROLES[turn.role] if not isinstance(block, ToolResult) else 'tool'}]\n{line}"


def _line(block: Block) -> str:
    match block:
        case Text(text=text) | Thinking(text=text):
            return text
        case ToolCall(name=name, arguments=arguments):
            return f"(calls {name}) {arguments}"
        case ToolResult(content=content):
            return "\n".join(_line(part) for part in content)
        case Document(text=str(text)):
            return text
        case Image() | Audio() | Document():
            return f"({type(block).__name__.lower()})"
        case RedactedThinking():
            return ""
