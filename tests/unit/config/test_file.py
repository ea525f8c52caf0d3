"""The configuration file when it is rewritten."""

import errno
import os
import subprocess
import tempfile

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


@pytest.fixture
def mounted(file):
    """The file mounted by itself, as into a container; for root on Linux."""
    host = file.path.with_name("on-the-host.toml")
    host.write_bytes(file.path.read_bytes())
    if subprocess.run(["mount", "--bind", host, file.path], capture_output=True).returncode:
        pytest.skip("no right to mount")
    yield file
    subprocess.run(["umount", file.path], check=True)


@pytest.mark.parametrize("text", [TEXT, TEXT + "# " + "y" * 5000 + "\n"], ids=["shorter", "longer"])
def test_o21_a_file_that_is_mounted_by_itself_is_written_in_place(mounted, tmp_path, text):
    old = mounted.path.read_text()
    backup = mounted.replace(mounted.propose(text, "toml"))
    assert (mounted.path.read_text(), backup.read_text()) == (text, old)
    assert (tmp_path / "on-the-host.toml").read_text() == text
    assert len(list(tmp_path.iterdir())) == 3
    mounted.restore(backup)
    assert mounted.path.read_text() == old
    assert not backup.exists()


def test_o21_a_disk_that_becomes_full_in_the_middle_leaves_the_old_content(mounted):
    old = mounted.path.read_text()
    proposal = mounted.propose(TEXT + "# " + "y" * 8000 + "\n", "toml")
    with files_no_larger_than(3000), pytest.raises(OctorouteError, match="cannot be written"):
        mounted.replace(proposal)
    assert mounted.path.read_text() == old


def test_o21_a_mount_for_reading_only_is_named_with_its_remedy(mounted):
    subprocess.run(["mount", "-o", "remount,bind,ro", mounted.path], check=True)
    old = mounted.path.read_text()
    with pytest.raises(OctorouteError, match="mounted read-only: mount it without :ro"):
        mounted.replace(mounted.propose(TEXT, "toml"))
    assert mounted.path.read_text() == old


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.EPERM])
def test_o21_a_directory_that_is_not_writable_is_no_obstacle(file, tmp_path, monkeypatch, code):
    """As in a container whose file system is read-only, but for the file."""
    old = file.path.read_text()

    def refused(*args, **more):
        if more.get("dir") == tmp_path or (args and args[-1] != tempfile.gettempdir() and "suffix" not in more):
            raise OSError(code, os.strerror(code))
        return real(*args, **more)

    real = tempfile.mkstemp
    monkeypatch.setattr("octoroute.config.file.tempfile.mkstemp", refused)
    monkeypatch.setattr("octoroute.config.file.shutil.copy2", refused)
    backup = file.replace(file.propose(TEXT, "toml"))
    assert (file.path.read_text(), backup.read_text()) == (TEXT, old)
    assert backup.stat().st_mode & 0o777 == 0o600
    backup.unlink()


def shown(tmp_path, text: str, **env: str) -> str | None:
    path = tmp_path / "config.toml"
    path.write_text(text)
    found = ConfigFile(path, lambda: env, tmp_path)
    return found.masked_text(found.load())


def test_its_text_is_shown_with_comments_and_without_secrets(tmp_path):
    text = (
        '[auth]\nadmin_keys = ["admin-secret-1", "${BOSS}"]\n\n# kept\n[[models.fast]]\nname = "m"\n'
        'base_url = "http://127.0.0.1:1/v1"\napi_key = "sk-a-secret"\nheaders = { x-team = "token-of-team" }\n'
    )
    found = shown(tmp_path, text, BOSS="from-the-environment")
    assert found is not None
    assert "# kept" in found
    assert '"${BOSS}"' in found
    assert "secret-1" not in found
    assert "sk-a-secret" not in found
    assert "token-of-team" not in found
    proposal = ConfigFile(tmp_path / "config.toml", lambda: {"BOSS": "from-the-environment"}, tmp_path).propose(found, "toml")
    assert proposal.config.endpoints[0].api_key.reveal() == "sk-a-secret"


def test_a_secret_that_cannot_be_found_in_the_text_hides_all_of_it(tmp_path):
    row = '[[models.fast]]\nname = "m"\nbase_url = "http://127.0.0.1:1/v1"\n'
    assert shown(tmp_path, row + 'api_key = "sk-\\u0061bc"\n') is None
    assert shown(tmp_path, row) == row
