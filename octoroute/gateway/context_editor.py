"""Edits a history before an endpoint is asked: transforms, and a summary of older exchanges if the request fits no window.

Off by default, and never for a history with signed thinking, which its provider verifies against all that precedes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, ParamSpec, TypeVar

import msgspec

from octoroute.balancing.eligibility import fits_window, ineligible_reason
from octoroute.dialects.base import Inbound
from octoroute.dialects.request import environment_blocks, image_age
from octoroute.dialects.request.history_summary import HistoryChunk, divide, replace_chunks, select_chunks
from octoroute.dialects.request.thinking_signatures import has_signed_thinking
from octoroute.dialects.request.truncation import History
from octoroute.domain.endpoint import Capability, Endpoint
from octoroute.domain.outcome import ContextChange
from octoroute.domain.request import Request
from octoroute.gateway.condenser import Condenser, HistorySource, SummarySize
from octoroute.gateway.context_window import ContextPolicy, reserved_tokens, with_messages
from octoroute.gateway.offload import is_large_translation, off_loop
from octoroute.gateway.translation import TranslationCheck

MIN_CHUNK_CHARS, MAX_CHUNK_CHARS = 2_000, 64_000
SUMMARY_SHARE = 8
"""A summary has at most one character for so many of the smallest whole chunk."""
MAX_SOURCE_CHARS = 256_000
_UNKNOWN_WINDOW = 32_768
"""Tokens that a fast endpoint whose window is not configured is assumed to take."""

P = ParamSpec("P")
T = TypeVar("T")


class ContextEditor:
    def __init__(self, condenser: Condenser) -> None:
        self._condenser = condenser

    async def transform(
        self,
        request: Request,
        inbound: Inbound,
        fast: Sequence[Endpoint],
        context: ContextPolicy,
        changes: list[ContextChange],
    ) -> Request:
        """`request` after `context.transforms`. `fast`: the endpoints of the fast tier. What was changed is added to `changes`."""
        draft = await _work(request, _draft, request, inbound, context)
        if draft is None:
            return request
        if draft.removed:
            changes.append(ContextChange("environment", f"context: {draft.removed} older environment blocks left out"))
        texts: dict[bytes, str] = {}
        if draft.images:
            seeing = next((endpoint for endpoint in fast if Capability.VISION in endpoint.capabilities), None)
            source = None if seeing is None else HistorySource(request, inbound, seeing, draft.key)
            texts = await self._texts(draft.images, source, context, changes)
        return await _work(request, _finish, request, inbound, draft, texts) if changes else request

    async def _texts(
        self,
        images: Mapping[bytes, bytes],
        source: HistorySource | None,
        context: ContextPolicy,
        changes: list[ContextChange],
    ) -> dict[bytes, str]:
        """By the JSON of what an image shows, its description, or where there is none a marker.

        `source`: None: the fast tier has no endpoint for images.
        """
        texts = dict.fromkeys(images, image_age.MARKER)
        why = "the fast tier has no endpoint for images"
        if source is not None:
            found = await self._condenser.descriptions(source, images, context.condense_timeout_seconds)
            texts |= {shown: image_age.described(text) for shown, text in zip(images, found.texts, strict=True) if text is not None}
            why = found.failure
        marked = sum(text == image_age.MARKER for text in texts.values())
        note = f"context: {len(images)} older images replaced by text"
        changes.append(ContextChange("images", f"{note}, {marked} of them without a description ({why})" if marked else note))
        return texts

    async def summarize(
        self,
        request: Request,
        inbound: Inbound,
        target: Endpoint,
        fast: Sequence[Endpoint],
        context: ContextPolicy,
        changes: list[ContextChange],
    ) -> Request:
        """`request` with a summary for `target`, or unchanged: then it is truncated or refused, and `changes` tells why."""
        window = target.context_window or 0
        size = _sizes(window, fast)
        needed = await _work(request, _needed, request, inbound, window, context, size)
        if isinstance(needed, str):
            changes.append(_failure(needed))
            return request
        history, chunks = needed
        if not chunks:
            return request
        raws = [[bytes(history.raw_messages[index]) for index in chunk.indexes] for chunk in chunks]
        source = HistorySource(request, inbound, target, history.key)
        found = await self._condenser.summaries(source, raws, size.summary, context.condense_timeout_seconds)
        summaries = {chunk: text for chunk, text in zip(chunks, found.texts, strict=True) if text is not None}
        if len(summaries) < len(chunks):
            changes.append(_failure(f"the fast tier gave none: {found.failure}"))
            return request
        count = sum(len(chunk.indexes) for chunk in chunks)
        note = (
            f"context: {count} of {len(history.messages)} messages replaced by a summary, because {request.facts.context_tokens} "
            f"tokens do not fit {window}; {found.asked} of its {len(chunks)} parts are new"
        )
        changes.append(ContextChange("summary", note))
        messages = replace_chunks(history, summaries)
        return await _work(request, with_messages, request, inbound, history.key, messages)


async def _work(request: Request, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a pure function; for a large request in the thread."""
    if is_large_translation(request):
        return await off_loop(function, *args, **kwargs)
    return function(*args, **kwargs)


class _Draft(NamedTuple):
    """A history that may be transformed."""

    key: str
    messages: list[bytes]
    """Without repeated environment blocks."""
    removed: int
    """How many of those there were."""
    old: int
    """So many of the messages are old."""
    images: dict[bytes, bytes]
    """Of the old messages, as `image_age.images_of` tells them."""


def _draft(request: Request, inbound: Inbound, context: ContextPolicy) -> _Draft | None:
    """None: the history must not be changed."""
    history = inbound.history(request)
    if history is None or has_signed_thinking(history.raw_messages):
        return None
    messages, removed = [bytes(raw) for raw in history.raw_messages], 0
    if "dedupe_environment" in context.transforms:
        messages, removed = environment_blocks.keep_latest(history)
    old = 0
    if "age_images" in context.transforms and request.facts.images:
        old = image_age.count_old(history, context.image_turns)
    return _Draft(history.key, messages, removed, old, image_age.images_of(messages[:old]))


def _finish(request: Request, inbound: Inbound, draft: _Draft, texts: Mapping[bytes, str]) -> Request:
    messages = draft.messages
    if texts:
        messages = [*(image_age.replace_images(message, texts) for message in messages[: draft.old]), *messages[draft.old :]]
    return with_messages(request, inbound, draft.key, messages)


class _Sizes(msgspec.Struct, frozen=True):
    chunk_chars: int
    summary: SummarySize


def _sizes(window: int, fast: Sequence[Endpoint]) -> _Sizes:
    """Functions of the configuration only, so that the chunks of a growing history stay the same."""
    fast_window = max((endpoint.context_window or _UNKNOWN_WINDOW for endpoint in fast), default=_UNKNOWN_WINDOW)
    chunk_chars = max(MIN_CHUNK_CHARS, min(window, 2 * fast_window, MAX_CHUNK_CHARS))
    return _Sizes(chunk_chars, SummarySize(chunk_chars // SUMMARY_SHARE, min(2 * fast_window, MAX_SOURCE_CHARS)))


def _needed(
    request: Request, inbound: Inbound, window: int, context: ContextPolicy, sizes: _Sizes
) -> tuple[History, list[HistoryChunk]] | str:
    """The history and its chunks to condense, none if a lower limit of the answer suffices. A text: why there is no summary."""
    history = inbound.history(request)
    if history is None:
        return "the request has no list of messages"
    facts = context.measured(request.facts)
    limit = facts.output_tokens
    room = reserved_tokens(window, limit, history.min_output_tokens)
    if limit is not None and facts.context_tokens + room <= window:
        return history, []
    if has_signed_thinking(history.raw_messages):
        return "the history has signed thinking"
    chunks = divide(history.messages, sizes.chunk_chars)
    for left in dict.fromkeys((window - max(room, limit or 0), window - room)):
        selected = select_chunks(chunks, 4 * (facts.context_tokens - left) + 6, sizes.summary.summary_chars)
        if selected is not None:
            return history, selected
    return "too little of the history may be summarized"


def may_exceed(request: Request, endpoints: Sequence[Endpoint], context: ContextPolicy) -> bool:
    """Whether the request does not fit one of the windows at least."""
    sized = context.measured(request.facts)
    return not all(fits_window(endpoint, sized) for endpoint in endpoints)


def largest_too_small(
    request: Request, endpoints: Sequence[Endpoint], context: ContextPolicy, check: TranslationCheck
) -> Endpoint | None:
    """The endpoint with the largest window of those that lack only a larger one; None: another endpoint takes the request."""
    sized = context.measured(request.facts)
    sizeless = msgspec.structs.replace(request.facts, context_tokens=0, output_tokens=None)
    able = [
        endpoint for endpoint in endpoints if ineligible_reason(endpoint, sizeless) is None and check.unsupported(endpoint) is None
    ]
    if any(fits_window(endpoint, sized) for endpoint in able):
        return None
    return max(able, key=lambda endpoint: endpoint.context_window or 0, default=None)


def _failure(why: str) -> ContextChange:
    return ContextChange("summary_failed", f"context: no summary, because {why}; the oldest messages are left out if that suffices")
