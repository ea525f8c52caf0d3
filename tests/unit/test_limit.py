"""`tools/limit.py`, with which ./run and ./test start what may wait for a server that does not answer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

LIMIT = Path(__file__).parents[2] / "tools" / "limit.py"


@pytest.mark.parametrize("status", [0, 3])
def test_a_command_that_ends_has_its_own_status_and_its_output_in_the_file(tmp_path, status):
    command = [sys.executable, "-c", f"import sys; print('done'); sys.exit({status})"]
    ran = subprocess.run([sys.executable, LIMIT, "60", tmp_path / "log", *command], capture_output=True)
    assert (ran.returncode, ran.stdout, ran.stderr) == (status, b"", b"")
    assert (tmp_path / "log").read_text() == "done\n"


def test_a_command_that_does_not_end_is_killed_with_its_children(tmp_path):
    pipe = tmp_path / "pipe"
    command = f'mkfifo "{pipe}"; (echo started; exec sleep 600) >"{pipe}" & wait'
    with subprocess.Popen([sys.executable, LIMIT, "2", tmp_path / "log", "sh", "-c", command], stderr=subprocess.PIPE) as limit:
        while not pipe.exists() and limit.poll() is None:
            pass
        assert pipe.read_text() == "started\n"  # to the end of the file, which is there when the child is gone
        assert limit.wait() == 124
