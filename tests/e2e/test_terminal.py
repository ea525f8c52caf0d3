"""A terminal is shown the providers before the first log line; a pipe gets log lines only."""

import os
import signal
import subprocess
import sys

CONFIG = '[server]\nport = 0\n[health]\ninterval_seconds = 0\n[[models.fast]]\nname = "small"\nbase_url = "http://127.0.0.1:9/v1"\n'


def start(tmp_path, stdout, **env):
    (tmp_path / "config.toml").write_text(CONFIG, "utf-8")
    return subprocess.Popen(
        [sys.executable, "-m", "octoroute"], cwd=tmp_path, stdout=stdout, stdin=subprocess.DEVNULL, env={**os.environ, "TERM": "xterm", "PYTHONUTF8": "1", **env}
    )  # fmt: skip


def read_until(handle, word):
    text = b""
    while word not in text:
        text += os.read(handle, 4096)
    return text.decode()


def test_a18_a_terminal(tmp_path):
    ours, theirs = os.openpty()
    process = start(tmp_path, theirs)
    os.close(theirs)
    try:
        text = read_until(ours, b"ready")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
        os.close(ours)
    assert "\x1b[1;96moctoroute" in text
    assert "\x1b[92m[openai]\x1b[0m Priority: 1" in text
    assert "SMALL (HAIKU): small" in text
    assert text.index("SMALL") < text.index("ready")


def test_a19_a_pipe_gets_no_escape_code(tmp_path):
    process = start(tmp_path, subprocess.PIPE, NO_COLOR="")
    try:
        text = read_until(process.stdout.fileno(), b"ready")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
        process.stdout.close()
    assert "\x1b" not in text
    assert text.startswith("{")
