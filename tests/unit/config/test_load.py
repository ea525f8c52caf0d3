"""Files in, frozen structs out, and everything that is wrong said at once."""

import tomllib
from pathlib import Path

import pytest

from octoroute.config import Config, load, loads
from octoroute.config.file import ConfigFile
from octoroute.config.load import DISCOVERED
from octoroute.config.schema.key import Names
from octoroute.domain.endpoint import Tier
from octoroute.errors import ConfigError

DATA = Path(__file__).parents[2] / "data"
CASES = tomllib.loads((DATA / "broken_configurations.toml").read_text("utf-8"))["case"]
SECRETS = {
    "PORT_TEXT": "s3cret-port",
    "KEY_WITH_SPACE": "sk-s3cret\n",
    "URL_WITH_KEY": "https://example.com/v1?key=s3cret",
    "NAME_TWICE": "s3cret-name",
    "HOST_NAME": "s3cret.example.com",
}
ENDPOINT = '[[models.balanced]]\nname = "m"\nbase_url = "http://127.0.0.1:1/v1"\n'


def read(text: str, env: dict[str, str] | None = None, *, file: str = "config.toml", names: Names | None = None) -> Config:
    return loads(text, Path(file), env or {}, names)


def problems(text: str, env: dict[str, str] | None = None, *, file: str = "config.toml") -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        read(text, env, file=file)
    return caught.value.problems


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_what_is_broken_is_refused_with_key_reason_and_remedy(case, tmp_path):
    path = tmp_path / case.get("file", "config.toml")
    path.write_text(case["text"], "utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path, SECRETS, tmp_path)
    assert any(all(part in problem for part in case["says"]) for problem in caught.value.problems), caught.value.problems
    assert "s3cret" not in str(caught.value)


def test_the_table_of_broken_files_is_long_enough():
    assert len(CASES) >= 25


def test_all_problems_come_at_once_and_name_their_file():
    with pytest.raises(ConfigError) as caught:
        read('[server]\nport = -1\nhost = "x"\n[retry]\nbackoff = "none"\n[nope]\n')
    assert [problem.split(":")[0] for problem in caught.value.problems] == [
        "nope",
        "server.host",
        "server.port",
        "retry.backoff",
        "models",
    ]
    assert caught.value.__notes__ == ["config.toml"]


def test_the_sample_file_of_version_1_loads():
    config = load(DATA / "v1.toml", {}, Path("/"))
    assert [(endpoint.tier, endpoint.priority) for endpoint in config.endpoints] == [
        (Tier.FAST, 1),
        (Tier.FAST, 255),
        (Tier.BALANCED, 1),
        (Tier.DEEP, 1),
    ]
    assert [endpoint.first_event_timeout_s for endpoint in config.endpoints] == [15, 15, 30, 60]
    assert len({endpoint.id for endpoint in config.endpoints}) == 4
    assert config.routing.router_timeouts.deep == 20
    assert config.observability.log_level == "info"
    (warning,) = config.warnings
    assert warning.startswith("server.host: ")
    assert "OCTOROUTE_API_KEY" in warning


@pytest.mark.parametrize("suffix", [".toml", ".json", ".yaml"])
@pytest.mark.parametrize(
    ("text", "language"),
    [("a." * 400 + "a = 1", "toml"), ('{"a": "***", "b": [' * 60 + "]}" * 60, "json"), ('{"fast": "\\ud800"}', "json")],
)
def test_monstrous_proposals_are_too(tmp_path, suffix, text, language):
    (tmp_path / f"c{suffix}").write_text("{}")
    with pytest.raises(ConfigError):
        ConfigFile(Path(f"c{suffix}"), dict, tmp_path).propose(text, language)


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "latin.toml").write_bytes(b'[server]\nhost = "\xe9"')
    (tmp_path / "empty.toml").touch()
    for name, reason in (
        ("latin.toml", "not UTF-8 (byte 18)"),
        ("empty.toml", "is empty"),
        (".", "is a directory"),
        ("missing.toml", "does not exist"),
        ("\0", "is not a path"),
        ("latin.toml/x", "Not a directory"),
    ):
        with pytest.raises(ConfigError, match="; ") as caught:
            load(Path(name), {}, tmp_path)
        assert reason in caught.value.problems[0]


def test_a_byte_order_mark_is_no_mistake(tmp_path):
    (tmp_path / "c.toml").write_text(ENDPOINT, "utf-8-sig")
    assert load(Path("c.toml"), {}, tmp_path).endpoints


def test_discovery_takes_the_first_of_the_known_names(tmp_path):
    (tmp_path / "config").mkdir()
    with pytest.raises(ConfigError, match="octoroute demo"):
        load(None, {}, tmp_path)
    for name in reversed(DISCOVERED):
        text = '{"models": {"fast": [{"name": "m", "base_url": "http://h/v1"}]}}' if name.endswith("json") else ENDPOINT
        (tmp_path / name).write_text(text)
        assert load(None, {}, tmp_path).source == str(tmp_path / name)


def test_a_disabled_providers_variables_need_not_be_set():
    text = (
        '[providers.p]\nenabled = false\nbase_url = "${NO}"\nheaders = { X = "${NO}" }\n'
        '[[models.fast]]\nname = "${NO}"\nprovider = "p"\n' + ENDPOINT
    )
    assert [e.name for e in read(text).endpoints] == ["m"]
    assert len(problems(text.replace("false", "true"))) == 3
    assert len(problems(text + 'api_key = "${NO}"')) == 1


def test_selection_order():
    assert read(ENDPOINT).selection.order == "endpoint"
    for order in ("endpoint", "priority", "round_robin", "random"):
        assert read(f'[selection]\norder = "{order}"\n{ENDPOINT}').selection.order == order
    assert 'did you mean "round_robin"' in problems(f'[selection]\norder = "roundrobin"\n{ENDPOINT}')[0]
