"""The play: who the simulated models are, what is asked on the tour, and what they say. Data only."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from octoroute.domain.endpoint import Tier

MARK = "[simulated]"
"""Stands in front of every answer's text."""


class Character(msgspec.Struct, frozen=True, kw_only=True):
    """One simulated model server. Its pace is typical for models of its tier."""

    tier: Tier
    models: tuple[str, ...]
    """The first is its own; others it keeps for whoever's server is down."""
    first_word_s: float
    words_per_s: float


CAST = (
    Character(tier=Tier.FAST, models=("sim-small",), first_word_s=0.04, words_per_s=120),
    Character(tier=Tier.BALANCED, models=("sim-medium",), first_word_s=0.12, words_per_s=60),
    Character(tier=Tier.DEEP, models=("sim-large", "sim-medium"), first_word_s=0.35, words_per_s=35),
)


class Stop(msgspec.Struct, frozen=True, kw_only=True):
    """One prompt of the tour. `without`: the tier whose server is unplugged for it."""

    says: str
    prompt: str
    answer: str
    without: Tier | None = None


TOUR = (
    Stop(
        says="Small talk goes to the small model.",
        prompt="Hello there!",
        answer="Hello! Greetings are just my size: small, quick, and nearly free. Nobody had to wake the big one.",
    ),
    Stop(
        says="Everyday code goes to the middle.",
        prompt="Write a Python function that counts the arms of an octopus.",
        answer="`def arms(octopus): return sum(1 for limb in octopus.limbs if limb.has_suckers)` ... which comes to 8, as a rule.",
    ),
    Stop(
        says="Hard thinking goes to the large one.",
        prompt="Analyze the trade-offs between one big model and several small ones.",
        answer=(
            "One big model is simple to run and slow to answer; several small ones are quick and cheap, and wrong about the hard"
            " tenth. Sending each question where it belongs gets most of both, which is why I am rarely disturbed."
        ),
    ),
    Stop(
        says="What the rules leave open, a model decides: one short question to the small one.",
        prompt="What is the tallest mountain on Earth?",
        answer="Mount Everest, 8,849 metres above the sea. No large model was needed to look up.",
    ),
    Stop(
        says="And when a server dies?",
        prompt="Fix the bug in this function: def arms(): return 7",
        answer="`def arms(): return 8` - and now I wonder who pulled that plug. Never mind: you got your answer.",
        without=Tier.BALANCED,
    ),
)

ANSWERS: Mapping[str, str] = {stop.prompt: stop.answer for stop in TOUR}

ANY_ANSWER = (
    "I am {model}, a stand-in that runs inside `octoroute demo`. I know no facts, but the way your question came here is real:"
    " octoroute chose my tier, then me. You asked: {question} - for a real answer, put a real model behind octoroute with"
    " `octoroute init`."
)
AFTER_A_TOOL = "The tool answered: {result} - a real model would now make something of it."
