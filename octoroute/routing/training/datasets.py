"""Reads labelled prompts from files: our own JSON Lines, and the formats of RouteLLM, RouterBench, and RouterArena."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import msgspec

from octoroute.errors import ConfigError

__all__ = ["FORMATS", "DatasetRow", "digest", "read_rows"]

FORMATS = ("jsonl", "routellm", "routerbench", "routerarena")


class DatasetRow(msgspec.Struct, frozen=True, kw_only=True):
    """One question. `strong` and `weak`: the quality of the two models' answers, 0..1 or any scale; None: not labelled."""

    id: str
    prompt: str
    set: str = "data"
    group: str = ""
    strong: float | None = None
    weak: float | None = None
    cost_strong: float | None = None
    cost_weak: float | None = None
    """USD for this question; None: not known."""
    weak_answer: str | None = None

    @property
    def gain(self) -> float:
        return (self.strong or 0.0) - (self.weak or 0.0)

    @property
    def labelled(self) -> bool:
        return self.strong is not None and self.weak is not None


def digest(path: str | Path) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def read_rows(path: str | Path, *, kind: str = "auto", strong: str | None = None, weak: str | None = None) -> list[DatasetRow]:
    """`kind`: one of `FORMATS`, or auto. `strong`, `weak`: the columns of the two models; None: the format's usual ones.

    Raises ConfigError, which names the line and the problem.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise _wrong(
            path, f"cannot be read ({type(error).__name__}: {getattr(error, 'strerror', None) or 'not UTF-8 text'})"
        ) from None
    kind = _guess(path, text) if kind == "auto" else kind
    readers = {"jsonl": _jsonl, "routellm": _routellm, "routerbench": _routerbench, "routerarena": _routerarena}
    if kind not in readers:
        raise _wrong(path, f"unknown format {kind!r}; must be one of {', '.join(FORMATS)}")
    rows = list(readers[kind](path, text, strong, weak))
    if not rows:
        raise _wrong(path, "contains no questions")
    return rows


def _wrong(path: Path, what: str) -> ConfigError:
    return ConfigError([f"{path}: {what}"])


def _guess(path: Path, text: str) -> str:
    head = text.lstrip()[:4000]
    if path.suffix == ".csv":
        first = head.partition("\n")[0]
        return "routerbench" if "eval_name" in first or "sample_id" in first else "routellm"
    if head.startswith("["):
        return "routerarena"
    first = head.partition("\n")[0]
    if '"mixtral-8x7b-instruct-v0.1"' in first or '"gpt-4-1106-preview"' in first:
        return "routellm"
    return "routerarena" if '"global index"' in first else "jsonl"


def _number(path: Path, line: int, name: str, value: object) -> float | None:
    """A number, or a boolean as 0 or 1, also as text; None: the value is empty, so the row is not labelled."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return float(value)
    text = str(value).strip().lower()
    try:
        number = {"true": 1.0, "false": 0.0}[text] if text in {"true", "false"} else float(text)
    except ValueError:
        number = float("nan")
    if number != number or number in {float("inf"), float("-inf")}:  # noqa: PLR0124 - not a number
        raise _wrong(path, f"line {line}: {name} must be a number, true, or false, not {str(value)[:40]!r}")
    return number


def _objects(path: Path, text: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for line, raw in enumerate(text.split("\n"), 1):
        if not raw.strip():
            continue
        try:
            found = json.loads(raw)
        except ValueError as error:
            raise _wrong(path, f"line {line}: not JSON ({error})") from None
        if not isinstance(found, dict):
            raise _wrong(path, f"line {line}: must be a JSON object")
        yield line, found


def _jsonl(path: Path, text: str, strong: str | None, weak: str | None) -> Iterator[DatasetRow]:
    """`{id?, set?, group?, prompt, strong?, weak?, cost_strong?, cost_weak?, weak_answer?}`."""
    for line, found in _objects(path, text):
        prompt = found.get("prompt")
        if not isinstance(prompt, str):
            raise _wrong(path, f"line {line}: `prompt` must be a text")
        answer = found.get("weak_answer")
        names = {"strong": strong or "strong", "weak": weak or "weak", "cost_strong": "cost_strong", "cost_weak": "cost_weak"}
        numbers = {field: _number(path, line, name, found.get(name)) for field, name in names.items()}
        yield DatasetRow(
            id=str(found.get("id", line)),
            prompt=prompt,
            set=str(found.get("set") or "data"),
            group=str(found.get("group") or ""),
            weak_answer=answer if isinstance(answer, str) else None,
            **numbers,
        )


def _table(text: str) -> tuple[list[str], list[dict[str, str]]]:
    csv.field_size_limit(1 << 30)
    reader = csv.DictReader(io.StringIO(text, newline=""))
    return list(reader.fieldnames or ()), list(reader)


def _pick(path: Path, names: Iterable[str], wanted: str | None, default: str, role: str) -> str:
    """The column of a model: `wanted`, or the format's `default`."""
    names = list(names)
    chosen = wanted or default
    if chosen not in names:
        shown = ", ".join(names[:20])
        raise _wrong(path, f"has no {role} model column {chosen!r}; name one with --{role}: {shown}")
    return chosen


def _routellm(path: Path, text: str, strong: str | None, weak: str | None) -> Iterator[DatasetRow]:
    """MMLU: CSV with `prompt` and a True/False column per model. GSM8K: the same, with answers in `<model>_response` columns."""
    if path.suffix == ".csv":
        columns, found = _table(text)
        rows: list[tuple[int, Mapping[str, Any]]] = list(enumerate(found, 2))
    else:
        rows = list(_objects(path, text))
        columns = list(rows[0][1]) if rows else []
    s = _pick(path, columns, strong, "gpt-4-1106-preview", "strong")
    w = _pick(path, columns, weak, "mistralai/Mixtral-8x7B-Instruct-v0.1", "weak") if weak or s != strong else ""
    w = w or _pick(path, columns, weak, "mistralai/Mixtral-8x7B-Instruct-v0.1", "weak")
    for line, found in rows:
        prompt = found.get("prompt", found.get("question"))
        if not isinstance(prompt, str):
            raise _wrong(path, f"line {line}: needs a `prompt`")
        answer = found.get(w + "_response")
        name = str(found.get("domain") or found.get("group") or path.stem)
        yield DatasetRow(
            id=f"{path.stem}-{line}",
            prompt=prompt,
            set=path.parent.name or path.stem,
            group=name,
            strong=_number(path, line, s, found.get(s)),
            weak=_number(path, line, w, found.get(w)),
            weak_answer=answer if isinstance(answer, str) else None,
        )


def _routerbench(path: Path, text: str, strong: str | None, weak: str | None) -> Iterator[DatasetRow]:
    """CSV: `sample_id, prompt, eval_name`, a score column per model, `<model>|total_cost`, `<model>|model_response`."""
    columns, found = _table(text)
    models = [name for name in columns if name + "|total_cost" in columns]
    s = _pick(path, models, strong, "gpt-4-1106-preview", "strong")
    w = _pick(path, models, weak, "mistralai/mixtral-8x7b-chat", "weak")
    for line, row in enumerate(found, 2):
        yield DatasetRow(
            id=row.get("sample_id") or str(line),
            prompt=row.get("prompt") or "",
            set="routerbench",
            group=row.get("eval_name") or "",
            strong=_number(path, line, s, row.get(s)),
            weak=_number(path, line, w, row.get(w)),
            cost_strong=_number(path, line, s, row.get(s + "|total_cost")),
            cost_weak=_number(path, line, w, row.get(w + "|total_cost")),
            weak_answer=row.get(w + "|model_response"),
        )


def _routerarena(path: Path, text: str, strong: str | None, weak: str | None) -> Iterator[DatasetRow]:
    """A list, or lines, of `{"global index", prompt, prediction, cost, accuracy}`; one entry per model and question."""
    if text.lstrip().startswith("["):
        try:
            entries: list[Any] = json.loads(text)
        except ValueError as error:
            raise _wrong(path, f"not JSON ({error})") from None
    else:
        entries = [found for _, found in _objects(path, text)]
    questions: dict[str, dict[str, Any]] = {}
    for line, entry in enumerate(entries, 1):
        if not isinstance(entry, dict):
            raise _wrong(path, f"entry {line}: must be an object")
        entry = cast("dict[str, Any]", entry)
        key = str(entry.get("global index", entry.get("global_index", line)))
        place = questions.setdefault(key, {"prompt": entry.get("prompt", entry.get("question")), "models": {}})
        place["models"][str(entry.get("prediction", entry.get("llm_selected", "")))] = entry
    models = sorted({name for place in questions.values() for name in place["models"]})
    labelled = bool(strong and weak)
    if labelled:
        _pick(path, models, strong, "", "strong")
        _pick(path, models, weak, "", "weak")
    for line, (key, place) in enumerate(questions.items(), 1):
        if not isinstance(place["prompt"], str):
            raise _wrong(path, f"entry {line}: needs a `prompt`")
        models_of: dict[str, dict[str, Any]] = place["models"]
        best, cheap = models_of.get(strong or "", {}), models_of.get(weak or "", {})
        yield DatasetRow(
            id=key,
            prompt=place["prompt"],
            set="routerarena",
            group=key.split("_")[0],
            strong=_number(path, line, "accuracy", best.get("accuracy")),
            weak=_number(path, line, "accuracy", cheap.get("accuracy")),
            cost_strong=_number(path, line, "cost", best.get("cost")),
            cost_weak=_number(path, line, "cost", cheap.get("cost")),
        )
