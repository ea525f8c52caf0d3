"""Which importer a file of another gateway is for."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from octoroute.config.importers import claude_code_router, litellm, llama_swap, portkey
from octoroute.config.importers.tree import ImportResult

_Importer = Callable[[Mapping[object, object]], ImportResult]

_FOREIGN: tuple[tuple[_Importer, Callable[[Mapping[object, object]], bool]], ...] = (
    (litellm.convert, litellm.is_litellm),
    (claude_code_router.convert, claude_code_router.is_claude_code_router),
    (llama_swap.convert, llama_swap.is_llama_swap),
    (portkey.convert, portkey.is_portkey),
    (portkey.convert_openrouter, portkey.is_openrouter),
)


def importer_of(tree: Mapping[object, object]) -> _Importer | None:
    """Of the gateway that the file is for; None: of none that is known."""
    return next((convert for convert, fits in _FOREIGN if fits(tree)), None)
