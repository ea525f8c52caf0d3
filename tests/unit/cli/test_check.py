"""`octoroute check`: the problems, or a summary."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from octoroute.cli import main
from octoroute.cli.check import in_order, summary
from octoroute.config import loads

ROOT = Path(__file__).parents[3]
DATA = ROOT / "tests" / "data" / "providers_json"


def test_d1_check_prints_the_order(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("US_EAST", "EU_WEST", "ASIA"):
        monkeypatch.setenv(f"{name}_API_KEY", "k")
    assert main(["check", "-c", str(DATA / "geographic.json")]) == 0
    out = capsys.readouterr().out
    assert "provider after provider by priority, all attempts" in out
    assert re.findall(r"(\S+)  model (\S+), provider (\S+) \(openai\)", out.partition("  deep")[2]) == [
        ("us-east/gpt-4o", "gpt-4o", "us-east"),
        ("eu-west/gpt-4o", "gpt-4o", "eu-west"),
        ("asia-pacific/gpt-4o", "gpt-4o", "asia-pacific"),
    ]


def test_check_keeps_a_provider_together():
    text = """
    [providers.p]
    base_url = "http://h/v1"
    [providers.q]
    base_url = "http://i/v1"
    [models]
    deep = [{name = "a", provider = "p"}, {name = "b", provider = "q", priority = 9}, {name = "c", provider = "p", priority = 5},
            {name = "d", provider = "q"}]
    """
    config = loads(text, Path("config.toml"), {})

    def order(word):
        return "".join(endpoint.name for endpoint in in_order(config.endpoints, word))

    assert (order("endpoint"), order("priority"), order("round_robin"), order("random")) == ("bcad", "bdac", "acbd", "acbd")
    assert any("weighted among equal priorities, 3 attempts" in line for line in summary(config))


ENDPOINT = '[[models.balanced]]\nname = "m"\nbase_url = "http://127.0.0.1:1/v1"\n'


@pytest.fixture
def good(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "good.toml"
    path.write_text('[server]\nhost = "::"\n' + ENDPOINT)
    return path


def test_check_says_what_becomes_of_the_file(good, capsys):
    assert main(["check", "-c", "good.toml"]) == 0
    out = capsys.readouterr().out
    for part in ("http://[::]:3000", "learned", "m@127.0.0.1:1", "fast       no endpoint", "WARNING    server.host: "):
        assert part in out
