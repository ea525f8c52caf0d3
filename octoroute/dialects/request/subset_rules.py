"""What the vendors' subsets of JSON schema accept: data for `schema_subset`. Pure."""

from __future__ import annotations

from typing import NamedTuple

_RANGES = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})
CONSTRAINTS = _RANGES | {
    *("minLength", "maxLength", "pattern", "format", "minItems", "maxItems", "uniqueItems"),
    *("contains", "minContains", "maxContains"),
    *("minProperties", "maxProperties", "propertyNames", "unevaluatedProperties", "unevaluatedItems", "additionalItems", "not"),
    *("if", "then", "else", "dependentRequired", "dependentSchemas", "dependencies"),
}
"""Keywords that a subset may lack. All others that are not read here allow and forbid nothing."""
FREE_KEYS = ("patternProperties", "prefixItems")
"""Keywords without which a fitting answer would lose content."""
STRUCTURE = frozenset(
    {"type", "enum", "const", "anyOf", "oneOf", "properties", "required", "additionalProperties", "items", "$ref"}
)
TYPES = frozenset({"string", "number", "integer", "boolean", "null", "object", "array"})


class SubsetRules(NamedTuple):
    """What one vendor's subset accepts beside types, enums, constants, `anyOf`, and local references."""

    constraints: frozenset[str]
    formats: frozenset[str]
    max_min_items: float
    """The largest `minItems`."""
    all_required: bool
    """Every property must be required."""
    object_root: bool
    """The top level must be an object, not a union."""
    recursion: bool
    max_optional: int
    max_unions: int
    max_properties: int


_FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"})
ANTHROPIC = SubsetRules(frozenset(), _FORMATS | {"uri"}, 1, False, False, False, 24, 16, 5_000)
OPENAI = SubsetRules(
    _RANGES | {"minLength", "maxLength", "pattern", "maxItems"}, _FORMATS, float("inf"), True, True, True, 0, 5_000, 5_000
)
