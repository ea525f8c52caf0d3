"""Labelled rows made up for tests: questions whose difficulty lies in a word or two, with a little noise."""

from __future__ import annotations

from random import Random

from octoroute.routing.training.datasets import DatasetRow


def choices(n, seed=0, *, learnable=True):
    """Bare questions with choices. `learnable`: the weak model fails where the topic is obscure."""
    rng = Random(seed)
    hard = ["sediment", "isthmus", "cloister", "lichen", "turbine", "estuary"]
    easy = ["apple", "garden", "kitchen", "window", "summer", "bicycle"]
    rows = []
    for i in range(n):
        obscure = rng.random() < 0.5
        word = rng.choice(hard if obscure else easy)
        chance = (0.75 if obscure else 0.1) if learnable else 0.4
        weak = 0.0 if rng.random() < chance else 1.0
        prompt = f"Which of these goes with {word} and item {i}?\nA. {rng.choice(easy)}\nB. {rng.choice(hard)}\nC. stone\nD. paper\nAnswer:"
        rows.append(
            DatasetRow(id=str(i), set="made", group=word, prompt=prompt, strong=1.0 if rng.random() < 0.9 else weak, weak=weak)
        )
    return rows


def stories(n, seed=0):
    """Word problems with a weak model's answers; longer ones fail more often, and wrong answers hold a wrong sum."""
    rng = Random(seed)
    rows = []
    for i in range(n):
        steps = rng.randint(1, 6)
        said = " ".join(
            f"On day {k} she buys {rng.randint(2, 9)} pens for {rng.randint(2, 9)} dollars each." for k in range(1, steps + 1)
        )
        wrong = rng.random() < 0.1 + 0.12 * steps
        a, b = rng.randint(2, 9), rng.randint(2, 9)
        answer = f"She pays {a} * {b} = {a * b + (1 if wrong and rng.random() < 0.6 else 0)} dollars.\n#### {a * b}"
        prompt = f"Lena keeps a shop. {said} How many dollars does she spend?"
        rows.append(DatasetRow(id=f"s{i}", set="tales", prompt=prompt, strong=1.0, weak=0.0 if wrong else 1.0, weak_answer=answer))
    return rows
