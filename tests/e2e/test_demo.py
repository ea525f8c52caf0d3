"""`octoroute demo`, as a newcomer starts it."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import contextmanager

import pytest

COMMAND = [sys.executable, "-W", "error", "-m", "octoroute", "demo"]
ENV = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
    "PYTHONIOENCODING": "utf-8",
}


def demo(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *words], env={**ENV, **env}, capture_output=True, encoding="utf-8", timeout=60)


@contextmanager
def serving(*words: str):
    """The process, and the lines it has printed until the tour was over."""
    process = subprocess.Popen(
        [*COMMAND, "--port", "0", *words], env=ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    )
    try:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "Every request shows up below" in line:
                break
        yield process, "".join(lines)
    finally:
        process.kill()
        process.communicate()


def test_once_shows_three_tiers_and_a_fall_over(tmp_path):
    done = demo("--once", "--port", "0")
    assert (done.returncode, done.stderr) == (0, "")
    shown = done.stdout
    for tier in ("fast", "balanced", "deep"):
        assert f"auto ─▶ {tier} ─▶ {tier}-a ✓" in shown
    assert "auto ─▶ balanced ─▶ balanced-a ✗ ─▶ balanced-b ✓" in shown
    assert "by rule: small talk under 256 tokens" in shown
    assert "by llm" in shown
    assert shown.count("[simulated]") == 5
    assert "5 prompts to one address: fast 2, balanced 2, deep 1; 1 failure behind the scenes, none visible to the client." in shown
    assert "\x1b" not in shown


def test_force_color_colours():
    assert "\x1b[92m" in demo("--once", "--port", "0", FORCE_COLOR="1").stdout


def test_an_ascii_terminal_gets_ascii():
    done = demo("--once", "--port", "0", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert "auto -> fast -> fast-a +" in done.stdout
    assert done.stdout.isascii()


def test_afterwards_it_serves_and_shows_every_request():
    with serving() as (process, shown):
        url = re.search(r"(http://127\.0\.0\.1:\d+) keeps serving", shown)[1]
        assert f"curl -N {url}/v1/chat/completions" in shown
        assert f'OpenAI(base_url="{url}/v1"' in shown
        body = json.dumps({"model": "auto", "messages": [{"role": "user", "content": "Hello there!"}]}).encode()
        request = urllib.request.Request(f"{url}/v1/chat/completions", body, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.headers["x-octoroute-tier"] == "fast"
            assert json.load(answer)["choices"][0]["message"]["content"].startswith("[simulated]")
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=10)
        assert (process.returncode, errors) == (0, "")
        assert "endpoint=fast-a" in rest


@pytest.mark.parametrize("sign", ["octoroute", "Hello", "one big model", "unavailable"])
def test_ctrl_c_in_the_middle_ends_it_cleanly(sign):
    process = subprocess.Popen([*COMMAND, "--port", "0"], env=ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")
    for line in process.stdout:
        if sign in line:
            break
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=10)
    assert (process.returncode, errors) == (0, "")
    assert "Your turn" not in rest


def test_a_taken_port_is_refused_in_words():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = demo("--port", str(port))
    assert (done.returncode, done.stdout) == (1, "")
    assert f"port {port} is in use" in done.stderr
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_is_none_is_wrong_usage():
    done = demo("--port", "x")
    assert done.returncode == 2
    assert "0 to 65535" in done.stderr


def test_a_reader_that_leaves_is_no_traceback():
    process = subprocess.Popen([*COMMAND, "--port", "0"], env=ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.readline()
    process.stdout.close()
    _, errors = process.communicate(timeout=20)
    assert b"Traceback" not in errors
