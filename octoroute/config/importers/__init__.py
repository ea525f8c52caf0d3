"""Other programs' configurations, turned into ours: one file a program.

Each gives the tree that a TOML file would have given, with `${NAME}` still in it, so that everything after it (variables,
checks, assembly) is the same for all.
"""

from octoroute.config.importers.tree import ImportResult

__all__ = ["ImportResult"]
