"""A .env file is read as Docker Compose reads it, and no error holds a value."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.config import environment, load
from octoroute.config.env_file import MAX_BYTES, MAX_DEPTH, is_name, parse_env_file, read_env_file
from octoroute.errors import ConfigError

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
ENV = {"HOST": "of the process", "EMPTY": "", "TAG": "v1"}


def test_dotenv_lines():
    text = """
# a remark
export A=1
B = "two # words"  # a remark
C='$ingle "quoted"'
LOG_LEVEL=INFO   # or DEBUG
URL=http://h/v1#part
EMPTY=
REMARK= # nothing
not a line
1X=no
"""
    assert parse_env_file(text) == {
        "A": "1",
        "B": "two # words",
        "C": '$ingle "quoted"',
        "LOG_LEVEL": "INFO",
        "URL": "http://h/v1#part",
        "EMPTY": "",
        "REMARK": "",
    }


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (r'A="x\"y"', {"A": 'x"y'}),
        (r"A='it\'s'", {"A": "it's"}),
        (r'A="a\nb\tc\\d"', {"A": "a\nb\tc\\d"}),
        (r"A='a\nb'", {"A": r"a\nb"}),
        (r"A=a\nb", {"A": r"a\nb"}),
        ('A="two\nlines"\nB=1', {"A": "two\nlines", "B": "1"}),
        ("A='-----BEGIN\nKEY-----'\nB=1", {"A": "-----BEGIN\nKEY-----", "B": "1"}),
        ("A=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("A=1\rB=2", {"A": "1", "B": "2"}),
        ("\ufeffA=1", {"A": "1"}),
        ("export A=1\n  export  B = 2", {"A": "1", "B": "2"}),
        ("exported=1", {"exported": "1"}),
        ("A=1 # remark\n#B=2\nC=3#4", {"A": "1", "C": "3#4"}),
        ("A=it's", {"A": "it's"}),
        ("A=a=b==", {"A": "a=b=="}),
        ("A=1\nA=2", {"A": "2"}),
        ("A", {}),
        ("A=", {"A": ""}),
        ("=1\n1X=2\nA.B=3\nA-B=4", {}),
        ('A="pa\\"ss"\nB="line1\\nline2"', {"A": 'pa"ss', "B": "line1\nline2"}),
        ('export\tD=tab\nE="back\\\\slash"\n\texport  F=1', {"D": "tab", "E": "back\\slash", "F": "1"}),
        ("", {}),
        ("größe=1\nA=größe", {"A": "größe"}),
    ],
)
def test_dotenv_values(text, found):
    assert parse_env_file(text) == found


@pytest.mark.parametrize("quote", ["'", '"'])
@pytest.mark.parametrize("rest", ["s3cret", "s3cret\nB=2\nC=3", "", "s3cret\\"])
def test_o27_a_quotation_mark_that_does_not_end_is_an_error_with_its_line(quote, rest):
    with pytest.raises(ConfigError) as caught:
        parse_env_file(f"X=1\n# remark\nexport A={quote}{rest}", "/srv/.env")
    (problem,) = caught.value.problems
    assert problem.startswith("/srv/.env: line 3: the value of A ")
    assert "s3cret" not in problem


@pytest.mark.parametrize(
    "text",
    [
        "A=s3cret" + "x" * MAX_BYTES,
        "A=s3cret\n" + "B=1\n" * MAX_BYTES,
        "A=s3cret" + " " * 100_000,
    ],
    ids=["a long value", "many lines", "a long gap"],
)
def test_a_hostile_dotenv_file_is_refused_without_its_values(text, tmp_path):
    (tmp_path / ".env").write_text(text)
    with pytest.raises(ConfigError, match=r"\.env: is larger than 262144 bytes") as caught:
        read_env_file(tmp_path / ".env", {})
    assert "s3cret" not in str(caught.value)


def test_the_largest_dotenv_file_of_quotation_marks_is_refused_at_its_first(tmp_path):
    (tmp_path / ".env").write_bytes(b"B=1\n" + b"A='" * (MAX_BYTES // 3 - 4))
    with pytest.raises(ConfigError):
        read_env_file(tmp_path / ".env", {})


@pytest.mark.parametrize("line", ['A="\n', "A=1\n", " #", "\n", "export ", '"', "\\"])
def test_the_largest_dotenv_file_is_read(line, tmp_path):
    head = "FIRST=1\n"
    text = head + line * ((MAX_BYTES - len(head)) // len(line))
    (tmp_path / ".env").write_bytes(text.encode())
    assert read_env_file(tmp_path / ".env", {})["FIRST"] == "1"


@given(TEXT)
def test_any_text_may_be_called_dotenv(text):
    assert all(is_name(name) for name in parse_env_file(text))


@pytest.mark.parametrize(
    ("value", "becomes"),
    [
        # https://docs.docker.com/reference/compose-file/interpolation/
        ("${TAG}", "v1"),
        ("$TAG", "v1"),
        ("a$TAG.b", "av1.b"),
        ("${TAG}${TAG}", "v1v1"),
        ("${UNSET:-default}", "default"),
        ("${EMPTY:-default}", "default"),
        ("${TAG:-default}", "v1"),
        ("${UNSET-default}", "default"),
        ("${EMPTY-default}", ""),
        ("${UNSET:-}", ""),
        ("${TAG:?needed}", "v1"),
        ("${EMPTY?needed}", ""),
        ("${TAG:+replacement}", "replacement"),
        ("${EMPTY:+replacement}", ""),
        ("${UNSET:+replacement}", ""),
        ("${EMPTY+replacement}", "replacement"),
        ("${UNSET+replacement}", ""),
        ("${UNSET:-${TAG}}", "v1"),
        ("${UNSET:-${ALSO_UNSET:-default}}x", "defaultx"),
        ("${UNSET:-a${TAG}b}c", "av1bc"),
        ("${TAG:-${UNSET:?not looked at}}", "v1"),
        ("${UNSET:-http://h:80/v1?a=b}", "http://h:80/v1?a=b"),
        ("$$TAG", "$TAG"),
        ("$${TAG}", "${TAG}"),
        ("$$$TAG", "$v1"),
        ("pa$$word", "pa$word"),
        # whatever is no reference is preserved
        ("$", "$"),
        ("5$", "5$"),
        ("$5 $ a", "$5 $ a"),
        ("$(TAG)", "$(TAG)"),
        ("{TAG}", "{TAG}"),
        ("5 €$€", "5 €$€"),
    ],
)
@pytest.mark.parametrize("quotes", ["", '"'])
def test_references_are_replaced(value, becomes, quotes):
    found = parse_env_file(f"A={quotes}{value}{quotes}", env=ENV)
    assert found == {"A": becomes}
    assert found.warnings == ()


@pytest.mark.parametrize(
    ("line", "becomes"),
    [
        ("A='${TAG} $TAG $$'", "${TAG} $TAG $$"),
        (r"A='it\'s $TAG'", "it's $TAG"),
        (r"A='back\\slash'", r"back\\slash"),
        (r'A="\$TAG \${TAG}"', "$TAG ${TAG}"),
        (r'A="\\$TAG"', "\\v1"),
        (r'A="tab\tquote\"octal\0101 \x41"', 'tab\tquote"octalA \\x41'),
        (r"A=\$TAG", "\\v1"),
        ("export A=${TAG}", "v1"),
        ("\texport   A = $TAG  # remark", "v1"),
        ("A=$TAG#no remark", "v1#no remark"),
        ('A="two\n$TAG lines"', "two\nv1 lines"),
    ],
)
def test_quotes_and_escapes_protect_a_dollar_sign(line, becomes):
    assert parse_env_file(line, env=ENV) == {"A": becomes}


def test_the_process_wins_then_earlier_lines_and_a_value_is_not_read_twice():
    text = (
        "FIRST=1\nSECOND=${FIRST}2\nFIRST=${FIRST}1\nTHIRD=$LATER$HOST\nLATER=x\nHOST=of the file\nRAW='$TAG'\nCOPY=$RAW\nOWN=$HOST"
    )
    found = parse_env_file(text, env=ENV)
    assert {name: found[name] for name in ("FIRST", "SECOND", "THIRD", "COPY", "OWN")} == {
        "FIRST": "11",
        "SECOND": "12",
        "THIRD": "of the process",
        "COPY": "$TAG",
        "OWN": "of the process",
    }


def test_what_is_not_set_is_empty_and_named_with_its_line():
    found = parse_env_file("\n# remark\n\nA=s3cret$word\nB='$word'\nTAG=$word", "/srv/.env", ENV)
    assert found == {"A": "s3cret", "B": "$word", "TAG": ""}
    (warning,) = found.warnings
    assert warning.startswith("/srv/.env: line 4: word is not set, and A refers to it")
    assert "s3cret" not in warning


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("${UNSET:?set it in the portal}", "A needs the variable UNSET, which is not set: set it in the portal"),
        ("${EMPTY:?set it}", "A needs the variable EMPTY"),
        ("${UNSET?}", "A needs the variable UNSET, which is not set: set it"),
        ("s3cret${UNSET:-${ALSO:?s}}", "A needs the variable ALSO"),
        ("s3cret${", "the value of A contains a ${ that is not a variable"),
        ("s3cret${}", "the value of A contains a ${ that is not a variable"),
        ("s3cret${1A}", "the value of A contains a ${ that is not a variable"),
        ("s3cret${TAG", "the value of A contains a ${ that is not a variable"),
        ("s3cret${TAG:-x", "the value of A contains a ${ that is not a variable"),
        ("s3cret${TAG/a/b}", "the value of A contains a ${ that is not a variable"),
        ("s3cret" + "${U:-" * (MAX_DEPTH + 2) + "}" * (MAX_DEPTH + 2), f"the value of A has defaults more than {MAX_DEPTH} deep"),
    ],
)
def test_what_compose_refuses_is_an_error_with_its_line(value, says):
    with pytest.raises(ConfigError) as caught:
        parse_env_file(f"X=1\n\nA={value}\n", "/srv/.env", ENV)
    (problem,) = caught.value.problems
    assert problem.startswith(f"/srv/.env: line 3: {says}")
    assert "s3cret" not in problem


def test_references_cannot_make_a_small_file_large():
    doubled = "\n".join(f"A{n + 1}=$A{n}$A{n}" for n in range(60))
    with pytest.raises(ConfigError, match="more than 1048576 characters"):
        parse_env_file(f"A0=s3cret\n{doubled}")


def test_the_configuration_carries_the_warnings(tmp_path, monkeypatch):
    monkeypatch.delenv("word", raising=False)
    (tmp_path / ".env").write_text("OCTOROUTE_TEST_KEY=abcdefgh$word\n")
    (tmp_path / "config.toml").write_text(
        '[[models.fast]]\nname = "m"\nbase_url = "http://h/v1"\napi_key = "${OCTOROUTE_TEST_KEY}"\n'
    )
    config = load(None, environment.variables(tmp_path), tmp_path)
    assert [warning for warning in config.warnings if "word is not set" in warning]
    assert config.endpoints[0].api_key.reveal() == "abcdefgh"
