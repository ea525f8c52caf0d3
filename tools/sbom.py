"""Write the software bill of materials of an installation, from its lock: `python tools/sbom.py > requirements/sbom.cdx.json`.

CycloneDX 1.6 in JSON (https://cyclonedx.org/docs/1.6/json/). The same lock makes the same file: no date, no random number.
"""

from __future__ import annotations

import json
import re
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements" / "run.txt"
_PIN = re.compile(
    r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^ ;\\\n]+)(?: *; *(?P<marker>[^\\\n]+?))? \\\n"
    r"(?P<hashes>(?: +--hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)",
    re.MULTILINE,
)
_HASH = re.compile(r"sha256:([0-9a-f]{64})")


def components(lock: str) -> Iterator[dict[str, Any]]:
    """One for each pinned package; its hashes are those of the files that the lock accepts."""
    for pin in _PIN.finditer(lock):
        name = re.sub(r"[-_.]+", "-", pin["name"]).lower()
        reference = f"pkg:pypi/{name}@{pin['version']}"
        found: dict[str, Any] = {
            "type": "library",
            "bom-ref": reference + (f"?{uuid.uuid5(uuid.NAMESPACE_URL, pin['marker'])}" if pin["marker"] else ""),
            "name": name,
            "version": pin["version"],
            "purl": reference,
            "hashes": [{"alg": "SHA-256", "content": digest} for digest in _HASH.findall(pin["hashes"])],
        }
        if pin["marker"]:
            found["properties"] = [{"name": "octoroute:marker", "value": pin["marker"]}]
        yield found


def document(lock: str, version: str) -> dict[str, Any]:
    found = list(components(lock))
    me = f"pkg:pypi/octoroute@{version}"
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, me + lock)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": me,
                "name": "octoroute",
                "version": version,
                "purl": me,
                "licenses": [{"license": {"id": "MIT"}}],
            }
        },
        "components": found,
        "dependencies": [
            {"ref": me, "dependsOn": [component["bom-ref"] for component in found]},
            *({"ref": component["bom-ref"]} for component in found),
        ],
    }


def text() -> str:
    source = (ROOT / "octoroute" / "domain" / "version.py").read_text("utf-8")
    version = re.search(r'__version__ = "([^"]+)"', source)
    if version is None:
        raise SystemExit("octoroute/domain/version.py has no __version__")
    return json.dumps(document(LOCK.read_text("utf-8"), version[1]), indent=1) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
