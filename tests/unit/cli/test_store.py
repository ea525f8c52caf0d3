"""`octoroute store` makes keys that a configuration takes, and seals a store with them."""

from __future__ import annotations

import pytest

from octoroute.cli import main
from octoroute.store.sqlite import SqliteDatabase
from octoroute.store.vault import Vault, key_of, new_key
from tests.unit.store.test_key_rotation import fill, read

pytest.importorskip("cryptography", reason="the extra octoroute[encryption]")
CONFIG = '[store]\nurl = "sqlite:///history.db"\nencryption_keys = [{keys}]\n[[models.fast]]\nname = "m"\nbase_url = "http://127.0.0.1:9/v1"\n'


def configure(tmp_path, *keys: str) -> None:
    (tmp_path / "config.toml").write_text(CONFIG.format(keys=", ".join(f'"{key}"' for key in keys)))


async def test_keys_are_rotated(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["store", "key"]) == 0
    first, second = capsys.readouterr().out.strip(), new_key()
    file = tmp_path / "history.db"
    await fill(file, SqliteDatabase(file).vault, "r")
    configure(tmp_path, first)
    assert main(["store", "reseal"]) == 0
    assert capsys.readouterr().out == "10 rows sealed with the first key\n"
    configure(tmp_path, second, first)
    assert main(["store", "reseal"]) == 0
    capsys.readouterr()
    configure(tmp_path, new_key())
    assert main(["store", "reseal"]) == 1
    said = capsys.readouterr()
    assert "5 rows are left" in said.err
    assert not any(key in said.err + said.out for key in (first, second))
    assert key_of(second) is not None
    assert (await read(file, Vault([key_of(second)]), "r0")).request == b"the question"


@pytest.mark.parametrize(("keys", "said"), [((), "is empty"), (("c2hvcnQ=",), "32 bytes"), ((new_key(),), "there is no history")])
def test_what_cannot_be_done_is_said(tmp_path, monkeypatch, capsys, keys, said):
    monkeypatch.chdir(tmp_path)
    configure(tmp_path, *keys)
    assert main(["store", "reseal"]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert not any(key in error for key in keys)
