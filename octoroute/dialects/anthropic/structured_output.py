"""Asks Claude models for JSON: enforced by `output_config.format`, as the input of a forced tool, or in words. Pure."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from octoroute.dialects.anthropic.model_limits import AnthropicModelLimits
from octoroute.dialects.request import json_schema
from octoroute.dialects.request.schema_subset import Schema, fit_anthropic
from octoroute.dialects.request.strict_mode import change_notes
from octoroute.domain.conversation import AnswerFormat

Fields = dict[str, Any]
RESPONSE_TOOL = "structured_answer"
"""Tool that is forced where `output_config.format` cannot hold the schema; its input is the structured output."""
MAX_STRICT_TOOLS = 20
"""In one request. Source: Anthropic, "Structured outputs"."""


class JsonRequest(NamedTuple):
    """How one model is asked for JSON: by its own parameter, by a forced tool, or by words in the system text."""

    by: Literal["parameter", "tool", "words"]
    schema: Schema | None = None
    """As the parameter takes it."""
    notes: tuple[str, ...] = ()


def plan_json(response_format: AnswerFormat, can: AnthropicModelLimits) -> JsonRequest:
    """The strongest way that the model and the schema allow."""
    schema = response_format.schema
    if schema is None:
        return JsonRequest("words")
    why = ""
    if can.schemas:
        fit = fit_anthropic(schema)
        if fit.schema is not None:
            return JsonRequest("parameter", fit.schema, tuple(change_notes("response_format", fit.changes)))
        why = fit.why
    by = "tool" if can.forced_tools and _is_object(schema) else "words"
    if not why and by == "tool":
        return JsonRequest(by)
    how = "the model is asked for it by a tool" if by == "tool" else "the model is asked for it in words"
    return JsonRequest(by, None, (f"response_format: this endpoint cannot enforce the schema{why and f', {why}'}; {how}",))


def json_instruction(response_format: AnswerFormat | None, can: AnthropicModelLimits) -> str:
    """System text that asks for JSON; "" if something stronger does."""
    if response_format is None or plan_json(response_format, can).by != "words":
        return ""
    schema = response_format.schema
    return json_schema.JSON_INSTRUCTION if schema is None else json_schema.describe_in_words(schema)


def write_format(body: Fields, response_format: AnswerFormat | None, can: AnthropicModelLimits, notes: list[str]) -> None:
    """Set the parameter or add the tool, after `tools` and `tool_choice` are set."""
    if response_format is None:
        return
    plan = plan_json(response_format, can)
    notes += plan.notes
    if plan.by == "parameter":
        body["output_config"] = {"format": {"type": "json_schema", "schema": plan.schema}}
    elif plan.by == "tool":
        response_tool = {
            "name": RESPONSE_TOOL,
            "description": "Give the answer.",
            "input_schema": json_schema.adapt_for_anthropic(response_format.schema),
        }
        body["tools"] = [*body.get("tools", ()), response_tool]
        if "tool_choice" not in body or len(body["tools"]) == 1:
            body["tool_choice"] = {"type": "tool", "name": RESPONSE_TOOL} if len(body["tools"]) == 1 else {"type": "any"}


class StrictTools:
    """Decides for the tools of one request which are strict; `notes` collects what is not as the client wants it."""

    def __init__(self, can: AnthropicModelLimits, notes: list[str]) -> None:
        self._enforces = can.schemas
        self._notes = notes
        self._left = MAX_STRICT_TOOLS

    def write(self, encoded: Fields) -> None:
        """Set `strict` of a tool and the schema for it, if the endpoint can enforce that schema."""
        field = f"tools ({encoded['name']})"
        why = "" if self._enforces else "this model has no strict tools"
        if not why and not self._left:
            why = f"at most {MAX_STRICT_TOOLS} tools can be strict"
        if not why:
            fit = fit_anthropic(encoded["input_schema"])
            why = fit.why
            if fit.schema is not None:
                self._left -= 1
                encoded["strict"], encoded["input_schema"] = True, fit.schema
                self._notes += change_notes(field, fit.changes)
        if why:
            self._notes.append(f"{field}: strict dropped, {why}")


def _is_object(schema: Schema) -> bool:
    return schema.get("type", "object") == "object"
