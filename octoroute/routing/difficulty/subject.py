"""Finds the text that tells a conversation's difficulty: the requested work, without what a harness adds to it. Pure; bounded."""

# ruff: noqa: RUF001 - the patterns need other scripts

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["subject", "user_text"]

_MAX_CHARS = 60_000
_TAGS = "|".join(  # noqa: FLY002 - a list of tags reads better than one long string
    (
        "system-reminder", "system_reminder", "environment_details", "environment_context", "env", "context", "command-name",
        "command-message", "command-args", "local-command-stdout", "local-command-stderr", "bash-stdout", "bash-stderr",
        "user_info", "user-memory-input", "user_instructions", "project_instructions", "project_layout", "open_files",
        "attached_files", "additional_data", "current_file", "editor_state", "ide_selection", "ide_opened_file", "workspace_info",
        "git_status", "tool_result", "tool_output", "function_results", "tools",
        "functions", "tool_schemas", "claude_md", "agents_md", "rules",
        "custom_instructions", "notice", "slash_command",
    )
)  # fmt: skip
_WRAPPED = re.compile(rf"<({_TAGS})(?:\s[^<>]*)?>.*?(?:</\1\s*>|\Z)", re.DOTALL | re.IGNORECASE)
_REQUEST = re.compile(
    r"<(task|user_query|user_message|query|question|request|feedback|answer)>\s*(.*?)\s*</\1>", re.DOTALL | re.IGNORECASE
)
_SCHEMA = re.compile(
    r'\{\s*"(?:type|name)"\s*:\s*"(?:function|object)".{0,20000}?"(?:parameters|properties|input_schema)"\s*:.*', re.DOTALL
)
_RESULT = re.compile(
    r"^\s*(?:\[[\w.-]+(?: for '[^']*')?\] result:|(?:tool|command|function) (?:result|output|ran)\b|exit code:? -?\d+"
    r"|result of calling|"
    r"the (?:file|command) .{0,200} (?:has been|was) (?:updated|created|executed|saved)|\[tool[ _]result|<result>"
    r"|<output>|stdout:)",
    re.IGNORECASE,
)
_POLITE = re.compile(
    r"^\s*(?:(?:hi|hello|hey|hallo|good (?:morning|afternoon|evening)|dear \w+)(?: there| all| everyone)?\s*[,.!:;-]+\s*"
    r"|i hope (?:you(?:'re| are)|this finds you|all is)[^.!?\n]{0,40}[.!]\s*"
    r"|(?:please |kindly |can you |could you (?:please )?)?(?:answer|solve|consider|look at|have a look at|take a look at)"
    r" (?:the following|this|my)(?: question| problem| task)?(?: for me)?\s*[.:]\s*"
    r"|(?:please|kindly|if you (?:don't|do not) mind|when you have (?:a|the) (?:minute|moment|time))\s*[,:]?\s+"
    r"|(?:could|can|would|will) you (?:please |kindly |perhaps |possibly )?(?:tell me\s*[:,]?\s*"
    r"|help me(?: out)?(?: (?:with (?:this|the following)|to))?\s*[:,.?!]*\s*)?"
    r"|i (?:was wondering|wonder) if you could\s+|i(?:'d| would) (?:like|love|appreciate) (?:you|it if you could"
    r"|your help with)(?: to)?\s+"
    r"|(?:help me (?:with|out with)|a quick question|quick question|one question|thanks in advance)(?: (?:this"
    r"|the following))?\s*[:,.!-]+\s*)",
    re.IGNORECASE,
)
_ONWARDS = re.compile(
    r"^\W*(?:(?:yes|yep|yeah|yup|sure|ok|okay|k|right|correct|exactly|perfect|great|good|fine|absolutely|of course"
    r"|agreed|please|go|do|"
    r"continue|proceed|carry on|keep going|resume|next|start|begin|go ahead|go on|do it|do that|do so|make it so"
    r"|sounds good|looks good|lgtm|"
    r"that works|works for me|ship it|approved|confirm|confirmed|both|all of them|the first|the first one|the second"
    r"|the second one|the last one|"
    r"option [a-d\d]|try again|again|retry|and|then|now|with|that|it|this|them|the|plan|change|changes|step|one"
    r"|thanks|thank you|so|just|let's|"
    r"lets|you|can|as|proposed|suggested|planned|discussed|y|ja|weiter|oui|continue[rz]?|vas-y|sí|si|sigue|continúa"
    r"|adelante|да|продолжай|好|好的|"
    r"继续|是的|可以|はい|続けて|네|계속)\b\W*)+$",
    re.IGNORECASE,
)
_CLOSING = re.compile(
    r"^\W*(?:(?:thanks|thank you|thx|cheers|perfect|great|good|fine|ok|okay|so|that|this|it|works|worked|helps|helped"
    r"|just|right|exactly|correct|very"
    r"|much|a lot|all|for|now|your|help|bye|you|is|was|did|the|trick)\b\W*)*"
    r"\b(?:thanks|thank you|thx|cheers|perfect|great|good|works|worked|helps|helped|much|a lot|bye|help|trick)\W*$",
    re.IGNORECASE,
)
"""Closes the work instead of asking for more."""
_CJK_ONWARDS = frozenset(("好", "好的", "继续", "是的", "可以", "はい", "続けて", "네", "계속", "嗯", "行"))
_MAX_APPROVAL_CHARS = 80
"""A longer message is not a mere approval."""
_REFERS = re.compile(
    r"\b(?:it|that|this|these|those|them|above|same|instead|again|previous|earlier|still|also|too|why|there)\b"
    r"|^(?:and|but|so|or|what about|how about)\b",
    re.IGNORECASE,
)
_MAX_FOLLOW_UP_CHARS = 200
"""A shorter message that refers back is scored together with the request that it refers to."""


def user_text(text: str) -> str:
    """The text without what a harness has added and without courtesies at its start; "": the user wrote nothing."""
    text = text if len(text) <= _MAX_CHARS else text[: _MAX_CHARS // 2] + "\n" + text[-_MAX_CHARS // 2 :]
    if "<" in text:
        requests = [match.group(2) for match in _REQUEST.finditer(text)]
        text = _WRAPPED.sub(" ", text)
        if requests:
            text = "\n".join(requests)
    if '"parameters"' in text or '"input_schema"' in text or '"properties"' in text:
        text = _SCHEMA.sub(" ", text)
    if _RESULT.match(text):
        return ""
    text = text.strip()
    for _ in range(3):
        rest = _POLITE.sub("", text, count=1)
        if rest == text or len(rest) < 12:
            break
        text = rest
    return text


def is_closing(text: str) -> bool:
    """Whether the message ends the work: "thanks, that worked!"."""
    return len(text) <= _MAX_APPROVAL_CHARS and _CLOSING.match(text) is not None


def is_approval(text: str) -> bool:
    """Whether the message only approves or continues the work: "yes, go ahead", "continue", "option b"."""
    text = text.strip()
    if len(text) > _MAX_APPROVAL_CHARS or is_closing(text):
        return False
    return text.strip(" .!。！~") in _CJK_ONWARDS or _ONWARDS.match(text) is not None


def subject(text: str, earlier: Sequence[tuple[str, str]] = ()) -> str:
    """The work that the model is to do. `text`: the last user message; `earlier`: (role, text) before it, oldest first.

    An approval stands for the work it approves: the user's latest request and the assistant's proposal. A message without the
    user's own words (a tool's result) stands for the request that it serves.
    """
    message = user_text(text)
    if message and not is_approval(message):
        alone = not earlier or len(message) >= _MAX_FOLLOW_UP_CHARS or is_closing(message) or not _REFERS.search(message)
        return message if alone else _with_topic(message, earlier)
    request = proposal = ""
    for role, content in reversed(earlier):
        words = user_text(content)
        if role == "assistant":
            proposal = proposal or words[-1_000:]
        elif role == "user" and words and not is_approval(words):
            request = words
            break
    if message and proposal:
        return f"{request}\n{proposal}" if request else proposal
    return request or proposal or message


def _with_topic(message: str, earlier: Sequence[tuple[str, str]]) -> str:
    """A short message that refers back, preceded by the request that it refers to."""
    for role, content in reversed(earlier):
        if role == "user":
            words = user_text(content)
            if words and not is_approval(words):
                return f"{words[-1_500:]}\n{message}"
    return message
