"""P-cases of requests from an Anthropic client to an OpenAI-like endpoint."""

from __future__ import annotations

import json

import pytest

from octoroute.dialects.anthropic.request_decoder import decode_request
from octoroute.dialects.openai.compat import PRESETS, Quirks, merge_presets, quirks_of
from octoroute.dialects.openai.request_encoder import encode_request, surplus_stops, unsupported
from octoroute.dialects.request.ids import safe_name
from octoroute.domain.endpoint import Endpoint, Tier
from octoroute.errors import BadRequest

PNG = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0"}}
TOOL = {"name": "f", "description": "d", "input_schema": {"type": "object", "properties": {"a": {"type": "string"}}}}


def use(id="t1", name="f", **input):
    return {"type": "tool_use", "id": id, "name": name, "input": input}


def result(id="t1", content=..., **more):
    return {"type": "tool_result", "tool_use_id": id, **({} if content is ... else {"content": content}), **more}


def ask(*messages, quirks=None, notes=None, stream=False, limit=None, **fields):
    """Messages are (role, content) pairs; the request that goes out."""
    body = {
        "model": "m",
        "max_tokens": 100,
        "messages": [{"role": role, "content": content} for role, content in messages],
        **fields,
    }
    conversation = decode_request(json.dumps(body).encode())
    return json.loads(
        encode_request(conversation, model="up", quirks=quirks or Quirks(), stream=stream, notes=notes, max_output_tokens=limit)
    )


def roles(body):
    return [message["role"] for message in body["messages"]]


def test_p44_text_before_a_tool_result():
    body = ask(("user", "go"), ("assistant", [use()]), ("user", [{"type": "text", "text": "and"}, result(content="r")]))
    assert roles(body) == ["user", "assistant", "tool", "user"]
    assert body["messages"][3]["content"] == "and"


def test_p45_text_between_tool_results():
    content = [result("a", "1"), {"type": "text", "text": "mid"}, result("b", "2")]
    body = ask(("user", "go"), ("assistant", [use("a"), use("b")]), ("user", content))
    assert roles(body) == ["user", "assistant", "tool", "tool", "user"]


def test_p45_results_come_in_the_order_of_the_calls():
    body = ask(("user", "go"), ("assistant", [use("a"), use("b")]), ("user", [result("b", "2"), result("a", "1")]))
    assert [message["tool_call_id"] for message in body["messages"][2:]] == ["a", "b"]


def test_p46_results_in_two_user_turns():
    body = ask(("user", "go"), ("assistant", [use("a"), use("b")]), ("user", [result("a", "1")]), ("user", [result("b", "2")]))
    assert roles(body) == ["user", "assistant", "tool", "tool"]


def test_p47_text_beside_a_result_is_kept():
    body = ask(("user", "go"), ("assistant", [use()]), ("user", [result(content="r"), {"type": "text", "text": "now what?"}]))
    assert body["messages"][-1] == {"role": "user", "content": "now what?"}


def test_p48_an_image_in_a_result():
    body = ask(("user", "go"), ("assistant", [use()]), ("user", [result(content=[PNG])]))
    assert roles(body) == ["user", "assistant", "tool", "user"]
    assert "image" in body["messages"][2]["content"] and "iVBORw0" not in body["messages"][2]["content"]
    label, image = body["messages"][3]["content"]
    assert "t1" in label["text"]
    assert image == {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0"}}


def test_p48_text_and_image_in_a_result():
    body = ask(("user", "go"), ("assistant", [use()]), ("user", [result(content=[{"type": "text", "text": "shot"}, PNG])]))
    assert body["messages"][2]["content"] == "shot"
    assert body["messages"][3]["content"][1]["type"] == "image_url"


def test_p49_an_error_is_visible_to_the_model():
    body = ask(("user", "go"), ("assistant", [use()]), ("user", [result(content="no file", is_error=True)]))
    assert body["messages"][2]["content"] == "[tool error] no file"


@pytest.mark.parametrize("content", [..., "", []])
def test_p50_a_result_without_content(content):
    body = ask(("user", "go"), ("assistant", [use()]), ("user", [result(content=content)]))
    assert body["messages"][2] == {"role": "tool", "tool_call_id": "t1", "content": ""}
    careful = ask(
        ("user", "go"), ("assistant", [use()]), ("user", [result(content=content)]), quirks=merge_presets("no-empty-tool-content")
    )
    assert careful["messages"][2]["content"] == "(no output)"


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({"type": "auto"}, "auto"),
        ({"type": "any"}, "required"),
        ({"type": "none"}, "none"),
        ({"type": "tool", "name": "f"}, {"type": "function", "function": {"name": "f"}}),
    ],
)
def test_p51_p52_tool_choice(choice, said):
    assert ask(("user", "go"), tools=[TOOL], tool_choice=choice)["tool_choice"] == said


def test_p53_one_tool_at_a_time():
    choice = {"type": "auto", "disable_parallel_tool_use": True}
    assert ask(("user", "go"), tools=[TOOL], tool_choice=choice)["parallel_tool_calls"] is False
    body = ask(("user", "go"), tool_choice=choice)
    assert "parallel_tool_calls" not in body and "tool_choice" not in body
    assert "parallel_tool_calls" not in ask(("user", "go"), tools=[TOOL], tool_choice={"type": "auto"})


def test_p54_a_tool_that_runs_at_anthropic():
    search = {"type": "web_search_20250305", "name": "web_search"}
    body = ask(("user", "go"), tools=[search, TOOL], tool_choice={"type": "tool", "name": "web_search"})
    assert [tool["function"]["name"] for tool in body["tools"]] == ["f"] and "tool_choice" not in body
    assert "tools" not in ask(("user", "go"), tools=[search], tool_choice={"type": "tool", "name": "web_search"})
    conversation = decode_request(json.dumps({"messages": [], "tools": [search]}).encode())
    assert "web_search_20250305" in conversation.ignored[0]


def test_p55_fields_of_tools_that_others_refuse():
    tool = TOOL | {
        "defer_loading": True,
        "input_examples": [{}],
        "eager_input_streaming": True,
        "cache_control": {"type": "ephemeral"},
        "type": "custom",
    }
    (sent,) = ask(("user", "go"), tools=[tool])["tools"]
    assert sent == {"type": "function", "function": {"name": "f", "description": "d", "parameters": TOOL["input_schema"]}}


def test_p56_unknown_fields_are_no_error():
    body = {"messages": [{"role": "user", "content": "x"}], "context_management": {"edits": []}, "mcp_servers": [], "surprise": 1}
    assert set(decode_request(json.dumps(body).encode()).ignored) == {"context_management", "mcp_servers", "surprise"}


def test_p58_a_system_message_in_the_middle():
    messages = (("user", "a"), ("assistant", "b"), ("system", "be brief"), ("user", "c"))
    plain = ask(*messages, system="sys")
    assert roles(plain) == ["system", "user", "assistant", "user"]
    assert plain["messages"][3]["content"] == "[system instruction]\nbe brief\n\nc"
    assert roles(ask(*messages, quirks=merge_presets("openai", "openai-reasoning"))) == ["user", "assistant", "developer", "user"]
    assert roles(ask(*messages, quirks=merge_presets("openai"))) == ["user", "assistant", "system", "user"]
    hoisted = ask(*messages, system="sys", quirks=merge_presets("single-system"))
    assert hoisted["messages"][0]["content"] == "sys\n\nbe brief" and roles(hoisted) == ["system", "user", "assistant", "user"]


@pytest.mark.parametrize("names", [(), ("openai",), ("openai", "openai-reasoning")])
def test_p59_a_system_message_right_after_a_call(names):
    messages = (("user", "a"), ("assistant", [use()]), ("system", "be brief"), ("user", [result(content="r")]))
    got = roles(ask(*messages, quirks=merge_presets(*names)))
    assert got[:3] == ["user", "assistant", "tool"] and len(got) == 4


def test_p60_the_billing_line_is_left_out():
    def system(digest):
        return [
            {"type": "text", "text": f"x-anthropic-billing-header: {digest}"},
            {"type": "text", "text": "You are", "cache_control": {}},
        ]

    one, two = (ask(("user", "a"), system=system(digest)) for digest in ("1a", "2b"))
    assert one == two and one["messages"][0] == {"role": "system", "content": "You are"}


@pytest.mark.parametrize("model", ["gpt-5", "gpt-5.6-mini", "o3", "o4-mini"])
def test_p61_reasoning_models(model):
    quirks = quirks_of(
        Endpoint(
            id="e", name="e", tier=Tier.DEEP, kind="openai", provider="openai", base_url="https://api.openai.com/v1", model=model
        )
    )
    notes = []
    body = ask(("user", "a"), temperature=0.5, top_p=0.9, stop_sequences=["x"], quirks=quirks, notes=notes, system="s")
    assert body["max_completion_tokens"] == 100 and body["messages"][0]["role"] == "developer"
    assert not {"temperature", "top_p", "stop", "max_tokens"} & set(body)
    assert any("temperature" in note for note in notes)


def test_p61_other_models_of_openai_take_a_temperature():
    quirks = quirks_of(
        Endpoint(
            id="e", name="e", tier=Tier.DEEP, kind="openai", provider="openai", base_url="https://api.openai.com/v1", model="gpt-4o"
        )
    )
    assert ask(("user", "a"), temperature=0.5, quirks=quirks)["temperature"] == 0.5


def test_p62_four_stop_sequences_go_out():
    body = {"messages": [{"role": "user", "content": "x"}], "stop_sequences": list("abcdef")}
    conversation = decode_request(json.dumps(body).encode())
    assert json.loads(encode_request(conversation, model="m", quirks=Quirks(), stream=False))["stop"] == list("abcd")
    assert surplus_stops(conversation, Quirks()) == ("e", "f")
    assert surplus_stops(conversation, merge_presets("openai-reasoning")) == tuple("abcdef")


def test_p63_max_tokens_is_clamped_to_the_model_and_to_nothing_else():
    notes = []
    assert ask(("user", "a"), max_tokens=64000, limit=8192, notes=notes)["max_tokens"] == 8192
    assert "reduced to" in notes[0]
    assert ask(("user", "a"), max_tokens=64000)["max_tokens"] == 64000


def test_p64_thinking_in_the_history_is_left_out():
    thinking = [{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "redacted_thinking", "data": "x"}]
    body = ask(("user", "a"), ("assistant", [*thinking, {"type": "text", "text": "b"}]), ("user", "c"))
    assert body["messages"][1] == {"role": "assistant", "content": "b"}


@pytest.mark.parametrize(("name", "stand_in"), [("deepseek", ""), ("kimi", " ")])
def test_p65_reasoning_is_replayed_where_it_must_be(name, stand_in):
    thinking = {"type": "thinking", "thinking": "hm", "signature": "octo.1.openai.x"}
    history = [("user", "a"), ("assistant", [thinking, use()]), ("user", [result(content="r")])]
    assert ask(*history, quirks=merge_presets(name))["messages"][1]["reasoning_content"] == "hm"
    history[1] = ("assistant", [use()])
    assert ask(*history, quirks=merge_presets(name))["messages"][1]["reasoning_content"] == stand_in


@pytest.mark.parametrize("name", ["mcp__" + "x" * 85, "files.read", "1st", "größe", "-x"])
def test_p66_long_and_odd_tool_names(name):
    body = ask(
        ("user", "a"),
        ("assistant", [use(name=name)]),
        ("user", [result(content="r")]),
        tools=[TOOL | {"name": name}],
        tool_choice={"type": "tool", "name": name},
    )
    short = body["tools"][0]["function"]["name"]
    assert short == safe_name(name) != name and len(short) <= 64
    assert all(char.isascii() and (char.isalnum() or char in "_-") for char in short) and not short[0].isdigit()
    assert body["tool_choice"]["function"]["name"] == body["messages"][1]["tool_calls"][0]["function"]["name"] == short


def test_p67_an_empty_text_beside_a_call():
    body = ask(("user", "a"), ("assistant", [{"type": "text", "text": ""}, use()]), ("user", [result(content="r")]))
    assert body["messages"][1]["content"] is None
    assert ask(("user", "a"), ("assistant", [use()]), quirks=merge_presets("no-null-content"))["messages"][1]["content"] == ""


def test_arguments_keep_the_models_order_and_numbers():
    body = b'{"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"f","input":{"z": 1.50, "a": "\xc3\xa9"}}]}]}'
    sent = json.loads(encode_request(decode_request(body), model="m", quirks=Quirks(), stream=False))
    assert sent["messages"][0]["tool_calls"][0]["function"]["arguments"] == '{"z":1.50,"a":"é"}'


def test_an_orphan_call_gets_a_result_and_an_orphan_result_becomes_text():
    body = ask(("user", "a"), ("assistant", [use("x")]), ("user", [result("y", "lost")]))
    assert roles(body) == ["user", "assistant", "tool", "user"]
    assert (
        body["messages"][2]["content"] == "(no result)"
        and "y" in body["messages"][3]["content"]
        and "lost" in body["messages"][3]["content"]
    )


def test_ids_that_repeat_are_told_apart():
    turn = (("assistant", [use("call_0")]), ("user", [result("call_0", "r")]))
    body = ask(("user", "a"), *turn, *turn)
    ids = [message["tool_calls"][0]["id"] for message in body["messages"] if message["role"] == "assistant"]
    assert len(set(ids)) == 2
    assert [message["tool_call_id"] for message in body["messages"] if message["role"] == "tool"] == ids


@pytest.mark.parametrize(
    ("thinking", "config", "effort"),
    [
        ({"type": "enabled", "budget_tokens": 2000}, None, "low"),
        ({"type": "enabled", "budget_tokens": 10000}, None, "medium"),
        ({"type": "enabled", "budget_tokens": 30000}, None, "high"),
        ({"type": "adaptive"}, {"effort": "low"}, "low"),
        ({"type": "adaptive"}, {"effort": "max"}, "high"),
        ({"type": "adaptive"}, None, None),
        ({"type": "disabled"}, None, None),
        (None, {"effort": "medium"}, "medium"),
    ],
)
def test_thinking_as_effort(thinking, config, effort):
    fields = {key: value for key, value in (("thinking", thinking), ("output_config", config)) if value}
    assert ask(("user", "a"), quirks=merge_presets("openai", "openai-reasoning"), **fields).get("reasoning_effort") == effort


@pytest.mark.parametrize(
    ("name", "field", "on", "off"),
    [
        ("glm", "thinking", {"type": "enabled"}, {"type": "disabled"}),
        ("qwen", "enable_thinking", True, False),
        ("vllm", "chat_template_kwargs", {"enable_thinking": True}, {"enable_thinking": False}),
        ("openrouter", "reasoning", {"max_tokens": 2000}, {"enabled": False}),
    ],
)
def test_thinking_in_vendors_words(name, field, on, off):
    assert ask(("user", "a"), quirks=merge_presets(name), thinking={"type": "enabled", "budget_tokens": 2000})[field] == on
    assert ask(("user", "a"), quirks=merge_presets(name), thinking={"type": "disabled"})[field] == off


def test_thinking_that_cannot_be_said_is_a_note():
    notes = []
    body = ask(("user", "a"), thinking={"type": "enabled", "budget_tokens": 2000}, notes=notes)
    assert set(body) == {"model", "messages", "max_tokens"} and "thinking" in notes[0]


def test_a_structured_answer():
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
    wanted = {"output_config": {"format": {"type": "json_schema", "schema": schema}}}
    body = ask(("user", "a"), **wanted)
    assert body["response_format"] == {"type": "json_schema", "json_schema": {"name": "output", "schema": schema, "strict": True}}
    loose = ask(
        ("user", "a"), output_config={"format": {"type": "json_schema", "schema": {"type": "object", "properties": {"a": {}}}}}
    )
    assert loose["response_format"]["json_schema"]["strict"] is False
    plain = ask(("user", "a"), quirks=merge_presets("deepseek"), **wanted)
    assert plain["response_format"] == {"type": "json_object"} and '"additionalProperties"' in plain["messages"][0]["content"]


def test_stream_options_only_with_a_stream_and_only_where_taken():
    assert ask(("user", "a"), stream=True)["stream_options"] == {"include_usage": True}
    assert "stream_options" not in ask(("user", "a"))
    assert "stream_options" not in ask(("user", "a"), stream=True, quirks=merge_presets("no-stream-options"))


def test_the_sender_is_hashed_and_only_told_to_openai():
    metadata = {"user_id": "user_1_account_2_session_3"}
    assert "safety_identifier" not in ask(("user", "a"), metadata=metadata)
    sent = ask(("user", "a"), metadata=metadata, quirks=merge_presets("openai"))["safety_identifier"]
    assert "user_1" not in sent and len(sent) == 32


PDF = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBER"}, "title": "a.pdf"}


def test_documents():
    sent = ask(("user", [PDF, {"type": "text", "text": "read"}]), quirks=merge_presets("openai"))["messages"][0]["content"]
    assert sent[0] == {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBER"}}
    with pytest.raises(BadRequest):
        ask(("user", [PDF]))
    plain = {"type": "document", "title": "T", "context": "C", "source": {"type": "text", "media_type": "text/plain", "data": "D"}}
    assert ask(("user", [plain]))["messages"][0]["content"] == "T\n\nC\n\nD"
    found = {"type": "search_result", "title": "T", "source": "http://x", "content": [{"type": "text", "text": "D"}]}
    assert ask(("user", [found]))["messages"][0]["content"] == "T\nhttp://x\nD"


@pytest.mark.parametrize("source", [{"type": "file", "file_id": "f"}, {"type": "base64"}, {"type": "url"}])
@pytest.mark.parametrize("kind", ["image", "document"])
def test_files_that_live_at_anthropic(kind, source):
    with pytest.raises(BadRequest, match=r"messages\[0\].content\[0\]"):
        ask(("user", [{"type": kind, "source": source}]))


def test_urls_of_images_pass_and_others_do_not():
    image = {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}}
    assert ask(("user", [image]))["messages"][0]["content"][0]["image_url"]["url"] == "https://x/y.png"
    with pytest.raises(BadRequest):
        ask(("user", [{"type": "image", "source": {"type": "url", "url": "file:///etc/passwd"}}]))


def test_tools_that_ran_at_anthropic_are_told_as_text():
    content = [
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}},
        {
            "type": "web_search_tool_result",
            "tool_use_id": "s",
            "content": [{"type": "web_search_result", "title": "T", "url": "http://u"}],
        },
        {"type": "text", "text": "So"},
    ]
    body = ask(("user", "a"), ("assistant", content), ("user", "b"))
    assert (
        "tool_calls" not in body["messages"][1]
        and "web_search" in body["messages"][1]["content"]
        and "T" in body["messages"][1]["content"]
    )


def test_a_prefill_is_passed_with_a_note():
    notes = []
    assert roles(ask(("user", "a"), ("assistant", "b"), notes=notes)) == ["user", "assistant"]
    assert "prefill" in notes[0]


def test_every_preset_is_valid_and_hosts_are_recognized():
    for name in PRESETS:
        merge_presets(name)

    def of(url, model="m", **more):
        return quirks_of(
            Endpoint(id="e", name="e", tier=Tier.FAST, kind="openai", provider="openai", base_url=url, model=model, **more)
        )

    assert of("https://api.deepseek.com/v1").replay_reasoning
    assert of("http://127.0.0.1:11434/v1").top_k
    assert of("http://127.0.0.1:8000/v1", "deepseek-r1:8b").think_tags
    assert of("https://example.org/v1", quirks=("kimi",)).missing_reasoning == " "
    assert of("not a url at all") == Quirks()
    assert of("https://openai.com.evil.example/v1") == Quirks()


def test_unsayable_names_the_reason():
    conversation = decode_request(json.dumps({"messages": [{"role": "user", "content": [PDF]}]}).encode())
    assert "application/pdf" in (unsupported(conversation, Quirks()) or "")
    assert unsupported(conversation, merge_presets("openai")) is None


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"{}", None),
        (b'{"messages":[{"role":"user"}]}', "messages"),
        (b'{"messages":[{"role":"wizard","content":"x"}]}', "messages[0].role"),
        (b'{"messages":[{"role":"user","content":[{"type":"tool_result"}]}]}', "messages[0].content[0].tool_use_id"),
        (b'{"messages":[{"role":"user","content":[{"type":"container_upload"}]}]}', "messages[0].content[0]"),
        (b'{"messages":[],"tool_choice":{"type":"x"},"tools":[{"name":"a"}]}', "tool_choice.type"),
        (b'{"messages":[],"temperature":"hot"}', "temperature"),
    ],
)
def test_bad_requests_name_the_field(body, param):
    with pytest.raises(BadRequest) as caught:
        decode_request(body)
    assert param is None or (caught.value.param or "").startswith(param)


@pytest.mark.parametrize(
    ("model", "efforts"),
    [
        ("o3", ("low", "medium", "high")),
        ("gpt-5-mini", ("minimal", "low", "medium", "high")),
        ("gpt-5.1", ("none", "low", "medium", "high")),
        ("gpt-5.6", ("none", "low", "medium", "high", "xhigh")),
    ],
)
def test_efforts_of_openais_generations(model, efforts):
    endpoint = Endpoint(
        id="e", name="e", tier=Tier.DEEP, kind="openai", provider="openai", base_url="https://api.openai.com/v1", model=model
    )
    assert quirks_of(endpoint).efforts == efforts


def test_mistral_takes_ids_of_nine_letters_and_digits():
    body = ask(("user", "a"), ("assistant", [use("toolu_1")]), ("user", [result("toolu_1", "r")]), quirks=merge_presets("mistral"))
    id = body["messages"][1]["tool_calls"][0]["id"]
    assert len(id) == 9 and id.isalnum() and body["messages"][2]["tool_call_id"] == id
