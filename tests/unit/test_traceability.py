"""Every row of the seeds' inventory is in docs/features.md, with tests that exist or a reason."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "features.md").read_text("utf-8")
TESTS = {
    name
    for path in ROOT.glob("tests/**/test_*.py")
    for name in re.findall(r"(?m)^(?:async )?def (test_\w+)", path.read_text("utf-8"))
}
ROWS = [
    *(f"A{number}" for number in range(1, 34)),
    *(f"B{number}" for number in range(1, 18)),
    "B17b",
    *(f"B{number}" for number in range(18, 40)),
    *(f"C{number}" for number in range(1, 35)),
]
TABLE = dict(re.findall(r"(?m)^\| ([ABC]\d+b?) \| [^|]+ \| ([^|]+) \|$", PAGE))


def test_every_row_is_there_once_and_in_order():
    assert re.findall(r"(?m)^\| ([ABC]\d+b?) \|", PAGE) == ROWS == list(TABLE)


@pytest.mark.parametrize("row", ROWS)
def test_a_row_names_tests_that_exist_or_a_reason(row):
    shown = TABLE[row]
    named = re.findall(r"`(test_\w+)`", shown)
    assert [name for name in named if name not in TESTS] == []
    files = re.findall(r"`((?:tests|benches)/[\w./]*)`", shown)
    assert all((ROOT / file).exists() for file in files)
    assert named or files or "not in this version" in shown or re.search(r"declined, because .{20}", shown)


def test_a_row_in_the_name_of_a_test_is_one_of_them():
    found = {
        row
        for name in TESTS
        for row in (re.match(r"test_((?:[abcx]\d+b?_)*)", name) or [""])[1].upper().split("_")
        if row and not row.startswith("X")
    }
    assert {row.removesuffix("B") for row in found} <= {row.removesuffix("b") for row in ROWS}


def test_what_is_not_there_shows_no_tests_and_the_other_way_round():
    for row, shown in TABLE.items():
        if shown.startswith("not in this version"):
            assert not [name for name in TESTS if name.startswith(f"test_{row.lower()}_")], row
