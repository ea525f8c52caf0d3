"""Whether a schema goes out as one that the endpoint enforces, and the warnings for what changes on the way. Pure."""

from __future__ import annotations

from octoroute.dialects.request.schema_subset import Schema, fit_openai


def strict_for_openai(schema: Schema, wanted: bool | None, field: str, notes: list[str]) -> tuple[Schema, bool]:
    """(the schema to send, `strict`). `wanted` is the client's; None: it did not say, and what it allows is not narrowed.

    `notes` collects what a client that wants it strict does not get; `field` is the client's.
    """
    if wanted is False:
        return schema, False
    fit = fit_openai(schema)
    if fit.schema is not None and (wanted or not fit.changes):
        notes += change_notes(field, fit.changes)
        return fit.schema, True
    if wanted:
        notes.append(f"{field}: strict dropped, {fit.why}")
    return schema, False


def change_notes(field: str, changes: tuple[str, ...]) -> list[str]:
    """The warnings for the `changes` of a fit; `field` is the client's."""
    notes: list[str] = []
    if "additionalProperties" in changes:
        notes.append(f"{field}: all objects of the schema are closed (additionalProperties: false), this endpoint requires it")
    if dropped := [key for key in changes if key != "additionalProperties"]:
        notes.append(f"{field}: {', '.join(dropped)} not enforced by this endpoint, passed on in descriptions")
    return notes
