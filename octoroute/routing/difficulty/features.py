"""Features of a prompt: numbers with readable names, for the difficulty score. Pure and bounded; ignores case and spacing."""

# ruff: noqa: RUF001 - the patterns need mathematical signs

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Set as AbstractSet
from math import log

import msgspec

from octoroute.routing.difficulty.lexicon import COMMON, GROUPS, OTHER_LANGUAGES, PHRASES

__all__ = [
    "CHOICES",
    "GENERAL",
    "HEAD_CHARS",
    "NAMES",
    "TAIL_CHARS",
    "WORDING",
    "PromptFeatures",
    "extract_features",
    "features_hash",
]

HEAD_CHARS = 3_600
TAIL_CHARS = 1_400
"""Characters read from both ends of a longer text: the request stands there, pasted material between them."""

_APART = str.maketrans({chr(i): " " for i in range(128) if not chr(i).isalnum()})
_SPACES = re.compile(r"[ \t]{2,}")
_WORD = re.compile(r"[^\W_]+")
_OPTION = re.compile(r"^[ \t]*\(?([a-j])[.):][ \t]*(.*)$", re.MULTILINE)
_ITEM = re.compile(r"\n[ \t]*(?:[-*•]|\d+[.)])[ \t]")
_CODE = re.compile(
    r"[{};]$|^[ \t]*(?:def|class|import|from|for|while|if|return|func|fn|const|let|var|public|select|#include)\b.*[:;({]$",
    re.MULTILINE,
)
_CODE_ENDS = (";\n", "{\n", "}\n", ":\n ", ";}", "\n}")
"""A text without a fence and without any of these has no code lines; searching for them is cheaper than `_CODE`."""
_UNICODE_SYMBOL = re.compile(r"[√∫∑≤≥≠→∞∈∀∃±×÷π∂²³]")
_PAIR = re.compile(r"^[\w' ]{1,24}(?:,| \|| and) ?[\w' ]{1,24}\.?$|^(?:i|ii|iii|iv)\b[^a-z]*(?:only|and|,)")
_STATEMENT = re.compile(r"\b(?:statement|scenario|claim|premise|assertion|case) (?:\d|[ivab])\b|\bii\b")
_STATING = frozenset(("statement", "scenario", "claim", "premise", "assertion", "case", "ii"))
_NUMBER = re.compile(r"\d[\d.,/]*")
_OPERATION = re.compile(r"[*/-] ?\d|\(\w\)")
_COMMAND = re.compile(r"\\[a-z]+")
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\u0e00-\u0e7f]{1,2}")
"""Scripts without spaces between words: two characters count as a word."""
_HOW_MUCH = re.compile(
    r"\bhow (?:many|much|long|far|old|more|less)\b|\b(?:what|calculate|find|determine)\b[^.?!]{0,60}\b(?:total"
    r"|average|number|amount|sum"
    r"|cost|price|salary|age|weight|depth|length|percent|percentage|difference|profit|time|size|score|probability|ratio)\b"
)
_ASKING = frozenset(("how", "what", "calculate", "find", "determine"))
_INSTRUCTIONS = frozenset(("option", "options", "letter", "choose", "select"))
_CATCH_ALL = ("all of", "none of", "both", "neither", "all the above", "a and b")
_NEGATIONS = frozenset(("not", "except", "cannot", "incorrect", "never", "isn", "least", "false", "doesn", "aren"))
_TREND = (
    "increas",
    "decreas",
    "same",
    "more",
    "less",
    "greater",
    "smaller",
    "higher",
    "lower",
    "unchanged",
    "remain",
    "zero",
    "double",
    "half",
)
_JOINT = frozenset(("because", "since", "if", "unless"))
_BARE = frozenset("abcdefghij")

GENERAL = (
    "length", "word length", "uncommon words", "numbers", "distinct numbers", "percentages", "fractions", "decimals",
    "mathematical notation", "code lines", "code block", "lines", "list items", "questions", "sentences", "sentence length",
    "final question length", "other language", "fill the blank", "several statements", "negated question", "very short",
    "quotations", "vocabulary range",
)  # fmt: skip
"""Features of any text's structure."""
CHOICES = (
    "combined choices", "numeric choices", "long choices", "catch-all choice", "trend choices", "reasoned choices",
    "similar choices", "choices echo the question", "varied choices", "question length",
)  # fmt: skip
"""Features of lettered choices; 0 without choices."""
WORDING = tuple(GROUPS)
NAMES: tuple[str, ...] = GENERAL + CHOICES + WORDING
"""The names of all features, in the order of `PromptFeatures.values`."""


_CODE_LINES, _NOTATION = GENERAL.index("code lines"), GENERAL.index("mathematical notation")
_MEDICINE, _QUANTITY, _NUMBER_WORDS = WORDING.index("medicine"), WORDING.index("quantity"), WORDING.index("number words")
_SUBJECTS = tuple(map(WORDING.index, ("law", "fault finding", "design", "reasoning", "physical science", "code", "extraction")))
"""Groups of words that tell against a word problem."""
_EASY = tuple(
    group
    in {
        "greeting",
        "look-up",
        "small edit",
        "writing",
        "role play",
        "summary",
        "small talk",
        "explanation",
        "psychology",
        "humanities",
    }
    for group in WORDING
)
"""Groups that make a short text easy and tell nothing about a long one; they count by their density."""


def _index() -> dict[str, tuple[int, ...]]:
    found: dict[str, list[int]] = {}
    for i, (group, words) in enumerate(GROUPS.items()):
        for word in dict.fromkeys((words + " " + OTHER_LANGUAGES.get(group, "")).split()):
            found.setdefault(word, []).append(i)
    return {word: tuple(groups) for word, groups in found.items()}


_INDEX = _index()


def _phrases() -> tuple[tuple[int, str, str], ...]:
    """(group, phrase, its longest word): a phrase is searched for only if that word occurs, which is cheaper to look up."""
    found = [(WORDING.index(group), phrase) for group, phrases in PHRASES.items() for phrase in phrases]
    return tuple((group, phrase, max(_WORD.findall(phrase), key=len) if phrase.isascii() else "") for group, phrase in found)


_PHRASES = _phrases()
_ASCII_PHRASES = tuple(phrase for phrase in _PHRASES if phrase[2])
_PLAIN = frozenset(COMMON) | _BARE


class PromptFeatures(msgspec.Struct, frozen=True):
    """The features of one text."""

    values: tuple[float, ...]
    """In the order of `NAMES`."""
    words: tuple[str, ...]
    """The distinct words without numbers, in order of appearance."""
    choices: float
    """1: a bare question with lettered choices."""
    quiz: float
    """1: lettered choices with instructions around them."""
    story: float
    """0..1: how much the text looks like a short word problem in prose."""


def extract_features(text: str) -> PromptFeatures:
    low = (text if len(text) <= HEAD_CHARS + TAIL_CHARS else text[:HEAD_CHARS] + "\n" + text[-TAIL_CHARS:]).lower()
    if "  " in low:
        low = _SPACES.sub(" ", low)
    counts = Counter(_tokens(low))
    words = tuple([word for word in counts if word.isalpha()])
    groups = _groups(low, counts)
    spread = 0.7 * (len(words) + 8.0) ** 0.5
    wider = max(spread, 0.25 * (len(words) + 2.0))
    wording = [3.0 * n / (n + (wider if easy else spread)) if n else 0.0 for n, easy in zip(groups, _EASY, strict=True)]
    options = list(_OPTION.finditer(low)) if "\nb" in low or "\n(b" in low or "\n " in low else []
    texts = [option.group(2) for option in options] if 3 <= len(options) <= 10 else []
    stem = low[: options[0].start()] if texts else low
    question_words = set(_tokens(stem)) if texts else counts.keys()
    general = _general(low, stem, counts, words, not _NEGATIONS.isdisjoint(question_words))
    bare = bool(texts) and len(low) - low.rfind(texts[-1]) - len(texts[-1]) <= 14 and not _instructs(stem, question_words)
    story = 0.0 if texts or not 12 <= counts.total() <= 250 else _story(low, counts, general, groups)
    structure = (*general, *(_choices(texts, question_words) if texts else _NO_CHOICES))
    return PromptFeatures((*structure, *wording), words, float(bare), float(bool(texts) and not bare), story)


def _instructs(stem: str, question_words: AbstractSet[str]) -> bool:
    """Whether the text says how to answer; a bare question with choices does not."""
    return (
        not _INSTRUCTIONS.isdisjoint(question_words)
        or "multiple-choice" in stem
        or "multiple choice" in stem
        or "correct answer" in stem
    )


def _tokens(low: str) -> list[str]:
    if low.isascii():
        return low.translate(_APART).split()
    return _WORD.findall(_UNSPACED.sub(r"\g<0> ", low))


def _groups(low: str, counts: Counter[str]) -> list[float]:
    """The number of distinct words of each group of the lexicon; a phrase counts one and a half."""
    groups = [0.0] * len(WORDING)
    for word in _INDEX.keys() & counts.keys():
        for i in _INDEX[word]:
            groups[i] += 1.0
    for i, phrase, word in _ASCII_PHRASES if low.isascii() else _PHRASES:
        if (not word or word in counts) and phrase in low:
            groups[i] += 1.5
    return groups


def _story(low: str, counts: Counter[str], general: tuple[float, ...], groups: list[float]) -> float:
    """Evidence is summed, so that one misspelt word does not change the result."""
    if general[_CODE_LINES] or groups[_MEDICINE] > 2.5:
        return 0.0
    numbers = len([1 for token in counts if token[0].isdigit()])
    amounts = min(3.0, numbers + groups[_NUMBER_WORDS]) / 6.0
    asks = 0.35 if not _ASKING.isdisjoint(counts) and _HOW_MUCH.search(low) else 0.0
    evidence = amounts + asks + min(1.0, groups[_QUANTITY] / 3.0) * 0.3 + (0.1 if "?" in low else 0.0)
    elsewhere = max([groups[i] for i in _SUBJECTS]) - groups[_QUANTITY] / 5.0
    evidence -= 0.15 * max(0.0, elsewhere - 0.5)
    return min(1.0, max(0.0, (evidence - 0.55) / 0.3)) / (1.0 + 0.2 * max(0.0, general[_NOTATION] - 1.2))


def _general(low: str, stem: str, counts: Counter[str], words: tuple[str, ...], negated: bool) -> tuple[float, ...]:
    total, distinct = counts.total(), len(words) or 1
    figures = [figure.rstrip(".,/") for figure in _NUMBER.findall(low)]
    lines, questions, fenced = low.count("\n"), low.count("?"), "```" in low
    sentences = low.count(". ") + questions + low.count(".\n") + 1
    symbols = low.count("=") + low.count("+") + low.count("^") + len(_OPERATION.findall(low))
    if "\\" in low:
        symbols += len(_COMMAND.findall(low))
    if not low.isascii():
        symbols += len(_UNICODE_SYMBOL.findall(low))
    code = len(_CODE.findall(low)) if fenced or (lines > 1 and any(mark in low for mark in _CODE_ENDS)) else 0
    common = len(_PLAIN & counts.keys())
    foreign = len(words) >= 4 and common < 0.12 * distinct and code == 0
    last = stem.rstrip(" ?.\n")
    last = last[max(last.rfind(". "), last.rfind("? "), last.rfind("\n")) + 1 :]
    return (
        log(1.0 + total / 8.0),
        0.3 if foreign else sum(map(len, words)) / distinct - 4.5,
        (0.5 if foreign else 1.0) * 4.0 * (len(words) - common) / (distinct + 4.0),
        log(1.0 + len(figures)),
        log(1.0 + len(set(figures))),
        log(1.0 + low.count("%") + counts["percent"]),
        log(1.0 + len([1 for figure in figures if "/" in figure])),
        log(1.0 + len([1 for figure in figures if "." in figure])),
        log(1.0 + symbols),
        log(1.0 + code),
        1.0 if fenced else 0.0,
        log(1.0 + lines),
        log(1.0 + len(_ITEM.findall(low))) if lines else 0.0,
        log(1.0 + questions),
        log(sentences),
        log(1.0 + total / sentences / 8.0),
        log(1.0 + last.count(" ") / 6.0),
        1.0 if foreign else 0.0,
        1.0 if "___" in low else 0.0,
        0.0 if _STATING.isdisjoint(counts) else min(2.0, float(len(_STATEMENT.findall(low)))),
        1.0 if negated else 0.0,
        max(0.0, 1.0 - total / 10.0),
        log(1.0 + (low.count('"') + low.count("“")) / 2.0),
        distinct / (total + 6.0),
    )


def _choices(texts: list[str], question_words: AbstractSet[str]) -> tuple[float, ...]:
    n = float(len(texts))
    sets = [set(_tokens(text)) for text in texts]
    shared = [len(a & b) / (len(a | b) + 1.0) for i, a in enumerate(sets) for b in sets[:i]]
    return (
        sum([1 for text in texts if _PAIR.match(text)]) / n,
        sum([1 for text in texts if text.lstrip(" $-(.+")[:1].isdigit()]) / n,
        log(1.0 + sum(map(len, texts)) / n / 10.0),
        1.0 if any(text.startswith(_CATCH_ALL) for text in texts) else 0.0,
        sum([1 for text in texts if any(trend in text for trend in _TREND)]) / n,
        sum([1 for words in sets if words & _JOINT]) / n,
        _total(shared) / len(shared),
        _total([len(words & question_words) / (len(words) + 1.0) for words in sets]) / n,
        len({text.split(" ", 1)[0] for text in texts}) / n,
        log(1.0 + len(question_words) / 8.0),
    )


_NO_CHOICES = (0.0,) * len(CHOICES)


def _total(values: list[float]) -> float:
    """The sum from left to right: `sum` rounds floats differently from Python 3.12 on, and a score must not change."""
    total = 0.0
    for value in values:
        total += value
    return total


def features_hash(features: PromptFeatures) -> str:
    """A digest of the rounded features, not of the text: it identifies repetitions without keeping the prompt."""
    rounded = ",".join(f"{value:.2f}" for value in features.values)
    return hashlib.blake2b(rounded.encode(), digest_size=8).hexdigest()
