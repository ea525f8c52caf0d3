"""Commands about the learned router, called in this process, and files of labelled rows for them."""

from __future__ import annotations

import argparse
import json

FIELDS = ("id", "set", "group", "prompt", "strong", "weak", "weak_answer")


def run(command, *words):
    """The exit code of a command's module, as the command line calls it."""
    parser = argparse.ArgumentParser()
    command.arguments(parser)
    return command.run(parser.parse_args([str(word) for word in words]))


def write(path, rows):
    path.write_text("\n".join(json.dumps({name: getattr(row, name) for name in FIELDS}) for row in rows), encoding="utf-8")
    return path
