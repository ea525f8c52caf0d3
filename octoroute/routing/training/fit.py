"""Fits the shipped artefact to labelled rows and our own generic prompts. Reproducible to the byte.

`python -m octoroute.routing.training.fit --data dev_routellm.jsonl --output octoroute/routing/difficulty/shipped.json`
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from octoroute.domain.version import __version__
from octoroute.errors import ConfigError
from octoroute.routing.difficulty.answer_checks import ModelAnswer
from octoroute.routing.difficulty.answer_features import extract_answer_features
from octoroute.routing.difficulty.features import PromptFeatures, extract_features
from octoroute.routing.difficulty.model import FORMAT, AnswerHead, Head, Model, Provenance, Scorer, save
from octoroute.routing.difficulty.subject import subject
from octoroute.routing.difficulty.thresholds import percentiles
from octoroute.routing.training.datasets import DatasetRow, digest, read_rows
from octoroute.routing.training.generic import GenericPrompt, generic_prompts
from octoroute.routing.training.heads import Example, fit_answer, fit_head, names_in
from octoroute.routing.training.linear import mean
from octoroute.routing.training.recipe import CHOICES_RECIPE, GENERAL_RECIPE, QUIZ_RECIPE, STORY_RECIPE, Recipe

__all__ = ["fit_model", "main"]

SEED = 0
"""Recorded in the artefact; the fit itself draws nothing at random."""
_BROKEN = (30, 0.15)
"""(questions, share): a group of so many questions was mis-scored if the strong model gets fewer right; guessing does better."""


def broken_groups(rows: Sequence[DatasetRow]) -> set[tuple[str, str]]:
    groups: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        if row.strong is not None:
            groups.setdefault((row.set, row.group), []).append(row.strong)
    min_size, min_share = _BROKEN
    return {group for group, strong in groups.items() if len(strong) >= min_size and mean(strong) < min_share}


def fit_model(rows: Sequence[DatasetRow], prompts: Sequence[GenericPrompt], provenance: Provenance) -> Model:
    """Each head is fitted to the rows of its shape.

    `choices` and `story` are fitted to the strong model's gain, `quiz` and `general` to the weak model's errors.
    """
    broken = broken_groups(rows)
    usable = [
        (row, extract_features(subject(row.prompt) or row.prompt))
        for row in rows
        if row.labelled and (row.set, row.group) not in broken
    ]
    open_ended = [(prompt, extract_features(prompt.prompt)) for prompt in prompts]
    names = names_in([row.prompt for row, _ in usable])
    heads = {
        "general": _general(open_ended),
        "quiz": _quiz(usable, open_ended),
        "choices": _expert(usable, names, CHOICES_RECIPE, lambda features: features.choices),
        "story": _expert(usable, names, STORY_RECIPE, lambda features: features.story),
    }
    model = Model(format=FORMAT, provenance=provenance, heads=heads, percentiles=[0.0] * 101, answer=_answers(usable, names))
    scorer = Scorer(model)
    return msgspec.structs.replace(model, percentiles=percentiles([scorer.difficulty(prompt.prompt) for prompt in prompts]))


def _general(open_ended: Sequence[tuple[GenericPrompt, PromptFeatures]]) -> Head:
    """Fitted to our own prompts only: examination questions do not transfer to open requests (leave-one-benchmark-out)."""
    examples = [
        Example(features=features, target=prompt.weak_wrong, label=prompt.weak_wrong, source="generic", block=str(prompt.template))
        for prompt, features in open_ended
    ]
    return fit_head(examples, GENERAL_RECIPE)


def _quiz(usable: Sequence[tuple[DatasetRow, PromptFeatures]], open_ended: Sequence[tuple[GenericPrompt, PromptFeatures]]) -> Head:
    """Fitted to the weak model's errors: unlike the strong model's gain, they hold for other models and other wording."""
    examples = [
        Example(
            features=features,
            target=prompt.weak_wrong,
            label=prompt.weak_wrong,
            source="generic",
            weight=5.0,
            block=str(prompt.template),
        )
        for prompt, features in open_ended
        if features.quiz
    ]
    for row, features in usable:
        if features.choices:
            wrong = _wrong(row)
            examples.append(Example(features=features, target=wrong, label=wrong, source=row.set, block=row.id))
    return fit_head(examples, QUIZ_RECIPE)


def _wrong(row: DatasetRow) -> float:
    return min(1.0, max(0.0, 1.0 - (row.weak or 0.0)))


def _answers(usable: Sequence[tuple[DatasetRow, PromptFeatures]], names: frozenset[str]) -> AnswerHead | None:
    """Fitted to word problems with the weak model's answer; None: there are fewer than `MIN_ANSWERS`."""
    problems = [(row, features) for row, features in usable if row.weak_answer is not None and features.story >= 0.5]
    if len(problems) < MIN_ANSWERS:
        return None
    examples = [Example(features=r, target=row.gain, label=_wrong(row), source=row.set, block=row.id) for row, r in problems]
    answers = [extract_answer_features(row.prompt, ModelAnswer(text=row.weak_answer or "")) for row, _ in problems]
    return fit_answer(examples, answers, STORY_RECIPE, names)


MIN_ANSWERS = 100


def _expert(
    usable: Sequence[tuple[DatasetRow, PromptFeatures]],
    names: frozenset[str],
    recipe: Recipe,
    gate: Callable[[PromptFeatures], float],
) -> Head:
    examples: list[Example] = []
    for row, features in usable:
        share = gate(features)
        if share >= 0.5:
            examples.append(Example(features=features, target=row.gain, label=_wrong(row), source=row.set, block=row.id))
    return fit_head(examples, recipe, names)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m octoroute.routing.training.fit", description="Fit the shipped artefact.")
    parser.add_argument("--data", required=True, help="labelled rows, JSON Lines")
    parser.add_argument("--output", required=True)
    args = parser.parse_args(argv)
    try:
        rows = read_rows(args.data)
        provenance = Provenance(
            made_by="octoroute.routing.training.fit",
            octoroute=__version__,
            seed=SEED,
            data=[
                f"{Path(args.data).name} sha256:{digest(args.data)} {len(rows)} rows",
                f"generic.txt {len(generic_prompts())} prompts",
            ],
            licence="weights: MIT; labels: RouteLLM evaluation data, Apache-2.0; generic prompts: written for octoroute, MIT",
            notes=[f"left out as mis-scored: {', '.join(sorted(group for _, group in broken_groups(rows))) or 'nothing'}"],
        )
        save(fit_model(rows, generic_prompts(), provenance), args.output)
    except (ConfigError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - a command line prints
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
