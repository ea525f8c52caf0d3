from __future__ import annotations

import json

import pytest

from octoroute.errors import ConfigError
from octoroute.routing.training.datasets import digest, read_rows


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_our_own_lines_with_and_without_labels(tmp_path):
    lines = [
        {
            "id": "a",
            "set": "s",
            "group": "g",
            "prompt": "x\u2028y",
            "strong": 1.0,
            "weak": 0,
            "cost_weak": 0.1,
            "weak_answer": "z",
            "more": 1,
        },
        {"prompt": "no labels"},
        {"prompt": "booleans", "strong": True, "weak": "false"},
    ]
    path = write(tmp_path / "d.jsonl", "\n".join(json.dumps(line, ensure_ascii=False) for line in lines) + "\n\n")
    a, b, c = read_rows(path)
    assert (a.id, a.set, a.group, a.gain, a.weak_answer, a.cost_weak) == ("a", "s", "g", 1.0, "z", 0.1)
    assert a.prompt == "x\u2028y"
    assert not b.labelled and b.id == "2"
    assert (c.strong, c.weak) == (1.0, 0.0)
    assert len(digest(path)) == 64


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("{", "line 1: not JSON"),
        ("[]", "format|object|questions"),
        ('{"x": 1}', "prompt"),
        ('{"prompt": "x", "strong": "much"}', "strong"),
        ("", "no questions"),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, word):
    with pytest.raises(ConfigError, match=word):
        read_rows(write(tmp_path / "d.jsonl", line))


def test_not_a_number_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="weak"):
        read_rows(write(tmp_path / "d.jsonl", '{"prompt": "x", "weak": NaN}'))


def test_no_such_file_and_no_such_format(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        read_rows(tmp_path / "none.jsonl")
    with pytest.raises(ConfigError, match="one of"):
        read_rows(write(tmp_path / "d.jsonl", "{}"), kind="parquet")
    (tmp_path / "b.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="UTF-8"):
        read_rows(tmp_path / "b.jsonl")


def test_routellms_mmlu(tmp_path):
    (tmp_path / "mmlu").mkdir()
    text = 'prompt,gpt-4-1106-preview,mistralai/Mixtral-8x7B-Instruct-v0.1\n"Which?\nA. x",True,False\nNext,True,True\n'
    one, two = read_rows(write(tmp_path / "mmlu" / "mmlu_anatomy.csv", text))
    assert (one.gain, two.gain, one.group, one.set) == (1.0, 0.0, "mmlu_anatomy", "mmlu")


def test_routellms_gsm8k_with_answers(tmp_path):
    weak = "mistralai/Mixtral-8x7B-Instruct-v0.1"
    text = f"prompt,gpt-4-1106-preview,{weak},{weak}_response\nHow many?,True,False,twelve\n"
    (row,) = read_rows(write(tmp_path / "gsm8k.csv", text))
    assert (row.weak_answer, row.gain) == ("twelve", 1.0)


def test_a_model_that_is_not_there_is_named(tmp_path):
    path = write(tmp_path / "x.csv", "prompt,a,b\nq,1,0\n")
    with pytest.raises(ConfigError, match="--strong"):
        read_rows(path, kind="routellm")
    (row,) = read_rows(path, kind="routellm", strong="a", weak="b")
    assert row.gain == 1.0


def test_routerbench_with_costs(tmp_path):
    names = ("gpt-4-1106-preview", "mistralai/mixtral-8x7b-chat")
    header = ["sample_id", "prompt", "eval_name", *names, *(f"{n}|total_cost" for n in names), f"{names[1]}|model_response"]
    path = write(tmp_path / "rb.csv", ",".join(header) + "\nq1,How?,arc,1.0,0.25,0.01,0.001,so\n")
    (row,) = read_rows(path)
    assert (row.id, row.group, row.gain, row.cost_strong, row.cost_weak, row.weak_answer) == ("q1", "arc", 0.75, 0.01, 0.001, "so")


@pytest.mark.parametrize("as_list", [True, False])
def test_routerarena(tmp_path, as_list):
    entries = [
        {"global index": "Arc_1", "prompt": "Which?", "prediction": "big", "accuracy": 1.0, "cost": 0.01},
        {"global index": "Arc_1", "prompt": "Which?", "prediction": "small", "accuracy": 0.0, "cost": 0.001},
        {"global index": "Arc_2", "prompt": "What?", "prediction": "small", "accuracy": 1.0},
    ]
    text = json.dumps(entries) if as_list else "\n".join(json.dumps(entry) for entry in entries)
    path = write(tmp_path / ("ra.json" if as_list else "ra.jsonl"), text)
    one, two = read_rows(path, strong="big", weak="small")
    assert (one.gain, one.cost_strong, one.group, one.set) == (1.0, 0.01, "Arc", "routerarena")
    assert not two.labelled
    assert not read_rows(path)[0].labelled
    with pytest.raises(ConfigError, match="huge"):
        read_rows(path, strong="huge", weak="small")
