"""Checks of [aliases]: what each name stands for must exist, and no name may stand for itself. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from octoroute.config.environment import child
from octoroute.config.reader import ConfigReader, nearest
from octoroute.domain.endpoint import Tier
from octoroute.routing.aliases import is_glob, loops

_WORDS = ("auto", *Tier)


def check_aliases(aliases: Mapping[str, str], names: Iterable[str], reader: ConfigReader) -> dict[str, str]:
    """Return the aliases with the words of octoroute in lower case. `names`: names and ids of all endpoints."""
    known = {*names}
    read = {name: target.lower() if target.lower() in _WORDS else target for name, target in aliases.items()}
    looping = set[str]()
    for name, way in loops(read):
        looping.add(name)
        shown = " -> ".join(way)
        reader.problem(
            child("aliases", name), f"leads back to itself ({shown}); let one of them stand for auto, a tier, or a model"
        )
    for name, target in read.items():
        path = child("aliases", name)
        if name in looping or target in _WORDS or target in known or (target in read and not is_glob(target)):
            continue
        if is_glob(target):
            reader.problem(path, f"{reader.show(path, target)} is a glob, which stands for no single model; write a name")
        elif not reader.wrong("models"):
            close = nearest(target, [*_WORDS, *known, *read])
            remedy = f'did you mean "{close}"?' if close else "use auto, a tier, or the name or id of an endpoint"
            reader.problem(path, f"{reader.show(path, target)} is neither a model nor an alias; {remedy}")
    return read
