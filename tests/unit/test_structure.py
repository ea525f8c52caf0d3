"""The structure of the package, counted. A ceiling only goes down: lower it when a count has fallen, never raise it to pass.

The reasons are in docs/adr/0008-packages-and-standard-names.md; `python tests/unit/test_structure.py` prints every count.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

MAX_ENTRIES = 14
MAX_LAYERS = 7
MAX_ARROWS = 68
MAX_LONG_MODULES = 3
MAX_MODULE_LINES = 335
MAX_FUNCTION_LINES = 60
MAX_FIELDS = 12
MAX_REPEATED_CLASS_NAMES = 19

LONG_MODULE_LINES = 300
WIDE_CLASSES: Mapping[str, int] = {"RequestLifecycle": 18, "ClientConnection": 18}
"""Classes that may have more fields than MAX_FIELDS, and how many. The client connection is the hot path of every request: objects
between it and its fields would cost more than they explain."""
NOUNS = frozenset({"routing", "balancing", "training", "logging", "framing"})
"""Modules whose name ends in -ing and is the field's noun."""
NOUN_CLASSES = frozenset(
    {
        "Thinking",
        "Ending",
        "Embedding",
        "Setting",
        "Routing",
        "Logging",
        "Binding",
        "Framing",
        "Reasoning",
        "Ping",
        "Settings",
        "String",
    }
)
"""Last words of class names that end like participles and are nouns."""
IRREGULAR = frozenset(
    {"Held", "Kept", "Told", "Seen", "Begun", "Sent", "Heard", "Said", "Thought", "Swept", "Cut", "Given", "Put", "Broke"}
)
STRUCTS = frozenset({"Struct", "NamedTuple", "Protocol", "StrEnum", "Enum", "Table", "TypedDict"})
"""Bases of classes that hold data or describe an interface, and do nothing themselves."""
PARTICIPLES_ALLOWED = frozenset({"errors", "domain.events"})
"""Modules whose classes name what happened."""


@dataclass(frozen=True)
class Module:
    name: str
    """Below the package: `gateway.relay`; a package's own module has the package's name."""
    path: Path
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def entry(self) -> str:
        return self.name.partition(".")[0]

    @property
    def lines(self) -> int:
        return len(self.text.splitlines())

    @property
    def classes(self) -> list[ast.ClassDef]:
        return [node for node in ast.walk(self.tree) if isinstance(node, ast.ClassDef)]

    @property
    def functions(self) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
        return [node for node in ast.walk(self.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def modules(root: Path = ROOT) -> list[Module]:
    found: list[Module] = []
    for path in sorted((root / "octoroute").rglob("*.py")):
        parts = path.relative_to(root / "octoroute").with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if name not in {"", "__main__"}:
            found.append(Module(name, path, path.read_text("utf-8")))
    return found


def arrows(found: list[Module]) -> set[tuple[str, str]]:
    """Pairs of entries of which the first imports the second."""
    pairs: set[tuple[str, str]] = set()
    names = {module.name for module in found}
    for module in found:
        for node in ast.walk(module.tree):
            targets: list[str] = []
            if isinstance(node, ast.ImportFrom) and node.module is not None:
                inside = (
                    node.module.removeprefix("octoroute").removeprefix(".") if node.module.split(".")[0] == "octoroute" else None
                )
                if inside == "":
                    targets = [alias.name for alias in node.names if alias.name in names]
                elif inside is not None:
                    targets = [inside]
            elif isinstance(node, ast.Import):
                targets = [alias.name.removeprefix("octoroute.") for alias in node.names if alias.name.startswith("octoroute.")]
            pairs |= {(module.entry, target.partition(".")[0]) for target in targets}
    return {(above, below) for above, below in pairs if above != below}


def layers(pairs: set[tuple[str, str]]) -> int:
    """How many entries the longest chain of imports has; a circle raises RecursionError."""
    below: dict[str, set[str]] = defaultdict(set)
    for above, under in pairs:
        below[above].add(under)

    def depth(entry: str) -> int:
        return 1 + max((depth(under) for under in below[entry]), default=0)

    return max(depth(entry) for entry in list(below))


def fields(node: ast.ClassDef) -> set[str]:
    """Attributes that its methods assign on `self`."""
    return {
        target.attr
        for method in node.body
        if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef)
        for target in ast.walk(method)
        if isinstance(target, ast.Attribute) and isinstance(target.ctx, ast.Store)
        if isinstance(target.value, ast.Name) and target.value.id == "self"
    }


def bases(node: ast.ClassDef) -> set[str]:
    return {ast.unparse(base).partition("[")[0].rpartition(".")[2] for base in node.bases}


def behavioural(found: list[Module]) -> Iterator[tuple[Module, ast.ClassDef]]:
    for module in found:
        for node in module.classes:
            if not bases(node) & STRUCTS:
                yield module, node


def late_bound(found: list[Module]) -> list[str]:
    """Callables that are None when an object is made and are assigned from outside afterwards."""
    slots: set[str] = set()
    for _, node in behavioural(found):
        for statement in ast.walk(node):
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Attribute):
                empty = isinstance(statement.value, ast.Constant) and statement.value.value is None
                if empty and re.search(r"\b(Callable|Watch|Sink|Observer)\b", ast.unparse(statement.annotation)):
                    slots.add(statement.target.attr)
    assigned: set[str] = set()
    for module in found:
        for statement in ast.walk(module.tree):
            targets = statement.targets if isinstance(statement, ast.Assign) else []
            for target in targets:
                if isinstance(target, ast.Attribute) and target.attr in slots and ast.unparse(target.value) != "self":
                    assigned.add(f"{module.name}: {ast.unparse(target)}")
    return sorted(assigned)


def last_word(name: str) -> str:
    return (re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z0-9]*", name) or [name])[-1]


def participles(found: list[Module]) -> list[str]:
    return sorted(
        f"{module.name}.{node.name}"
        for module in found
        if module.name not in PARTICIPLES_ALLOWED
        for node in module.classes
        if (word := last_word(node.name)) not in NOUN_CLASSES
        if word in IRREGULAR or re.search(r"(?:[^e]ed|[a-z]{2}ing)$", word)
    )


def repeated(found: list[Module]) -> dict[str, list[str]]:
    where: dict[str, list[str]] = defaultdict(list)
    for module in found:
        for node in module.tree.body:
            if isinstance(node, ast.ClassDef):
                where[node.name].append(module.name)
    return {name: places for name, places in sorted(where.items()) if len(places) > 1}


def without_test(found: list[Module]) -> list[str]:
    """Modules that do something and have no test module of their name in the same place below tests/unit."""
    missing: list[str] = []
    for module in found:
        path = module.path.relative_to(ROOT / "octoroute")
        if path.name == "__init__.py" or not does_something(module):
            continue
        if not (ROOT / "tests" / "unit" / path.parent / f"test_{path.name}").exists():
            missing.append(module.name)
    return missing


def does_something(module: Module) -> bool:
    """Whether it has a function or method of more than a declaration: constants, structs, and protocols need no test."""
    protocols = {method for node in module.classes if "Protocol" in bases(node) for method in ast.walk(node)}
    return any(
        sum(isinstance(part, ast.stmt) for part in ast.walk(function)) > 4
        for function in module.functions
        if function not in protocols
    )


FOUND = modules()


def test_ls_fits_on_a_screen():
    assert len({module.entry for module in FOUND}) <= MAX_ENTRIES


def test_imports_point_one_way_through_few_layers():
    pairs = arrows(FOUND)
    assert len(pairs) <= MAX_ARROWS
    assert layers(pairs) <= MAX_LAYERS


def test_import_contracts_name_packages_only():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    named = {
        name
        for contract in contracts
        for key in ("source_modules", "forbidden_modules", "layers")
        for name in contract.get(key, ())
    }
    packages = {module.name for module in FOUND if module.path.name == "__init__.py"} | {"errors"}
    own = {name.removeprefix("octoroute.") for name in named if name.startswith("octoroute.")}
    assert own - packages == set()


def test_modules_are_short():
    long = {module.name: module.lines for module in FOUND if module.lines > LONG_MODULE_LINES}
    assert len(long) <= MAX_LONG_MODULES, long
    assert max(module.lines for module in FOUND) <= MAX_MODULE_LINES, long


def test_functions_fit_on_a_screen():
    assert [
        f"{module.name}.{node.name}"
        for module in FOUND
        for node in module.functions
        if (node.end_lineno or 0) - node.lineno + 1 > MAX_FUNCTION_LINES
    ] == []


def test_classes_have_few_fields():
    wide = {f"{module.name}.{node.name}": len(fields(node)) for module, node in behavioural(FOUND)}
    assert {name: count for name, count in wide.items() if count > WIDE_CLASSES.get(name.rpartition(".")[2], MAX_FIELDS)} == {}


def test_nothing_is_wired_after_it_is_made():
    assert late_bound(FOUND) == []


def test_class_names_are_unique_but_for_wire_formats():
    assert len(repeated(FOUND)) <= MAX_REPEATED_CLASS_NAMES, repeated(FOUND)


def test_modules_and_classes_are_named_for_what_they_are():
    assert [module.name for module in FOUND if (last := module.name.rpartition(".")[2]).endswith("ing") and last not in NOUNS] == []
    assert participles(FOUND) == []


def test_a_module_that_does_something_has_a_test_of_its_name():
    assert without_test(FOUND) == []


def test_unit_tests_stand_where_their_module_does():
    packages = {path.relative_to(ROOT / "octoroute") for path in (ROOT / "octoroute").rglob("*") if path.is_dir()}
    tests = {path.parent.relative_to(ROOT / "tests" / "unit") for path in (ROOT / "tests" / "unit").rglob("test_*.py")}
    assert tests - packages - {Path(), Path("torture")} == set()


def report(root: Path) -> dict[str, object]:
    found = modules(root)
    pairs = arrows(found)
    return {
        "entries": len({module.entry for module in found}),
        "layers": layers(pairs),
        "arrows between entries": len(pairs),
        f"modules over {LONG_MODULE_LINES} lines": len([module for module in found if module.lines > LONG_MODULE_LINES]),
        "longest module": max(module.lines for module in found),
        f"classes over {MAX_FIELDS} fields": {
            node.name: n for _, node in behavioural(found) if (n := len(fields(node))) > MAX_FIELDS
        },
        "late-bound callables": late_bound(found),
        "class names used twice": len(repeated(found)),
        "modules in -ing": [module.name for module in found if module.name.endswith("ing")],
        "participle classes": participles(found),
    }


if __name__ == "__main__":
    for name, value in report(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT).items():
        sys.stdout.write(f"{name}: {f'{len(value)} {value}' if isinstance(value, list | dict) else value}\n")
