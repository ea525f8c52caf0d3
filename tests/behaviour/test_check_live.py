"""`octoroute check --live` asks every endpoint what it is for."""

from octoroute.cli.live import check_endpoints, report
from tests.support.fake import error, whole
from tests.support.live_gateway import configured, endpoint, settings


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
