"""The command `octoroute conform`."""

from __future__ import annotations

import asyncio
import json
import sys

import pytest

from octoroute.cli import main
from octoroute.cli.conform.command import line
from octoroute.cli.conform.suite import CheckReport, Result
from tests.support.live_gateway import endpoint


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["127.0.0.1:3000"], "is no URL of a gateway"),
        (["http://127.0.0.1:9", "--backend", "9101"], "give --backend twice"),
        (["http://127.0.0.1:9", "--backend", "9101", "--backend", "9102", "--backend-host", "192.0.2.1"], "--backend: "),
    ],
)
def test_wrong_usage_is_told(capsys, words, said):
    assert main(["conform", *words]) == 2
    assert said in capsys.readouterr().err


def test_a_gateway_that_is_not_there_fails(capsys):
    assert main(["conform", "http://127.0.0.1:9/v1", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert {row["result"] for row in found if row["id"] in {"models", "chat"}} == {"fail"}
    assert {row["detail"] for row in found if row["id"] == "over-500"} == {"needs --backend"}


async def test_rows_are_printed_as_they_are_found_and_counted_at_the_end(make_gateway, fake, tmp_path):
    gateway = await make_gateway([endpoint(fake, "conform")])
    command = [sys.executable, "-m", "octoroute", "conform", gateway.url]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, cwd=tmp_path)
    out, _ = await process.communicate()
    rows = out.decode().splitlines()
    assert rows[0].split() == ["pass", "models", "GET", "/v1/models", "lists", "ids"]
    assert rows[-1].endswith(" skipped")
    assert process.returncode == (0 if " 0 failed," in rows[-1] else 1)


def test_a_row_says_what_happened_instead():
    assert line(CheckReport("a", "promise", Result.PASSED), colour=False) == "pass  a                promise"
    assert line(CheckReport("a", "promise", Result.SKIPPED, "why"), colour=False).endswith("promise (why)")
    assert line(CheckReport("a", "promise", Result.FAILED, "why"), colour=False).splitlines()[1] == "      why"
    assert line(CheckReport("a", "promise", Result.FAILED, "why"), colour=True).startswith("\x1b[31mFAIL\x1b[0m")
