"""A configuration migrated from another program behaves as the original did."""

from __future__ import annotations

from pathlib import Path

import pytest

from octoroute.cli import main
from octoroute.config import Config, load, loads
from tests.support.fake import Fake, by_wish
from tests.support.live_gateway import LiveGateway

DATA = Path(__file__).parents[1] / "data" / "providers_json"
OPUS, SONNET, HAIKU = "claude-3-opus-20240229", "claude-3-5-sonnet-20241022", "claude-3-5-haiku-20241022"
LEGACY = {"OPENAI_API_KEY": "sk-your-key", "BIG_MODEL": "gpt-4o", "SMALL_MODEL": "gpt-4o-mini"}


async def behaviour(gateway: LiveGateway, fake: Fake) -> list[tuple[str, str, str]]:
    fake.requests.clear()
    for model in (OPUS, SONNET, HAIKU, "gpt-4o"):
        for stream in (False, True):
            body = {"model": model, "max_tokens": 50, "messages": [{"role": "user", "content": "Hello"}], "stream": stream}
            answer = await gateway.ask(body, "/v1/messages")
            assert answer.status_code == 200
            assert ("message_stop" in answer.text) is stream
    return [(seen.path, seen.headers["authorization"], seen.json["model"]) for seen in fake.requests]


@pytest.mark.parametrize("file", ["migration_guide.json", "migration_changelog.json"])
async def test_the_migration_examples_change_nothing(file, fake, started, tmp_path, monkeypatch, capsys):
    fake.always(by_wish)
    env = {**LEGACY, "OPENAI_BASE_URL": fake.url}

    async def behaves(config: Config) -> list[tuple[str, str, str]]:
        gateway = await LiveGateway.open(config)
        started.push_async_callback(gateway.close)
        return await behaviour(gateway, fake)

    before = await behaves(load(None, env, tmp_path))
    assert [model for _, _, model in before[::2]] == ["gpt-4o", "gpt-4o", "gpt-4o-mini", "gpt-4o"]
    assert {key for _, key, _ in before} == {"Bearer sk-your-key"}

    text = (DATA / file).read_text("utf-8")
    assert text.count("https://api.openai.com/v1") == 1
    after = loads(
        text.replace("https://api.openai.com/v1", fake.url), Path("config/providers.json"), {"OPENAI_API_KEY": "sk-your-key"}
    )
    assert await behaves(after) == before

    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI_API_KEY", "BIG_MODEL", "SMALL_MODEL", "OPENAI_BASE_URL"):
        monkeypatch.setenv(name, env[name])
    for form, suffix in (("toml", "toml"), ("json", "json")):
        capsys.readouterr()
        assert main(["migrate", "--from-env", "--format", form]) == 0
        written = capsys.readouterr().out
        assert "sk-your-key" not in written
        assert await behaves(loads(written, Path(f"migrated.{suffix}"), {"OPENAI_API_KEY": "sk-your-key"})) == before
