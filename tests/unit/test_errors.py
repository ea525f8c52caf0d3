"""The exceptions: their tree stands in the module's docstring, and it is true."""

import re

import pytest

from octoroute import errors

TREE = [
    (indent, name, status)
    for indent, line in re.findall(r"^    ([│ ]*)[├└]── (.*)$", errors.__doc__ or "", re.MULTILINE)
    for name, status in re.findall(r"\b([A-Z][a-z]\w+)(?: +(\d{3}|4xx))?", line)
]
"""(indentation, name, status) of each exception; some share a line."""
CLASSES = {
    value
    for name, value in vars(errors).items()
    if isinstance(value, type) and issubclass(value, errors.OctorouteError) and value.__name__ == name != "OctorouteError"
}


def parents() -> dict[str, str]:
    open_at = {-1: "OctorouteError"}
    found = {}
    for indent, name, _ in TREE:
        depth = len(indent) // 4
        found[name] = open_at[depth - 1]
        open_at[depth] = name
    return found


def test_the_tree_names_every_exception_under_its_base():
    assert parents() == {one.__name__: one.__bases__[0].__name__ for one in CLASSES}


@pytest.mark.parametrize(("name", "status"), [(name, status) for _, name, status in TREE if status.isdigit()])
def test_the_tree_has_the_status_of_an_exception(name, status):
    assert getattr(errors, name).status == int(status)


def test_every_code_is_one_exceptions_own_unless_it_is_the_general_one():
    codes = [vars(one)["code"] for one in CLASSES if "code" in vars(one)]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Broke", "BadUpstreamResponse"),
        ("Declined", "UpstreamRejected"),
        ("Misconfigured", "UpstreamAuthError"),
        ("Starved", "NoResources"),
        ("Untrusted", "TlsRejected"),
    ],
)
def test_the_names_of_version_1_0_are_aliases(old, new):
    assert getattr(errors, old) is getattr(errors, new)


def test_a_prompt_that_is_too_long_is_reported_in_the_words_that_agents_recognise():
    error = errors.ContextTooLong(2000, 1000)
    assert (error.message, error.param, error.status) == ("prompt is too long: 2000 tokens > 1000 maximum", "messages", 400)


def test_an_exhausted_request_is_a_503_unless_a_cause_is_carried():
    assert (errors.Exhausted("x").status, errors.Exhausted("x").code) == (503, "no_endpoint_available")
    carried = errors.Exhausted("x", status=429, code="upstream_rate_limited", kind="rate_limit_error", retry_after_s=3)
    assert (carried.status, carried.code, carried.kind, carried.retry_after_s) == (
        429,
        "upstream_rate_limited",
        "rate_limit_error",
        3,
    )
