"""A real model server: llama.cpp's own, with a tiny random model made here. Through octoroute it says what it says directly."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.support.live_gateway import endpoint, frames, question

gguf = pytest.importorskip("gguf", reason="pip install --group e2e")
np = pytest.importorskip("numpy", reason="pip install --group e2e")
xllamacpp = pytest.importorskip("xllamacpp", reason="pip install --group e2e")
httpx2 = pytest.importorskip("httpx2")

WORDS = ["\u2581" + a + b for a in "bcdfghklmnprst" for b in "aeiou"]
TOKENS = ["<unk>", "<s>", "</s>", *[f"<0x{n:02X}>" for n in range(256)], *WORDS, *"abcdefghijklmnopqrstuvwxyz", "\u2581"]
TEMPLATE = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant:"
SIZE, INNER, LAYERS, HEADS, WINDOW = 64, 128, 2, 4, 512


def write_model(path: str) -> None:
    """A llama of two layers with random weights, that only ever says WORDS."""
    chance = np.random.default_rng(7)
    kind = gguf.TokenType
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_context_length(WINDOW)
    writer.add_embedding_length(SIZE)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(SIZE // HEADS)
    writer.add_file_type(0)
    writer.add_vocab_size(len(TOKENS))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(TOKENS)
    writer.add_token_scores([0.0] * 259 + [-float(n) for n in range(len(TOKENS) - 259)])
    writer.add_token_types([kind.UNKNOWN, kind.CONTROL, kind.CONTROL, *[kind.BYTE] * 256, *[kind.NORMAL] * (len(TOKENS) - 259)])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_chat_template(TEMPLATE)

    def random(*shape: int):
        return (chance.standard_normal(shape) * 0.3).astype(np.float32)

    def ones():
        return np.ones(SIZE, np.float32)

    output = random(len(TOKENS), SIZE)
    output[:259] = 0
    writer.add_tensor("token_embd.weight", random(len(TOKENS), SIZE))
    writer.add_tensor("output_norm.weight", ones())
    writer.add_tensor("output.weight", output)
    for layer in range(LAYERS):
        at = f"blk.{layer}."
        for name in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"{at}{name}.weight", ones())
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            writer.add_tensor(f"{at}{name}.weight", random(SIZE, SIZE))
        for name, shape in (("ffn_gate", (INNER, SIZE)), ("ffn_up", (INNER, SIZE)), ("ffn_down", (SIZE, INNER))):
            writer.add_tensor(f"{at}{name}.weight", random(*shape))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("llama") / "tiny.gguf")
    write_model(path)
    params = xllamacpp.CommonParams()
    params.model.path = path
    params.port = 0
    params.n_ctx = WINDOW
    params.n_parallel = 1
    params.n_gpu_layers = 0
    params.warmup = False
    params.cpuparams.n_threads = 1
    server = xllamacpp.Server(params)
    yield server.listening_address
    del server


@pytest.fixture
async def gateway(make_gateway, llama):
    return await make_gateway(
        [endpoint(llama + "/v1", "tiny", id="llama")], health={"interval_seconds": 0.05}, parts={"chance": lambda: 0.0}
    )


ASKED = question("hello", model="tiny", temperature=0, max_tokens=24, seed=1)
TIMED = {"id", "created", "timings"}


def lasting(value):
    """Without what is new each time."""
    return {name: part for name, part in value.items() if name not in TIMED}


async def directly(llama: str, body) -> bytes:
    async with httpx2.AsyncClient(timeout=30) as client:
        return (await client.post(llama + "/v1/chat/completions", json=body)).content


async def test_whole(gateway, llama):
    expected = json.loads(await directly(llama, ASKED))
    response = await gateway.ask(ASKED)
    assert response.status_code == 200
    got = response.json()
    for answer in (got, expected):
        answer["usage"].pop("prompt_tokens_details", None)  # the second question finds the first in the cache
    assert lasting(got) == lasting(expected)
    assert got["choices"][0]["message"]["content"].strip()
    assert gateway.metric("octoroute_tokens_total", kind="output") == got["usage"]["completion_tokens"] == 24


async def test_streamed(gateway, llama):
    body = {**ASKED, "stream": True, "stream_options": {"include_usage": True}}
    expected, (response, data) = frames(await directly(llama, body)), await gateway.streamed(body)
    got = frames(data)
    assert response.status_code == 200
    assert got[-1] == expected[-1] == "[DONE]"

    def text(events):
        return "".join(event["choices"][0]["delta"].get("content") or "" for event in events[:-1] if event["choices"])

    assert text(got) == text(expected) != ""
    assert [lasting(event) for event in got[:-2]] == [lasting(event) for event in expected[:-2]]
    assert got[-2]["usage"]["completion_tokens"] == 24
    await gateway.quiet()
    assert gateway.metric("octoroute_outcomes_total", outcome="answered") == 1


async def test_its_refusals_are_relayed(gateway, llama):
    body = {**ASKED, "messages": [{"role": "user", "content": "hello " * 3000}]}
    async with httpx2.AsyncClient(timeout=30) as client:
        expected = await client.post(llama + "/v1/chat/completions", json=body)
    response = await gateway.ask(body)
    assert response.status_code == expected.status_code == 400
    told = expected.json()
    told["error"]["code"] = "context_length_exceeded"  # by which agents know that they have to compact
    assert response.json() == told


async def test_hanging_up_frees_it_for_the_next(gateway, llama):
    async with gateway.stream({**ASKED, "stream": True, "max_tokens": 400}) as response:
        await anext(response.aiter_raw())
    await gateway.quiet()
    async with asyncio.timeout(10):
        assert (await gateway.ask(ASKED)).status_code == 200


async def test_the_probe_finds_it_alive(gateway):
    async with asyncio.timeout(5):
        while (await gateway.row("llama"))["last_check_seconds_ago"] > 1:
            await asyncio.sleep(0.02)
    assert (await gateway.row("llama"))["healthy"]


async def test_the_router_may_ask_it(make_gateway, llama):
    """A model that says words nobody expects: the request goes to the default tier, and the decision says why."""
    gateway = await make_gateway(
        [endpoint(llama + "/v1", "tiny", id="llama")], routing={"strategy": "llm", "router_tier": "fast", "default_tier": "fast"}
    )
    response = await gateway.ask({**ASKED, "model": "auto"})
    assert response.status_code == 200
    assert response.headers["x-octoroute-strategy"] in {"llm", "default"}
