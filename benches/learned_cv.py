"""Predicts how the shipped recipe does on questions it has not seen: cross-validation, leave-subjects-out, and leave-benchmark-out.

`python benches/learned_cv.py --data dev_routellm.jsonl [--plot docs/learned-routing.svg]`; a few minutes on one core.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from octoroute.routing.difficulty.answer_checks import ModelAnswer
from octoroute.routing.difficulty.features import extract_features
from octoroute.routing.difficulty.model import Provenance, Scorer
from octoroute.routing.training.datasets import DatasetRow, read_rows
from octoroute.routing.training.evaluation import points_of
from octoroute.routing.training.fit import fit_model
from octoroute.routing.training.generic import generic_prompts
from octoroute.routing.training.linear import mean
from octoroute.routing.training.metrics import apgr, bootstrap, cpt, interval
from octoroute.routing.training.plot import svg

FOLDS = 10
PROVENANCE = Provenance(made_by="benches", octoroute="", seed=0, data=[])


def fitted(rows: Sequence[DatasetRow]) -> Scorer:
    return Scorer(fit_model(rows, generic_prompts(), PROVENANCE))


def held_out(rows: Sequence[DatasetRow], folds: Sequence[int], score: Callable[[Scorer, DatasetRow], float]) -> list[float]:
    """Scores from models that have not seen the question, in deviations of what each model says of its own training rows."""
    found = [0.0] * len(rows)
    for fold in range(FOLDS):
        print(f"… fold {fold + 1} of {FOLDS}", file=sys.stderr)
        seen = [row for row, other in zip(rows, folds, strict=True) if other != fold]
        scorer = fitted(seen)
        units: dict[str, tuple[float, float]] = {}
        for name in {row.set for row in seen}:
            said = [score(scorer, row) for row in seen if row.set == name]
            middle = mean(said)
            units[name] = middle, mean([(value - middle) ** 2 for value in said]) ** 0.5
        for i, (row, other) in enumerate(zip(rows, folds, strict=True)):
            if other == fold:
                middle, unit = units[row.set]
                found[i] = (score(scorer, row) - middle) / unit
    return found


def prompt_score(scorer: Scorer, row: DatasetRow) -> float:
    return scorer.log_odds(extract_features(row.prompt))


def answer_score(scorer: Scorer, row: DatasetRow) -> float:
    return (
        prompt_score(scorer, row)
        if row.weak_answer is None
        else scorer.answer_difficulty(row.prompt, ModelAnswer(text=row.weak_answer))
    )


def tell(title: str, rows: Sequence[DatasetRow], scores: Sequence[float], kept: Callable[[DatasetRow], bool]) -> None:
    held = [(row, score) for row, score in zip(rows, scores, strict=True) if kept(row)]
    some, values = [row for row, _ in held], [score for _, score in held]
    gains = [row.gain for row in some]
    lengths = [float(len(row.prompt)) for row in some]
    sampled = bootstrap({"learned": values, "length": lengths}, gains, times=400)
    found, points = interval(sampled["learned"]), points_of(some, values)
    against = interval([a - b for a, b in zip(sampled["learned"], sampled["length"], strict=True)])
    print(
        f"{title:39} {len(some):5} APGR {apgr(values, gains):.3f} [{found.low:.3f}, {found.high:.3f}] CPT50 {cpt(points, 0.5):.0%}"
        f"  CPT80 {cpt(points, 0.8):.1%}  length {apgr(lengths, gains):.3f}, difference [{against.low:+.3f}, {against.high:+.3f}]"
    )


def subject_folds(rows: Sequence[DatasetRow]) -> list[int]:
    groups = sorted({row.group for row in rows if "mmlu" in row.set})
    Random(0).shuffle(groups)
    place = {group: i % FOLDS for i, group in enumerate(groups)}
    return [place.get(row.group, -1) for row in rows]


def changed(text: str, rng: Random) -> str:
    """Other names and other digits."""
    names: dict[str, str] = {}
    pool = ["Alba", "Boris", "Chidi", "Dana", "Emre", "Freya", "Goran", "Hanna", "Iker", "Jun"]
    text = re.sub(r"(?<=[a-z,;] )[A-Z][a-z]+", lambda found: names.setdefault(found.group(), rng.choice(pool)), text)
    return re.sub(r"\d", lambda _: str(rng.randint(1, 9)), text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--plot")
    args = parser.parse_args()
    rows = read_rows(args.data)
    rng = Random(0)
    folds = [rng.randrange(FOLDS) for _ in rows]
    scores = held_out(rows, folds, prompt_score)
    tell("MMLU, subjects seen (10-fold)", rows, scores, lambda row: "mmlu" in row.set)
    tell("GSM8K (10-fold)", rows, scores, lambda row: "gsm8k" in row.set)
    if args.plot:
        lengths, gains = [float(len(row.prompt)) for row in rows], [row.gain for row in rows]
        drawn = {"random": [0.0] * len(rows), "length": lengths, "learned": scores, "oracle": gains}
        curves = {name: points_of(rows, values) for name, values in drawn.items()}
        Path(args.plot).write_text(
            svg(curves, f"Ten-fold cross-validation, {len(rows)} questions of MMLU and GSM8K"), encoding="utf-8"
        )
    other = held_out(rows, subject_folds(rows), prompt_score)
    tell("MMLU, subjects not seen", rows, other, lambda row: "mmlu" in row.set)
    general = fitted(rows)  # its general head has seen no question of any benchmark
    alone = [general.head_log_odds("general", extract_features(row.prompt)) for row in rows]
    tell("MMLU, from open requests alone", rows, alone, lambda row: "mmlu" in row.set)
    tell("GSM8K, from open requests alone", rows, alone, lambda row: "gsm8k" in row.set)
    answers = held_out(rows, folds, answer_score)
    tell("GSM8K cascade, given answers (10-fold)", rows, answers, lambda row: "gsm8k" in row.set)
    swap = Random(1)
    renamed = held_out(rows, folds, lambda scorer, row: scorer.log_odds(extract_features(changed(row.prompt, swap))))
    tell("MMLU, names and digits changed", rows, renamed, lambda row: "mmlu" in row.set)
    tell("GSM8K, names and digits changed", rows, renamed, lambda row: "gsm8k" in row.set)


if __name__ == "__main__":
    main()
