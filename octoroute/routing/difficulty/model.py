"""The difficulty model: linear heads over one prompt's features, mixed by its shape into a calibrated chance. Pure; loaded once."""

from __future__ import annotations

from importlib import resources
from math import exp, log
from pathlib import Path

import msgspec

from octoroute.errors import ConfigError
from octoroute.routing.difficulty.answer_checks import ModelAnswer, run_checks
from octoroute.routing.difficulty.answer_features import ANSWER_NAMES, extract_answer_features
from octoroute.routing.difficulty.features import NAMES, PromptFeatures, extract_features

__all__ = [
    "FORMAT",
    "AnswerHead",
    "Head",
    "Model",
    "Provenance",
    "Reason",
    "Score",
    "Scorer",
    "load",
    "save",
    "shipped_path",
    "sigmoid",
]

FORMAT = 1
_INDEX = {name: i for i, name in enumerate(NAMES)}
_WORDING = "wording"


def sigmoid(z: float) -> float:
    """Log-odds to a probability."""
    return 1.0 / (1.0 + exp(-z)) if z > -700.0 else 0.0


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """The origin of an artefact: enough to reproduce it and to know its licence."""

    made_by: str
    octoroute: str
    seed: int
    data: list[str]
    """`name sha256 rows` of each file, in the order given."""
    licence: str = ""
    notes: list[str] = []
    prior: str | None = None
    """Digest of the artefact that training started from; None: the artefact was fitted from scratch."""


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """A linear model of the log-odds that the cheap model is wrong."""

    bias: float
    """The log-odds at `centers`, without any known word."""
    features: dict[str, float]
    centers: dict[str, float]
    words: dict[str, float] = {}
    exponent: float = 0.5
    """The sum of the word weights is divided by (distinct words + 8) to this power."""
    bound: float = 6.0
    """Bound of the result's absolute value, because no text is certain. Up to half of it the result is unchanged."""


class AnswerHead(msgspec.Struct, frozen=True, kw_only=True):
    """Log-odds that an answer to a word problem is wrong, from `ANSWER_NAMES` and the prompt's own log-odds."""

    bias: float
    features: dict[str, float]
    centers: dict[str, float]
    prompt: float
    """Weight of the prompt's log-odds."""


FAILED_CHECK = 3.0
"""Log-odds that a failed check adds outside word problems: an answer that does not parse is rarely right."""


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """An artefact: what `octoroute train` writes, and what `shipped.json` holds."""

    format: int
    """Equal to `FORMAT`."""
    provenance: Provenance
    heads: dict[str, Head]
    """`general`, `choices`, `quiz`, `story`; of a trained artefact also `own`."""
    percentiles: list[float]
    """The difficulty at the 0th, 1st, … 100th percentile of the traffic that shares refer to."""
    answer: AnswerHead | None = None
    prior_weight: float = 1.0
    own_weight: float = 0.0
    """Weights of the log-odds of the shipped heads, and of `own`."""


class Reason(msgspec.Struct, frozen=True):
    """One feature's contribution to a score, in log-odds; positive: harder."""

    name: str
    weight: float


class Score(msgspec.Struct, frozen=True):
    difficulty: float
    """0..1: the chance that the cheap model's answer would be inadequate."""
    reasons: tuple[Reason, ...]
    """The largest contributions first."""


class Scorer:
    """A loaded model. Deterministic."""

    __slots__ = ("_heads", "model")

    def __init__(self, model: Model) -> None:
        self.model = model
        self._heads = {name: _CompiledHead(head) for name, head in model.heads.items()}

    def difficulty(self, text: str) -> float:
        return sigmoid(self.log_odds(extract_features(text)))

    def log_odds(self, features: PromptFeatures) -> float:
        total = 0.0
        for name, share in self._shares(features):
            total += share * self._heads[name].log_odds(features)
        return total

    def head_log_odds(self, name: str, features: PromptFeatures) -> float:
        """The log-odds of one head, whatever the shape of the text."""
        return self._heads[name].log_odds(features)

    def explain(self, text: str, limit: int = 6) -> Score:
        return self.explain_features(extract_features(text), limit)

    def explain_features(self, features: PromptFeatures, limit: int = 6) -> Score:
        parts: dict[str, float] = {}
        for head, share in self._shares(features):
            for name, weight in self._heads[head].parts(features):
                parts[name] = parts.get(name, 0.0) + share * weight
        ranked = sorted(parts.items(), key=lambda part: (-abs(part[1]), part[0]))
        reasons = tuple(Reason(name, round(weight, 3)) for name, weight in ranked[:limit] if abs(weight) >= 0.02)
        return Score(sigmoid(self.log_odds(features)), reasons)

    def answer_difficulty(self, prompt: str, answer: ModelAnswer) -> float:
        """0..1: the chance that this answer of the cheap model is inadequate; for the cascade."""
        features = extract_features(prompt)
        prompt_log_odds = self.log_odds(features)
        checked = prompt_log_odds + FAILED_CHECK * min(2, len(run_checks(answer)))
        head = self.model.answer
        if head is None or not features.story:
            return sigmoid(checked)
        measured = head.bias + head.prompt * prompt_log_odds
        for name, value in zip(ANSWER_NAMES, extract_answer_features(prompt, answer), strict=True):
            if name in head.features:
                measured += head.features[name] * (value - head.centers[name])
        return sigmoid(features.story * measured + (1.0 - features.story) * checked)

    def _shares(self, features: PromptFeatures) -> list[tuple[str, float]]:
        own = self.model.own_weight if "own" in self._heads else 0.0
        left = self.model.prior_weight
        shares = [("own", own)] if own else []
        rest = 1.0
        for name, share in (("choices", features.choices), ("quiz", features.quiz), ("story", features.story)):
            if share:
                shares.append((name, left * share))
                rest -= share
        if rest > 0.0:
            shares.append(("general", left * rest))
        return shares


class _CompiledHead:
    """A head with its features as positions in `PromptFeatures.values`."""

    __slots__ = ("_bias", "_exponent", "_head", "_terms", "_words")

    def __init__(self, head: Head) -> None:
        self._head = head
        self._terms = tuple((_INDEX[name], weight, head.centers.get(name, 0.0)) for name, weight in head.features.items())
        bias = head.bias
        for _, weight, center in self._terms:
            bias -= weight * center
        self._bias = bias
        self._words = head.words
        self._exponent = head.exponent

    def log_odds(self, features: PromptFeatures) -> float:
        values = features.values
        total = self._bias
        for place, weight, _ in self._terms:
            total += weight * values[place]
        if self._words:
            total += self._wording(features)
        return _bounded(total, self._head.bound)

    def _wording(self, features: PromptFeatures) -> float:
        words = self._words
        total = 0.0
        for word in features.words:
            if word in words:
                total += words[word]
        return total / (len(features.words) + 8.0) ** self._exponent

    def parts(self, features: PromptFeatures) -> list[tuple[str, float]]:
        found = [(NAMES[place], weight * (features.values[place] - center)) for place, weight, center in self._terms]
        return [*found, (_WORDING, self._wording(features))] if self._words else found


def _bounded(value: float, bound: float) -> float:
    """`value` bent towards ±`bound`; strictly increasing, so that the order of scores is kept."""
    half = bound / 2.0
    over = abs(value) - half
    if over <= 0.0:
        return value
    far = half + over / (1.0 + over / half)
    return far if value > 0.0 else -far


_DECODER = msgspec.json.Decoder(Model)


def shipped_path() -> Path:
    return Path(str(resources.files("octoroute.routing.difficulty").joinpath("shipped.json")))


def load(path: str | Path | None = None) -> Scorer:
    """The artefact at `path`; None: the shipped one. Raises ConfigError: it cannot be read, or is of another version."""
    try:
        raw = (
            resources.files("octoroute.routing.difficulty").joinpath("shipped.json").read_bytes()
            if path is None
            else Path(path).read_bytes()
        )
        model = _DECODER.decode(raw)
    except (OSError, ValueError) as error:
        raise ConfigError([f"routing.learned.artefact: {path} cannot be read ({error}); make one with `octoroute train`"]) from None
    if model.format != FORMAT:
        raise ConfigError(
            [f"routing.learned.artefact: {path} has format {model.format}, this version reads format {FORMAT}; train it again"]
        )
    unknown = {name for head in model.heads.values() for name in head.features} - set(NAMES)
    if unknown or not {"general", "choices", "quiz", "story"} <= model.heads.keys() or len(model.percentiles) != 101:
        raise ConfigError([f"routing.learned.artefact: {path} was made by another version; train it again"])
    return Scorer(model)


def save(model: Model, path: str | Path) -> None:
    """Indented by one, so that two artefacts can be compared with a text tool."""
    Path(path).write_bytes(msgspec.json.format(msgspec.json.encode(model), indent=1) + b"\n")


def odds(chance: float) -> float:
    """The log-odds of a chance, which is first clipped to 0.005..0.995."""
    chance = min(0.995, max(0.005, chance))
    return log(chance / (1.0 - chance))
