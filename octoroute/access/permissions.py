"""Which role may use which route: one table, from which the checks, the tests, and the documentation are made. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

from octoroute.domain.principal import AccessRole


class Permission(StrEnum):
    """What a route requires of its caller."""

    OPEN = "open"
    """Nothing: the route answers without a key."""
    READ = "read"
    """Lists of models, explanations of decisions, metrics."""
    ASK = "ask"
    """Requests to models, and what clients store."""
    WATCH = "watch"
    """The state of the gateway: providers, statistics, the history of all keys."""
    OPERATE = "operate"
    """Switches of the running gateway: providers, endpoints, statistics, a reload."""
    ADMINISTER = "administer"
    """The configuration."""


ROLES: Mapping[AccessRole, frozenset[Permission]] = {
    AccessRole.VIEWER: frozenset({Permission.OPEN, Permission.READ, Permission.WATCH}),
    AccessRole.USER: frozenset({Permission.OPEN, Permission.READ, Permission.ASK}),
    AccessRole.OPERATOR: frozenset(Permission) - {Permission.ADMINISTER},
    AccessRole.ADMIN: frozenset(Permission),
}
"""What each role may do. A user may not watch: the history tells about other keys' requests."""

PRIVILEGED = frozenset({Permission.WATCH, Permission.OPERATE, Permission.ADMINISTER})
"""Never granted without a key, even if the gateway requires none."""

_ASK_BY_POST = (
    "/chat",
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/messages",
    "/v1/messages/count_tokens",
    "/v1/responses",
    "/v1/responses/compact",
    "/v1/responses/input_tokens",
    "/v1/responses/{id}/cancel",
    "/v1/embeddings",
    "/v1/audio/transcriptions",
    "/v1/audio/translations",
    "/v1/audio/speech",
    "/v1/images/generations",
    "/v1/images/edits",
    "/v1/images/variations",
    "/v1/rerank",
    "/v2/rerank",
    "/v1/moderations",
    "/v1/decisions",
    "/v1/systemone",
    "/v1beta/models/{model}:generateContent",
    "/v1beta/models/{model}:streamGenerateContent",
    "/v1beta/models/{model}:embedContent",
    "/v1beta/models/{model}:batchEmbedContents",
    "/v1/models/{model}:generateContent",
    "/v1/models/{model}:streamGenerateContent",
    "/v1/models/{model}:embedContent",
    "/v1/models/{model}:batchEmbedContents",
    "/{version}/models/{model:path}:countTokens",
    "/api/chat",
    "/api/generate",
    "/api/embed",
    "/api/embeddings",
    "/api/pull",
    "/api/push",
    "/api/create",
    "/api/copy",
    "/api/blobs/{digest:path}",
)
_READ_BY_GET = (
    "/",
    "/metrics",
    "/models",
    "/v1/models",
    "/v1/models/{name:path}",
    "/v1beta/models",
    "/v1beta/models/{name:path}",
    "/api/tags",
    "/api/ps",
    "/api/version",
)

ROUTES: Mapping[str, Mapping[str, Permission]] = {
    "/health": {"GET": Permission.OPEN},
    "/health/live": {"GET": Permission.OPEN},
    "/health/ready": {"GET": Permission.OPEN},
    "/login": {"GET": Permission.OPEN, "POST": Permission.OPEN},
    "/login/start": {"GET": Permission.OPEN},
    "/login/callback": {"GET": Permission.OPEN},
    "/logout": {"GET": Permission.OPEN, "POST": Permission.OPEN},
    **{path: {"GET": Permission.READ} for path in _READ_BY_GET},
    "/v1/route": {"POST": Permission.READ},
    "/api/show": {"POST": Permission.READ},
    **{path: {"POST": Permission.ASK} for path in _ASK_BY_POST},
    "/api/delete": {"DELETE": Permission.ASK},
    "/v1/responses/{id}": {"GET": Permission.ASK, "DELETE": Permission.ASK},
    "/v1/responses/{id}/input_items": {"GET": Permission.ASK},
    "/v1/files": {"GET": Permission.ASK, "POST": Permission.ASK},
    "/v1/files/{id}": {"GET": Permission.ASK, "DELETE": Permission.ASK},
    "/v1/files/{id}/content": {"GET": Permission.ASK},
    "/v1/batches": {"GET": Permission.ASK, "POST": Permission.ASK},
    "/v1/batches/{id}": {"GET": Permission.ASK},
    "/v1/batches/{id}/cancel": {"POST": Permission.ASK},
    "/admin/session": {"GET": Permission.WATCH},
    "/web/{name}": {"GET": Permission.OPEN},
    "/admin/providers": {"GET": Permission.WATCH},
    "/admin/scores": {"GET": Permission.WATCH},
    "/admin/budgets": {"GET": Permission.WATCH},
    "/admin/playground/chat/completions": {"POST": Permission.ASK},
    "/admin/config/check": {"POST": Permission.ADMINISTER},
    "/admin/live": {"GET": Permission.WATCH},
    "/admin/live/{id}/cancel": {"POST": Permission.OPERATE},
    "/admin/stats": {"GET": Permission.WATCH},
    "/admin/analysis": {"GET": Permission.WATCH},
    "/admin/requests": {"GET": Permission.WATCH},
    "/admin/requests/{id}": {"GET": Permission.WATCH},
    "/admin/requests/{id}/body": {"GET": Permission.OPERATE},
    "/admin/history/keys/{name:path}": {"DELETE": Permission.ADMINISTER},
    "/admin/history/users/{name:path}": {"DELETE": Permission.ADMINISTER},
    "/admin/requests/{id}/redecide": {"POST": Permission.WATCH},
    "/admin/stats/reset": {"POST": Permission.OPERATE},
    "/admin/providers/{name}/test": {"POST": Permission.OPERATE},
    "/admin/providers/{name}/enable": {"POST": Permission.OPERATE},
    "/admin/providers/{name}/disable": {"POST": Permission.OPERATE},
    "/admin/endpoints/{name:path}/test": {"POST": Permission.OPERATE},
    "/admin/endpoints/{name:path}/enable": {"POST": Permission.OPERATE},
    "/admin/endpoints/{name:path}/disable": {"POST": Permission.OPERATE},
    "/admin/config/reload": {"POST": Permission.OPERATE},
    "/admin/config": {"GET": Permission.OPERATE, "PUT": Permission.ADMINISTER},
}
"""By the path of a route, as the application registers it, and method. HEAD is as GET; the WebSocket of a path is as its POST."""


_OPEN = frozenset(path for path, methods in ROUTES.items() if set(methods.values()) == {Permission.OPEN})


def required(path: str, method: str) -> Permission:
    """Return what a route requires; a route that is not in the table is for administrators."""
    return ROUTES.get(path, {}).get("GET" if method == "HEAD" else method, Permission.ADMINISTER)


def is_open(path: str) -> bool:
    """Whether every method of the route answers without a key: also each static file of the dashboard."""
    return path in _OPEN or path.startswith("/web/")


def takes_session(path: str) -> bool:
    """Whether the session of a browser stands for a key there: the dashboard with its playground, never the routes of clients."""
    return path == "/" or path.startswith(("/admin/", "/web/"))


def roles_with(permission: Permission) -> Sequence[AccessRole]:
    """Return the roles that may use such a route; those of most requests come first."""
    return tuple(role for role in dict.fromkeys((AccessRole.USER, *AccessRole)) if permission in ROLES[role])
