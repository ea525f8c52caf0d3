"""octoroute as it is measured: the default configuration with an auth key and three tiers; `auto` is decided by a rule."""

from __future__ import annotations

import subprocess
from pathlib import Path

from payloads import KEY
from rivals import Proxy, Setting, Unavailable

ROOT = Path(__file__).resolve().parent.parent

CONFIG = """\
[server]
host = "127.0.0.1"
port = {port}
workers = {workers}

[[models.fast]]
name = "bench-fast"
base_url = "{base_url}"

[[models.balanced]]
name = "bench-balanced"
base_url = "{base_url}"

[[models.deep]]
name = "bench-deep"
base_url = "{base_url}"

[routing]
strategy = "hybrid"

[auth]
keys = ["{key}"]

[observability]
log_level = "info"
log_format = "json"
"""


def _version(python: str) -> str:
    asked = subprocess.run(
        [python, "-c", "import octoroute, platform; print(octoroute.__version__, 'on Python', platform.python_version())"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if asked.returncode:
        reason = " ".join(asked.stderr.strip().splitlines()[-1:])
        raise Unavailable(f"{python} cannot import octoroute: {reason}; name one that can with --octoroute-python")
    return asked.stdout.strip()


def _octoroute(setting: Setting, name: str, workers: int) -> Proxy:
    version = _version(setting.python)
    config = setting.run / f"{name}.toml"
    config.write_text(CONFIG.format(port=setting.port, workers=workers, base_url=setting.base_url, key=KEY))
    return Proxy(
        name,
        version,
        setting.port,
        [setting.python, "-m", "octoroute", "-c", str(config)],
        env={"PYTHONPATH": str(ROOT), "OCTOROUTE_STATE_DIR": str(setting.run / f"{name}-state")},
        expects={"x-octoroute-strategy": "rule"},
        note="auth key, routing by rules, selection, health, metrics, one JSON log line a request",
        workers=workers,
    )


def octoroute(setting: Setting) -> Proxy:
    return _octoroute(setting, "octoroute", 1)


def octoroute_two_workers(setting: Setting) -> Proxy:
    return _octoroute(setting, "octoroute-2w", 2)
