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
headers = { "x-secret" = "header-secret-1", "x-team" = "team-seven" }
[[models.fast]]
name = "m"
provider = "p"
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
