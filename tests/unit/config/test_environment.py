"""Variables stand in values, and can do nothing else."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.config import Config, environment, loads, rules
from octoroute.config.describe import toml
from octoroute.config.environment import child, escape, substitute
from octoroute.errors import ConfigError

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def put(text: str, **env: str) -> object:
    done = substitute(text, env)
    assert not done.problems
    return done.tree


def config(text: str, **env: str) -> Config:
    return loads(text, Path("c.toml"), env)


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("${A}", "a"),
        ("x${A}y${A}", "xaya"),
        ("$A $ {A} $", "$A $ {A} $"),
        ("$${A}", "${A}"),
        ("$$$${A}", "$${A}"),
        ("$$${A}", "$a"),
        ("${UNSET:-d}", "d"),
        ("${EMPTY:-d}", "d"),
        ("${EMPTY}", ""),
        ("${UNSET:-}", ""),
        ("${UNSET:-a:-$$b}", "a:-$b"),
        ("${A:-d}", "a"),
        ("${REFERS}", "${A}"),
    ],
)
def test_references(text, becomes):
    assert put(text, A="a", EMPTY="", REFERS="${A}") == becomes


@pytest.mark.parametrize("text", ["${", "${}", "${1A}", "${A", "${A-b}", "${A:b}", "${ A }", "${A:-${B}}", "${A:?x}"])
def test_what_is_almost_a_reference_is_a_mistake(text):
    assert [problem[0] for problem in substitute({"k": text}, {"A": "a", "B": "b"}).problems] == ["k"]


def test_they_work_at_any_depth_and_the_places_are_known():
    done = substitute({"a": ["${X}", {"b": "${Y}"}], "c d": "${X}", "n": 3}, {"X": "1"})
    assert done.tree == {"a": ["1", {"b": ""}], "c d": "1", "n": 3}
    assert set(done.written) == {"a[0]", "a[1].b", '"c d"'}
    assert [path for path, _ in done.problems] == ["a[1].b"]


def test_keys_are_not_looked_at():
    assert put({"${A}": "${A}"}, A="a") == {"${A}": "a"}


@given(TEXT)
def test_escaping_is_undone(text):
    assert put(escape(text)) == text


@given(TEXT)
def test_a_variables_value_is_only_ever_that_value(value):
    done = substitute({"a": "${V}", "b": ["<${V}>"]}, {"V": value})
    assert (done.tree, done.problems) == ({"a": value, "b": [f"<{value}>"]}, ())


@given(st.text(st.characters(exclude_categories=["Cs"])) | st.just('"\nport = 1\n[auth]\nkeys = ["x"]\n#'))
def test_a_variable_cannot_inject_configuration(value):
    text = '[routing.tiers]\nfast = "${V}"\n[[models.fast]]\nname = "m"\nbase_url = "http://h/v1"'
    plain = config(text, V="plain")
    if rules.description(value):
        with pytest.raises(ConfigError) as caught:
            config(text, V=value)
        assert [problem.split(":")[0] for problem in caught.value.problems] == ["routing.tiers.fast"]
        return
    found = config(text, V=value)
    assert found.routing.tiers.fast == value
    assert (found.server, found.auth, found.endpoints) == (plain.server, plain.auth, plain.endpoints)


@given(TEXT)
def test_a_value_from_the_environment_is_not_in_the_error(value):
    marked = f"s3cret{value}s3cret"
    for key in (
        "server.port",
        "server.host",
        "routing.strategy",
        "health.interval_seconds",
        "observability.log_level",
        "retry.max_attempts",
    ):
        with pytest.raises(ConfigError) as caught:
            config(f'{key} = "${{V}}"\n[[models.fast]]\nname = "m"\nbase_url = "http://h/v1"', V=marked)
        assert "s3cret" not in "".join([str(caught.value), *caught.value.__notes__])


@pytest.mark.parametrize(
    ("key", "value", "becomes"),
    [("port", "8080", 8080), ("port", " 0 ", 0), ("drain_timeout_seconds", "2.5", 2.5), ("drain_timeout_seconds", "1e1", 10.0)],
)
def test_numbers_from_the_environment_are_numbers(key, value, becomes):
    found = config(f'[server]\n{key} = "${{V}}"\n[[models.fast]]\nname = "m"\nbase_url = "http://h/v1"', V=value)
    assert getattr(found.server, key) == becomes


@pytest.mark.parametrize("value", ["", "80.0", "0x10", "1_000", "٣", "nan", "inf", "true", "70000", "9" * 5000])
def test_what_is_no_port_is_none_from_the_environment_either(value):
    with pytest.raises(ConfigError, match=r"server\.port"):
        config('[server]\nport = "${V}"\n[[models.fast]]\nname = "m"\nbase_url = "http://h/v1"', V=value)


@pytest.mark.parametrize(("value", "endpoints"), [("true", 2), ("False", 1)])
def test_flags_from_the_environment_are_flags(value, endpoints):
    text = (
        '[providers.p]\nbase_url = "http://h/v1"\nenabled = "${V}"\n'
        '[[models.fast]]\nname = "a"\nprovider = "p"\n[[models.fast]]\nname = "b"\nbase_url = "http://h/v1"'
    )
    assert len(config(text, V=value).endpoints) == endpoints
    with pytest.raises(ConfigError, match=r"providers\.p\.enabled: must be true or false"):
        config(text, V="1")


@given(TEXT)
def test_a_path_is_one_line_whatever_the_key(key):
    assert child("a", key).isprintable()
    assert "\n" not in child("", key)


@given(TEXT.filter(str.isprintable))
def test_a_text_as_toml_is_that_text(text):
    import tomllib

    assert tomllib.loads(f"x = {toml(text)}") == {"x": text}


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that exists and that even root cannot read")
def test_a_dotenv_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / ".env").symlink_to("/proc/self/mem")
    with pytest.raises(ConfigError, match=r"\.env: cannot be read: Input/output error; try `chmod u\+r .*`, or remove it"):
        environment.variables(tmp_path)


def test_a_directory_called_dotenv_is_no_file(tmp_path):
    (tmp_path / ".env").mkdir()
    assert environment.variables(tmp_path) is environment.variables()


def test_the_process_wins_over_dotenv(tmp_path, monkeypatch):
    monkeypatch.setenv("OCTOROUTE_TEST_A", "process")
    assert environment.variables(tmp_path)["OCTOROUTE_TEST_A"] == "process"
    (tmp_path / ".env").write_bytes(b"\xef\xbb\xbfOCTOROUTE_TEST_A=file\r\nOCTOROUTE_TEST_B=file\r\n")
    found = environment.variables(tmp_path)
    assert (found["OCTOROUTE_TEST_A"], found["OCTOROUTE_TEST_B"]) == ("process", "file")
    assert "OCTOROUTE_TEST_B" not in environment.variables()
    (tmp_path / ".env").write_bytes(b"A=\xff")
    with pytest.raises(ConfigError, match="not UTF-8"):
        environment.variables(tmp_path)


def test_the_variables_that_a_file_names():
    tree = {"a": ["${X} ${Y:-z}", {"b": "$${NOT} ${Z}"}], "${KEY}": 3}
    assert environment.references(tree) == {"X", "Y", "Z"}


def test_output_names_the_command_that_the_user_typed(monkeypatch):
    monkeypatch.delenv("OCTOROUTE_COMMAND", raising=False)
    assert environment.command() == "octoroute"
    monkeypatch.setenv("OCTOROUTE_COMMAND", "./run")
    assert environment.command() == "./run"


def test_a_value_from_dotenv_is_not_interpolated_twice(tmp_path, monkeypatch):
    monkeypatch.setenv("OCTOROUTE_TEST_INNER", "inner")
    (tmp_path / ".env").write_text("OCTOROUTE_TEST_OUTER='${OCTOROUTE_TEST_INNER}'\n")
    assert put("${OCTOROUTE_TEST_OUTER}", **environment.variables(tmp_path)) == "${OCTOROUTE_TEST_INNER}"


@pytest.mark.parametrize(
    ("variables", "directory"),
    [
        ({"OCTOROUTE_STATE_DIR": "/a", "STATE_DIRECTORY": "/b"}, "/a"),
        ({"STATE_DIRECTORY": "/b:/c", "HOME": "/h"}, "/b"),
        ({"XDG_STATE_HOME": "/x", "HOME": "/h"}, "/x/octoroute"),
        ({"XDG_STATE_HOME": "relative", "HOME": "/h"}, "/h/.local/state/octoroute"),
        ({}, None),
    ],
)
def test_the_state_directory(variables, directory):
    assert environment.state_directory(variables) == (directory and Path(directory))
