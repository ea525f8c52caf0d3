"""The data of the demo: the simulated models, the prompts of the tour, and the replies."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from octoroute.domain.endpoint import Tier

MARK = "[simulated]"
"""The prefix of every simulated text."""


class ModelProfile(msgspec.Struct, frozen=True, kw_only=True):
    """One simulated model server, at a speed that is typical for models of its tier."""

    tier: Tier
    models: tuple[str, ...]
    """The first is its own model; the others replace models of an unavailable server."""
    first_word_s: float
    words_per_s: float


PROFILES = (
    ModelProfile(tier=Tier.FAST, models=("sim-small",), first_word_s=0.04, words_per_s=120),
    ModelProfile(tier=Tier.BALANCED, models=("sim-medium",), first_word_s=0.12, words_per_s=60),
    ModelProfile(tier=Tier.DEEP, models=("sim-large", "sim-medium"), first_word_s=0.35, words_per_s=35),
)


class TourStep(msgspec.Struct, frozen=True, kw_only=True):
    """One prompt of the tour. `without`: the tier whose server is unavailable during the step; None: all are available."""

    intro: str
    """The line that is printed before the prompt."""
    prompt: str
    answer: str
    without: Tier | None = None


TOUR = (
    TourStep(
        intro="Small talk goes to the small model.",
        prompt="Hello there!",
        answer="Hello! Greetings are just my size: small, quick, and nearly free. Nobody had to wake the big one.",
    ),
    TourStep(
        intro="Everyday code goes to the medium model.",
        prompt="Write a Python function that counts the arms of an octopus.",
        answer="`def arms(octopus): return sum(1 for limb in octopus.limbs if limb.has_suckers)` ... which comes to 8, as a rule.",
    ),
    TourStep(
        intro="Hard reasoning goes to the large model.",
        prompt="Analyze the trade-offs between one big model and several small ones.",
        answer=(
            "One big model is simple to run and slow to answer; several small ones are quick and cheap, and wrong about the hard"
            " tenth. Sending each question where it belongs gets most of both, which is why I am rarely disturbed."
        ),
    ),
    TourStep(
        intro="If no rule applies, a model decides: one short request to the small one.",
        prompt="What is the tallest mountain on Earth?",
        answer="Mount Everest, 8,849 metres above the sea. No large model was needed to look up.",
    ),
    TourStep(
        intro="If a server fails, the next one answers.",
        prompt="Fix the bug in this function: def arms(): return 7",
        answer="`def arms(): return 8` - and now I wonder who pulled that plug. Never mind: you got your answer.",
        without=Tier.BALANCED,
    ),
)

ANSWERS: Mapping[str, str] = {step.prompt: step.answer for step in TOUR}

ANY_ANSWER = (
    "I am {model}, a stand-in that runs inside `octoroute demo`. I know no facts, but the way your question came here is real:"
    " octoroute chose my tier, then me. You asked: {question} - for a real answer, connect a real model with"
    " `octoroute init`."
)
AFTER_A_TOOL = "The tool answered: {result} - a real model would now make something of it."
