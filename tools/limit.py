"""Run a command whose output goes to a file, for a limited time: `python tools/limit.py SECONDS FILE COMMAND...`.

A line on standard error every 20 seconds says that the command still runs. After SECONDS the command and its children are
killed, and the exit status is 124. That is what timeout(1) does; macOS has no timeout(1).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

NEXT_LINE_S = 20.0


def main(limit_s: float, output: str, command: list[str]) -> int:
    started_s = time.monotonic()
    with Path(output).open("wb") as file:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True)  # noqa: S603 - ./test's own
    try:
        while (left_s := started_s + limit_s - time.monotonic()) > 0:
            try:
                return process.wait(min(NEXT_LINE_S, left_s))
            except subprocess.TimeoutExpired:
                sys.stderr.write(f"  ... {time.monotonic() - started_s:.0f} s\n")
        return 124
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


if __name__ == "__main__":
    try:
        sys.exit(main(float(sys.argv[1]), sys.argv[2], sys.argv[3:]))
    except KeyboardInterrupt:
        sys.exit(130)
