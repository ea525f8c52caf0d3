"""Warnings about what is valid, and probably not meant."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from octoroute.config import Config, loads
from octoroute.config.load import load
from octoroute.errors import ConfigError


def read(text: str, env: dict[str, str] | None = None) -> Config:
    return loads(text, Path("config.toml"), env or {})


def row(tier: str = "fast", **more: object) -> str:
    table = {"name": "m", "base_url": "http://127.0.0.1:1/v1", **more}
    return f"[[models.{tier}]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items())


def test_o24_a_pasted_route_is_left_out_and_told_where_it_stands():
    config = read(row(base_url="http://127.0.0.1:1/v1/chat/completions"))
    assert config.endpoints[0].base_url == "http://127.0.0.1:1/v1"
    assert config.endpoints[0].id == "m@127.0.0.1:1"
    (warning,) = config.warnings
    assert warning.startswith("models.fast[0].base_url: ends in a route (/chat/completions)")


def test_o24_a_providers_address_is_told_once():
    provider = '[providers.p]\nkind = "anthropic"\nbase_url = "https://a.example/v1/messages"\n'
    endpoints = "".join(f'[[models.fast]]\nname = "{name}"\nprovider = "p"\n' for name in "ab")
    config = read(provider + endpoints)
    assert {endpoint.base_url for endpoint in config.endpoints} == {"https://a.example/v1"}
    (warning,) = config.warnings
    assert warning.startswith("providers.p.base_url: ends in a route (/messages)")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/v1", "http://127.0.0.1:1/v1/", "https://h"])
def test_a_root_is_no_reason_for_a_warning(url):
    assert read(row(base_url=url)).warnings == ()


def test_a_twin_is_told():
    config = read(row() + row("balanced").replace('"m"', '"n"') + row())
    (warning,) = config.warnings
    assert warning.startswith("models.fast[1]: is the same as models.fast[0]")


@pytest.mark.parametrize(
    "more", [{"model": "other"}, {"api_key": "sk-2"}, {"base_url": "http://127.0.0.1:2/v1"}, {"name": "alias"}]
)
def test_replicas_and_aliases_are_no_twins(more):
    assert read(row(api_key="sk-1") + row(**{"api_key": "sk-1", **more})).warnings == ()


@pytest.mark.parametrize("quote", ["'", '"', "`"])
@pytest.mark.parametrize("where", ["endpoint", "client"])
def test_a_key_in_quotation_marks_is_refused_and_not_shown(quote, where):
    env = {"KEY": f"{quote}sk-s3cret{quote}"}
    text = row(api_key="${KEY}") if where == "endpoint" else row() + '[auth]\nkeys = ["${KEY}"]\n'
    with pytest.raises(ConfigError) as caught:
        read(text, env)
    (problem,) = caught.value.problems
    assert "is in quotation marks" in problem
    assert "s3cret" not in problem


@pytest.mark.parametrize(
    ("key", "value", "remedy"),
    [
        ("server.request_timeout_seconds", "30s", "30"),
        ("server.request_timeout_seconds", "2 min", "120"),
        ("server.request_timeout_seconds", "1h", "3600"),
        ("server.max_request_bytes", "32MB", "33554432"),
        ("server.max_request_bytes", "64 KiB", "65536"),
        ("server.port", "3000", "without quotes"),
        ("health.failure_threshold", "a few", "write it like"),
    ],
)
def test_f7_a_number_with_a_unit_is_answered_by_a_number_that_is_valid_toml(key, value, remedy):
    with pytest.raises(ConfigError) as caught:
        read(f"{key} = {json.dumps(value)}\n" + row())
    (problem,) = caught.value.problems
    assert problem.endswith(remedy) or f"{remedy} " in problem
    if not remedy.startswith("w"):
        assert "without quotes" not in problem


def test_f7_the_windows_of_the_audit():
    with pytest.raises(ConfigError) as caught:
        read(row(context_window="128k"))
    assert caught.value.problems == ('models.fast[0].context_window: must be an integer, got "128k"; write it like 128000',)


def test_f9_a_missing_ca_file_and_a_bad_pin_are_told_together(tmp_path):
    with pytest.raises(ConfigError) as caught:
        read(
            row(base_url="https://h/v1", tls={}).replace(
                "tls = {}", 'tls = { ca_file = "/nowhere/ca.pem", client_cert = "/nowhere/c.pem", pin_sha256 = ["xyz"] }'
            )
        )
    assert [problem.partition(": ")[0] for problem in caught.value.problems] == [
        "models.fast[0].tls.pin_sha256[0]", "models.fast[0].tls.ca_file", "models.fast[0].tls.client_cert",
    ]  # fmt: skip


@pytest.mark.parametrize("what", ["a fifo", "a device", "too large", "a directory"])
def test_security_15_what_is_no_configuration_is_refused_before_it_is_read(what, tmp_path):
    path = tmp_path / "config.toml"
    if what == "a fifo":
        os.mkfifo(path)
    elif what == "a device":
        path.symlink_to("/dev/zero")
    elif what == "a directory":
        path.mkdir()
    else:
        with path.open("wb") as file:
            file.truncate(1 << 40)
    with pytest.raises(ConfigError) as caught:
        load(path, {}, tmp_path)
    (problem,) = caught.value.problems
    assert str(path) in problem


def test_f9_a_shadow_without_a_judge_is_told():
    (warning,) = read(row() + "[routing.shadow]\nshare = 0.1\n").warnings
    assert warning.startswith("routing.shadow.judge_tier: is not set")
    assert read(row() + '[routing.shadow]\nshare = 0.1\njudge_tier = "deep"\n').warnings == ()
    assert read(row() + "[routing.shadow]\nshare = 0\n").warnings == ()
