"""A PostgreSQL server of our own: on a free port of loopback, with its files in a temporary directory."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path


def programs() -> Path | None:
    """The directory of initdb and postgres; Debian keeps them out of PATH. None: they are not installed."""
    found = [path.parent for path in sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)]
    in_path = shutil.which("initdb")
    return found[0] if found else Path(in_path).parent if in_path else None


class Server:
    def __init__(self, directory: Path, port: int) -> None:
        self._directory = directory
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"postgresql://tester@127.0.0.1:{port}/postgres"

    def start(self) -> None:
        options = (
            "fsync=off",
            "full_page_writes=off",
            "max_connections=40",
            "shared_buffers=64MB",
            f"unix_socket_directories={self._directory}",
        )
        settings = [part for option in options for part in ("-c", option)]
        place = ["-D", str(self._directory / "data"), "-h", "127.0.0.1", "-p", str(self._port)]
        self._process = subprocess.Popen(
            [_program("postgres"), *place, *settings], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, **_user()
        )
        for _ in range(400):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 1):
                break
            time.sleep(0.025)
        import psycopg

        for _ in range(400):
            with contextlib.suppress(psycopg.OperationalError), psycopg.connect(self.url, connect_timeout=2):
                return
            time.sleep(0.025)
        raise TimeoutError("postgres does not answer")

    def stop(self) -> None:
        """At once, and every connection breaks; the data stay."""
        if self._process is not None:
            self._process.send_signal(2)
            self._process.wait(20)
            self._process = None

    def kill(self) -> None:
        """SIGKILL for the server and all its processes: it finds its files as a crash leaves them."""
        if self._process is not None:
            children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
            self._process.kill()
            self._process.wait(20)
            for child in children:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(child), 9)
            self._process = None

    def empty(self) -> None:
        """Take away what octoroute made."""
        import psycopg

        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("DROP SCHEMA IF EXISTS octoroute CASCADE")


def _program(name: str) -> str:
    directory = programs()
    assert directory is not None
    return str(directory / name)


def _user() -> dict[str, object]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid():
        return {}
    names = {entry.pw_name for entry in pwd.getpwall()}
    user = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": [], "cwd": "/"}


@contextlib.contextmanager
def running() -> Iterator[Server]:
    directory = Path(tempfile.mkdtemp(prefix="octoroute-pg-"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Server(directory, port)
    try:
        if user := _user():
            os.chown(directory, user["user"], user["group"])
        init = [
            _program("initdb"),
            "-D",
            str(directory / "data"),
            "-A",
            "trust",
            "-U",
            "tester",
            "--no-sync",
            "-E",
            "UTF8",
            "--locale=C",
        ]
        subprocess.run(init, check=True, capture_output=True, **_user())
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)
