from octoroute.dialects.request.strict_mode import change_notes, strict_for_openai

TEXT = {"type": "string"}


def closed(properties, required=None):
    names = list(properties) if required is None else required
    return {"type": "object", "properties": properties, "required": names, "additionalProperties": False}


def test_what_changes_is_named():
    assert change_notes("f", ()) == []
    assert change_notes("f", ("additionalProperties", "maximum", "pattern")) == [
        "f: all objects of the schema are closed (additionalProperties: false), this endpoint requires it",
        "f: maximum, pattern not enforced by this endpoint, passed on in descriptions",
    ]


def test_strict_is_kept_rewritten_or_dropped_with_a_note():
    notes: list[str] = []
    one_of = closed({"a": {"oneOf": [TEXT, {"type": "integer"}]}})
    assert strict_for_openai(one_of, None, "f", notes) == (closed({"a": {"anyOf": [TEXT, {"type": "integer"}]}}), True)
    loose = {"type": "object", "properties": {"a": TEXT}, "required": ["a"]}
    assert strict_for_openai(loose, None, "f", notes) == (loose, False)
    assert strict_for_openai(loose, wanted=False, field="f", notes=notes) == (loose, False)
    assert notes == []
    assert strict_for_openai(loose, wanted=True, field="f", notes=notes) == (closed({"a": TEXT}), True)
    optional = closed({"a": TEXT}, required=[])
    assert strict_for_openai(optional, wanted=True, field="f", notes=notes) == (optional, False)
    assert [note.partition(",")[0] for note in notes] == [
        "f: all objects of the schema are closed (additionalProperties: false)",
        "f: strict dropped",
    ]
