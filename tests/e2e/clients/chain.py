"""The task of every client: to read a file, which names another, which holds a secret, and to say the secret.

The scripted model knows nothing but what it is sent, so that each turn proves that the result of the turn before it arrived.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.support.vendors import Asked, Call, Result, Says

PROMPT = "Read the file first.txt and do what it says."
SECRET = "octopus-7431"
FINAL = f"FINAL-OK {SECRET}"
THINKING = "I need the file."
FIRST, SECOND = "first.txt", "second-8642.txt"

Step = Callable[[str], tuple[str, Mapping[str, Any]]]
"""The file to read -> the tool that reads it, and its arguments."""


def write_files(folder: Path) -> None:
    (folder / FIRST).write_text(f"Read the file {SECOND} and say what its secret is.\n")
    (folder / SECOND).write_text(f"The secret is {SECRET}.\n")


def reader(
    read: Step, *, finish: Callable[[str], tuple[str, Mapping[str, Any]]] | None = None, thinks: bool = False
) -> Callable[[Asked], Says]:
    """A model that follows the files with the tool of `read`. `finish`: the tool that a client wants called at the end."""

    def model(asked: Asked) -> Says:
        offered = next((name for name in asked.tools if name == read("")[0] or name.endswith(read("")[0])), None)
        if offered is None:
            return _aside(asked)
        results = "\n".join(result.text for result in asked.said(Result))
        secret = re.search(r"The secret is ([\w-]+)", results)
        if secret is not None:
            said = f"FINAL-OK {secret[1]}"
            if finish is None or any(call.name == finish("")[0] for call in asked.said(Call)):
                return Says(said)
            name, arguments = finish(said)
            return Says("", [Call(name, dict(arguments))], "tools")
        following = re.search(r"Read the file ([\w.-]+) and say", results)
        name, arguments = read(following[1] if following else FIRST)
        return Says("I read it.", [Call(offered, dict(arguments))], "tools", thinking=THINKING if thinks else "")

    return model


def _aside(asked: Asked) -> Says:
    """A question beside the task, such as for a title: the shortest answer that fits."""
    if asked.schema is None:
        return Says("Files")
    return Says(json.dumps({name: _least(kind) for name, kind in asked.schema.get("properties", {}).items()}))


def _least(schema: Mapping[str, Any]) -> Any:
    if "enum" in schema:
        return schema["enum"][0]
    return {"boolean": False, "integer": 0, "number": 0, "array": [], "object": {}}.get(schema.get("type", ""), "files")
