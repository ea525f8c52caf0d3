"""The traffic log's settings are the configuration's in bytes and seconds, and every secret of it is redacted."""

from __future__ import annotations

from pathlib import Path

from octoroute.config import loads
from octoroute.runtime.traffic_log import redaction_of, settings_of

TEXT = """
[auth]
keys = ["sk-client-0123456789"]
admin_keys = ["sk-admin-0123456789"]
[[models.balanced]]
name = "one"
base_url = "http://127.0.0.1:1/v1"
api_key = "sk-upstream-0123456789"
headers = {{ "x-secret-token" = "sk-header-0123456789", "x-plain" = "not so secret" }}
{more}
"""


def config(more=""):
    return loads(TEXT.format(more=more), Path("test.toml"), {})


def test_off_means_none():
    assert settings_of(config()) is None


def test_units():
    more = """
[logging.traffic]
enabled = true
directory = "logs"
[logging.rotation]
max_size_mb = 2
max_age_days = 3
cleanup_interval_hours = 4
"""
    made = settings_of(config(more))
    assert (made.directory, made.max_size_bytes, made.max_age_s, made.sweep_every_s) == (Path("logs"), 2 << 20, 3 * 86400, 4 * 3600)


def test_every_secret_is_redacted_and_nothing_else():
    said = "sk-client-0123456789 sk-admin-0123456789 sk-upstream-0123456789 sk-header-0123456789 not so secret"
    redacted = redaction_of(config()).text(said)
    assert "0123456789" not in redacted
    assert redacted.endswith("not so secret")
