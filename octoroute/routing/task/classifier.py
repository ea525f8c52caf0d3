"""Infers the task of a request from whole English words in the last user message. Pure; linear in the length of the text.

A text in another language, or without a known word, counts as a question.
"""

from __future__ import annotations

import re

from octoroute.domain.request import Facts, Task
from octoroute.routing.task.phrases import PHRASES, WITH_ATTACHMENT

EDGE_CHARS = 8_000
"""Characters read from each end of a long message: an instruction stands before or after the text that it is about."""

MAX_TURNS_BACK = 12
"""Earlier messages that are searched for what the last one refers to."""
_PROPOSAL_CHARS = 400  # an assistant's proposal stands at the end of its message
_MAX_GREETING_CHARS = 80
_MAX_REFERENCE_CHARS = 120

_WORDS = re.compile(r"\w+").findall
_LETTERS = bytes(byte if re.match(rb"\w", bytes((byte,))) else 32 for byte in range(256)).lower()

_GREETING = re.compile(
    r"""\W*(?:{greeting})(?:\W+(?:{greeting}|{filler}))*\W*""".format(
        greeting=r"hi|hello|hey|heya|hiya|howdy|yo|sup|greetings|good\W(?:morning|afternoon|evening|night|day)|goodbye|bye"
        r"|how\W(?:are|r)\W(?:you|u)(?:\Wdoing)?|how'?s\Wit\Wgoing|how\Wis\Wit\Wgoing|how\Wdo\Wyou\Wdo|what'?s\Wup"
        r"|nice\Wto\Wmeet\Wyou|see\Wyou|have\Wa\W(?:nice|good|great)\Wday|lol|haha"
        r"|(?:many\W)?(?:thanks|thank\Wyou|thx|cheers)(?:\W(?:so|very)\Wmuch|\Wa\Wlot)?(?:\Wfor\W(?:your|the|all\Wyour)\Whelp)?",
        filler=r"there|everyone|everybody|all|team|friends?|buddy|mate|again|folks|guys|world|assistant|bot|today|later|soon|too|and|you"
        r"|(?:i'?m|i\Wam|my\Wname\Wis|this\Wis)\W\w+|(?-i:[A-Z][a-z]+)",
    ),
    re.IGNORECASE,
).fullmatch

_APPROVES = re.compile(
    r"\W*(?:yes|yeah|yep|yup|sure|ok|okay|alright|fine|go ahead|go for it|go on|do it|do that|do so|proceed|continue|please do"
    r"|sounds good|perfect|great|next|correct|right|exactly|agreed)\b",
    re.IGNORECASE,
).match

_REFERS = re.compile(
    r"\A\W*(?:and|now|also|but|so|then|or|again|what about|how about|same|why|how so|really|are you sure|explain|elaborate|more"
    r"|shorter|longer|simpler|faster|try|retry|no)\b|\b(?:it|that|this|these|those|them|again|instead|above|previous|one|ones)\b",
    re.IGNORECASE,
).search

_FENCE = re.compile(r"```|^ {0,3}~~~", re.MULTILINE).split
# Labels of fences whose content is no code.
_PROSE_LABELS = frozenset({"text", "txt", "plain", "plaintext", "markdown", "md", "email", "quote", "csv", "log"})
_CODE_MARKS = re.compile(r"[{}=<>]|\w\(|;$|->|::|//|^\s{0,8}[$#] ", re.MULTILINE).search


def infer_task(facts: Facts) -> Task:
    """The task that the client states; else the last message's; else that of the message it refers to; else a question."""
    if facts.task is not None:
        return facts.task
    task = _task_of_text(facts.text, attachments=facts.attachments)
    if task is None and facts.earlier:
        task = _task_of_history(facts)
    return task or Task.QUESTION_ANSWER


def _task_of_text(text: str, *, attachments: bool = False) -> Task | None:
    """None: no word of this text tells the task."""
    if len(text) <= _MAX_GREETING_CHARS and _GREETING(text):
        return Task.CASUAL_CHAT
    text = _edges(text)
    if "`" in text or "~" in text:
        instruction = instruction_around_fences(text)
        if instruction is None:
            return Task.CODE
        text = instruction
    book = WITH_ATTACHMENT if attachments else PHRASES
    return book.task(text, words_of(text)) or (Task.CODE if _has_call(text) else None)


def words_of(text: str) -> list[str]:
    """The words of a text, in lower case."""
    if text.isascii():
        return text.encode().translate(_LETTERS).decode().split()
    return _WORDS(text.lower())


def _edges(text: str) -> str:
    if len(text) <= 2 * EDGE_CHARS:
        return text
    # The words at the two cuts may be halves: "decode" must not become "code".
    head = text[:EDGE_CHARS].rsplit(None, 1)[:1]
    tail = text[-EDGE_CHARS:].split(None, 1)[-1:]
    return "\n".join(head + tail)


def instruction_around_fences(text: str) -> str | None:
    """The text outside its fences, if none of them holds code; a text without fences as it is; None: a fence holds code."""
    if "~" in text and "~~~" in text:  # one character is found many times faster than three
        parts = _FENCE(text)
    elif _begins_with_code(text):
        return None
    else:
        parts = text.split("```")
    if any(map(is_code, parts[1::2])):
        return None
    # An even number of parts: the last fence was never closed, so what follows it may be the instruction.
    unclosed = parts[-1:] if len(parts) % 2 == 0 else []
    return "\n".join(parts[::2] + unclosed)


def _begins_with_code(text: str) -> bool:
    """Whether the first fence has a code label, as nearly always; then the rest, which may be long, need not be read."""
    at = text.find("`")
    if not text.startswith("```", at):
        return False
    end = text.find("\n", at)
    label = text[at + 3 : end if end >= 0 else len(text)]
    return "`" not in label and (word := label.strip().lower()) not in _PROSE_LABELS and word != ""


def is_code(block: str) -> bool:
    label, _, content = block.partition("\n")
    label = label.strip().lower()
    return label not in _PROSE_LABELS and (label != "" or _CODE_MARKS(content) is not None)


def _has_call(text: str) -> bool:
    """Whether a function call like `name()` occurs, as programmers write in any language."""
    return "()" in text


def _task_of_history(facts: Facts) -> Task | None:
    """The task of the message that the last one refers to; None: it refers to none, or that one tells no task.

    "And now in Python?" refers to the latest request, "yes, go ahead" to the assistant's proposal, and a tool's result, which has
    no text, to the work in progress.
    """
    text = facts.text.strip() if len(facts.text) <= _MAX_REFERENCE_CHARS else facts.text
    approves = len(text) <= _MAX_REFERENCE_CHARS and _APPROVES(text) is not None
    if text and not approves and not _is_reference(text):
        return None
    recent = facts.earlier[-MAX_TURNS_BACK:]
    for role, content in reversed(recent):
        if role == "assistant" and approves:
            approves = False  # the user approves only the assistant's latest message
            task = _task_of_text(content[-_PROPOSAL_CHARS:])
        elif role == "user":
            task = _task_of_text(content)
            if task is None and content.strip() and not _is_reference(content):
                return None
        else:
            continue
        if task is not None and task is not Task.CASUAL_CHAT:
            return task
    return None


def _is_reference(text: str) -> bool:
    return len(text) <= _MAX_REFERENCE_CHARS and (_REFERS(text) is not None or _APPROVES(text) is not None)
