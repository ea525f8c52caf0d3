"""`octoroute doctor`: what an issue needs, and nothing that must not leave the house."""

from __future__ import annotations

import asyncio
import json
import sys

import pytest

from octoroute.cli import main
from octoroute.cli.doctor import report
from tests.support.live_gateway import endpoint
from tests.support.traffic_logs import log_file

CONFIG = """
[server]
port = {port}
[auth]
keys = ["a-client-secret"]
[[models.fast]]
name = "m"
base_url = "http://127.0.0.1:9/v1"
api_key = "${{MODEL_KEY}}"
headers = {{ X-Token = "header-secret" }}
[logging.traffic]
enabled = true
directory = "{directory}"
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MODEL_KEY", "variable-secret")
    return tmp_path


def test_it_has_what_an_issue_needs_and_no_secret(here, capsys):
    (here / "config.toml").write_text(CONFIG.format(port=9, directory=here))
    rows = [
        {
            "request_id": "r1",
            "ending": "failed",
            "status": 502,
            "error": "upstream_error",
            "endpoint": "m",
            "time": "t",
            "request": {"body": "a prompt"},
        },
        {"request_id": "r2", "ending": "answered", "status": 200},
    ]
    file = log_file(here, limit=10_000)
    file.write([json.dumps(row).encode() + b"\n" for row in rows])
    file.close()
    assert main(["doctor"]) == 0
    text = (here / "octoroute-doctor.md").read_text()
    assert "octoroute-doctor.md is written" in capsys.readouterr().out
    for wanted in (
        "## Versions",
        "octoroute 1.",
        "## Machine",
        '"base_url": "http://127.0.0.1:9/v1"',
        "does not answer: ConnectError",
        '"request_id": "r1"',
    ):
        assert wanted in text
    for secret in ("a-client-secret", "variable-secret", "header-secret", "a prompt", "r2"):
        assert secret not in text


def test_a_configuration_that_cannot_be_used_is_told(here, capsys):
    (here / "config.toml").write_text("[server]\nprot = 1\n")
    assert main(["doctor", "-o", "-"]) == 0
    assert "cannot be used: server.prot" in capsys.readouterr().out


async def test_it_asks_the_gateway_that_runs(here, make_gateway, fake):
    gateway = await make_gateway([endpoint(fake, "the-model")], auth={"keys": ["a-client-secret"]})
    (here / "config.toml").write_text(CONFIG.format(port=gateway.url.rpartition(":")[2], directory=here))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "octoroute", "doctor", "-o", "-", stdout=asyncio.subprocess.PIPE, cwd=here
    )
    out, _ = await process.communicate()
    text = out.decode()
    assert "GET /health: 200" in text
    assert '"name": "the-model"' in text
    assert "a-client-secret" not in text


def test_a_file_that_cannot_be_written_is_told(here, capsys):
    assert main(["doctor", "-o", str(here / "no" / "such" / "file")]) == 1
    assert "cannot be written: No such file or directory; name another file with -o" in capsys.readouterr().err


def test_the_file_is_markdown():
    assert report({"A": ["one", "two"], "B": []}) == "## A\n\n```\none\ntwo\n```\n\n## B\n\n```\n```\n"
