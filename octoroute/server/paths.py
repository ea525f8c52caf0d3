"""Paths that clients get wrong, and the routes they mean: a base URL with or without `/v1`, a slash too many."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Sequence

from starlette.routing import BaseRoute, Match

_MAX_COMPARED_CHARS = 200


def below(root: str, path: str) -> str | None:
    """The part of `path` below `root`, which begins with a slash; None: `path` is elsewhere. Doubled slashes count as one."""
    if not path.startswith(root + "/"):
        path = re.sub(r"/{2,}", "/", path)
        if path == root:
            return "/"
        if not path.startswith(root + "/"):
            return None
    return path[len(root) :]


class PathResolver:
    def __init__(self, inference: Collection[str], routes: Sequence[BaseRoute], root: Callable[[], str] = str) -> None:
        """`inference`: the paths of the inference routes. `routes`: all others. `root`: what texts put before a path."""
        self._root = root
        self._inference = frozenset(inference)
        self._templates = {path: _pattern(path) for path in inference if "{" in path}
        self._routes = routes
        self._known = sorted(
            {
                *(path for path in inference if "{" not in path),
                *(path for route in routes if "{" not in (path := str(getattr(route, "path", "{")))),
            }
        )

    def resolve(self, path: str) -> str | None:
        """The path of the route that `path` means; None: there is no such route. A known path is returned unchanged."""
        if path == "/" or (not path.endswith("/") and self._is_known(path)):
            return path
        cleaned = re.sub(r"/{2,}", "/", path).rstrip("/")
        cleaned = re.sub(r"^(?:/v1(?:beta|alpha)?)+(?=/v1(?:beta|alpha)?/|/api/)", "", cleaned)
        cleaned = re.sub(r"^/v1alpha/", "/v1beta/", cleaned)
        return next((found for found in (cleaned, f"/v1{cleaned}") if self._is_known(found)), None)

    def template(self, path: str) -> str | None:
        """The inference route with a parameter that `path` is an instance of."""
        return next((template for template, pattern in self._templates.items() if pattern.fullmatch(path)), None)

    def unknown(self, path: str) -> str:
        """The text of the 404: names the nearest route, or the inference routes."""
        shown, root = path[:_MAX_COMPARED_CHARS], self._root()
        nearest = difflib.get_close_matches(shown, self._known, 1)
        if nearest:
            return f"there is no route {root}{shown}; did you mean {root}{nearest[0]}?"
        inference = ", ".join(root + found for found in sorted(self._inference))
        return f"there is no route {root}{shown}; the inference routes are {inference}"

    def outside(self, path: str) -> str:
        """The text of the 404 for a path that is not below the root path."""
        return f"there is no route {path[:_MAX_COMPARED_CHARS]}; server.root_path puts every route below {self._root()}"

    def _is_known(self, path: str) -> bool:
        if path in self._inference or self.template(path) is not None:
            return True
        scope = {"type": "http", "path": path, "method": "GET", "root_path": ""}
        return any(route.matches(scope)[0] is not Match.NONE for route in self._routes)


def _pattern(template: str) -> re.Pattern[str]:
    before, _, rest = template.partition("{")
    return re.compile(re.escape(before) + ".+" + re.escape(rest.partition("}")[2]), re.DOTALL)
