"""Validates a value against the part of JSON Schema that structured answers use. Pure; an unknown keyword is ignored."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

__all__ = ["Schema", "fits"]

Schema: TypeAlias = Mapping[str, Any] | bool
Rule: TypeAlias = Callable[[Any, Mapping[str, Any], Schema, int], bool]

_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "null": (type(None),),
    "number": (int, float),
    "integer": (int,),
}


def fits(value: Any, schema: Schema, root: Schema | None = None, depth: int = 0) -> bool:
    """Whether `value` fits. Unknown keywords, a `$ref` outside the document, and nesting beyond 60 levels are ignored."""
    if isinstance(schema, bool):
        return schema
    root = schema if root is None else root
    if depth > 60:
        return True
    reference = schema.get("$ref")
    if isinstance(reference, str):
        target = _resolve(reference, root)
        return target is None or fits(value, target, root, depth + 1)
    return _typed(value, schema.get("type")) and all(rule(value, schema, root, depth + 1) for rule in _RULES)


def _resolve(reference: str, root: Schema) -> Schema | None:
    found: Any = root
    if not reference.startswith("#"):
        return None
    for part in reference[1:].strip("/").split("/"):
        if part:
            inside: Mapping[str, Any] = cast("Mapping[str, Any]", found) if isinstance(found, Mapping) else {}
            found = inside.get(part.replace("~1", "/").replace("~0", "~"))
    return cast("Schema", found) if isinstance(found, (Mapping, bool)) else None


def _typed(value: Any, wanted: Any) -> bool:
    if wanted is None:
        return True
    names = cast("list[Any]", wanted) if isinstance(wanted, list) else [wanted]
    return any(_is(value, str(name)) for name in names)


def _is(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean" or name not in _TYPES
    if name == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES.get(name, (object,)))


def _same(a: Any, b: Any) -> bool:
    """Equality in JSON: true is not 1."""
    return type(a) is type(b) and a == b if isinstance(a, bool) or isinstance(b, bool) else a == b


def _allowed(value: Any, schema: Mapping[str, Any], root: Schema, depth: int) -> bool:  # noqa: ARG001 - one shape for all rules
    if "const" in schema and not _same(value, schema["const"]):
        return False
    wanted: Any = schema.get("enum")
    return not isinstance(wanted, list) or any(_same(value, one) for one in cast("list[Any]", wanted))


def _object(value: Any, schema: Mapping[str, Any], root: Schema, depth: int) -> bool:
    if not isinstance(value, dict):
        return True
    value = cast("dict[str, Any]", value)
    required, properties, extra = schema.get("required", []), schema.get("properties", {}), schema.get("additionalProperties", True)
    if not all(name in value for name in required):
        return False
    for name, inner in value.items():
        rule = properties.get(name, extra)
        if isinstance(rule, (Mapping, bool)) and not fits(inner, cast("Schema", rule), root, depth):
            return False
    return schema.get("minProperties", 0) <= len(value) <= schema.get("maxProperties", len(value))


def _array(value: Any, schema: Mapping[str, Any], root: Schema, depth: int) -> bool:
    if not isinstance(value, list):
        return True
    value = cast("list[Any]", value)
    items, first = schema.get("items", True), schema.get("prefixItems", [])
    for i, inner in enumerate(value):
        rule = first[i] if i < len(first) else items
        if isinstance(rule, (Mapping, bool)) and not fits(inner, cast("Schema", rule), root, depth):
            return False
    if schema.get("uniqueItems") and len({json.dumps(inner, sort_keys=True) for inner in value}) < len(value):
        return False
    return schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value))


def _scalar(value: Any, schema: Mapping[str, Any], root: Schema, depth: int) -> bool:  # noqa: ARG001 - one shape for all rules
    if isinstance(value, str):
        pattern = schema.get("pattern")
        if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
            return False
        return not isinstance(pattern, str) or len(pattern) > 200 or len(value) > 2000 or _matches(pattern, value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        low, high = schema.get("minimum", value), schema.get("maximum", value)
        above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
        return low <= value <= high and (above is None or value > above) and (below is None or value < below)
    return True


def _matches(pattern: str, value: str) -> bool:
    try:
        return re.search(pattern, value) is not None
    except re.error:
        return True


def _combined(value: Any, schema: Mapping[str, Any], root: Schema, depth: int) -> bool:
    if not all(fits(value, one, root, depth) for one in schema.get("allOf", [])):
        return False
    if "anyOf" in schema and not any(fits(value, one, root, depth) for one in schema["anyOf"]):
        return False
    if "oneOf" in schema and sum(fits(value, one, root, depth) for one in schema["oneOf"]) != 1:
        return False
    return "not" not in schema or not fits(value, schema["not"], root, depth)


_RULES: tuple[Rule, ...] = (_allowed, _object, _array, _scalar, _combined)
