"""The bill of materials says what the lock installs."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def load(name: str):
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


sbom = load("sbom")


def test_the_file_is_the_one_that_the_tool_writes():
    assert (ROOT / "requirements" / "sbom.cdx.json").read_text("utf-8") == sbom.text(), (
        "run: python tools/sbom.py > requirements/sbom.cdx.json"
    )


def test_every_pin_is_a_component_with_all_of_its_hashes():
    lock = (ROOT / "requirements" / "run.txt").read_text("utf-8")
    found = json.loads(sbom.text())
    pins = re.findall(r"^([\w.-]+)==([^ ;\\\n]+)", lock, re.MULTILINE)
    assert [(part["name"], part["version"]) for part in found["components"]] == pins
    assert sum(len(part["hashes"]) for part in found["components"]) == lock.count("--hash=sha256:")
    references = [part["bom-ref"] for part in found["components"]]
    assert len(set(references)) == len(references)
    root = found["metadata"]["component"]["bom-ref"]
    assert found["dependencies"][0] == {"ref": root, "dependsOn": references}


def test_a_marker_is_kept_and_two_versions_of_a_package_are_two_components():
    line = "    --hash=sha256:" + "a" * 64 + "\n"
    lock = f"Some_Pkg==1.0 ; python_full_version < '3.12' \\\n{line}some-pkg==2.0 ; python_full_version >= '3.12' \\\n{line}"
    found = list(sbom.components(lock))
    assert [part["purl"] for part in found] == ["pkg:pypi/some-pkg@1.0", "pkg:pypi/some-pkg@2.0"]
    assert found[0]["properties"] == [{"name": "octoroute:marker", "value": "python_full_version < '3.12'"}]
    assert found[0]["bom-ref"] != found[1]["bom-ref"]
