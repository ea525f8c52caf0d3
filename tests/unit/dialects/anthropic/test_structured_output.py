from octoroute.dialects.anthropic.model_limits import model_limits
from octoroute.dialects.anthropic.structured_output import MAX_STRICT_TOOLS, StrictTools, json_instruction, plan_json, write_format
from octoroute.domain.conversation import AnswerFormat

TEXT = {"type": "string"}
MAP = {"type": "object", "additionalProperties": TEXT}
OPEN = {"type": "object", "properties": {"a": TEXT}}
OLD, NEW, UNFORCED = model_limits("claude-sonnet-4-0"), model_limits("claude-sonnet-4-5"), model_limits("claude-opus-5-1")


def test_the_parameter_is_used_where_it_holds_the_schema():
    body, notes = {}, []
    write_format(body, AnswerFormat(schema=OPEN), NEW, notes)
    sent = body["output_config"]["format"]
    assert sent == {"type": "json_schema", "schema": {**OPEN, "additionalProperties": False}}
    assert len(notes) == 1
    assert json_instruction(AnswerFormat(schema=OPEN), NEW) == ""


def test_a_tool_holds_what_the_parameter_cannot():
    body, notes = {}, []
    write_format(body, AnswerFormat(schema=MAP), NEW, notes)
    assert "output_config" not in body
    assert body["tools"][0]["input_schema"] == MAP
    assert body["tool_choice"] == {"type": "tool", "name": "structured_answer"}
    assert notes == [
        "response_format: this endpoint cannot enforce the schema, an object in it has free keys; the model is asked for it by a tool"
    ]


def test_older_models_are_asked_by_a_tool_without_a_note():
    notes: list[str] = []
    write_format({}, AnswerFormat(schema=OPEN), OLD, notes)
    assert notes == []
    assert plan_json(AnswerFormat(schema={"type": "array", "items": TEXT}), OLD).by == "words"


def test_words_ask_where_no_tool_can_be_forced():
    plan = plan_json(AnswerFormat(schema=MAP), UNFORCED)
    assert (plan.by, plan.schema) == ("words", None)
    assert "in words" in plan.notes[0]
    assert "additionalProperties" in json_instruction(AnswerFormat(schema=MAP), UNFORCED)
    assert "JSON" in json_instruction(AnswerFormat(), NEW)


def test_strict_tools_are_fitted_counted_and_named():
    notes: list[str] = []
    strict = StrictTools(NEW, notes)
    fitted = {"name": "f", "input_schema": {**OPEN, "additionalProperties": False}}
    strict.write(fitted)
    assert fitted["strict"] is True
    free = {"name": "g", "input_schema": MAP}
    strict.write(free)
    assert free == {"name": "g", "input_schema": MAP}
    for at in range(MAX_STRICT_TOOLS):
        strict.write({"name": f"n{at}", "input_schema": {**OPEN, "additionalProperties": False}})
    StrictTools(OLD, notes).write({"name": "h", "input_schema": OPEN})
    assert notes == [
        "tools (g): strict dropped, an object in it has free keys",
        "tools (n19): strict dropped, at most 20 tools can be strict",
        "tools (h): strict dropped, this model has no strict tools",
    ]
