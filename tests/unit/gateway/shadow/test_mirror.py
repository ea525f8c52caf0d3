"""The shadow's file holds whole lines, whatever the disk takes."""

import pytest

from octoroute.gateway.shadow.mirror import append
from tests.support.limits import files_no_larger_than


def test_lines_follow_each_other(tmp_path):
    path = tmp_path / "shadow.ndjson"
    append(str(path), b"one\n")
    append(str(path), b"two\n")
    assert path.read_bytes() == b"one\ntwo\n"


@pytest.mark.parametrize("room", [8, 10], ids=["none of it", "a piece of it"])
def test_a_line_that_the_disk_does_not_take_leaves_nothing_and_is_told(tmp_path, room):
    path = tmp_path / "shadow.ndjson"
    append(str(path), b"the 1st\n")
    with files_no_larger_than(room), pytest.raises(OSError):
        append(str(path), b"the 2nd\n")
    append(str(path), b"the 3rd\n")
    assert path.read_bytes() == b"the 1st\nthe 3rd\n"
