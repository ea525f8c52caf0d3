"""The lock files in `requirements/` hold what pyproject.toml asks for; `just lock` writes them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
GROUPS = PROJECT["dependency-groups"]
RUN = PROJECT["project"]["dependencies"]
BUILD = PROJECT["build-system"]["requires"]
ASKED = {
    "run": RUN,
    "build": BUILD,
    "test": [*RUN, *BUILD, *(line for group in GROUPS.values() for line in group if isinstance(line, str))],
    "lowest": [*RUN, *GROUPS["dev"], *GROUPS["sdks"]],
}
TEXTS = {name: (ROOT / "requirements" / f"{name}.txt").read_text("utf-8") for name in ASKED}
PINS = re.compile(r"^(?P<requirement>[\w.-]+==[^\\\n]+?) \\\n(?P<hashes>(?: +--hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.MULTILINE)


def versions(name: str) -> dict[str, list[str]]:
    """Package → its versions, more than one where they depend on the Python."""
    found: dict[str, list[str]] = {}
    for pin in PINS.finditer(TEXTS[name]):
        requirement = Requirement(pin["requirement"])
        (version,) = requirement.specifier
        found.setdefault(canonicalize_name(requirement.name), []).append(version.version)
    return found


@pytest.mark.parametrize("name", ASKED)
def test_a_lock_is_pins_with_hashes_and_names_no_host(name):
    rest = [line for line in PINS.sub("", TEXTS[name]).splitlines() if not line.startswith("#")]
    assert rest == []
    assert "://" not in TEXTS[name]


@pytest.mark.parametrize("name", ASKED)
def test_a_lock_holds_what_pyproject_asks_for(name):
    pinned = versions(name)
    wrong = []
    for line in ASKED[name]:
        asked = Requirement(line)
        found = pinned.get(canonicalize_name(asked.name), [])
        if not found or not all(asked.specifier.contains(version, prereleases=True) for version in found):
            wrong.append(f"{line}: {name}.txt has {', '.join(found) or 'none'}; call `just lock`")
    assert wrong == []


@pytest.mark.parametrize("name", ["run", "build"])
def test_the_smaller_locks_have_the_versions_that_are_tested(name):
    tested = versions("test")
    assert {package: found for package, found in versions(name).items() if found != tested.get(package)} == {}


def test_every_range_has_two_ends_and_the_lowest_lock_is_at_the_lower():
    lowest = versions("lowest")
    for line in ASKED["test"]:
        asked = Requirement(line)
        ends = {end.operator: end.version for end in asked.specifier}
        assert set(ends) == {">=", "<"}, line
        if line in RUN:
            (version,) = lowest[canonicalize_name(asked.name)]
            assert f"{version}.".startswith(f"{ends['>=']}."), f"{line}: lowest.txt has {version}"
