"""Importers of other programs' configurations, one module a program.

Each returns a tree of octoroute's schema with `${NAME}` still in it, so that substitution, checks, and assembly are the same for
all of them.
"""

from octoroute.config.importers.tree import ImportResult

__all__ = ["ImportResult"]
