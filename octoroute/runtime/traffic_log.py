"""Settings of the traffic log from a configuration: its files, and the secrets that must not be written to them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from octoroute.config.schema import Config
from octoroute.config.secret_mask import secret_values
from octoroute.telemetry.traffic_log.redaction import Redaction
from octoroute.telemetry.traffic_log.writer import TrafficLogSettings
from octoroute.upstream.own_secrets import endpoint_secrets, spellings


def settings_of(config: Config) -> TrafficLogSettings | None:
    """None: the traffic log is off."""
    traffic, rotation = config.logging.traffic, config.logging.rotation
    if not traffic.enabled:
        return None
    return TrafficLogSettings(
        directory=Path(traffic.directory),
        name=traffic.name,
        max_body_bytes=traffic.max_body_bytes,
        queue_bytes=traffic.queue_bytes,
        rotate=rotation.enabled,
        max_size_bytes=int(rotation.max_size_mb * 1024 * 1024),
        compress=rotation.compression,
        compress_immediately=rotation.compress_immediately,
        keep=rotation.max_backups,
        max_age_s=rotation.max_age_days * 86400,
        sweep_every_s=rotation.cleanup_interval_hours * 3600,
    )


def redaction_of(config: Config) -> Redaction:
    """Masks every secret and every header value that stands in the configuration, and the operator's patterns."""
    return Redaction({spelling for secret in _secrets(config) for spelling in spellings(secret)}, config.logging.traffic.redact)


def _secrets(config: Config) -> Iterator[str]:
    yield from secret_values(config)
    for endpoint in (*config.endpoints, *config.other_endpoints):  # some come from variables that the file does not name
        yield from endpoint_secrets(endpoint)
