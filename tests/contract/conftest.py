"""The package `acme_chat` as pip would leave it behind: modules on the path, and entry points beside them."""

from __future__ import annotations

import importlib
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ACME = Path(__file__).with_name("acme")


@pytest.fixture
def acme_site(tmp_path) -> Path:
    """A directory for PYTHONPATH that holds the distribution's metadata; the modules are in ACME."""
    project = tomllib.loads((ACME / "pyproject.toml").read_text())["project"]
    info = tmp_path / "site" / f"acme_chat-{project['version']}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    groups = project["entry-points"].items()
    (info / "entry_points.txt").write_text(
        "".join(f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in points.items()) for group, points in groups)
    )
    return info.parent


@pytest.fixture
def acme(acme_site, monkeypatch) -> Iterator[None]:
    for path in (ACME, acme_site):
        monkeypatch.syspath_prepend(str(path))
    importlib.invalidate_caches()
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "acme_chat"]:
        del sys.modules[name]
