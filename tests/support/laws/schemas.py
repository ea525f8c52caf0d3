"""Schemas of tools and answers: what each endpoint is sent is in its subset, and not much larger or more work than what came."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from octoroute.dialects.request.schema_references import BYTES_PER_UNIT, MAX_ADDED_PER_REQUEST
from octoroute.domain.conversation import AnswerFormat, Conversation, Role, Text, Tool, ToolChoice, Turn
from octoroute.errors import BadRequest
from tests.support.laws.cuts import nested
from tests.support.laws.setup import ENDPOINTS, OUTBOUND
from tests.support.laws.work import Work

WORDS = (
    b'"$ref":"#/$defs/a"', b'"$defs":{"a":', b'"definitions":{"b":', b'"$ref":"#/definitions/b"', b'"allOf":[', b'"anyOf":[', b'"oneOf":[', b'"properties":{"p":',
    b'"type":"object"', b'"type":["string","null"]', b'"items":', b'"prefixItems":[', b'"enum":["a"]', b'"const":', b'"required":["p"]', b'"additionalProperties":false',
    b'"nullable":true', b'"exclusiveMinimum":', b'"patternProperties":{', b'"description":"d"', b'"title":"t"', b'"default":', b'"format":"date-time"', b'"not":', b'"if":',
)  # fmt: skip
_TURNS = (Turn(Role.USER, (Text("x"),)),)
_TARGETS = [one for one in ENDPOINTS if one.model in {"gpt-4o", "gpt-5", "claude-sonnet-4-5", "gemini-3-pro", "gemini-1.5-pro"}]
_ADDED_BYTES = 8 * MAX_ADDED_PER_REQUEST * BYTES_PER_UNIT
"""The weights of definitions are counted as the client wrote them; each may get a type, and `enum` for `const`."""
_PER_BYTE = 60
"""Instructions; a schema of `{}` takes the most."""
_PER_REQUEST = 40_000
GROWN_BYTES = 20_000
"""A schema that is grown has about so many."""
_MAPS = ("properties", "$defs", "definitions", "patternProperties", "dependentSchemas")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_INNER = ("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames", "unevaluatedProperties")


def check(data: bytes) -> None:
    """The first byte: for which endpoint, strict or not, in how many tools; the second: which list or map of it is grown."""
    if len(data) < 2:
        return
    try:
        schema = json.loads(nested(data[2:]).replace(b"\0", b""))
    except (ValueError, RecursionError):
        return
    if not isinstance(schema, dict):
        return
    endpoint = _TARGETS[data[0] % len(_TARGETS)]
    strict, tools, allowed = bool(data[0] & 64), 1 + (data[0] // 8 % 4) ** 2, bool(data[0] & 128)
    if data[1]:
        schema = _grown(schema, data[1])
    asked = Conversation(
        turns=_TURNS,
        tools=tuple(Tool(name=f"f{n}", schema={**schema, "title": f"{n}"}, strict=strict) for n in range(tools)),
        tool_choice=ToolChoice(mode="auto", allowed=tuple(f"f{n}" for n in range(tools))) if allowed else None,
        format=AnswerFormat(name="a", schema=schema, strict=strict) if schema else None,
    )
    try:
        size = (tools + 1) * len(json.dumps(schema))
    except RecursionError:
        return
    written: list[bytes] = []
    work = Work().of(lambda: written.extend(_written(asked, endpoint)))
    assert work <= _PER_REQUEST + _PER_BYTE * (size + MAX_ADDED_PER_REQUEST * BYTES_PER_UNIT), (
        f"{work} instructions for {size} bytes"
    )
    for body in written:
        assert len(body) <= 2000 + 3 * size + _ADDED_BYTES, f"{size} bytes have become {len(body)}"
        CHECKS[endpoint.kind](json.loads(body))


def seeds() -> Iterator[bytes]:
    for at in range(len(_TARGETS)):
        for more in (0, 64, 128 + 24):
            for schema in SCHEMAS:
                yield bytes([at + more - more % len(_TARGETS) if not more else _first(at, more), 0]) + json.dumps(schema).encode()
    for at in range(len(_TARGETS)):
        for place in (1, 2, 3, 5, 8):
            for schema in SCHEMAS:
                yield bytes([at, place]) + json.dumps(schema).encode()
        for form in (
            b'{"allOf":[\0{"allOf":[\0{"enum":["a"]}\0]}\0]}',
            b'{"items":\0{"items":\0{}\0}\0}',
            b'{"anyOf":[\0{"anyOf":[\0{}\0]}\0]}',
        ):
            yield bytes([at, 0]) + form


def _first(at: int, more: int) -> int:
    """A first byte with these bits that selects target `at`."""
    return next(byte for byte in range(256) if byte & ~7 == more & ~7 and byte % len(_TARGETS) == at)


def _written(asked: Conversation, endpoint: Any) -> list[bytes]:
    outbound = OUTBOUND[endpoint.kind]
    if outbound.unsupported(asked, endpoint) is not None:
        return []
    try:
        return [outbound.encode_request(asked, endpoint, stream=False, notes=[])]
    except BadRequest as error:
        assert error.message
        return []


def _grown(schema: dict[str, Any], place: int) -> dict[str, Any]:
    """With one of its lists and maps repeated until the schema is large."""
    boxes = [box for box in _boxes(schema) if box]
    if boxes:
        box = boxes[place % len(boxes)]
        times = max(1, GROWN_BYTES // (len(json.dumps(box)) + 8))
        if isinstance(box, list):
            box *= times
        else:
            box |= {f"{name}{n}": value for n in range(times - 1) for name, value in list(box.items())}
    return schema


def _boxes(value: Any, name: str = "") -> Iterator[Any]:
    if isinstance(value, list) or (isinstance(value, dict) and name in _MAPS):
        yield value
    inner = value.items() if isinstance(value, dict) else (("", item) for item in value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from _boxes(one, key)


def _schemas(schema: Any) -> Iterator[dict[str, Any]]:
    """It and the schemas in it, where keywords have them."""
    if not isinstance(schema, dict):
        return
    yield schema
    for key, value in schema.items():
        if key in _MAPS and isinstance(value, dict):
            inner = list(value.values())
        elif key in _LISTS and isinstance(value, list):
            inner = value
        else:
            inner = [value] if key in _INNER else []
        for one in inner:
            yield from _schemas(one)


def _openai(body: Mapping[str, Any]) -> None:
    for tool in body.get("tools", ()):
        function = tool.get("function", tool)
        _object(function["parameters"])
        if function.get("strict"):
            _strict(function["parameters"])
    made = body.get("response_format", {}).get("json_schema") or body.get("text", {}).get("format", {})
    if made.get("strict"):
        _strict(made["schema"])


def _object(schema: Any) -> None:
    assert schema["type"] == "object"
    assert isinstance(schema.get("properties", {}), dict)


def _strict(schema: Any) -> None:
    """https://platform.openai.com/docs/guides/structured-outputs#supported-schemas."""
    assert schema["type"] == "object" and "anyOf" not in schema
    for one in _schemas(schema):
        refused = {"allOf", "oneOf", "not", "if", "then", "else", "dependentSchemas", "dependentRequired", "patternProperties"}
        assert not refused & one.keys()
        assert "$ref" not in one or not one.keys() - {"$ref", "$defs", "definitions"}
        kind = one.get("type")
        if kind == "object" or (isinstance(kind, list) and "object" in kind) or "properties" in one:
            assert one["additionalProperties"] is False
            assert set(one.get("required", ())) == set(one.get("properties", ()))


def _anthropic(body: Mapping[str, Any]) -> None:
    for tool in body.get("tools", ()):
        schema = tool["input_schema"]
        _object(schema)
        assert not {"anyOf", "oneOf", "allOf"} & schema.keys()


def _gemini(body: Mapping[str, Any]) -> None:
    config = body.get("generationConfig", {})
    functions = [one for tool in body.get("tools", ()) for one in tool["functionDeclarations"]]
    for schema in [one["parameters"] for one in functions if "parameters" in one] + [
        config[k] for k in ("responseSchema",) if k in config
    ]:
        assert schema["type"] == "object" or "responseSchema" in config
        _openapi(schema)
    key = "parametersJsonSchema"
    for schema in [one[key] for one in functions if key in one] + [config[k] for k in ("responseJsonSchema",) if k in config]:
        for one in _schemas(schema):
            assert "$ref" not in one or all(name.startswith("$") for name in one), one
            assert not {"$schema", "$id", "$comment", "examples", "propertyNames", "patternProperties", "const"} & one.keys()
            assert not {"exclusiveMinimum", "exclusiveMaximum"} & one.keys()


def _is(*types: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, types) and (bool in types or not isinstance(value, bool))


def _count(value: Any) -> bool:
    return _is(int)(value) or value.isdigit()


_OPENAPI: Mapping[str, Callable[[Any], bool]] = {
    "type": lambda value: value in {"string", "number", "integer", "boolean", "array", "object"},
    "format": _is(str),
    "title": _is(str),
    "description": _is(str),
    "pattern": _is(str),
    "nullable": _is(bool),
    "enum": lambda value: bool(value) and all(isinstance(one, str) for one in value),
    **dict.fromkeys(("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"), _count),
    **dict.fromkeys(("minimum", "maximum"), _is(int, float)),
    "propertyOrdering": lambda value: all(isinstance(one, str) for one in value),
    **dict.fromkeys(("properties", "required", "items", "anyOf"), lambda value: True),
}


def _openapi(schema: Any) -> None:
    """https://ai.google.dev/api/caching#Schema, whose fields have these types."""
    for key, value in schema.items():
        assert _OPENAPI[key](value), (key, value)
    assert "enum" not in schema or schema["type"] == "string"
    assert ("items" in schema) == (schema.get("type") == "array"), schema
    assert "properties" not in schema or schema["type"] == "object"
    assert set(schema.get("required", ())) <= set(schema.get("properties", ()))
    for inner in (
        *schema.get("properties", {}).values(),
        *schema.get("anyOf", ()),
        *([schema["items"]] if "items" in schema else ()),
    ):
        _openapi(inner)


CHECKS: Mapping[str, Callable[[Mapping[str, Any]], None]] = {
    "openai": _openai,
    "responses": _openai,
    "anthropic": _anthropic,
    "gemini": _gemini,
}
_LEAF = {"type": "string", "description": "d"}
SCHEMAS: tuple[dict[str, Any], ...] = (
    {
        "type": "object",
        "properties": {"a": _LEAF, "type": {"type": "integer"}},
        "required": ["a", "type"],
        "additionalProperties": False,
    },
    {"$ref": "#/$defs/a", "$defs": {"a": {"type": "object", "properties": {"b": {"$ref": "#/$defs/a"}}, "title": "A"}}},
    {
        "type": "object",
        "properties": {"q": {"$ref": "#/$defs/q", "description": "d"}, "r": {"$ref": "#/definitions/r"}},
        "$defs": {
            "q": {"type": "object", "properties": {"x": {"$ref": "#/$defs/q", "title": "t"}, "y": {"$ref": "#/definitions/r"}}}
        },
        "definitions": {"r": {"enum": ["a", "b", None]}},
    },
    {
        "anyOf": [{"type": "object", "properties": {"a": {}}}, {"$ref": "#/$defs/b"}, {"type": "null"}],
        "$defs": {"b": {"const": "x"}},
    },
    {
        "allOf": [
            {"allOf": [{"properties": {"a": {"enum": ["a", "b"]}}, "required": ["a"]}], "enum": ["x"]},
            {"oneOf": [{"type": ["string", "null"]}, {"type": "array", "prefixItems": [{}]}]},
        ]
    },
    {
        "type": ["object", "array"],
        "items": {"items": {"items": {}}},
        "properties": {"n": {"exclusiveMinimum": 1, "format": "int32"}},
    },
    {
        "type": "object",
        "properties": {
            "a": {"title": 1, "description": None, "nullable": "x", "minItems": "3", "maximum": True, "format": 2, "type": "any"},
            "b": {"patternProperties": {"x": {"const": 1}}, "propertyNames": {}, "examples": [], "not": {"$ref": "x"}, "if": True},
        },
        "required": ["a", "a", 1, "z"],
        "$schema": "s",
        "$id": "i",
    },
    {
        "type": "object",
        "properties": {str(n): {"$ref": "#/$defs/1"} for n in range(5)},
        "$defs": {str(n): {"items": {"$ref": f"#/$defs/{n + 1}"}} for n in range(5)},
    },
    {"$defs": {"a": {"enum": ["a"]}}, "properties": {"p": {"$ref": "#/$defs/a", "title": ""}}},
    {"properties": []},
    {},
)
