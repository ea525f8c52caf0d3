"""octoroute: one endpoint in front of all your models.

`octoroute.Gateway` is the gateway for use inside another program. Importing the package alone loads nothing else.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from octoroute.domain.version import __version__
    from octoroute.runtime.embedded import Gateway

__all__ = ["Gateway", "__version__"]

_MODULES = {"Gateway": "octoroute.runtime.embedded", "__version__": "octoroute.domain.version"}


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return getattr(importlib.import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
