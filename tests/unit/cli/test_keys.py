"""`octoroute keys`."""

from __future__ import annotations

import json

import pytest

from octoroute.access.key_store import SqliteKeyStore
from octoroute.cli import main


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("OCTOROUTE_STATE_DIR", str(tmp_path / "state"))
    return SqliteKeyStore(tmp_path / "state" / "keys.db")


def output(capsys, *words: str) -> str:
    assert main(["keys", *words]) == 0
    return capsys.readouterr().out


def test_a_key_is_shown_once(capsys, state):
    text = output(capsys, "add", "team").strip()
    assert text.startswith("octo_")
    assert text not in output(capsys, "list") + output(capsys, "list", "--json")
    (key,) = state.all_keys()
    assert key.id in output(capsys, "list")


def test_all_that_a_client_may_have(capsys, state):
    made = json.loads(
        output(
            capsys,
            *("add", "team", "--role", "operator", "--tiers", "fast,deep", "--models", "a,b*", "--providers", "p"),
            *("--regions", "eu", "--groups", "g", "--tags", "t", "--privacy", "EU", "--requests-per-minute", "5"),
            *("--tokens-per-minute", "6", "--max-in-flight", "7", "--budget-day", "1.5", "--budget-month", "2"),
            *("--expires", "2999-01-01T00:00:00Z", "--json"),
        )
    )
    assert made.pop("key").startswith(made["id"])
    assert (made["name"], made["role"], made["expires"]) == ("team", "operator", "2999-01-01T00:00:00Z")
    assert made["restrictions"] == {
        "models": ["a", "b*"],
        "privacy": ["eu"],
        "providers": ["p"],
        "regions": ["eu"],
        "tiers": ["deep", "fast"],
    }
    assert made["limits"]["budget_day_micros"] == 1_500_000
    assert state.all_keys()[0].principal.limits.max_in_flight == 7


def test_rotation_and_revocation(capsys, state):
    first = output(capsys, "add", "team").strip()
    second = output(capsys, "rotate", "team", "--overlap", "1h").strip()
    assert first != second
    assert [json_["state"] for json_ in json.loads(output(capsys, "list", "--json"))] == ["active", "active"]
    assert output(capsys, "revoke", "team").startswith("revoked octo_")
    assert {key.state(0.0) for key in state.all_keys()} == {"revoked"}


def test_an_empty_store_says_what_to_do(capsys):
    assert "octoroute keys add" in output(capsys, "list")


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["add", "a b"], 2, "not a valid name"),
        (["add", "key-1"], 2, "choose another name"),
        (["add", "team", "--tiers", "fats"], 2, "fast"),
        (["add", "team", "--requests-per-minute", "-1"], 2, "requests_per_minute"),
        (["add", "team", "--expires", "tomorrow"], 2, "RFC 3339"),
        (["rotate", "nobody"], 1, "no active key"),
        (["rotate", "nobody", "--overlap", "soon"], 2, "24h"),
        (["revoke", "nobody"], 1, "no active key"),
        ([], 2, "ACTION"),
    ],
)
def test_what_is_wrong_is_said_in_one_message(capsys, words, code, text):
    assert main(["keys", *words]) == code
    err = capsys.readouterr().err
    assert text in err
    assert "Traceback" not in err


def test_a_name_of_the_configuration_is_taken(capsys, tmp_path):
    file = tmp_path / "config.toml"
    file.write_text('[[models.fast]]\nname = "m"\nbase_url = "http://127.0.0.1:9/v1"\n[[auth.clients]]\nname = "team"\nkey = "k"\n')
    assert main(["keys", "add", "team", "-c", str(file)]) == 2
    assert "choose another name" in capsys.readouterr().err


def test_without_a_place_for_keys(capsys, monkeypatch):
    for name in ("OCTOROUTE_STATE_DIR", "STATE_DIRECTORY", "XDG_STATE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    assert main(["keys", "list"]) == 2
    assert "OCTOROUTE_STATE_DIR" in capsys.readouterr().err
