"""Finds the parameter that a server rejected as unsupported, and builds the request without it. Pure.

Only optional parameters are removed, never fields that carry the prompt or its tools. An error that matches
no rule here has no fix.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, cast

import msgspec

from octoroute.dialects.request.body import RequestBody
from octoroute.dialects.response.errors import UpstreamErrorBody
from octoroute.errors import BadRequest


class ParameterFix(NamedTuple):
    """A change to a rejected request.

    `path`: keys from the top level, without list indexes. `to`: the new name; for `beta`, the beta's name, "" for all betas; for
    `limit`, the largest value.
    """

    action: Literal["drop", "rename", "blank", "beta", "limit"]
    path: tuple[str, ...] = ()
    to: str = ""

    @property
    def name(self) -> str:
        return ".".join(self.path) or self.to or self.action


OPTIONAL_FIELDS = frozenset(
    {
        *(
            "stream_options",
            "parallel_tool_calls",
            "reasoning_effort",
            "reasoning",
            "thinking",
            "thinking_budget",
            "enable_thinking",
        ),
        *("chat_template_kwargs", "temperature", "top_p", "top_k", "presence_penalty", "frequency_penalty", "seed", "user"),
        *("safety_identifier", "prompt_cache_key", "service_tier", "metadata", "strict", "cache_control", "output_config"),
        *(
            "reasoning_content",
            "reasoning_details",
            "reasoning_split",
            "prefix",
            "extra_content",
            "max_completion_tokens",
            "include",
        ),
        *("thinkingConfig", "thinkingLevel", "thinkingBudget", "includeThoughts", "presencePenalty", "frequencyPenalty", "topK"),
    }
)
"""Optional fields of requests that octoroute encodes itself."""
REQUIRED_FIELDS = frozenset({"model", "messages", "system", "max_tokens", "stream", "tools", "tool_choice"})
"""Fields of a client's own Anthropic request that are never dropped."""
_ENGLISH_WORDS = frozenset({"user", "reasoning", "thinking", "seed", "strict", "metadata", "include"})
"""Field names that are also English words: they match only in quotes or before a colon."""

_REJECTION = re.compile(
    r"not (?:be |currently )?(?:supported|permitted|allowed|accepted|recogni[sz]ed|available)"
    r"|un(?:supported|known|recogni[sz]ed|expected)|does(?:n't| not) support|extra_forbidden|cannot find field",
    re.IGNORECASE,
)
_NAME = r"[A-Za-z_][\w.\[\]-]*"
_PATHS = (
    re.compile(rf"(?P<path>{_NAME}): Extra inputs are not permitted"),
    re.compile(rf"(?:[Uu]nknown|[Uu]nrecogni[sz]ed|[Uu]nsupported|[Uu]nexpected)[\w ]*:? [`'\"](?P<path>{_NAME})[`'\"]"),
    re.compile(rf"[`'\"](?P<path>{_NAME})[`'\"] (?:is|are) (?:not (?:supported|permitted|allowed)|un(?:supported|known|expected))"),
)
_LOCATION = re.compile(r"""["']loc["']: ?[\[(](?P<loc>[^\])]*)[\])]""")
_RENAMED = re.compile(
    r"[`'\"](?P<old>max_(?:completion_)?tokens)[`'\"].*[Uu]se [`'\"](?P<new>max_(?:completion_)?tokens)[`'\"]", re.DOTALL
)
_NO_NULL = re.compile(
    r"content.*(?:\bnull\b|\bNone\b|NoneType|should be a valid string|expected a string|required)|null.*expected a string",
    re.DOTALL,
)
_BUDGETS = ("max_completion_tokens", "max_tokens", "maxOutputTokens")
_LIMIT = re.compile(
    r"at most (?P<most>\d{1,9}) (?:completion|output) tokens|(?<!\d)\d{1,9} > (?P<more>\d{1,9}), which is the maximum"
    r"|[\[(]\d{1,9}, ?(?P<range>\d{1,9})\]|less than or equal to [`'\"]?(?P<equal>\d{1,9})|to (?P<below>\d{1,9}) \(exclusive\)"
)
_BETA = re.compile(r"[`'\"](?P<beta>[\w.-]+)[`'\"][^`'\"]*[`'\"]?anthropic-beta")
_ANY_BETA = re.compile(r"(?:invalid|unsupported|unknown) beta", re.IGNORECASE)


def fix_for_encoded_request(error: UpstreamErrorBody) -> ParameterFix | None:
    """The fix for a request that octoroute encoded; None if the error is not about an unsupported parameter."""
    text = error.message
    limit = _limit_fix(text)
    if limit is not None:
        return limit
    renamed = _RENAMED.search(text)
    if renamed is not None and renamed["old"] != renamed["new"]:
        return ParameterFix("rename", (renamed["old"],), renamed["new"])
    if error.param == "reasoning.summary":  # OpenAI shows it to verified organizations only
        return ParameterFix("drop", ("reasoning", "summary"))
    if _REJECTION.search(f"{text} {error.code}"):
        name = _find_field(text, error.param)
        if name == "max_completion_tokens":
            return ParameterFix("rename", (name,), "max_tokens")
        if name is not None:
            return ParameterFix("drop", (name,))
    return ParameterFix("blank", ("messages", "content")) if _NO_NULL.search(text) else None


def _limit_fix(text: str) -> ParameterFix | None:
    """The fix for an output budget above the model's limit, which the error names."""
    name = next((name for name in _BUDGETS if name in text), None)
    found = _LIMIT.search(text) if name is not None else None
    if name is None or found is None:
        return None
    most = int(found[found.lastgroup or 0]) - (found.lastgroup == "below")
    if most < 1:
        return None
    return ParameterFix("limit", ("generationConfig", name) if name == "maxOutputTokens" else (name,), str(most))


def _find_field(text: str, param: str | None) -> str | None:
    """The optional field that the error names first."""
    if param in OPTIONAL_FIELDS:
        return param
    found = [(at, -len(name), name) for name in OPTIONAL_FIELDS if (at := _find_position(name, text)) >= 0]
    return min(found)[2] if found else None


def _find_position(name: str, text: str) -> int:
    before, after = (r"(?:^|[`'\".])", r"[`'\".:]") if name in _ENGLISH_WORDS else (r"\b", r"\b")
    match = re.search(f"{before}{name}{after}", text)
    return match.start() if match else -1


def fix_for_client_request(error: UpstreamErrorBody) -> ParameterFix | None:
    """The fix for a client's own Anthropic request that was sent unchanged to a server other than Anthropic's; None as above."""
    text = error.message
    beta = _BETA.search(text)
    if beta is not None:
        return ParameterFix("beta", to=beta["beta"])
    if _ANY_BETA.search(text):
        return ParameterFix("beta")
    location = _LOCATION.search(text) if _REJECTION.search(text) else None
    if location is not None:
        names = [part.strip().strip("'\"") for part in location["loc"].split(",")]
        return _drop_fix([name for name in names if name and name != "body"])
    for pattern in _PATHS:
        found = pattern.search(text)
        if found is not None:
            return _drop_fix(re.split(r"[.\[\]]+", found["path"].strip(".[]")))
    return None


def _drop_fix(names: list[str]) -> ParameterFix | None:
    path = tuple(name for name in names if not name.isdigit())
    return None if not path or (len(path) == 1 and path[0] in REQUIRED_FIELDS) else ParameterFix("drop", path)


def fix_for_stream_options(error: UpstreamErrorBody) -> ParameterFix | None:
    """The fix for `stream_options`, which older Azure API versions reject and which does not change the response; None as above."""
    found = "stream_options" in error.message or error.param == "stream_options"
    return ParameterFix("drop", ("stream_options",)) if found and _REJECTION.search(error.message) else None


def apply_fix(body: bytes, fix: ParameterFix) -> bytes | None:
    """Apply `fix` to a body; None if there is nothing to change. Other top-level values keep their bytes."""
    try:
        parsed = RequestBody.parse(body)
        match fix.action:
            case "drop":
                return _drop_field(parsed, fix.path)
            case "rename":
                old, value = fix.path[0], parsed.values.get(fix.path[0])
                if value is None:
                    return None
                shorter = parsed.with_values({old: None})
                return shorter if fix.to in parsed.values else _add_member(shorter, fix.to, bytes(value))
            case "blank":
                return _blank_null_content(parsed)
            case "limit":
                return _limit_value(parsed, fix.path, int(fix.to))
            case "beta":
                return None
    except (BadRequest, msgspec.DecodeError, RecursionError):
        return None


def drop_beta(headers: Mapping[str, str], fix: ParameterFix) -> Mapping[str, str] | None:
    """Remove a beta from the `anthropic-beta` header; None if the header does not contain it."""
    betas = [beta.strip() for beta in headers.get("anthropic-beta", "").split(",") if beta.strip()]
    remaining = [beta for beta in betas if fix.to and beta != fix.to]
    if fix.action != "beta" or len(remaining) == len(betas):
        return None
    others = {name: value for name, value in headers.items() if name != "anthropic-beta"}
    return {**others, "anthropic-beta": ",".join(remaining)} if remaining else others


_CLIENT_VALUES = frozenset(
    {"parameters", "input_schema", "schema", "input", "arguments", "args", "parametersJsonSchema", "responseJsonSchema"}
)
"""Keys whose values are the client's data: fields inside them are never dropped."""


def _drop_field(body: RequestBody, path: tuple[str, ...]) -> bytes | None:
    name, *rest = path
    if not rest and name in body.values:
        return body.with_values({name: None})
    changes: dict[str, bytes | None] = {}
    for key in (name,) if rest else ("messages", "tools", "system", "generationConfig"):
        if key in body.values:
            value = msgspec.json.decode(body.values[key])
            if _drop_path(value, tuple(rest)) if rest else _drop_everywhere(value, name):
                changes[key] = msgspec.json.encode(value)
    return body.with_values(changes) if changes else None


def _drop_path(node: object, path: tuple[str, ...]) -> bool:
    """Drop the value at `path` below `node`. Missing names are skipped: validators insert type names (`tools.0.custom.x`)."""
    if isinstance(node, list):
        return any([_drop_path(item, path) for item in cast("list[object]", node)])  # noqa: C419 - all of them
    if not isinstance(node, dict) or not path:
        return False
    fields = cast("dict[str, Any]", node)
    if path[0] not in fields:
        return _drop_path(fields, path[1:])
    if len(path) == 1:
        del fields[path[0]]
        return True
    return _drop_path(fields[path[0]], path[1:])


def _drop_everywhere(node: object, name: str) -> bool:
    if isinstance(node, list):
        return any([_drop_everywhere(item, name) for item in cast("list[object]", node)])  # noqa: C419 - all of them
    if not isinstance(node, dict):
        return False
    fields = cast("dict[str, Any]", node)
    found = fields.pop(name, None) is not None
    return any([found, *(_drop_everywhere(value, name) for key, value in fields.items() if key not in _CLIENT_VALUES)])


def _blank_null_content(body: RequestBody) -> bytes | None:
    messages = msgspec.json.decode(body.values["messages"], type=list[dict[str, Any]]) if "messages" in body.values else []
    nulls = [message for message in messages if "content" in message and message["content"] is None]
    for message in nulls:
        message["content"] = ""
    return body.with_values({"messages": msgspec.json.encode(messages)}) if nulls else None


def _limit_value(body: RequestBody, path: tuple[str, ...], most: int) -> bytes | None:
    """None if the value is within the limit, or if a thinking budget needs more."""
    name, *rest = path
    value = msgspec.json.decode(body.values[name]) if name in body.values else None
    fields = cast("dict[str, Any]", value if rest and isinstance(value, dict) else {name: value})
    key = path[-1]
    if type(fields.get(key)) is not int or fields[key] <= most or b'"budget_tokens"' in bytes(body.values.get("thinking", b"")):
        return None
    fields[key] = most
    return body.with_values({name: msgspec.json.encode(fields if rest else most)})


def _add_member(body: bytes, name: str, value: bytes) -> bytes:
    head = body.rstrip()[:-1].rstrip()
    return head + (b"" if head.endswith(b"{") else b",") + msgspec.json.encode(name) + b":" + value + b"}"
