"""Converts a JSON schema to Gemini's subset of OpenAPI 3.0. Pure.

Source: https://ai.google.dev/api/caching#Schema. A keyword whose value is not of the subset's type is left out, because Gemini
refuses the whole request for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from octoroute.dialects.request.schema_references import SchemaReferences, items_of, mapping_of, strings_of

_FORMATS = frozenset({"enum", "date-time", "int32", "int64", "float", "double"})
_TYPES = frozenset({"string", "number", "integer", "boolean", "array", "object"})
_OF_TYPE: Mapping[str, tuple[str, ...]] = {"object": ("properties", "required"), "array": ("items", "prefixItems")}
"""Keywords that go with a type into its alternative."""
_NAMES_PER_VISIT = 8
"""Of a list of names, such as `enum` and `required`: each level of `allOf` copies them."""


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_bool(value: object) -> bool:
    return isinstance(value, bool)


def _is_count(value: object) -> bool:
    return (isinstance(value, int) and not isinstance(value, bool)) or (
        isinstance(value, str) and value.isascii() and value.isdigit()
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_all_text(value: object) -> bool:
    return bool(texts := strings_of(value)) and len(texts) == len(items_of(value))


_KEYS: Mapping[str, Callable[[object], bool]] = {
    **dict.fromkeys(("title", "description", "pattern"), _is_text),
    "nullable": _is_bool,
    **dict.fromkeys(("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"), _is_count),
    **dict.fromkeys(("minimum", "maximum"), _is_number),
    "propertyOrdering": _is_all_text,
}
"""Keywords that are kept as they are."""


def convert(schema: object, references: SchemaReferences, refs: int = 0) -> dict[str, Any]:
    """`refs`: references around `schema` that have been followed. Raises TooManyNodes."""
    references.visit()
    described = mapping_of(schema)
    reference = described.get("$ref")
    if isinstance(reference, str):
        found = references.get(reference, refs)
        if found is None:
            return {"type": "object"}
        own = {key: value for key, value in described.items() if key != "$ref"}
        return convert({**mapping_of(found), **own}, references, refs + 1)
    if branches := [convert(branch, references, refs) for branch in items_of(described.get("allOf"))]:
        described = _merge_all_of(described, branches)
    cleaned = {key: described[key] for key, fits in _KEYS.items() if key in described and fits(described[key])}
    form = described.get("format")
    if isinstance(form, str) and form in _FORMATS:
        cleaned["format"] = form
    described = _write_type(cleaned, described, references, refs)
    if "properties" in described and cleaned.setdefault("type", "object") == "object":
        cleaned["properties"] = {
            name: convert(inner, references, refs) for name, inner in mapping_of(described["properties"]).items()
        }
        names = strings_of(described.get("required"))
        references.visit(len(names) // _NAMES_PER_VISIT)
        required = [name for name in dict.fromkeys(names) if name in cleaned["properties"]]
        if required:
            cleaned["required"] = required
    if cleaned.get("type") == "array" and ("items" in described or "prefixItems" in described or "items" not in cleaned):
        items = described.get("items", next(iter(items_of(described.get("prefixItems"))), None))
        cleaned["items"] = convert(items, references, refs) or {"type": "string"}
    return cleaned


def _merge_all_of(described: dict[str, Any], branches: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Merge `allOf` into the schema: properties and required names of all; of other keywords the first occurrence."""
    merged: dict[str, Any] = {}
    properties: dict[str, Any] = {}
    required: list[str] = []
    for one in (*reversed(branches), {key: value for key, value in described.items() if key != "allOf"}):
        merged |= one
        properties |= mapping_of(one.get("properties"))
        required += strings_of(one.get("required"))
    return {**merged, **({"properties": properties} if properties else {}), **({"required": required} if required else {})}


def _write_type(cleaned: dict[str, Any], described: dict[str, Any], references: SchemaReferences, refs: int) -> dict[str, Any]:
    """Write the type as one type, `nullable`, an `enum` of strings, or `anyOf`, the subset's only forms of alternatives.

    Returns `described` without what has gone into an alternative.
    """
    kind = described.get("type")
    stated = [name.lower() for name in ([kind] if isinstance(kind, str) else strings_of(kind))]
    kinds = [name for name in dict.fromkeys(stated) if name in _TYPES]
    values = items_of(described.get("enum")) or ([described["const"]] if "const" in described else [])
    ordering = items_of(described.get("propertyOrdering"))
    references.visit((len(values) + len(stated) + len(ordering)) // _NAMES_PER_VISIT)
    branches = [mapping_of(branch) for key in ("anyOf", "oneOf") for branch in items_of(described.get(key))]
    if "null" in stated or None in values or any(branch.get("type") == "null" for branch in branches):
        cleaned["nullable"] = True
    strings = [text for text in strings_of(values) if text]
    if strings:
        cleaned |= {"type": "string", "enum": strings}
        return described
    branches = [branch for branch in branches if branch.get("type") != "null"]
    if len(kinds) > 1:
        for name in kinds:
            branches.append({"type": name, **{key: described[key] for key in _OF_TYPE.get(name, ()) if key in described}})
        moved = {key for name in kinds for key in _OF_TYPE.get(name, ())}
        described = {key: value for key, value in described.items() if key not in moved}
        kinds = []
    converted = [convert(branch, references, refs) for branch in branches]
    alternatives = [alternative for alternative in converted if alternative]  # one may only say what the subset has no word for
    if len(alternatives) == 1:
        cleaned |= {key: value for key, value in alternatives[0].items() if key not in cleaned}
    elif alternatives:
        cleaned["anyOf"] = alternatives
    elif kinds:
        cleaned["type"] = kinds[0]
    elif "items" in described or "prefixItems" in described:
        cleaned["type"] = "array"
    return described
