"""octoroute: one endpoint in front of all your models.

`octoroute.Gateway` is the gateway for use inside another program; importing the package alone does nothing and costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from octoroute.library import Gateway

__version__ = "1.0.0"
__all__ = ["Gateway", "__version__"]


def __getattr__(name: str) -> object:
    if name == "Gateway":
        from octoroute.library import Gateway  # noqa: PLC0415 - only for those who want it

        return Gateway
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
