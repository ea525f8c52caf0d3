"""`octoroute check --live` asks every endpoint what it is for."""

from octoroute.cli.live import check_endpoints, report
from tests.support.fake import error, whole
from tests.support.live_gateway import configured, dead_port, endpoint, settings


async def test_embedding_models_are_asked_to_embed(make_fake):
    chat, embeds, gemini, broken = [await make_fake(name) for name in ("chat", "embeds", "gemini", "broken")]
    embeds.always(whole({"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [1.0]}]}))
    gemini.always(whole({"embeddings": [{"values": [1.0]}]}))
    broken.always(error(401))
    rows = [
        endpoint(embeds, "e"),
        endpoint(gemini, "g", provider="gemini"),
        endpoint(broken, "b"),
        endpoint(broken, "n", provider="anthropic"),
    ]
    answers = await check_endpoints(configured(settings(models={"fast": [endpoint(chat)], "embedding": rows})))
    assert [(answer.endpoint.name, answer.problem is None) for answer in answers] == [
        ("model-a", True), ("e", True), ("g", True), ("b", False), ("n", False),
    ]  # fmt: skip
    assert [fake.requests[0].path.rpartition("/")[2] for fake in (chat, embeds, gemini)] == [
        "completions",
        "embeddings",
        "g:batchEmbedContents",
    ]
    assert sum("FAILS" in line for line in report(answers)) == 2


async def test_models_of_other_kinds_are_probed_because_no_question_of_theirs_is_free(make_fake):
    chat, speech = [await make_fake(name) for name in ("chat", "speech")]
    nowhere = f"http://127.0.0.1:{dead_port()}/v1"
    rows = {"fast": [endpoint(chat)], "audio": [endpoint(speech, "tts")], "image": [endpoint(nowhere, "flux")]}
    answers = await check_endpoints(configured(settings(models=rows)))
    assert {answer.endpoint.name: answer.problem is None for answer in answers} == {"model-a": True, "tts": True, "flux": False}
    assert (len(speech.probes), speech.requests) == (1, [])


async def test_an_operators_test_of_such_an_endpoint_asks_for_nothing_either(make_fake, make_gateway):
    chat, speech = await make_fake("chat"), await make_fake("speech")
    rows = {"fast": [endpoint(chat)], "audio": [endpoint(speech, "tts", id="tts")]}
    gateway = await make_gateway([endpoint(chat)], models=rows, auth={"admin_keys": ["admin-1234567890"]})
    key = {"x-api-key": "admin-1234567890"}
    assert (await gateway.ask({}, "/admin/endpoints/tts/test", key)).status_code == 200
    assert speech.requests == []
    await speech.kill()
    assert "upstream_unreachable" in (await gateway.ask({}, "/admin/endpoints/tts/test", key)).text
