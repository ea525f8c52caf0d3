"""The versions of octoroute, Python, and what octoroute is built on."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Iterator
from importlib import metadata

from octoroute.domain.version import __version__


def versions() -> Iterator[str]:
    """One line each; of an extra that is not installed, that it is not."""
    yield f"octoroute {__version__}"
    yield f"{platform.python_implementation()} {platform.python_version()} ({sys.platform}, {platform.machine()})"
    for requirement in sorted(set(metadata.requires("octoroute") or ()), key=str.lower):
        name = re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]
        extra = re.search(r"extra == ['\"]([\w-]+)", requirement)
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            version = "is not installed"
        yield f"{name} {version}{f' (extra {extra[1]})' if extra else ''}"
