"""The configuration file when it is rewritten."""

import pytest

from octoroute.config.file import ConfigFile
from octoroute.errors import OctorouteError
from tests.support.limits import files_no_larger_than

TEXT = '[[models.fast]]\nname = "one"\nbase_url = "http://127.0.0.1:1/v1"\n'


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(TEXT + "# " + "x" * 2000 + "\n")
    return ConfigFile(path, dict, tmp_path, wall=lambda: 0.0)


def test_it_is_replaced_and_the_old_one_kept(file, tmp_path):
    old = file.path.read_text()
    backup = file.replace(file.propose(TEXT, "toml"))
    assert (file.path.read_text(), backup.read_text()) == (TEXT, old)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.toml", "config.toml.19700101_000000.bak"]


@pytest.mark.parametrize("room", [1000, 3000], ids=["not even the backup", "the backup only"])
def test_on_a_full_disk_it_stays_and_nothing_is_left_behind(file, tmp_path, room):
    old = file.path.read_text()
    proposal = file.propose(TEXT + "# " + "y" * 4000 + "\n", "toml")
    with files_no_larger_than(room), pytest.raises(OctorouteError, match="cannot be written"):
        file.replace(proposal)
    assert [path.name for path in tmp_path.iterdir()] == ["config.toml"]
    assert file.path.read_text() == old
