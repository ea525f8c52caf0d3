"""`octoroute top`: the table, and what it says when there is no gateway to look at."""

from __future__ import annotations

import argparse
import asyncio
import json

import pytest

from octoroute.cli import main
from octoroute.cli.top import lines, target
from tests.support.fake import hang
from tests.support.live_gateway import endpoint

ROW = {
    "id": "r", "key": "team", "model": "auto\x1b[31m", "tier": "fast", "endpoint": "a" * 40, "state": "answering", "queue_position": None,
    "attempt": 2, "max_attempts": 3, "first_token_s": 0.25, "output_tokens": 40, "tokens_per_second": 20.4, "cost_usd": 0.0012,
    "started_at": 10.0,
}  # fmt: skip
VIEW = {"at": 12.5, "worker": 1, "workers": 1, "in_flight": 1, "queued": 0, "requests": [ROW]}


def test_a_row_and_nothing_that_a_terminal_would_obey():
    head, names, row = lines(VIEW, 200)
    assert head == "octoroute: 1 in flight, 0 queued"
    assert names.split() == ["AGE", "KEY", "MODEL", "TIER", "ENDPOINT", "STATE", "TRY", "FIRST", "TOKENS", "TOK/S", "USD"]
    assert row.split() == ["2.5s", "team", "auto?[31m", "fast", "a" * 19 + "…", "answering", "2/3", "0.25s", "40", "20", "0.001200"]
    assert all(len(line) <= 40 for line in lines(VIEW, 40))


def test_the_queue_the_workers_the_rest_and_nothing():
    empty = {
        **ROW,
        "queue_position": 3,
        "max_attempts": None,
        "tier": None,
        "endpoint": None,
        "first_token_s": None,
        "cost_usd": None,
    }
    found = list(lines({**VIEW, "workers": 4, "in_flight": 9, "requests": [{**empty, "tokens_per_second": None}]}, 200))
    assert "worker 1 of 4" in found[0]
    assert "queue #3" in found[2]
    assert found[-1] == "and 8 older"
    assert "No request is under way" in list(lines({**VIEW, "requests": []}, 200))[1]


async def test_against_a_gateway(make_gateway, fake, capsys):
    gateway = await make_gateway(
        [endpoint(fake, id="a")],
        auth={"clients": [{"name": "b", "key": "k-board", "role": "viewer"}, {"name": "u", "key": "k-user"}]},
    )
    fake.always(hang)
    task = asyncio.ensure_future(gateway.ask(headers={"x-api-key": "k-user"}))
    await fake.asked()
    words = ["top", "--url", gateway.url, "--key", "k-board"]
    assert await asyncio.to_thread(main, words) == 0
    assert "waiting" in capsys.readouterr().out
    assert await asyncio.to_thread(main, [*words, "--json"]) == 0
    out = capsys.readouterr().out
    assert json.loads(out[out.index('{\n  "') :])["in_flight"] == 1
    assert await asyncio.to_thread(main, [*words[:-1], "k-user"]) == 1
    assert "role viewer" in capsys.readouterr().err
    task.cancel()
    await asyncio.wait([task])


def test_without_a_gateway_it_says_what_to_do(capsys):
    assert main(["top", "--url", "http://127.0.0.1:9", "--key", "k"]) == 1
    assert "no gateway answers at http://127.0.0.1:9" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("server", "url"),
    [("", "http://127.0.0.1:3000"), ('host = "::"\nport = 1\nroot_path = "/llm"', "http://[::1]:1/llm")],
)
def test_the_place_is_that_of_the_configuration(tmp_path, server, url):
    file = tmp_path / "c.toml"
    file.write_text(
        f'[server]\n{server}\n[auth]\nkeys = ["c"]\nadmin_keys = ["k"]\n[[models.fast]]\nname = "m"\nbase_url = "http://h/v1"\n',
        "utf-8",
    )
    assert target(argparse.Namespace(url=None, key=None, config=str(file))) == (url, "k")
