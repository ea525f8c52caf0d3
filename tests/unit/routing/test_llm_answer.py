"""How the routing model's words become a tier, and which of them do not."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.domain.endpoint import CHAT_TIERS, Tier
from octoroute.routing.llm_answer import (
    MAX_ANSWER_BYTES,
    PREVIEW_CHARS,
    REFUSALS,
    AnswerTooLong,
    EmptyAnswer,
    Refusal,
    Unparseable,
    UnusableAnswer,
    parse_text,
    read_answer,
    without_thinking,
)

REFERENCE = re.compile(r"(?<![A-Za-z0-9_])(FAST|BALANCED|DEEP)(?![A-Za-z0-9_])", re.ASCII)


@pytest.mark.parametrize("tier", CHAT_TIERS)
@pytest.mark.parametrize(
    "shape",
    [
        '{{"tier": "{}"}}',
        '{{"tier":"{}"}}',
        ' \n{{ "tier" : "{}" }}\n',
        '```json\n{{"tier": "{}"}}\n```',
        '```\n{{"tier": "{}"}}\n```',
        '<think>FAST? no, DEEP? BALANCED?</think>\n{{"tier": "{}"}}',
        "{}",
        "  {}\n",
        "{}.",
        "**{}**",
        "{}-TRACK",
        "你{}好",
        "I choose {}, as it suits",
        "<think>" + "FAST or DEEP " * 1000 + "</think>{}",
        "BALANCED or DEEP …</think>{}",
    ],
)
def test_a_tier_in_any_dress(shape, tier):
    assert read_answer(shape.format(tier)) is tier
    assert read_answer(shape.format(tier.upper())) is tier
    assert read_answer(shape.format(tier.capitalize())) is tier


@pytest.mark.parametrize(
    ("answer", "tier"),
    [
        ("Not DEEP, use FAST", Tier.DEEP),
        ("FAST DEEP BALANCED", Tier.FAST),
        ("BREAKFAST is DEEP", Tier.DEEP),
        ('{"tier": "deep", "instead_of": "fast"}', Tier.DEEP),
        ('{"tiers": ["balanced"]}', Tier.BALANCED),
        ("I can\u2019t say; DEEP", Tier.DEEP),  # the curly apostrophe is not on the list
    ],
)
def test_the_leftmost_word_wins(answer, tier):
    assert read_answer(answer) is tier


TIER_LIKE = [
    "BREAKFAST",
    "FASTEST",
    "FASTER",
    "STEADFAST",
    "FASTBALL",
    "SUPER_FAST",
    "FAST_TIER",
    "FAST1",
    "2FAST",
    "UNBALANCED",
    "BALANCEDLY",
    "IMBALANCED",
    "DEEPER",
    "DEEPEST",
    "DEEPLY",
    "KNEEDEEP",
]


@pytest.mark.parametrize("word", TIER_LIKE)
def test_words_that_only_look_like_a_tier(word):
    with pytest.raises(Unparseable, match=word):
        read_answer(word)


@pytest.mark.parametrize("word", REFUSALS)
def test_refusals_come_before_tiers(word):
    for answer in (f"DEEP, {word.lower()}", f"{word}: fast", f"pre{word}post"):
        with pytest.raises(Refusal, match=re.escape(answer)):
            read_answer(answer)


@pytest.mark.parametrize("answer", ["", " ", "\n\t", "<think></think>", "<think>DEEP", " <think>so FAST it is</think>  "])
def test_nothing_is_said(answer):
    with pytest.raises(EmptyAnswer, match=r"FAST, BALANCED or DEEP.*causes"):
        read_answer(answer)


def test_size_is_counted_in_bytes_without_thinking_and_space():
    assert read_answer("FAST" + " x" * 510) is Tier.FAST
    assert read_answer("FAST" + "é" * 510) is Tier.FAST  # 4 + 1020 bytes
    assert MAX_ANSWER_BYTES == 1024
    with pytest.raises(AnswerTooLong, match="1025 bytes"):
        read_answer("FAST " + "é" * 510)
    with pytest.raises(AnswerTooLong, match="1025 bytes"):
        read_answer("<think>x</think>" + "x" * 1025 + " " * 9)


def test_a_preview_is_bounded_and_a_short_answer_whole():
    with pytest.raises(Unparseable) as short:
        parse_text("purple")
    assert str(short.value).endswith(": purple")
    assert "6 bytes" in str(short.value)
    for char in ("x", "🦑", "👩\u200d🚀", "e\u0301", "ش"):
        text = (char * 600)[:600]
        with pytest.raises(Unparseable) as long:
            parse_text(text)
        message = str(long.value)
        assert message.endswith(": " + text[:PREVIEW_CHARS] + "... [truncated]")
        assert f"{len(text.encode())} bytes" in message
    with pytest.raises(Unparseable) as exact:
        parse_text("x" * PREVIEW_CHARS)
    assert "truncated" not in str(exact.value)


def test_the_kinds_are_distinct():
    kinds = (EmptyAnswer, Refusal, Unparseable, AnswerTooLong)
    assert len({kind.code for kind in kinds}) == 4
    assert all(issubclass(kind, UnusableAnswer) for kind in kinds)


def test_thinking_is_only_cut_off_the_front():
    assert without_thinking("FAST") == "FAST"
    assert without_thinking("<think>a</think>b<think>c</think>") == "b<think>c</think>"


def said(parse, text):
    """The tier, or the kind of error."""
    try:
        return parse(text)
    except UnusableAnswer as error:
        return type(error)


PIECES = st.one_of(
    st.sampled_from(
        ["fast", "Balanced", "DEEP", "_", "-", " ", "error", "can't", "é", "好", "1", ",", "ﬅ", "\u0131", "ß", "\x1c", "\x00"]
    ),
    st.text(max_size=3),
)


@given(st.lists(PIECES, max_size=12).map("".join))
def test_the_parser_agrees_with_the_reference(text):
    shouted = text.strip().upper()
    match = REFERENCE.search(shouted)
    if not shouted:
        outcome = EmptyAnswer
    elif any(word in shouted for word in REFUSALS):
        outcome = Refusal
    else:
        outcome = Tier(match[1].lower()) if match else Unparseable
    assert said(parse_text, text) is outcome


@given(st.one_of(st.text(), st.lists(PIECES, max_size=12).map("".join), st.just("\ud800")))
def test_an_answer_is_a_tier_or_a_typed_error(text):
    outcome = said(read_answer, text)
    assert isinstance(outcome, Tier) or issubclass(outcome, UnusableAnswer)
