"""Puts the turns of a conversation into the order that every provider accepts. Pure and deterministic.

Assistant and user turns alternate. Each tool call is followed at once by its result. Tool results come first in their user turn, in
the order of the calls. Tool-call ids are unique. Providers differ in which other orders they reject, so all get this one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from octoroute.dialects.request.ids import MAX_LENGTH, UniqueIds
from octoroute.dialects.request.media import document_text
from octoroute.domain.conversation import Audio, Block, Conversation, Document, Image, Role, Text, ToolCall, ToolResult, Turn

ERROR_MARK = "[tool error] "
"""Prefix of a failed tool's result in formats without an error flag. Request decoders read the flag back from it."""
NO_RESULT = "(no result)"
NO_OUTPUT = "(no output)"
OPENING = "(the conversation begins with the assistant)"
"""Text of the user message that is inserted before a history that starts with the assistant."""
CONTINUE = "Continue."
"""Text of the user message after a last assistant message that the model does not continue by itself."""
PREFILL = "prefill: this endpoint may not continue the last assistant message"
"""The warning for an endpoint of which it is not known."""
CONTINUED = "prefill: not supported by this model, a user message that asks to continue was added"
"""The warning for it."""
SYSTEM_MARK = "[system instruction]\n"
"""Prefix of a later system message that is sent as a user message, because the format allows system text only at the start."""

BEGIN = "Begin."
"""Text of the user message of a request that has only system text, in formats that need a message."""
BEGUN = "messages: there is only system text, a user message was added"
"""The warning for it."""
NAMES_LOST = "name: participants' names are not passed on to this endpoint"
"""The warning in formats whose messages have no names."""
ATTACHED = "(attached by the assistant)"
"""Text before the images and files of an assistant, which formats allow in user messages only."""

MidSystem = Literal["keep", "user", "hoist"]
"""What happens to a system turn after the first user turn: it stays, becomes a user turn, or moves into the system text."""

_MEDIA = (Image, Document, Audio)
_MISSING_RESULT = ToolResult("", (Text(NO_RESULT),))


def normalize_turns(
    conversation: Conversation, *, mid_system: MidSystem = "user", id_limit: int = MAX_LENGTH, assistant_media: bool = False
) -> Conversation:
    """Return `conversation` in the accepted order. System turns remain only with mid_system="keep".

    `assistant_media`: the format allows images and files in assistant turns; otherwise a user turn after it holds them.
    """
    system, turns = conversation.system, conversation.turns
    if mid_system == "hoist":
        moved = (block for turn in turns if turn.role is Role.SYSTEM for block in turn.content)
        system = (*system, *(block for block in moved if isinstance(block, Text)))
        turns = tuple(turn for turn in turns if turn.role is not Role.SYSTEM)
    elif mid_system == "user":
        turns = tuple(_system_as_user(turn) for turn in turns)
    if not assistant_media and _assistants_show(turns):
        turns = tuple(part for turn in turns for part in _without_media(turn))
    paired = _pair_calls(_merge_neighbours(turns, (Role.ASSISTANT,)), UniqueIds(id_limit))
    return msgspec.structs.replace(conversation, system=system, turns=tuple(_merge_neighbours(paired, (Role.ASSISTANT, Role.USER))))


def split_system(system: Iterable[Text], turns: Iterable[Turn]) -> tuple[tuple[Text, ...], tuple[Turn, ...]]:
    """Move the system turns before the first other turn into the system text. Returns (system text, other turns)."""
    texts = list(system)
    rest = [turn for turn in turns if turn.content]
    while rest and rest[0].role is Role.SYSTEM:
        texts += (block for block in rest.pop(0).content if isinstance(block, Text))
    return tuple(texts), tuple(rest)


def system_turns(blocks: Sequence[Block]) -> Iterator[Turn]:
    """The turns of a system message; its images and files become a user turn after it."""
    yield Turn(Role.SYSTEM, tuple(block for block in blocks if isinstance(block, Text)))
    yield Turn(Role.USER, tuple(block for block in blocks if not isinstance(block, Text)))


def unknown_role(where: str, role: str) -> str:
    """The warning for a message at `where` whose role the format does not have."""
    return f"{where}.role: '{role[:40]}' is not known, the message is passed on as a system message"


def join_text(blocks: Iterable[object], separator: str = "\n\n") -> str:
    return separator.join(block.text for block in blocks if isinstance(block, Text) and block.text.strip())


def result_text(result: ToolResult, empty: str = "") -> str:
    """A tool result as text. Images and sounds are skipped: the caller sends them separately."""
    texts: list[str] = []
    for part in result.content:
        match part:
            case Text(text=text):
                texts.append(text)
            case Document():
                texts.append(document_text(part) or f"(document: {part.title or part.media_type or 'untitled'})")
            case Image() | Audio():
                pass
    return "\n".join(texts) or empty


def _assistants_show(turns: Iterable[Turn]) -> bool:
    """Whether an assistant turn holds images or files."""
    for turn in turns:
        if turn.role is Role.ASSISTANT:
            for block in turn.content:
                if isinstance(block, _MEDIA):
                    return True
    return False


def _without_media(turn: Turn) -> tuple[Turn, ...]:
    if not _assistants_show((turn,)):
        return (turn,)
    said = tuple(block for block in turn.content if not isinstance(block, _MEDIA))
    media = tuple(block for block in turn.content if isinstance(block, _MEDIA))
    return Turn(turn.role, said, turn.name), Turn(Role.USER, (Text(ATTACHED), *media))


def _system_as_user(turn: Turn) -> Turn:
    if turn.role is not Role.SYSTEM:
        return turn
    text = join_text(turn.content)
    cache = next((block.cache for block in reversed(turn.content) if isinstance(block, Text) and block.cache), "")
    return Turn(Role.USER, (Text(SYSTEM_MARK + text, cache=cache),) if text else ())


def _merge_neighbours(turns: Iterable[Turn], roles: Sequence[Role]) -> list[Turn]:
    """Merge adjacent turns of the same role and participant, for the given roles; drop empty turns and blank system turns."""
    runs: list[list[Turn]] = []
    for turn in turns:
        if not turn.content or (turn.role is Role.SYSTEM and not join_text(turn.content)):
            continue
        if runs and turn.role in roles and runs[-1][0].role is turn.role and runs[-1][0].name == turn.name:
            runs[-1].append(turn)
        else:
            runs.append([turn])
    return [run[0] if len(run) == 1 else _joined(run) for run in runs]


def _joined(run: Sequence[Turn]) -> Turn:
    return Turn(run[0].role, tuple(block for turn in run for block in turn.content), run[0].name)


def _pair_calls(turns: Sequence[Turn], ids: UniqueIds) -> list[Turn]:
    """Insert, after each assistant turn with calls, one user turn that holds exactly their results."""
    paired: list[Turn] = []
    at = 0
    while at < len(turns):
        turn = turns[at]
        at += 1
        replies: list[Turn] = []
        while at < len(turns) and turns[at].role is not Role.ASSISTANT:
            replies.append(turns[at])
            at += 1
        if turn.role is Role.ASSISTANT:
            paired += _pair_exchange(turn, replies, ids)
        else:
            paired += [_orphans_to_text(turn), *map(_orphans_to_text, replies)]
    return paired


def _pair_exchange(turn: Turn, replies: Sequence[Turn], ids: UniqueIds) -> list[Turn]:
    """Pair the calls of an assistant turn with their results in `replies`; a call without one gets a placeholder result."""
    places: dict[str, deque[int]] = {}
    for place, call in enumerate(block for block in turn.content if isinstance(block, ToolCall)):
        places.setdefault(call.id, deque()).append(place)
    results: dict[int, ToolResult] = {}
    rest = [Turn(reply.role, _take_results(reply.content, places, results), reply.name) for reply in replies]
    blocks: list[Block] = []
    paired: list[Block] = []
    for block in turn.content:
        if not isinstance(block, ToolCall):
            blocks.append(block)
            continue
        new_id = ids.make_unique(block.id or "call")
        blocks.append(ToolCall(new_id, block.name, block.arguments, block.signature, block.cache))
        result = results.get(len(paired)) or _MISSING_RESULT
        paired.append(ToolResult(new_id, result.content, result.is_error, block.name, result.cache))
    return [Turn(Role.ASSISTANT, tuple(blocks)), Turn(Role.USER, tuple(paired)), *rest]


def _take_results(content: Iterable[Block], places: Mapping[str, deque[int]], results: dict[int, ToolResult]) -> tuple[Block, ...]:
    """Return `content` without tool results, which are stored in `results` under the index of their call; orphans become text.

    `places` maps a call id to the indexes of the calls that still lack a result.
    """
    rest: list[Block] = []
    for block in content:
        if not isinstance(block, ToolResult):
            rest.append(block)
            continue
        waiting = places.get(block.call_id)
        if waiting:
            results[waiting.popleft()] = block
        else:
            rest += _orphan_to_text(block)
    return tuple(rest)


def _orphans_to_text(turn: Turn) -> Turn:
    return Turn(turn.role, _take_results(turn.content, {}, {}), turn.name)


def _orphan_to_text(result: ToolResult) -> list[Block]:
    """Turn a result without its call (for example one that the client cut off) into text, so that no content is lost."""
    text = f"(result of an earlier tool call {result.call_id}) {result_text(result, NO_OUTPUT)}"
    return [Text(text, cache=result.cache), *(part for part in result.content if isinstance(part, Image | Audio))]
