"""Names in snake_case mean the same as in camelCase; the client's own data is left alone."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.gemini import names
from octoroute.dialects.gemini.names import camel_names


def renamed(body):
    return json.loads(camel_names(json.dumps(body).encode()))


def test_a_body_in_camel_case_keeps_its_bytes():
    body = b'{ "contents": [ {"parts":[{"text":"say \\"inline_data\\": please"}]} ], "generationConfig":{"topP":0.10} }'
    assert camel_names(body) is body


def test_names_at_every_level_are_replaced():
    body = {
        "system_instruction": {"parts": [{"text": "x"}]},
        "contents": [
            {"parts": [{"inline_data": {"mime_type": "image/png", "data": "aa"}, "thought_signature": "s"}]},
            {"parts": [{"function_response": {"name": "f", "response": {"mime_type": 1}}}]},
        ],
        "generation_config": {"max_output_tokens": 5, "thinking_config": {"include_thoughts": True}},
    }
    assert renamed(body) == {
        "systemInstruction": {"parts": [{"text": "x"}]},
        "contents": [
            {"parts": [{"inlineData": {"mimeType": "image/png", "data": "aa"}, "thoughtSignature": "s"}]},
            {"parts": [{"functionResponse": {"name": "f", "response": {"mime_type": 1}}}]},
        ],
        "generationConfig": {"maxOutputTokens": 5, "thinkingConfig": {"includeThoughts": True}},
    }


@pytest.mark.parametrize("before", [0, *range(names._SLICE_BYTES - 40, names._SLICE_BYTES + 5)])
@pytest.mark.parametrize("space", ["", " \t\n"])
def test_a_name_is_found_wherever_it_stands(before, space):
    """A body is searched in slices."""
    body = '{"a":"' + "\\" + '"' + "x" * before + '","top_k"' + space + ":1}"
    assert json.loads(camel_names(body.encode()))["topK"] == 1


def test_a_name_as_a_value_is_none():
    body = b'{"a":["top_k" , "top_p"], "b":"top_k"}'
    assert camel_names(body) is body


def test_data_of_the_client_keeps_its_keys():
    call = {"name": "f", "args": {"top_k": 1, "file_data": {"mime_type": "x"}}}
    schema = {"type": "object", "properties": {"mime_type": {"type": "string"}}}
    body = {"contents": [{"parts": [{"function_call": call}]}], "tools": [{"function_declarations": [{"parameters": schema}]}]}
    assert renamed(body) == {
        "contents": [{"parts": [{"functionCall": call}]}],
        "tools": [{"functionDeclarations": [{"parameters": schema}]}],
    }


def test_the_sdks_own_name_of_the_json_schema():
    assert renamed({"generationConfig": {"_responseJsonSchema": {"a": 1}}}) == {
        "generationConfig": {"responseJsonSchema": {"a": 1}}
    }
