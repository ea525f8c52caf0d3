"""What servers say when they do not know a field, and what becomes of the request."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.dialects.response.errors import read_error_body
from octoroute.dialects.response.unsupported_params import (
    ParameterFix,
    apply_fix,
    drop_beta,
    fix_for_client_request,
    fix_for_encoded_request,
    fix_for_stream_options,
)


def told(message, **more):
    found = read_error_body(json.dumps({"error": {"message": message, **more}}).encode())
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("message", "remedy"),
    [
        ("Unrecognized request argument supplied: stream_options", ParameterFix("drop", ("stream_options",))),
        ("stream_options: Extra inputs are not permitted", ParameterFix("drop", ("stream_options",))),
        ("Unknown parameter: 'parallel_tool_calls'.", ParameterFix("drop", ("parallel_tool_calls",))),
        ("Unsupported value: 'temperature' does not support 0.7 with this model. Only the default (1) value is supported.",
         ParameterFix("drop", ("temperature",))),
        ("Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
         ParameterFix("rename", ("max_tokens",), "max_completion_tokens")),
        ("Unrecognized request argument supplied: max_completion_tokens", ParameterFix("rename", ("max_completion_tokens",), "max_tokens")),
        ("reasoning_effort is not supported by this model", ParameterFix("drop", ("reasoning_effort",))),
        ("This model does not support `reasoning_effort`.", ParameterFix("drop", ("reasoning_effort",))),
        ("'messages.1' : for 'role:assistant' the following must be satisfied[('messages.1' : property 'reasoning_content' is unsupported)]",
         ParameterFix("drop", ("reasoning_content",))),
        ("Invalid JSON payload received. Unknown name \"thinkingLevel\" at 'generation_config.thinking_config': Cannot find field.",
         ParameterFix("drop", ("thinkingLevel",))),
        ("thinking: Extra inputs are not permitted", ParameterFix("drop", ("thinking",))),
        ("Invalid value for 'content': expected a string, got null.", ParameterFix("blank", ("messages", "content"))),
        ("messages.1.content: Input should be a valid string", ParameterFix("blank", ("messages", "content"))),
        ("json: cannot unmarshal: invalid type: null, expected a string", ParameterFix("blank", ("messages", "content"))),
        ("[{'type': 'extra_forbidden', 'loc': ('body', 'chat_template_kwargs'), 'msg': 'Extra inputs are not permitted'}]",
         ParameterFix("drop", ("chat_template_kwargs",))),
    ],
)  # fmt: skip
def test_complaints_about_our_words(message, remedy):
    assert fix_for_encoded_request(told(message)) == remedy


@pytest.mark.parametrize(
    "message",
    [
        "messages: at least one message is required",
        "The model `gpt-9` does not exist",
        "tools[0].function.name: string does not match pattern",
        "This model does not support image input",
        "tool_choice is not supported by this model",
        "response_format is not supported",
        "the user is not allowed to do this",
        "prompt is too long: 9 tokens > 8 maximum",
        "temperature must be between 0 and 2",
    ],
)
def test_what_is_no_complaint_about_a_missable_field(message):
    assert fix_for_encoded_request(told(message)) is None


@pytest.mark.parametrize(
    ("message", "remedy"),
    [
        ("context_management: Extra inputs are not permitted", ParameterFix("drop", ("context_management",))),
        ("tools.0.custom.defer_loading: Extra inputs are not permitted", ParameterFix("drop", ("tools", "custom", "defer_loading"))),
        ("messages.3.content.0.text.cache_control.ttl: Extra inputs are not permitted",
         ParameterFix("drop", ("messages", "content", "text", "cache_control", "ttl"))),
        ("Unknown field: 'output_config'", ParameterFix("drop", ("output_config",))),
        ('"metadata" is not supported', ParameterFix("drop", ("metadata",))),
        ("Unexpected value(s) `context-management-2025-06-27` for the `anthropic-beta` header. Please consult the documentation",
         ParameterFix("beta", to="context-management-2025-06-27")),
        ("invalid beta flag", ParameterFix("beta")),
        ("messages: Extra inputs are not permitted", None),
        ("'tools' is not supported", None),
        ("messages.1: all messages must have non-empty content", None),
    ],
)  # fmt: skip
def test_p57_complaints_about_a_clients_words(message, remedy):
    assert fix_for_client_request(told(message)) == remedy


def test_p57_validation_errors_as_fastapi_writes_them():
    body = {"detail": [{"type": "extra_forbidden", "loc": ["body", "context_management"], "msg": "Extra inputs are not permitted"}]}
    found = read_error_body(json.dumps(body).encode())
    assert found is not None
    assert fix_for_client_request(found) == ParameterFix("drop", ("context_management",))
    body["detail"][0]["loc"][1] = "seed"
    assert fix_for_encoded_request(read_error_body(json.dumps(body).encode())) == ParameterFix("drop", ("seed",))


def test_p93_stream_options():
    assert fix_for_stream_options(told("Unrecognized request argument supplied: stream_options")) == ParameterFix(
        "drop", ("stream_options",)
    )
    assert fix_for_stream_options(told("Unrecognized request argument supplied: temperature")) is None


def test_the_rest_keeps_its_bytes():
    body = b'{ "a" : 1.0, "stream_options":{"include_usage":true} , "b":"\\u0041" }'
    assert apply_fix(body, ParameterFix("drop", ("stream_options",))) == b'{ "a" : 1.0,  "b":"\\u0041" }'
    assert (
        apply_fix(b'{"max_tokens": 5}', ParameterFix("rename", ("max_tokens",), "max_completion_tokens"))
        == b'{"max_completion_tokens":5}'
    )
    assert apply_fix(b'{"x":1, "max_tokens": 5}', ParameterFix("rename", ("max_tokens",), "y")) == b'{"x":1,"y":5}'
    assert apply_fix(b'{"y":1, "max_tokens": 5}', ParameterFix("rename", ("max_tokens",), "y")) == b'{"y":1}'


def test_below_the_top_and_never_in_what_is_the_users():
    tool = {"name": "f", "strict": True, "parameters": {"strict": {"type": "string"}}}
    body = json.dumps({"tools": [{"function": tool}], "messages": [{"content": "strict"}]}).encode()
    left = json.loads(apply_fix(body, ParameterFix("drop", ("strict",))))
    assert left["tools"] == [{"function": {"name": "f", "parameters": {"strict": {"type": "string"}}}}]
    body = json.dumps(
        {"tools": [{"name": "a", "defer_loading": True}, {"name": "b"}, {"name": "c", "defer_loading": False}]}
    ).encode()
    left = json.loads(apply_fix(body, ParameterFix("drop", ("tools", "custom", "defer_loading"))))
    assert left == {"tools": [{"name": "a"}, {"name": "b"}, {"name": "c"}]}
    body = b'{"generationConfig":{"thinkingConfig":{"thinkingLevel":"LOW","includeThoughts":true}}}'
    left = json.loads(apply_fix(body, ParameterFix("drop", ("thinkingLevel",))))
    assert left == {"generationConfig": {"thinkingConfig": {"includeThoughts": True}}}


def test_null_becomes_an_empty_text():
    body = {"messages": [{"role": "assistant", "content": None, "tool_calls": []}, {"role": "user", "content": "x"}]}
    left = json.loads(apply_fix(json.dumps(body).encode(), ParameterFix("blank")))
    assert left["messages"][0]["content"] == ""


@pytest.mark.parametrize(
    "remedy",
    [
        ParameterFix("drop", ("x",)),
        ParameterFix("drop", ("tools", "x")),
        ParameterFix("rename", ("x",), "y"),
        ParameterFix("blank"),
        ParameterFix("beta", to="x"),
    ],
)
@pytest.mark.parametrize(
    "body", [b'{"a":1,"messages":[{"content":"x"}],"tools":[1,{"f":2}]}', b"[]", b"", b'{"messages":7,"tools":"x"}']
)
def test_nothing_to_mend(remedy, body):
    assert apply_fix(body, remedy) is None


def test_betas():
    headers = {"anthropic-beta": "a, b,c", "anthropic-version": "v"}
    assert drop_beta(headers, ParameterFix("beta", to="b")) == {"anthropic-beta": "a,c", "anthropic-version": "v"}
    assert drop_beta(headers, ParameterFix("beta")) == {"anthropic-version": "v"}
    assert drop_beta(headers, ParameterFix("beta", to="z")) is None
    assert drop_beta({}, ParameterFix("beta")) is None


@given(st.text(max_size=300), st.binary(max_size=100))
def test_no_complaint_however_broken_raises(text, body):
    found = told(text)
    for read in (fix_for_encoded_request, fix_for_client_request, fix_for_stream_options):
        remedy = read(found)
        if remedy is not None:
            apply_fix(body, remedy)
            apply_fix(b'{"messages":[{"content":null}]}', remedy)


@pytest.mark.parametrize(
    ("message", "name", "most"),
    [
        ("max_tokens is too large: 64000. This model supports at most 16384 completion tokens, whereas you provided 64000.",
         "max_tokens", "16384"),
        ("max_tokens: 100000 > 64000, which is the maximum allowed number of output tokens for claude-x", "max_tokens", "64000"),
        ("Invalid max_tokens value, the valid range of max_tokens is [1, 8192]", "max_tokens", "8192"),
        ("Range of max_completion_tokens should be [1, 32768]", "max_completion_tokens", "32768"),
        ("`max_tokens` must be less than or equal to `8192`, the maximum value for this model", "max_tokens", "8192"),
        ("it has a maxOutputTokens value of 70000 but the supported range is from 1 (inclusive) to 65537 (exclusive).",
         "maxOutputTokens", "65536"),
    ],
)  # fmt: skip
def test_a_budget_above_the_models_limit(message, name, most):
    fix = fix_for_encoded_request(told(message))
    assert fix is not None
    assert (fix.action, fix.path[-1], fix.to) == ("limit", name, most)
    fields = {name: 10**6}
    body = {"generationConfig": {**fields, "topK": 1}} if name == "maxOutputTokens" else {**fields, "model": "m"}
    fixed = apply_fix(json.dumps(body).encode(), fix)
    assert fixed is not None
    assert json.loads(fixed) == json.loads(json.dumps(body).replace("1000000", most))
    assert apply_fix(fixed, fix) is None


@pytest.mark.parametrize(
    "message",
    [
        "max_tokens must be positive",
        "Range of top_p should be [0, 1]",
        "max_tokens: the valid range is [0, 0]",
        "max_tokens is too large: 9. at most " + "9" * 5000 + " completion tokens",
    ],
)
def test_no_limit_is_named(message):
    assert fix_for_encoded_request(told(message)) is None


def test_a_thinking_budget_is_not_cut_away_from_under_its_answer():
    body = {"max_tokens": 9000, "thinking": {"type": "enabled", "budget_tokens": 8000}}
    assert apply_fix(json.dumps(body).encode(), ParameterFix("limit", ("max_tokens",), "4096")) is None


@pytest.mark.parametrize(
    ("message", "param", "fix"),
    [
        (
            "Your organization must be verified to generate reasoning summaries.",
            "reasoning.summary",
            ParameterFix("drop", ("reasoning", "summary")),
        ),
        ("Encrypted content is not supported with this model.", "include", ParameterFix("drop", ("include",))),
    ],
)
def test_what_openai_says_of_reasoning(message, param, fix):
    body = json.dumps({"error": {"message": message, "param": param, "code": "unsupported_value"}}).encode()
    assert fix_for_encoded_request(read_error_body(body)) == fix
