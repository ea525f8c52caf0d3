"""Facts about a vendor stand on its provider or dialect; elsewhere no code may ask for a vendor by name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from octoroute import dialects
from octoroute.upstream.providers import KINDS

PACKAGE = Path(__file__).resolve().parents[2] / "octoroute"
VENDORS = frozenset({*KINDS, *dialects.outbound(lambda: 0.0)})
HOSTS = ("anthropic.com", "openai.com", "azure.com", "googleapis.com")
OWNERS = ("dialects", "upstream/providers", "config", "cli")
"""The owners of the facts, and those that write vendors' names into configurations."""
ELSEWHERE = sorted(
    path
    for path in PACKAGE.rglob("*.py")
    if not path.relative_to(PACKAGE).as_posix().startswith(tuple(f"{owner}/" for owner in OWNERS))
)


def names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, text) of constants that are a vendor's name or host; annotations and default values may be."""
    exempt: set[int] = set()
    for node in ast.walk(tree):
        for part in _declarations(node):
            exempt |= {id(inner) for inner in ast.walk(part)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in exempt:
            text = node.value
            if text in VENDORS or any(text == host or text.endswith(f".{host}") for host in HOSTS):
                yield node.lineno, text


def _declarations(node: ast.AST) -> Iterator[ast.AST]:
    match node:
        case ast.arguments():
            yield from (default for default in (*node.defaults, *node.kw_defaults) if default is not None)
        case ast.arg(annotation=ast.expr() as annotation):
            yield annotation
        case ast.AnnAssign():
            yield node.annotation
            if isinstance(node.value, ast.Constant | ast.Subscript):  # a field's default, or a type alias
                yield node.value
        case _:
            pass


@pytest.mark.parametrize("path", ELSEWHERE, ids=[path.relative_to(PACKAGE).as_posix() for path in ELSEWHERE])
def test_no_vendor_is_asked_for_by_name(path):
    assert list(names(ast.parse(path.read_text()))) == []


@pytest.mark.parametrize(
    "code",
    [
        'if kind == "azure": pass',
        'x = dialect in {"anthropic", "openai"}',
        'KNOWN = ("openai",)',
        'match kind:\n    case "gemini": pass',
        'inbound["anthropic"]',
        'host != "api.anthropic.com"',
        'FACTS: dict[str, int] = {"azure": 1}',
        'f(dialect="openai")',
    ],
)
def test_the_check_sees(code):
    assert list(names(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    [
        'def f(dialect: Literal["openai"] = "openai"): pass',
        'class C:\n    origin: str = "anthropic"',
        '"""Speaks to anthropic."""',
        'x = "claude"',
    ],
)
def test_the_check_lets_pass(code):
    assert not list(names(ast.parse(code)))


def test_there_is_something_to_check():
    assert {"openai", "anthropic"} <= VENDORS
    assert len(ELSEWHERE) > 100
