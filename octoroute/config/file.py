"""The file of the running configuration: reloaded, checked against a proposal, replaced as a whole.

A proposal is a complete file, not a patch. The old file is copied to a backup first; a crash leaves the old file or the new one.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

import msgspec

from octoroute.config.formats import parse
from octoroute.config.load import load, loads
from octoroute.config.schema.file import Config
from octoroute.config.secret_mask import MASK, mask, unmask
from octoroute.errors import ConfigError, OctorouteError

_MOUNTED = frozenset({errno.EBUSY, errno.EXDEV})
"""What a rename over a file that is a mount point fails with."""
_NOT_WRITABLE = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
"""What creating a file in a directory fails with that is not writable."""
_REMEDIES: Mapping[int, str] = {
    errno.EROFS: "; it is mounted read-only: mount it without :ro",
    **dict.fromkeys((errno.EACCES, errno.EPERM), "; give the user that octoroute runs as the right to write it"),
}

_VARIABLE = re.compile(r"\$\{\w+\}")
"""A value that is one variable of the environment, without a default."""


class Proposal(msgspec.Struct, frozen=True):
    config: Config
    text: str
    """The content of the new file, in the format of the old one."""


class ConfigFile:
    def __init__(self, path: Path, env: Callable[[], Mapping[str, str]], cwd: Path, wall: Callable[[], float] = time.time) -> None:
        """`env` is called for each load, because the .env file may have changed too."""
        self.path = cwd / path
        self._env = env
        self._cwd = cwd
        self._wall = wall

    def load(self) -> Config:
        """Raises ConfigError."""
        return load(self.path, self._env(), self._cwd)

    def propose(self, text: str, language: Literal["toml", "json"]) -> Proposal:
        """Raises ConfigError with every problem; the file is not touched."""
        tree = parse(text, Path(f"the request.{language}"))
        same_language = self.path.suffix.lower() == f".{language}"
        if MASK in text:
            problems: list[str] = []
            tree = unmask(tree, self._tree(), problems)
            if problems:
                raise ConfigError(problems)
            same_language = False
        wanted = text if same_language else self._written(tree)
        return Proposal(loads(wanted, self.path, self._env()), wanted)

    def replace(self, proposal: Proposal) -> Path:
        """Write the proposal to the file. Returns the path of the backup. Raises OctorouteError, with the file unchanged."""
        real = self.path.resolve()  # a symbolic link stays one
        left_behind: list[Path] = []
        try:
            backup = self._back_up(real)
            left_behind.append(backup)
            _write(real, proposal.text.encode())
        except OSError as error:
            for path in left_behind:
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)
            reason = error.strerror or "unknown reason"
            remedy = _REMEDIES.get(error.errno or 0, "")
            raise OctorouteError(f"the configuration file cannot be written: {reason}; nothing was changed{remedy}") from error
        return backup

    def restore(self, backup: Path) -> None:
        """Undo `replace`."""
        real = self.path.resolve()
        try:
            backup.replace(real)
        except OSError as error:
            if error.errno not in _MOUNTED:
                raise
            _overwrite(real, backup.read_bytes())
            backup.unlink()

    def masked_text(self, config: Config) -> str | None:
        """Return the file with each secret of `config`, which came from it, as `***`: its own TOML, with its comments.

        None: it is no TOML, cannot be read, or has a secret in a spelling that cannot be found in its text.
        """
        if self.path.suffix.lower() != ".toml":
            return None
        try:
            text = self.path.read_text("utf-8-sig")
            secrets = set(_written_secrets(parse(text, self.path), mask(config)))
            for secret in sorted(secrets, key=len, reverse=True):
                text = text.replace(secret, MASK)
            return None if secrets & set(_written_secrets(parse(text, self.path), mask(config))) else text
        except (OSError, ValueError, ConfigError):
            return None

    def _back_up(self, real: Path) -> Path:
        """Copy the file next to itself, or to the temporary directory if only the file itself is writable. Raises OSError."""
        backup = self._backup_of(real)
        try:
            shutil.copy2(real, backup)
        except OSError as error:
            with contextlib.suppress(OSError):
                backup.unlink(missing_ok=True)
            if error.errno not in _NOT_WRITABLE:
                raise
            handle, elsewhere = tempfile.mkstemp(prefix=f"{real.name}.", suffix=".bak")
            os.close(handle)
            backup = Path(elsewhere)
            shutil.copyfile(real, backup)  # its mode stays 0600
        return backup

    def _backup_of(self, real: Path) -> Path:
        """A path that does not exist yet."""
        stamp = time.strftime("%Y%m%d_%H%M%S", time.gmtime(self._wall()))
        number = 1
        while (backup := real.with_name(f"{real.name}.{stamp}{f'-{number}' if number > 1 else ''}.bak")).exists():
            number += 1
        return backup

    def _tree(self) -> object:
        try:
            return parse(self.path.read_text("utf-8-sig"), self.path)
        except (OSError, ValueError, ConfigError):
            return None

    def _written(self, tree: object) -> str:
        """The tree in the format of the file, without comments. Raises ConfigError if it is not a table."""
        if not isinstance(tree, dict):
            raise ConfigError(["the configuration must be a table; send all of it, as GET /admin/config shows it"])
        table = cast("dict[str, Any]", tree)
        suffix = self.path.suffix.lower()
        if suffix == ".json":
            return json.dumps(table, indent=2, ensure_ascii=False, default=str) + "\n"
        if suffix in {".yaml", ".yml"}:
            import yaml  # noqa: PLC0415  start-up time, and most files are TOML

            return yaml.safe_dump(table, sort_keys=False, allow_unicode=True)
        import tomli_w  # noqa: PLC0415  start-up time, and few configurations are written

        try:
            return tomli_w.dumps(_without_nulls(table))
        except (TypeError, ValueError) as error:
            raise ConfigError([f"the configuration cannot be written as TOML: {error}; send it as TOML instead"]) from error


def _written_secrets(tree: object, masked: object) -> Iterator[str]:
    """The secrets that stand in the file itself, not in the environment: where `masked`, the same tree, has `***`."""
    if isinstance(tree, dict) and isinstance(masked, dict):
        table = cast("dict[str, object]", masked)
        for name, value in cast("dict[str, object]", tree).items():
            yield from _written_secrets(value, table.get(name))
    elif isinstance(tree, list) and isinstance(masked, list):
        for value, other in zip(cast("list[object]", tree), cast("list[object]", masked), strict=False):
            yield from _written_secrets(value, other)
    elif isinstance(tree, str) and masked == MASK and tree != MASK and not _VARIABLE.fullmatch(tree):
        yield tree


def _write(real: Path, content: bytes) -> None:
    """Replace the file, so that a crash leaves the old one or the new one. Raises OSError, with the file unchanged.

    A file that is mounted by itself, as into a container, cannot be replaced, only written to.
    """
    temporary: Path | None = None
    try:
        handle, name = tempfile.mkstemp(prefix=f".{real.name}.", dir=real.parent)
        temporary = Path(name)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        shutil.copymode(real, temporary)
        temporary.replace(real)
    except OSError as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
        if error.errno not in _MOUNTED | _NOT_WRITABLE:
            raise
        _overwrite(real, content)


def _overwrite(real: Path, content: bytes) -> None:
    """Write to the file itself. Raises OSError, with the old content written back."""
    with real.open("r+b") as file:
        old = file.read()
        try:
            _write_at_start(file, content)
        except OSError:
            with contextlib.suppress(OSError):
                _write_at_start(file, old)
            raise


def _write_at_start(file: BinaryIO, content: bytes) -> None:
    file.seek(0)
    file.write(content)
    file.truncate()
    file.flush()
    os.fsync(file.fileno())


def _without_nulls(value: Any) -> Any:
    """A copy without keys that are null, which TOML does not have."""
    if isinstance(value, dict):
        return {name: _without_nulls(item) for name, item in cast("dict[str, Any]", value).items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in cast("list[Any]", value)]
    return value
