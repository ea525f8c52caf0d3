"""What may be in a wheel: CI checks the one it builds (`tests/image.sh`)."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_spec = importlib.util.spec_from_file_location("wheel_check", ROOT / "tools" / "wheel.py")
wheel = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(wheel)

INFO = "octoroute-1.0.0.dist-info"
GOOD = {
    "octoroute/__init__.py": b"",
    "octoroute/py.typed": b"",
    "octoroute/routing/data.json": b"{}",
    f"{INFO}/METADATA": b"Name: octoroute\n",
    f"{INFO}/WHEEL": b"",
    f"{INFO}/entry_points.txt": b"",
    f"{INFO}/licenses/LICENSE": b"MIT",
}


def build(path: Path, files: dict[str, bytes], *, lies: dict[str, bytes] | None = None, unrecorded: tuple[str, ...] = ()) -> Path:
    rows = []
    with zipfile.ZipFile(path / "octoroute-1.0.0-py3-none-any.whl", "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
            said = (lies or {}).get(name, data)
            digest = base64.urlsafe_b64encode(hashlib.sha256(said).digest()).rstrip(b"=").decode()
            if name not in unrecorded:
                rows.append(f"{name},sha256={digest},{len(data)}\n")
        archive.writestr(f"{INFO}/RECORD", "".join(rows) + f"{INFO}/RECORD,,\n")
    return path / "octoroute-1.0.0-py3-none-any.whl"


def test_a_package_and_its_metadata(tmp_path):
    path = build(tmp_path, GOOD)
    assert list(wheel.problems(path)) == []
    assert subprocess.run([sys.executable, ROOT / "tools" / "wheel.py", path], capture_output=True).returncode == 0


@pytest.mark.parametrize(
    "name",
    [
        "octoroute.pth",
        "octoroute/inner.pth",
        "distutils-precedence.pth",
        "starlette/__init__.py",
        "sitecustomize.py",
        "octoroute-1.0.0.data/scripts/run",
        "octoroute-1.0.0.data/purelib/evil.pth",
        "../outside.py",
        "/etc/cron.d/x",
        "octoroute/../evil.py",
        "octoroute/native.so",
        "octoroute/run.sh",
        f"{INFO}/evil.py",
        "octoroute_evil/__init__.py",
        "OCTOROUTE/__init__.py",
    ],
)
def test_anything_else_is_told(tmp_path, name):
    path = build(tmp_path, {**GOOD, name: b"import os\n"})
    assert [problem.partition(":")[0] for problem in wheel.problems(path)] == [name]
    assert subprocess.run([sys.executable, ROOT / "tools" / "wheel.py", path], capture_output=True).returncode == 1


def test_the_record_is_true_and_whole(tmp_path):
    path = build(tmp_path, GOOD, lies={"octoroute/__init__.py": b"other"}, unrecorded=("octoroute/py.typed",))
    assert sorted(wheel.problems(path)) == [
        "octoroute/__init__.py: is not what RECORD says",
        "octoroute/py.typed: is not in RECORD",
    ]
    with zipfile.ZipFile(tmp_path / "none.whl", "w") as archive:
        archive.writestr("octoroute/__init__.py", "")
    assert "there is no RECORD" in list(wheel.problems(tmp_path / "none.whl"))


def test_a_second_build_in_another_place_has_the_same_bytes(tmp_path):
    """Everybody can check that what is published is built from this."""
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    digests = []
    for place in (tmp_path / "one", tmp_path / "two" / "deeper"):
        for name in filter(None, tracked):
            if (ROOT / name).is_file():
                target = place / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes((ROOT / name).read_bytes())
        built = place / "dist"
        build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-t", "sdist", "-d", str(built)]
        subprocess.run(build, cwd=place, capture_output=True, check=True)
        digests.append({file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in built.iterdir()})
    assert len(digests[0]) == 2
    assert digests[0] == digests[1]
