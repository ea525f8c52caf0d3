"""A server that refuses a field it does not know: which one it names, and the request without it. Pure.

Only what can be missed is taken out: a field that carries the question or its tools is never touched, and what no rule here
recognizes is nobody's complaint about a field.
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
    """`path`: names from the top, without places in lists. `to`: the new name; for a beta, its name, "" for all of them."""

    action: Literal["drop", "rename", "blank", "beta"]
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
        *("reasoning_content", "extra_content", "max_completion_tokens"),
        *("thinkingConfig", "thinkingLevel", "thinkingBudget", "includeThoughts", "presencePenalty", "frequencyPenalty", "topK"),
    }
)
"""What we write into requests of our own wording, and can do without."""
REQUIRED_FIELDS = frozenset({"model", "messages", "system", "max_tokens", "stream", "tools", "tool_choice"})
"""Of a client's own Anthropic request: never dropped."""
_ENGLISH_WORDS = frozenset({"user", "reasoning", "thinking", "seed", "strict", "metadata"})
"""Also words of plain English: they count only in quotes, or before a colon."""

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
_BETA = re.compile(r"[`'\"](?P<beta>[\w.-]+)[`'\"][^`'\"]*[`'\"]?anthropic-beta")
_ANY_BETA = re.compile(r"(?:invalid|unsupported|unknown) beta", re.IGNORECASE)


def fix_for_encoded_request(told: UpstreamErrorBody) -> ParameterFix | None:
    """What would satisfy a server that was asked in our words; None: it complains of something else."""
    text = told.message
    renamed = _RENAMED.search(text)
    if renamed is not None and renamed["old"] != renamed["new"]:
        return ParameterFix("rename", (renamed["old"],), renamed["new"])
    if _REJECTION.search(f"{text} {told.code}"):
        name = _find_field(text, told.param)
        if name == "max_completion_tokens":
            return ParameterFix("rename", (name,), "max_tokens")
        if name is not None:
            return ParameterFix("drop", (name,))
    return ParameterFix("blank", ("messages", "content")) if _NO_NULL.search(text) else None


def _find_field(text: str, param: str | None) -> str | None:
    """The field that is named first."""
    if param in OPTIONAL_FIELDS:
        return param
    found = [(at, -len(name), name) for name in OPTIONAL_FIELDS if (at := _find_position(name, text)) >= 0]
    return min(found)[2] if found else None


def _find_position(name: str, text: str) -> int:
    before, after = (r"(?:^|[`'\".])", r"[`'\".:]") if name in _ENGLISH_WORDS else (r"\b", r"\b")
    match = re.search(f"{before}{name}{after}", text)
    return match.start() if match else -1


def fix_for_client_request(told: UpstreamErrorBody) -> ParameterFix | None:
    """The same for a client's own Anthropic request to a server that is not Anthropic's."""
    text = told.message
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


def fix_for_stream_options(told: UpstreamErrorBody) -> ParameterFix | None:
    """The one field that Azure's older versions do not know, and that nobody's answer hangs on (P-93)."""
    found = "stream_options" in told.message or told.param == "stream_options"
    return ParameterFix("drop", ("stream_options",)) if found and _REJECTION.search(told.message) else None


def apply_fix(body: bytes, remedy: ParameterFix) -> bytes | None:
    """None: there was nothing to mend. Everything outside of the field at the top keeps its bytes."""
    try:
        parsed = RequestBody.parse(body)
        match remedy.action:
            case "drop":
                return _drop_field(parsed, remedy.path)
            case "rename":
                old, value = remedy.path[0], parsed.values.get(remedy.path[0])
                if value is None:
                    return None
                shorter = parsed.with_values({old: None})
                return shorter if remedy.to in parsed.values else _add_member(shorter, remedy.to, bytes(value))
            case "blank":
                return _blank_null_content(parsed)
            case "beta":
                return None
    except (BadRequest, msgspec.DecodeError, RecursionError):
        return None


def drop_beta(headers: Mapping[str, str], remedy: ParameterFix) -> Mapping[str, str] | None:
    """None: it was not there."""
    said = [beta.strip() for beta in headers.get("anthropic-beta", "").split(",") if beta.strip()]
    kept = [beta for beta in said if remedy.to and beta != remedy.to]
    if remedy.action != "beta" or len(kept) == len(said):
        return None
    others = {name: value for name, value in headers.items() if name != "anthropic-beta"}
    return {**others, "anthropic-beta": ",".join(kept)} if kept else others


_CLIENT_VALUES = frozenset(
    {"parameters", "input_schema", "schema", "input", "arguments", "args", "parametersJsonSchema", "responseJsonSchema"}
)
"""What stands in these is the client's, whatever it is called."""


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
    """Names that are not there are taken for the words by which validators tell kinds apart (`tools.0.custom.x`)."""
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


def _add_member(body: bytes, name: str, value: bytes) -> bytes:
    head = body.rstrip()[:-1].rstrip()
    return head + (b"" if head.endswith(b"{") else b",") + msgspec.json.encode(name) + b":" + value + b"}"
