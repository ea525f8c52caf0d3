"""Reader of a .env file, as Docker Compose reads it: python-dotenv finds the values, and references in them are replaced here.

The rules are those of https://docs.docker.com/compose/how-tos/environment-variables/variable-interpolation/ and of its parser.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from octoroute.errors import ConfigError

MAX_BYTES = 256 * 1024
MAX_VALUES_CHARS = 1024 * 1024
"""Of all values together: references to references could make a small file large."""
MAX_DEPTH = 32
"""Of a default inside a default."""
_MAX_SHOWN_CHARS = 200
_LONG_GAP = re.compile(r"[^\S\r\n]{1000}")
"""The parser's time grows with the square of a gap's length."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_START = r"""\s*(?:export[^\S\r\n]+)?([A-Za-z_][A-Za-z0-9_]*)[^\S\r\n]*=[^\S\r\n]*"""
_OPEN_QUOTE = re.compile(_START + "[\"']")
_QUOTED = re.compile(_START + r"""(?:"(?P<double>(?:\\.|[^"\\])*)"|'(?P<single>(?:\\.|[^'\\])*)')""", re.DOTALL)
_DOUBLE_ESCAPE = re.compile(r"""\\(?:([abfnrtv"\\$])|0([0-3][0-7]{2}))""")
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", '"': '"', "\\": "\\", "$": "$$"}
"""An escaped dollar sign becomes `$$`, which stands for a dollar sign in what is interpolated."""
_SINGLE_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_REFERENCE = re.compile(
    r"\$(?:(?P<dollar>\$)|(?P<plain>[A-Za-z_][A-Za-z0-9_]*)|\{(?P<braced>[A-Za-z_][A-Za-z0-9_]*)(?P<op>\}|:?[-?+])|(?P<broken>\{))"
)
_BRACE = re.compile(r"\$\{|\}")


class Variables(dict[str, str]):
    """Variables, and what their reader remarks on them."""

    warnings: tuple[str, ...] = ()


def is_name(text: str) -> bool:
    """True if `text` can be a NAME in `${NAME}`."""
    return _NAME.fullmatch(text) is not None


def read_env_file(path: Path, env: Mapping[str, str]) -> Variables:
    """As `parse_env_file`. Raises ConfigError also if the file cannot be read. No error holds a value."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}; try `chmod u+r {path}`, or remove it"]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: is not UTF-8 (byte {error.start + 1}); save it as UTF-8"]) from None
    if len(content) > MAX_BYTES or _LONG_GAP.search(text):
        raise ConfigError(
            [f"{path}: is larger than {MAX_BYTES} bytes or has 1000 spaces in a row; is it a file of NAME=value lines?"]
        )
    return parse_env_file(text, str(path), env)


def parse_env_file(text: str, source: str = ".env", env: Mapping[str, str] | None = None) -> Variables:
    """The variables of a .env file's text. References are to `env`, the variables of the process, then to earlier lines.

    A line that is not `NAME=value` is skipped. Raises ConfigError, without a value, for a quotation mark that does not end, a `${`
    that is no reference, and a required variable that is missing: Docker Compose refuses such a file, too.
    """
    from dotenv.parser import parse_stream  # noqa: PLC0415  start-up time, and most directories have no .env

    found, warnings, size = Variables(), list[str](), 0
    for binding in parse_stream(io.StringIO(text)):
        original, line = binding.original.string, binding.original.line + _lines_before(binding.original.string)
        if binding.error and (open_quote := _OPEN_QUOTE.match(original)):
            problem = f"the value of {open_quote[1]} begins with a quotation mark that does not end; end it"
            raise ConfigError([f"{source}: line {line}: {problem}"])
        if binding.key is None or binding.value is None or not is_name(binding.key):
            continue
        expansion = _Expansion(binding.key, found, env or {})
        try:
            found[binding.key] = value = expansion.value(original, binding.value)
        except _Problem as problem:
            raise ConfigError([f"{source}: line {line}: {problem}"]) from None
        size += len(value)
        if size > MAX_VALUES_CHARS:
            raise ConfigError([f"{source}: line {line}: the values have more than {MAX_VALUES_CHARS} characters; shorten them"])
        warnings += [
            f"{source}: line {line}: {name} is not set, and {binding.key} refers to it; nothing stands in its place. "
            "Set it, or write $$ or single quotes for a dollar sign"
            for name in expansion.unset
            if binding.key not in (env or {})
        ]
    found.warnings = tuple(warnings)
    return found


def _lines_before(original: str) -> int:
    """Of the blank lines that the parser counts to the binding after them."""
    blank = original[: len(original) - len(original.lstrip())]
    return len(re.findall(r"\r\n|\n|\r", blank))


class _Problem(Exception):
    """Why the file is refused, after its line."""


class _Expansion:
    """One value: its escapes, and the references in it."""

    def __init__(self, name: str, earlier: Mapping[str, str], env: Mapping[str, str]) -> None:
        self._name = name
        self._earlier = earlier
        self._env = env
        self._size = 0
        self.unset: dict[str, None] = {}
        """Variables that are referred to and not set, in order."""

    def value(self, original: str, unquoted: str) -> str:
        """`original`: the line, or the lines. `unquoted`: its value if that is in no quotation marks.

        Raises _Problem.
        """
        quoted = _QUOTED.match(original)
        if quoted is None:
            return self._expand(unquoted)
        if (single := quoted["single"]) is not None:
            return _SINGLE_ESCAPE.sub(lambda match: "'" if match[1] == "'" else match[0], single)
        return self._expand(_DOUBLE_ESCAPE.sub(_unescaped, quoted["double"]))

    def _expand(self, text: str, depth: int = 0) -> str:
        if depth > MAX_DEPTH:
            raise _Problem(f"the value of {self._name} has defaults more than {MAX_DEPTH} deep")
        parts: list[str] = []
        at = 0
        while match := _REFERENCE.search(text, at):
            parts.append(text[at : match.start()])
            at = match.end()
            if match["dollar"]:
                parts.append("$")
            elif match["broken"]:
                self._refuse_brace()
            elif name := match["plain"]:
                parts.append(self._required(name))
            else:
                name, op, operand = match["braced"], match["op"], ""
                if op != "}":
                    end = _closing_brace(text, at)
                    if end is None:
                        self._refuse_brace()
                    operand, at = text[at:end], end + 1
                parts.append(self._braced(name, op, operand, depth))
            self._size += len(parts[-1])
            if self._size > MAX_VALUES_CHARS:
                raise _Problem(f"the value of {self._name} has more than {MAX_VALUES_CHARS} characters; shorten it")
        return "".join([*parts, text[at:]])

    def _refuse_brace(self) -> NoReturn:
        raise _Problem(
            f"the value of {self._name} contains a ${{ that is not a variable; "
            "write ${NAME}, ${NAME:-default}, or put the value in single quotes"
        )

    def _braced(self, name: str, op: str, operand: str, depth: int) -> str:
        if op == "}":
            return self._required(name)
        found = self._lookup(name)
        is_set = found is not None and (found != "" or not op.startswith(":"))
        if op.endswith("+"):
            return self._expand(operand, depth + 1) if is_set else ""
        if is_set and found is not None:
            return found
        if op.endswith("-"):
            return self._expand(operand, depth + 1)
        words = "".join(char if char.isprintable() else "?" for char in operand[:_MAX_SHOWN_CHARS])
        raise _Problem(f"{self._name} needs the variable {name}, which is not set: {words or 'set it'}")

    def _required(self, name: str) -> str:
        found = self._lookup(name)
        if found is None:
            self.unset[name] = None
        return found or ""

    def _lookup(self, name: str) -> str | None:
        return self._env[name] if name in self._env else self._earlier.get(name)


def _unescaped(match: re.Match[str]) -> str:
    return chr(int(match[2], 8)) if match[2] else _ESCAPES[match[1]]


def _closing_brace(text: str, at: int) -> int | None:
    """Where the brace is closed that is open at `at`; None: nowhere."""
    depth = 1
    for match in _BRACE.finditer(text, at):
        depth += 1 if match[0] == "${" else -1
        if not depth:
            return match.start()
    return None
