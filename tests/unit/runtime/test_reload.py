"""A reload makes a valid configuration the running one; after an error nothing has changed."""

from __future__ import annotations

import msgspec
import pytest

from octoroute.config import loads
from octoroute.config.file import ConfigFile
from octoroute.errors import BadRequest, ConfigError
from octoroute.runtime.reload import Reloader

TEXT = """
[[models.balanced]]
name = "one"
base_url = "http://127.0.0.1:1/v1"
[retry]
max_attempts = {attempts}
[server]
port = {port}
"""


def text(attempts=3, port=8080):
    return TEXT.format(attempts=attempts, port=port)


class Stage:
    def __init__(self, path) -> None:
        path.write_text(text())
        self.path = path
        self.file = ConfigFile(path, dict, path.parent)
        self.running = loads(path.read_text(), path, {})
        self.notified = 0
        self.fails = False
        self.reloader = Reloader(self.swap, lambda: self.running, file=self.file, notify_workers=self.notify)

    def swap(self, config) -> None:
        if self.fails:
            raise RuntimeError("cannot be swapped")
        self.running = config

    def notify(self) -> None:
        self.notified += 1


@pytest.fixture
def stage(tmp_path):
    return Stage(tmp_path / "config.toml")


async def test_the_file_is_read_again_and_the_other_workers_are_notified(stage):
    stage.path.write_text(text(attempts=7))
    result = await stage.reloader.reload_all()
    assert (result.config, result.waiting, stage.notified) == (stage.running, (), 1)
    assert stage.running.retry.max_attempts == 7


async def test_a_key_that_needs_a_restart_is_named(stage):
    stage.path.write_text(text(port=9090))
    assert (await stage.reloader.reload_all()).waiting == ("server.port",)


@pytest.mark.parametrize("wrong", ["[[[", "[retry]\nmax_attempts = 'x'", ""])
async def test_an_invalid_file_changes_nothing(stage, wrong):
    before = stage.running
    stage.path.write_text(wrong)
    with pytest.raises(ConfigError):
        await stage.reloader.reload_all()
    assert (stage.running, stage.notified) == (before, 0)


async def test_a_replacement_is_written_and_the_old_file_kept(stage):
    result = await stage.reloader.replace(text(attempts=5), "toml")
    assert (stage.running.retry.max_attempts, stage.path.read_text(), stage.notified) == (5, text(attempts=5), 1)
    assert result.backup.read_text() == text()


async def test_a_replacement_that_cannot_be_swapped_restores_the_file(stage):
    stage.fails = True
    with pytest.raises(RuntimeError):
        await stage.reloader.replace(text(attempts=5), "toml")
    assert (stage.path.read_text(), stage.notified) == (text(), 0)


async def test_without_a_source_there_is_nothing_to_read():
    reloader = Reloader(lambda _: None, lambda: None)
    with pytest.raises(BadRequest, match="--config"):
        await reloader.reload_all()
    with pytest.raises(BadRequest, match="--config"):
        await reloader.replace("", "toml")


async def test_a_source_of_the_callers_own_comes_first(stage):
    other = msgspec.structs.replace(stage.running, source="elsewhere")
    reloader = Reloader(stage.swap, lambda: stage.running, load=lambda: other, file=stage.file)
    assert (await reloader.reload_all()).config.source == "elsewhere"
