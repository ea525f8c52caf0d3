"""Files of other gateways: each becomes a configuration that is valid, and every key of theirs is used or reported."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from octoroute.cli import main
from octoroute.config import loads
from octoroute.config.environment import references
from octoroute.config.importers.registry import importer_of
from octoroute.config.load import import_tree
from octoroute.domain.endpoint import CHAT_TIERS
from octoroute.errors import ConfigError

FILES = Path(__file__).parent / "files"
PROGRAMS = ("litellm", "claude_code_router", "llama_swap", "portkey")
CORPUS = [
    pytest.param(tree, id=f"{program}-{index}")
    for program in PROGRAMS
    for index, tree in enumerate(yaml.safe_load_all((FILES / f"{program}.yaml").read_text("utf-8")), 1)
]
MODELS = {"models": ["anthropic/claude-sonnet-4.5", "openai/gpt-4.1-nano"], "provider": {"order": ["anthropic"]}}
FREE = re.compile(
    r"\.(model_group_alias|extra_headers|headers|env|macros|metadata|Router|models)$|transformer|setParams|override_params|strategy\.conditions"
)
"""Tables whose keys are names: they have none that is unknown."""


def imported(tree: dict[str, Any], capsys, tmp_path) -> tuple[str, str]:
    """The new file, and the remarks."""
    file = tmp_path / "theirs.yaml"
    file.write_text(yaml.safe_dump(tree), "utf-8")
    assert main(["import", str(file)]) == 0
    captured = capsys.readouterr()
    return captured.out, captured.err


def tables(tree: object, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(tree, dict):
        yield path, tree
        for name, item in tree.items():
            yield from tables(item, f"{path}.{name}")
    elif isinstance(tree, list):
        for index, item in enumerate(tree):
            yield from tables(item, f"{path}[{index}]")


def test_there_are_ten_of_each():
    for program in PROGRAMS:
        assert len(list(yaml.safe_load_all((FILES / f"{program}.yaml").read_text("utf-8")))) == 10


@pytest.mark.parametrize("tree", [*CORPUS, pytest.param(MODELS, id="openrouter")])
def test_each_becomes_a_file_that_is_valid(tree, capsys, tmp_path):
    text, _ = imported(tree, capsys, tmp_path)
    needed = references({"text": text})
    config = loads(
        text, Path("config.toml"), {name: "https://example.com" if "BASE" in name else "a-secret-value" for name in needed}
    )
    assert any(endpoint.tier in CHAT_TIERS for endpoint in config.endpoints) or config.other_endpoints


@pytest.mark.parametrize("tree", CORPUS)
def test_no_secret_is_in_the_new_file(tree, capsys, tmp_path):
    secrets = [
        value
        for _, table in tables(tree)
        for key, value in table.items()
        if "key" in key.lower() and isinstance(value, str) and len(value) > 1
    ]
    text, remarks = imported(tree, capsys, tmp_path)
    for secret in secrets:
        if not re.match(r"os\.environ/|\$", secret):
            assert not re.search(rf'key.* = .*"{re.escape(secret)}"', text)
            assert len(secret) < 8 or (secret not in remarks and secret not in text)


@pytest.mark.parametrize("tree", CORPUS)
def test_every_key_that_has_no_counterpart_is_reported_by_its_path(tree, tmp_path):
    places = [path for path, _ in tables(tree) if not FREE.search(path)]
    for place in places:
        changed = copy.deepcopy(tree)
        dict(tables(changed))[place]["zz_unknown"] = "value"
        file = tmp_path / "theirs.yaml"
        file.write_text(yaml.safe_dump(changed), "utf-8")
        told = import_tree(file, {}, tmp_path).warnings
        whole = tuple(f"{ancestor}:" for ancestor in ancestors(place))  # a part that is left out as a whole is reported as a whole
        assert any("zz_unknown" in line or line.startswith(whole) for line in told), (place, told)


def ancestors(path: str) -> list[str]:
    parts = re.findall(r"\.[^.\[]+|\[\d+\]", path)
    return ["".join(parts[:count]).removeprefix(".") for count in range(1, len(parts) + 1)]


@pytest.mark.parametrize("tree", CORPUS)
def test_whatever_stands_in_place_of_a_value_is_no_traceback(tree, tmp_path):
    file = tmp_path / "theirs.yaml"
    for path, table in tables(tree):
        for key in table:
            for value in (None, 0, -1, True, "", "text", [], {}, [[]], {"a": {}}):
                changed = copy.deepcopy(tree)
                dict(tables(changed))[path][key] = value
                if importer_of(changed) is None:
                    continue
                file.write_text(json.dumps(changed, default=str), "utf-8")
                try:
                    import_tree(file, {}, tmp_path)
                except ConfigError as error:
                    assert all(error.problems)


def test_a_file_of_ours_is_no_others():
    assert importer_of({"models": {"fast": [{"name": "a", "base_url": "http://x"}]}}) is None
    assert importer_of({"models": {"fast": []}, "providers": {}}) is None


@pytest.mark.parametrize("key", ["model_list", "Providers", "targets"])
def test_starting_with_such_a_file_says_how_to_import_it(capsys, tmp_path, key):
    file = tmp_path / "theirs.yaml"
    file.write_text(f"{key}: []\n", "utf-8")
    assert main(["check", "-c", str(file)]) == 2
    assert f"octoroute import {file} > config.toml" in capsys.readouterr().err


def test_comments_and_trailing_commas_in_json_are_read(tmp_path):
    file = tmp_path / "config.json"
    file.write_text(
        '{ // a comment, with "quotes"\n "Providers": [{"name": "a", "api_base_url": "http://127.0.0.1:1/v1", /* x */ "models": ["m", ], },],'
        ' "Router": {"default": "a,m"}, // end\n}',
        "utf-8",
    )
    assert import_tree(file, {}, tmp_path).tree["providers"] == {"a": {"kind": "openai", "base_url": "http://127.0.0.1:1/v1"}}
