"""The installed command, as a shell sees it."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

CASES = tomllib.loads((Path(__file__).parents[1] / "data" / "broken_configurations.toml").read_text("utf-8"))["case"]
SECRETS = {
    "PORT_TEXT": "s3cret-port",
    "KEY_WITH_SPACE": "sk-s3cret\n",
    "URL_WITH_KEY": "https://example.com/v1?key=s3cret",
    "NAME_TWICE": "s3cret-name",
    "HOST_NAME": "s3cret.example.com",
}


def octoroute(*words: str, cwd: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    return subprocess.run(
        [sys.executable, "-m", "octoroute", *words],
        cwd=cwd,
        env={**clean, **(env or {})},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_a_broken_file_is_refused_in_words(case, tmp_path):
    file = case.get("file", "config.toml")
    (tmp_path / file).write_text(case["text"], "utf-8")
    done = octoroute("check", "-c", file, cwd=tmp_path, env=SECRETS)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert "s3cret" not in done.stderr
    assert any(all(part in line for part in case["says"]) for line in done.stderr.splitlines()), done.stderr


def test_from_template_to_check(tmp_path):
    assert octoroute("config", "-o", "config.toml", cwd=tmp_path).returncode == 0
    done = octoroute("check", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "is valid" in done.stdout


def test_nothing_at_all_says_what_to_do_next(tmp_path):
    done = octoroute("check", cwd=tmp_path)
    assert done.returncode == 2
    assert "octoroute init" in done.stderr
    assert "octoroute demo" in done.stderr


def test_init_then_check(tmp_path):
    key = {"OPENAI_API_KEY": "sk-s3cret"}
    assert octoroute("init", cwd=tmp_path, env=key).returncode == 0
    assert "s3cret" not in (tmp_path / "config.toml").read_text()
    assert octoroute("check", cwd=tmp_path, env=key).returncode == 0
    assert octoroute("init", cwd=tmp_path, env=key).returncode == 1


def test_a_file_name_that_is_no_text_is_no_accident(tmp_path):
    (tmp_path / os.fsdecode(b"\xff.toml")).write_text('[[models.fast]]\nname = "m"\nbase_url = "http://h/v1"')
    done = octoroute("check", "-c", os.fsdecode(b"\xff.toml"), cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_reader_that_leaves_early_is_no_accident(tmp_path):
    done = subprocess.run(
        ["/bin/sh", "-c", f'"{sys.executable}" -m octoroute config | head -c 1'],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
