"""The context window: the seed's numbers (C8-C13), the boundaries, and requests made to fit."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.balancing.eligibility import fits_window
from octoroute.dialects.anthropic.inbound import AnthropicInbound
from octoroute.dialects.openai.inbound import OpenAIInbound
from octoroute.dialects.response.rewrite import ContextReport, ResponseRewriter
from octoroute.dialects.responses.inbound import ResponsesInbound
from octoroute.domain.endpoint import Capability, Endpoint, Tier
from octoroute.domain.outcome import ContextUse, Usage
from octoroute.domain.request import Facts
from octoroute.gateway.context_window import ContextPolicy, headers, info, scaled, truncate, usage_info, utilization

OPENAI, ANTHROPIC, RESPONSES = OpenAIInbound(lambda: 0.0), AnthropicInbound(), ResponsesInbound(lambda: 0.0)
VISION, TEXT = 65_536, 128_000


def endpoint(window=VISION, **more):
    known = {
        "id": "e",
        "name": "e",
        "tier": Tier.FAST,
        "kind": "openai",
        "provider": "openai",
        "base_url": "http://h/v1",
        "model": "m",
    }
    return Endpoint(**known, context_window=window, **more)


def read(inbound, body):
    return inbound.read(json.dumps(body).encode(), request_id="r", headers={})


def asked(tokens, **more):
    """A question of so many tokens by the estimate."""
    return read(OPENAI, {"model": "auto", "messages": [{"role": "user", "content": "word" * tokens}], **more})


# C8


@pytest.mark.parametrize(
    ("tokens", "output", "window", "fit"),
    [
        (VISION, None, VISION, True),
        (VISION + 1, None, VISION, False),
        (TEXT, None, TEXT, True),
        (TEXT + 1, None, TEXT, False),
        (60_000, 5_536, VISION, True),
        (60_000, 5_537, VISION, False),
        (60_000, None, VISION, True),
    ],
)
def test_c8_the_limit_itself_fits_and_one_more_does_not(tokens, output, window, fit):
    facts = Facts(context_tokens=tokens, output_tokens=output)
    assert fits_window(endpoint(window), ContextPolicy().measured(facts)) is fit


def test_c8_output_is_reserved_only_if_wanted():
    facts = Facts(context_tokens=VISION, output_tokens=1000)
    assert not fits_window(endpoint(), ContextPolicy().measured(facts))
    assert fits_window(endpoint(), ContextPolicy(reserve_output="none").measured(facts))
    assert fits_window(endpoint(), ContextPolicy(policy="off").measured(msgspec.structs.replace(facts, context_tokens=10**9)))


def test_c8_a_smaller_answer_comes_before_a_cut_history():
    cut = truncate(asked(60_000, max_tokens=32_000), endpoint(), OPENAI, ContextPolicy(), signed=False)
    assert (cut.lowered_to, cut.messages_removed) == (5_536, 0)
    assert json.loads(cut.request.body.raw)["max_tokens"] == 5_536
    assert cut.notes() == ["max_tokens: lowered to 5536, because the context window has 65536 tokens"]
    assert cut.request.facts.output_tokens == 5_536


def test_c8_only_the_field_that_is_there_and_larger_is_lowered():
    cut = truncate(asked(60_000, max_completion_tokens=32_000, max_tokens=100), endpoint(), OPENAI, ContextPolicy(), signed=False)
    told = json.loads(cut.request.body.raw)
    assert (told["max_completion_tokens"], told["max_tokens"]) == (5_536, 100)


def test_c8_an_answer_is_not_lowered_to_nothing():
    """Too little to say anything with: then the history has to give way, and here there is none."""
    assert truncate(asked(65_000, max_tokens=32_000), endpoint(), OPENAI, ContextPolicy(), signed=False) is None


def test_c8_the_answer_stays_larger_than_the_thinking_it_holds():
    body = {
        "model": "auto",
        "max_tokens": 32_000,
        "thinking": {"type": "enabled", "budget_tokens": 10_000},
        "messages": [{"role": "user", "content": "word" * 60_000}],
    }
    assert truncate(read(ANTHROPIC, body), endpoint(), ANTHROPIC, ContextPolicy(), signed=True) is None
    body["messages"][0]["content"] = "word" * 50_000
    assert truncate(read(ANTHROPIC, body), endpoint(), ANTHROPIC, ContextPolicy(), signed=True).lowered_to == 15_536


# C9


def massive(turns=40):
    """181.7 % of 65,536: 119,079 tokens by the estimate."""
    body = {"model": "auto", "messages": [{"role": "system", "content": "Be brief."}]}
    for at in range(turns):
        body["messages"] += [
            {"role": "user", "content": f"question {at:02} " + "abcd" * 1480},
            {"role": "assistant", "content": f"answer {at:02} " + "abcd" * 1480},
        ]
    body["messages"].append({"role": "user", "content": "last"})
    missing = 119_079 - read(OPENAI, body).facts.context_tokens
    body["messages"][1]["content"] += "abcd" * missing
    return read(OPENAI, body)


def test_c9_the_massive_conversation_of_the_seed():
    request = massive()
    assert utilization(request.facts.context_tokens, VISION) == 181.7
    cut = truncate(request, endpoint(), OPENAI, ContextPolicy(), signed=False)
    before, after = (json.loads(body.body.raw)["messages"] for body in (request, cut.request))
    assert cut.request.facts.context_tokens <= VISION - 4096
    assert (after[0], after[1]["role"], after[-1]) == (before[0], "user", before[-1])
    assert after[1:] == before[len(before) - len(after) + 1 :]  # the newest, in order
    use = ContextPolicy().use(cut.request, endpoint(), None, cut)
    told = info(use, endpoint())
    assert (told["truncated"], told["original_tokens"], told["messages_removed"]) == (True, 119_079, len(before) - len(after))
    assert told["truncation_reason"] == "119079 tokens are 181.7% of the window"
    assert told["utilization_percent"] < 100
    assert told["client_note"]


def test_c9_what_must_stay_is_not_cut():
    assert truncate(asked(VISION + 1), endpoint(), OPENAI, ContextPolicy(), signed=False) is None


# C10, C11, C12


def use(tokens=40_195, window=VISION):
    return ContextPolicy().use(asked(1), endpoint(window), Usage(input_tokens=tokens), None)


def test_c10_context_info_has_the_seeds_numbers():
    assert info(use(), endpoint()) == {
        "real_input_tokens": 40195,
        "context_hard_limit": 65536,
        "endpoint_type": "vision",
        "upstream_protocol": "openai",
        "utilization_percent": 61.3,
        "available_tokens": 25341,
        "truncated": False,
        "note": "Use these values to manage context and avoid truncation",
    }
    assert info(use(), endpoint(capabilities=frozenset({Capability.TOOLS})))["endpoint_type"] == "text"


def test_c10_the_seeds_small_and_medium_conversations():
    assert info(use(20), endpoint())["utilization_percent"] == 0.0
    assert info(use(1114), endpoint())["utilization_percent"] == 1.7
    assert info(use(70_000), endpoint())["available_tokens"] == 0


def test_c11_extended_usage_has_the_seeds_numbers():
    assert usage_info(use(), endpoint()) == {
        "real_input_tokens": 40195,
        "context_limit": 65536,
        "context_utilization": "61.3%",
        "endpoint_type": "vision",
    }


@pytest.mark.parametrize(
    ("percent", "level"), [(60.0, None), (60.1, "warning"), (80.0, "warning"), (80.1, "critical"), (181.7, "critical")]
)
def test_c12_levels(percent, level):
    assert ContextPolicy().level(percent) == level


def test_c12_the_header():
    assert headers(use(), endpoint(), ContextPolicy())["x-octoroute-context"] == "warning;61.3"
    assert json.loads(headers(use(), endpoint(), ContextPolicy())["x-octoroute-context-info"]) == info(use(), endpoint())
    assert headers(use(), endpoint(), ContextPolicy(report="body")) == {"x-octoroute-context": "warning;61.3"}
    assert headers(use(), endpoint(), ContextPolicy(report="off")) == {}
    assert "x-octoroute-context" not in headers(use(100), endpoint(), ContextPolicy())


def test_c12_levels_are_configurable():
    context = ContextPolicy(warn_at=0.7, critical_at=0.9)
    assert [context.level(percent) for percent in (61.3, 70.0, 70.1, 90.0, 90.1)] == [None, None, "warning", "warning", "critical"]


# C13


@pytest.mark.parametrize(("tokens", "told"), [(65_536, 200_000), (0, 0), (1, 3), (32_768, 100_000), (40_195, 122_665)])
def test_c13_counts_are_scaled_to_the_advertised_window(tokens, told):
    assert scaled(tokens, endpoint(advertised_window=200_000)) == told


def test_c13_nothing_becomes_nothing():
    assert scaled(1, endpoint(200_000, advertised_window=128_000)) == 1
    assert scaled(7, endpoint()) == 7
    assert scaled(7, endpoint(None)) == 7


@pytest.mark.parametrize(
    ("frame", "path"),
    [
        (b'data: {"choices":[],"usage":%b}\n\n', ("usage",)),
        (b'event: message_start\ndata: {"type":"message_start","message":{"id":"m","usage":%b}}\n\n', ("message", "usage")),
        (b'event: message_delta\ndata: {"type":"message_delta","delta":{},"usage":%b}\n\n', ("usage",)),
        (
            b'event: response.completed\r\ndata: {"type":"response.completed","response":{"usage":%b}}\r\n\r\n',
            ("response", "usage"),
        ),
    ],
)
def test_c13_stream_and_whole_agree(frame, path):
    real = endpoint(advertised_window=200_000)
    outward = ResponseRewriter(scale=lambda tokens: scaled(tokens, real))
    counts = {
        "prompt_tokens": 65_536, "completion_tokens": 10, "total_tokens": 65_546, "input_tokens": 33, "cache_read_input_tokens": 0,
        "prompt_tokens_details": {"cached_tokens": 32_768, "audio": None}, "cost": 1.5, "flag": True, "server_tool_use": {"requests": 3},
    }  # fmt: skip
    told = {
        "prompt_tokens": 200_000, "completion_tokens": 30, "total_tokens": 200_030, "input_tokens": 100, "cache_read_input_tokens": 0,
        "prompt_tokens_details": {"cached_tokens": 100_000, "audio": None}, "cost": 1.5, "flag": True, "server_tool_use": {"requests": 3},
    }  # fmt: skip
    out = outward.rewrite_frames(frame % json.dumps(counts).encode())
    value = json.loads(out.split(b"data: ")[1])
    for name in path:
        value = value[name]
    assert value == told
    assert json.loads(outward.rewrite_body(json.dumps({"id": "x", "usage": counts}).encode()))["usage"] == told
    assert out.startswith(frame.split(b"data:")[0].replace(b"\r", b""))


def test_c13_other_frames_keep_their_bytes():
    outward = ResponseRewriter(scale=lambda tokens: 2 * tokens)
    data = b': hi\n\nid: 1\ndata:  {"choices":[{"delta":{"content":"the \\"usage\\" of it"}}]}\r\n\r\ndata: {"usage":null}\n\ndata: [DONE]\n\n'
    assert outward.rewrite_frames(data) == data
    assert outward.rewrite_body(b"no json") == b"no json"
    assert outward.rewrite_frames(b'data: {"usage": oops\n\n') == b'data: {"usage": oops\n\n'


def test_c13_frames_in_the_middle_of_others():
    outward = ResponseRewriter(scale=lambda tokens: 2 * tokens)
    data = b'data: {"a":1}\n\ndata: {"usage":{"prompt_tokens":1}}\n\ndata: [DONE]\n\n'
    assert outward.rewrite_frames(data) == data.replace(b'"prompt_tokens":1', b'"prompt_tokens":2')


def test_c10_in_a_stream_only_the_last_chunk_says_it():
    told = ContextReport(context_info={"x": 1}, usage={"real_input_tokens": 5})

    def said(data, **more):
        return ResponseRewriter(report=lambda: told, **more).rewrite_frames(data)

    chunk = b'data: {"choices":[{"delta":{"content":"a"},"finish_reason":null}]}\n\n'
    finish = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":5}}\n\n'
    assert said(chunk + finish, in_usage=False) == chunk + finish[:-3] + b',"context_info":{"x":1}}\n\n'
    assert said(chunk + finish + usage) == chunk + finish + (
        b'data: {"choices":[],"usage":{"prompt_tokens":5,"real_input_tokens":5},"context_info":{"x":1}}\n\n'
    )
    start = b'event: message_start\ndata: {"type":"message_start","message":{"usage":{"input_tokens":5}}}\n\n'
    assert said(start) == start
    delta = b'event: message_delta\ndata: {"type":"message_delta","usage":{"output_tokens":5}}\n\n'
    assert json.loads(said(delta).split(b"data: ")[1])["context_info"] == {"x": 1}
    assert said(b"") == b""


# requests made to fit, as a law

TEXTS = st.text(st.sampled_from('ab \n"\\é漢'), max_size=60)
STEPS = st.lists(
    st.tuples(st.sampled_from(["user", "says", "calls", "two calls", "system"]), TEXTS, TEXTS), min_size=1, max_size=14
)


def openai_messages(steps):
    yield {"role": "system", "content": "S"}
    for at, (kind, one, two) in enumerate(steps):
        match kind:
            case "user" | "says":
                yield {"role": "user" if kind == "user" else "assistant", "content": one}
            case "system":
                yield {"role": "developer", "content": one}
            case _:
                ids = [f"c{at}", f"d{at}"][: 2 if kind == "two calls" else 1]
                yield {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [
                        {"id": id, "type": "function", "function": {"name": "f", "arguments": json.dumps({"a": one})}} for id in ids
                    ],
                }
                for id in ids:
                    yield {"role": "tool", "tool_call_id": id, "content": two}
    yield {"role": "user", "content": "the question"}


def anthropic_messages(steps):
    for at, (kind, one, two) in enumerate(steps):
        match kind:
            case "user" | "says":
                yield {"role": "user" if kind == "user" else "assistant", "content": [{"type": "text", "text": one}]}
            case "system":
                yield {"role": "system", "content": one}
            case _:
                ids = [f"c{at}", f"d{at}"][: 2 if kind == "two calls" else 1]
                yield {
                    "role": "assistant",
                    "content": [{"type": "tool_use", "id": id, "name": "f", "input": {"a": one}} for id in ids],
                }
                results = [{"type": "tool_result", "tool_use_id": id, "content": [{"type": "text", "text": two}]} for id in ids]
                yield {"role": "user", "content": [*results, *([{"type": "text", "text": one}] if one > two else [])]}
    yield {"role": "user", "content": "the question"}


def responses_items(steps):
    for at, (kind, one, two) in enumerate(steps):
        match kind:
            case "user" | "says":
                yield {"role": "user" if kind == "user" else "assistant", "content": one}
            case "system":
                yield {"type": "message", "role": "developer", "content": one}
            case _:
                ids = [f"c{at}", f"d{at}"][: 2 if kind == "two calls" else 1]
                yield {"type": "reasoning", "id": f"rs{at}", "summary": []}
                for id in ids:
                    yield {"type": "function_call", "call_id": id, "name": "f", "arguments": json.dumps({"a": one})}
                for id in ids:
                    yield {"type": "function_call_output", "call_id": id, "output": two}
    yield {"role": "user", "content": "the question"}


DIALECTS = {
    "openai": (OPENAI, "messages", openai_messages),
    "anthropic": (ANTHROPIC, "messages", anthropic_messages),
    "responses": (RESPONSES, "input", responses_items),
}


def calls_and_results(items):
    text = json.dumps(items)
    calls = {value for item in items for value in (item.get("call_id"),) if item.get("type") == "function_call"}
    results = {value for item in items for value in (item.get("call_id"),) if item.get("type") == "function_call_output"}
    for item in items:
        calls |= {call["id"] for call in item.get("tool_calls") or ()}
        results |= {item["tool_call_id"]} if "tool_call_id" in item else set()
        for block in item["content"] if isinstance(item.get("content"), list) else ():
            calls |= {block["id"]} if block["type"] == "tool_use" else set()
            results |= {block["tool_use_id"]} if block["type"] == "tool_result" else set()
    assert all(name in text for name in calls)
    return calls, results


def is_system(item):
    return item.get("role") in {"system", "developer"}


@pytest.mark.parametrize("dialect", DIALECTS)
@given(steps=STEPS, window=st.integers(20, 500), output=st.none() | st.integers(1, 200))
def test_c9_whatever_is_cut_it_fits_and_nothing_is_torn(dialect, steps, window, output):
    inbound, key, messages = DIALECTS[dialect]
    body = {"model": "auto", key: list(messages(steps)), "z": {"kept": [1.0]}}
    if output is not None:
        body["max_output_tokens" if dialect == "responses" else "max_tokens"] = output
    raw = json.dumps(body, ensure_ascii=False, indent=1).encode()
    request = inbound.read(raw, request_id="r", headers={})
    small, context = endpoint(window), ContextPolicy(policy="truncate")
    if fits_window(small, context.measured(request.facts)):
        return
    cut = truncate(request, small, inbound, context, signed=True)
    if cut is None:
        return
    facts = cut.request.facts
    assert facts.context_tokens + (facts.output_tokens or 0) <= window
    assert (facts.output_tokens or 1) >= 1
    after = json.loads(cut.request.body.raw)
    before, left = body[key], after[key]
    assert {**after, key: None, **dict.fromkeys(("max_tokens", "max_output_tokens"))} == {
        **body, key: None, **dict.fromkeys(("max_tokens", "max_output_tokens")),
    }  # fmt: skip
    at = 0
    for item in left:  # a subsequence: order kept
        at = before.index(item, at) + 1
    assert len(before) - len(left) == cut.messages_removed
    assert [item for item in left if is_system(item)] == [item for item in before if is_system(item)]
    assert left[-1] == before[-1]
    first = next(item for item in left if not is_system(item))
    assert first.get("role") == "user" or not cut.messages_removed
    calls, results = calls_and_results(left)
    assert calls == results
    assert calls_and_results([first])[1] == set() or not cut.messages_removed


@given(steps=STEPS)
def test_c9_a_single_token_too_many_costs_as_little_as_can_be(steps):
    request = read(OPENAI, {"model": "auto", "messages": [{"role": "user", "content": "x" * 400}, *openai_messages(steps)]})
    window = request.facts.context_tokens + 16 - 1
    cut = truncate(request, endpoint(window), OPENAI, ContextPolicy(), signed=False)
    if cut is not None and cut.messages_removed:
        assert cut.request.facts.context_tokens <= window


SIGNED = {
    "model": "auto",
    "max_tokens": 100,
    "thinking": {"type": "enabled", "budget_tokens": 50},
    "messages": [
        {"role": "user", "content": "a" * 4000},
        {
            "role": "assistant",
            "content": [{"type": "thinking", "thinking": "t", "signature": "sig"}, {"type": "text", "text": "b"}],
        },
        {"role": "user", "content": "c"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "u", "signature": "sig"},
                {"type": "tool_use", "id": "1", "name": "f", "input": {}},
            ],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": "d"}]},
    ],
}


def test_p81_signed_thinking_does_not_survive_a_cut_where_it_is_verified():
    request = read(ANTHROPIC, SIGNED)
    cut = truncate(request, endpoint(500), ANTHROPIC, ContextPolicy(), signed=True)
    told = json.loads(cut.request.body.raw)
    assert cut.messages_removed == 2
    assert told["thinking"] == {"type": "disabled"}
    assert "signature" not in json.dumps(told["messages"])
    assert [message["role"] for message in told["messages"]] == ["user", "assistant", "user"]


def test_p81_elsewhere_it_stays():
    cut = truncate(read(ANTHROPIC, SIGNED), endpoint(500), ANTHROPIC, ContextPolicy(), signed=False)
    told = json.loads(cut.request.body.raw)
    assert told["messages"] == SIGNED["messages"][2:]
    assert told["thinking"] == SIGNED["thinking"]


@pytest.mark.parametrize(("wish", "left"), [("drop_block", SIGNED["messages"][2:]), ("error", None)])
def test_p82_what_the_client_wishes_for_its_thinking_is_done(wish, left):
    body = {**SIGNED, "thinking": {**SIGNED["thinking"], "block_binding": {"prefix_mismatch_behavior": wish}}}
    cut = truncate(read(ANTHROPIC, body), endpoint(500), ANTHROPIC, ContextPolicy(), signed=True)
    assert (None if cut is None else json.loads(cut.request.body.raw)["messages"]) == left


def test_a_lowered_answer_leaves_signed_thinking_alone():
    body = {**SIGNED, "max_tokens": 500}
    cut = truncate(read(ANTHROPIC, body), endpoint(1200), ANTHROPIC, ContextPolicy(), signed=True)
    assert (cut.messages_removed, json.loads(cut.request.body.raw)["messages"]) == (0, SIGNED["messages"])


def test_what_has_no_history_is_not_cut():
    from octoroute.dialects.openai.completions import CompletionsInbound
    from octoroute.dialects.openai.embeddings import EmbeddingsInbound

    for inbound, body in (
        (CompletionsInbound(lambda: 0.0), {"model": "auto", "prompt": "x" * 4000}),
        (EmbeddingsInbound(lambda: 0.0), {"model": "auto", "input": "x" * 4000}),
        (RESPONSES, {"model": "auto", "input": "x" * 4000}),
    ):
        assert truncate(read(inbound, body), endpoint(100), inbound, ContextPolicy(), signed=False) is None


def test_use_counts_what_was_counted():
    request = asked(100)
    assert ContextPolicy().use(request, endpoint(1000), None, None) == ContextUse(
        tokens=100, window=1000, percent=10.0, original_tokens=100
    )
    assert ContextPolicy().use(request, endpoint(1000), Usage(input_tokens=700), None).level == "warning"
    assert ContextPolicy().use(request, endpoint(1000), Usage(input_tokens=700, estimated=True), None).tokens == 100
    assert ContextPolicy().use(request, endpoint(None), None, None) is None
