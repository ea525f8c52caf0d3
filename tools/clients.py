"""Run the client matrix and write what came out into docs/clients.md: `python tools/clients.py` (`just clients`).

The matrix is tests/e2e/clients; `./test` runs it as well, and compares the versions in the page with those that it runs.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree as ET

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.e2e.clients.catalog import AIDER, CLIENTS, HERE, Client  # noqa: E402 - by path

PAGE = ROOT / "docs/clients.md"
BEGIN, END = "<!-- client matrix: written by tools/clients.py -->\n", "<!-- end of the client matrix -->\n"
KINDS = {"openai": "OpenAI", "anthropic": "Anthropic", "gemini": "Gemini"}
ALSO = {
    "mcp_server": "a tool of an MCP server",
    "picture": "an image",
    "subagent": "a subagent",
    "compacts": "compaction",
}
"""Words in the names of the tests in test_coding_agents.py, with what they stand for."""


def main() -> int:
    results = run()
    text = PAGE.read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(before + BEGIN + table(results) + END + after, "utf-8")
    failed = [name for name, outcome in results.items() if outcome != "yes"]
    print(*failed or ["every client works with every kind of endpoint"], sep="\n")  # noqa: T201 - a command
    return 1 if failed else 0


def run() -> Mapping[str, str]:
    """Outcome by test name: yes, no, or not run."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--timeout", "120", f"--junitxml={report}", str(HERE)]
        subprocess.run(command, cwd=ROOT, check=False)  # noqa: S603 - our own tests
        cases = ET.parse(report).iter("testcase")  # noqa: S314 - of pytest's own
        return {case.get("name", ""): _outcome(case) for case in cases if "[" in case.get("name", "")}


def _outcome(case: ET.Element) -> str:
    if case.find("skipped") is not None:
        return "not run"
    return "yes" if case.find("failure") is None and case.find("error") is None else "**no**"


def table(results: Mapping[str, str]) -> str:
    lines = [
        f"Last run on {dt.datetime.now(tz=dt.UTC).date()}, with an OpenAI, an Anthropic, and a Gemini endpoint.",
        "",
        "| client | version | API | " + " | ".join(KINDS.values()) + " | also |",
        "|---|---|---|" + "---|" * len(KINDS) + "---|",
    ]
    for client in (*CLIENTS, AIDER):
        cells = [results.get(f"{_test_of(client)}[{_parameters(client, kind)}]", "not run") for kind in KINDS]
        lines.append("| " + " | ".join([client.name, version(client), client.dialect, *cells, _also(client, results)]) + " |")
    return "\n".join(lines) + "\n"


def _test_of(client: Client) -> str:
    if client is AIDER:
        return "test_aider_reads_the_file_that_the_model_names_and_makes_its_edit"
    return "test_a_loop_of_tools_ends_with_what_the_tools_have_found"


def _parameters(client: Client, kind: str) -> str:
    return kind if client is AIDER else f"{client.id}-{kind}"


def _also(client: Client, results: Mapping[str, str]) -> str:
    """What works beside a loop of tools, with all kinds of endpoint."""
    found: dict[str, set[str]] = defaultdict(set)
    for name, outcome in results.items():
        if client.name.lower().replace(" ", "_") in name.partition("[")[0]:
            for word, what in ALSO.items():
                if word in name:
                    found[what].add(outcome)
    return ", ".join(what for what, outcomes in found.items() if outcomes == {"yes"})


def version(client: Client) -> str:
    """As the lock has it."""
    if client.lock == "requirements":
        found = re.search(rf"^{re.escape(client.package)}==(\S+)", (HERE / "requirements.txt").read_text(), re.MULTILINE)
        assert found is not None, client.package
        return found[1]
    return json.loads((HERE / "package-lock.json").read_text())["packages"][f"node_modules/{client.package}"]["version"]


if __name__ == "__main__":
    sys.exit(main())
