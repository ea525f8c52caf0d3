"""The order every provider accepts: turns merged, each call answered at once, ids unique. Pure; the same history in, the same out.

Providers differ in what they refuse, not in what they accept: assistant and user in turn, every tool call followed by its
result before anything else, tool results first in their user turn and in the order of the calls.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from octoroute.dialects.request.ids import MAX_LENGTH, UniqueIds
from octoroute.dialects.request.media import document_text
from octoroute.domain.conversation import Block, Conversation, Document, Image, Role, Text, ToolCall, ToolResult, Turn

ERROR_MARK = "[tool error] "
"""Before the text of a failed tool's result where the format has no flag; the flag is read back from it."""
NO_RESULT = "(no result)"
NO_OUTPUT = "(no output)"
SYSTEM_MARK = "[system instruction]\n"
"""Before a later system message where the format allows only one, at the start."""

MidSystem = Literal["keep", "user", "hoist"]
"""Where a system message after the first user turn goes: its place, a user turn at its place, the system text."""


def normalize_turns(conversation: Conversation, *, mid_system: MidSystem = "user", id_limit: int = MAX_LENGTH) -> Conversation:
    """`conversation` in the accepted order. System turns remain only with mid_system="keep"."""
    system, turns = conversation.system, conversation.turns
    if mid_system == "hoist":
        moved = (block for turn in turns if turn.role is Role.SYSTEM for block in turn.content)
        system = (*system, *(block for block in moved if isinstance(block, Text)))
        turns = tuple(turn for turn in turns if turn.role is not Role.SYSTEM)
    elif mid_system == "user":
        turns = tuple(_system_as_user(turn) for turn in turns)
    paired = _pair_calls(_merge_neighbours(turns, (Role.ASSISTANT,)), UniqueIds(id_limit))
    return msgspec.structs.replace(conversation, system=system, turns=tuple(_merge_neighbours(paired, (Role.ASSISTANT, Role.USER))))


def split_system(system: Iterable[Text], turns: Iterable[Turn]) -> tuple[tuple[Text, ...], tuple[Turn, ...]]:
    """System messages before the first turn are part of the system text."""
    said = list(system)
    rest = [turn for turn in turns if turn.content]
    while rest and rest[0].role is Role.SYSTEM:
        said += (block for block in rest.pop(0).content if isinstance(block, Text))
    return tuple(said), tuple(rest)


def join_text(blocks: Iterable[object], separator: str = "\n\n") -> str:
    return separator.join(block.text for block in blocks if isinstance(block, Text) and block.text.strip())


def result_text(result: ToolResult, empty: str = "") -> str:
    """A tool result as text; its images are the caller's to place."""
    texts: list[str] = []
    for part in result.content:
        match part:
            case Text(text=text):
                texts.append(text)
            case Document():
                texts.append(document_text(part) or f"(document: {part.title or part.media_type or 'untitled'})")
            case Image():
                pass
    return "\n".join(texts) or empty


def _system_as_user(turn: Turn) -> Turn:
    if turn.role is not Role.SYSTEM:
        return turn
    text = join_text(turn.content)
    return Turn(Role.USER, (Text(SYSTEM_MARK + text),) if text else ())


def _merge_neighbours(turns: Iterable[Turn], roles: Sequence[Role]) -> list[Turn]:
    """Neighbours of one of `roles` made one turn; empty turns and blank system turns left out."""
    runs: list[list[Turn]] = []
    for turn in turns:
        if not turn.content or (turn.role is Role.SYSTEM and not join_text(turn.content)):
            continue
        if runs and turn.role in roles and runs[-1][0].role is turn.role:
            runs[-1].append(turn)
        else:
            runs.append([turn])
    return [run[0] if len(run) == 1 else Turn(run[0].role, tuple(block for turn in run for block in turn.content)) for run in runs]


def _pair_calls(turns: Sequence[Turn], ids: UniqueIds) -> list[Turn]:
    """After each assistant turn with calls comes one user turn that holds all their results and nothing else."""
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
    places: dict[str, deque[int]] = {}
    for place, call in enumerate(block for block in turn.content if isinstance(block, ToolCall)):
        places.setdefault(call.id, deque()).append(place)
    results: dict[int, ToolResult] = {}
    rest = [Turn(reply.role, _take_results(reply.content, places, results)) for reply in replies]
    says: list[Block] = []
    answers: list[Block] = []
    for block in turn.content:
        if not isinstance(block, ToolCall):
            says.append(block)
            continue
        new_id = ids.make_unique(block.id or "call")
        says.append(ToolCall(new_id, block.name, block.arguments, block.signature))
        result = results.get(len(answers))
        content, is_error = (result.content, result.is_error) if result else ((Text(NO_RESULT),), False)
        answers.append(ToolResult(new_id, content, is_error, block.name))
    return [Turn(Role.ASSISTANT, tuple(says)), Turn(Role.USER, tuple(answers)), *rest]


def _take_results(content: Iterable[Block], places: Mapping[str, deque[int]], results: dict[int, ToolResult]) -> tuple[Block, ...]:
    """`content` without the results of calls, which are noted in `results` under the call's place; orphans become text.

    `places`: by id, the calls that wait for a result.
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
    return Turn(turn.role, _take_results(turn.content, {}, {}))


def _orphan_to_text(result: ToolResult) -> list[Block]:
    """A result whose call is gone, for example cut off by the client: told as text, so that nothing is lost."""
    told = f"(result of an earlier tool call {result.call_id}) {result_text(result, NO_OUTPUT)}"
    return [Text(told), *(part for part in result.content if isinstance(part, Image))]
