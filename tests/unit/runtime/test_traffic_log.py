"""The traffic log follows the configuration, and no configured key can get into it."""

from __future__ import annotations

from pathlib import Path

from octoroute.config import loads
from octoroute.runtime.traffic_log import redaction_of, settings_of

CONFIG = """
[auth]
keys = ["client-key-1"]
admin_keys = ["admin-key-1"]
[providers.p]
base_url = "http://h/v1"
api_key = "provider-key-1"
headers = { "x-secret" = "header-secret-1", "x-team" = "team-seven", X-Other = "Bearer bearer/token-1" }
[store]
url = "postgresql://octoroute:store%20password-1@db.example/octoroute"
[providers.aws]
kind = "bedrock"
base_url = "https://bedrock-runtime.eu-central-1.amazonaws.com"
region = "eu-central-1"
access_key_id = "AKID"
secret_access_key = "signing-secret-1"
session_token = "session-token-1"
[[models.fast]]
name = "m"
provider = "p"
[[models.fast]]
name = "n"
provider = "aws"
"""


def load(text: str):
    return loads(text, Path("config.toml"), {})


def test_off_there_are_no_settings():
    assert settings_of(load(CONFIG)) is None


def test_settings_are_in_bytes_and_seconds():
    settings = settings_of(
        load(
            CONFIG
            + """
[logging.traffic]
enabled = true
directory = "somewhere"
[logging.rotation]
max_size_mb = 2
max_age_days = 3
cleanup_interval_hours = 4
max_backups = 5
"""
        )
    )
    assert settings is not None
    assert settings.directory == Path("somewhere")
    assert (settings.max_size_bytes, settings.max_age_s, settings.sweep_every_s) == (2 * 1024 * 1024, 3 * 86400, 4 * 3600)
    assert settings.keep == 5


def test_every_configured_key_and_header_value_is_masked():
    redaction = redaction_of(load(CONFIG + '[logging.traffic]\nredact = ["card [0-9]+"]\n'))
    text = "client-key-1 admin-key-1 provider-key-1 header-secret-1 team-seven card 42"
    assert redaction.text(text) == "*** *** *** *** *** ***"


def test_every_other_secret_is_masked_too_however_it_is_spelled():
    redaction = redaction_of(load(CONFIG))
    for text in (
        "bearer/token-1",
        "bearer\\/token-1",
        "bearer%2Ftoken-1",
        "signing-secret-1",
        "session-token-1",
        "store password-1",
    ):
        assert redaction.text(f"before {text} after") == "before *** after"
