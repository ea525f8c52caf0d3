"""The response cache: exact match, in memory, bounded, and separate for each client key.

Only complete answers of the decided tier are cached: no error, no refusal, no truncation. Two requests match if they have the
same body (except for `stream`), dialect, and key, and the same decision.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from octoroute.dialects.base import Outbound, Progress
from octoroute.dialects.request.body import RequestBody
from octoroute.dialects.request.identity import temperature_of
from octoroute.domain.conversation import Conversation
from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import Endpoint
from octoroute.domain.events import Event, FinishReason
from octoroute.domain.outcome import Usage
from octoroute.domain.principal import Restrictions
from octoroute.domain.request import CHAT, KEY_HEADERS, Request
from octoroute.errors import BadUpstreamResponse, OctorouteError
from octoroute.upstream.readers import Chunk
from octoroute.upstream.response import ChunkSink, ResponseStream

MAX_ENTRY_BYTES = 1 << 20
"""A longer answer is not cached."""
_TENANT_HEADERS = ("authorization", *KEY_HEADERS)  # a response is cached for one key only
_IGNORED_FIELDS = frozenset({"stream", "stream_options", "octoroute"})
_UNREPEATABLE = ("logprobs", "top_logprobs", "modalities", "audio", "background", "previous_response_id")
"""Fields that ask for content that events cannot express, or for effects beyond an answer."""
_COMPLETE = frozenset({FinishReason.STOP, FinishReason.TOOL_CALLS})
_OVERHEAD_BYTES = 512
_EVENTS = msgspec.json.Decoder(list[Event])


class CacheKey(msgspec.Struct, frozen=True):
    digest: bytes | None
    """None: the cache is bypassed."""
    may_read: bool = False
    """False: only a new answer may be cached."""


class CacheEntry(msgspec.Struct, frozen=True):
    """A cached answer: as the bytes of its dialect, or as events. `outbound` decodes the bytes."""

    endpoint: Endpoint
    outbound: Outbound
    created_at: float
    """Clock seconds."""
    body: bytes | None
    events: bytes | None
    """JSON."""
    notes: tuple[str, ...]
    usage: Usage | None

    @property
    def size(self) -> int:
        return len(self.body or b"") + len(self.events or b"") + _OVERHEAD_BYTES


class ResponseCache:
    def __init__(
        self,
        *,
        ttl_s: float,
        max_bytes: int,
        max_entries: int,
        shared: bool,
        clock: Callable[[], float],
        passes: frozenset[str] = frozenset(),
    ) -> None:
        """`shared`: among all keys. `passes`: client headers that are passed on to upstreams, and may change the answer."""
        self._ttl_s = ttl_s
        self._max_bytes = max_bytes
        self._max_entries = max_entries
        self._shared = shared
        self._clock = clock
        self._passes = tuple(sorted(passes))
        self._entries: OrderedDict[bytes, CacheEntry] = OrderedDict()
        self.size = 0  # bytes, including an estimated overhead for each entry

    def __len__(self) -> int:
        return len(self._entries)

    def key_for(self, request: Request, decision: Decision, restrictions: Restrictions | None = None) -> CacheKey:
        """`restrictions` are part of the key: an answer from outside a privacy class is no answer inside it."""
        wish = request.headers.get("x-octoroute-cache", "").strip().lower()
        control = {word.strip().lower() for word in request.headers.get("cache-control", "").split(",")}
        if wish == "bypass" or "no-store" in control or not _can_be_repeated(request):
            return CacheKey(None)
        if wish != "use" and not _is_deterministic(request):
            return CacheKey(None)
        try:
            digest = self._digest(request, decision, restrictions)
        except (ValueError, TypeError, RecursionError):
            return CacheKey(None)
        return CacheKey(digest, "no-cache" not in control)

    def get(self, key: CacheKey, request: Request) -> CachedResponse | None:
        if key.digest is None or not key.may_read:
            return None
        entry = self._entries.get(key.digest)
        if entry is None:
            return None
        if self._clock() - entry.created_at >= self._ttl_s:
            self._drop(key.digest)
            return None
        self._entries.move_to_end(key.digest)
        try:
            return CachedResponse(entry, request, age_s=self._clock() - entry.created_at)
        except OctorouteError:  # the cached body cannot be decoded into a stream
            return None

    def record(
        self, key: CacheKey, response: ResponseStream, outbound: Outbound, request: Request, notes: tuple[str, ...]
    ) -> ResponseStream:
        """`response`, which is cached if it completes."""
        if key.digest is None:
            return response
        return RecordingResponse(response, _CacheRecorder(self, key.digest, outbound, request, notes, self._clock))

    def put(self, key: bytes, entry: CacheEntry) -> None:
        if entry.size > min(self._max_bytes, MAX_ENTRY_BYTES):
            return
        self._drop(key)
        self._entries[key] = entry
        self.size += entry.size
        while self.size > self._max_bytes or len(self._entries) > self._max_entries:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: bytes) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.size -= entry.size

    def _digest(self, request: Request, decision: Decision, restrictions: Restrictions | None) -> bytes:
        """Raises ValueError, TypeError, and RecursionError for a body without a canonical form."""
        sent = request.headers
        tenant = "" if self._shared else [sent.get(name, "") for name in _TENANT_HEADERS]
        passed = {name: sent[name] for name in self._passes if name in sent}
        route = [request.dialect, request.api, request.model, decision.tier, sorted(decision.only or ())]
        body = _canonical(request.body)
        return hashlib.sha256(msgspec.json.encode([route, tenant, passed, restrictions, body], order="sorted")).digest()


def _canonical(body: object) -> Any:
    if isinstance(body, RequestBody):
        return {name: msgspec.json.decode(value) for name, value in body.values.items() if name not in _IGNORED_FIELDS}
    return body


def _can_be_repeated(request: Request) -> bool:
    body = request.body
    if request.api != CHAT:
        return not request.stream
    if not isinstance(body, RequestBody):
        return True
    if any(body.is_set(name) for name in _UNREPEATABLE):
        return False
    return bytes(body.values.get("n", msgspec.Raw(b"1"))) in {b"1", b"null"}


def _is_deterministic(request: Request) -> bool:
    """Whether the client has set temperature 0. An embedding has no temperature."""
    body = request.body
    if request.api == "embeddings":
        return True
    if isinstance(body, Conversation):
        return body.temperature == 0.0
    return temperature_of(request) == 0.0


class _CacheRecorder:
    """The parts of an answer so far; it goes into the cache when the answer completes."""

    def __init__(
        self,
        cache: ResponseCache,
        key: bytes,
        outbound: Outbound,
        request: Request,
        notes: tuple[str, ...],
        clock: Callable[[], float],
    ) -> None:
        self._cache = cache
        self._key = key
        self._outbound = outbound
        self._request = request
        self._notes = notes
        self._clock = clock
        self._parts: list[Chunk] = []
        self._size = 0

    def add(self, part: Chunk) -> None:
        self._size += len(part) if isinstance(part, bytes) else 32 * len(part)
        if self._size > MAX_ENTRY_BYTES:
            self._parts.clear()
        else:
            self._parts.append(part)

    def ended(self, response: ResponseStream) -> None:
        """The response has ended by itself."""
        if self._size > MAX_ENTRY_BYTES or not self._parts:
            return
        if self._request.api == CHAT and response.progress.reason not in _COMPLETE:
            return
        body = events = None
        if not self._request.stream and isinstance(self._parts[0], bytes):
            body = self._parts[0]
        else:
            try:
                events = msgspec.json.encode(self._events())
            except (BadUpstreamResponse, ValueError, TypeError):
                return
        endpoint, usage = response.endpoint, response.progress.usage
        self._cache.put(self._key, CacheEntry(endpoint, self._outbound, self._clock(), body, events, self._notes, usage))

    def _events(self) -> Sequence[Event]:
        if all(isinstance(part, bytes) for part in self._parts):
            decoder = self._outbound.decoder()
            return [*decoder.feed(b"".join(part for part in self._parts if isinstance(part, bytes))), *decoder.end()]
        return [event for part in self._parts if not isinstance(part, bytes) for event in part]


class RecordingResponse:
    """A response that is recorded for the cache while it is read."""

    __slots__ = ("_recorder", "_response", "endpoint", "headers", "stream")

    def __init__(self, response: ResponseStream, recorder: _CacheRecorder) -> None:
        self._response = response
        self._recorder: _CacheRecorder | None = recorder
        self.endpoint = response.endpoint
        self.headers = response.headers
        self.stream = response.stream

    @property
    def progress(self) -> Progress:
        return self._response.progress

    @property
    def translated(self) -> bool:
        return self._response.translated

    async def read(self) -> Chunk | None:
        part = await self._response.read()
        recorder = self._recorder
        if recorder is not None:
            if part is not None:
                recorder.add(part)
            if part is None or not self.stream:
                self._recorder = None
                recorder.ended(self._response)
        return part

    def pass_on(self, sink: ChunkSink) -> None:
        """No effect: every part must be read to be recorded."""

    def close(self) -> None:
        self._response.close()


class CachedResponse:
    """A cached answer in the place of an endpoint's response."""

    __slots__ = ("_part", "endpoint", "headers", "notes", "progress", "stream", "translated")

    def __init__(self, entry: CacheEntry, request: Request, *, age_s: float) -> None:
        """Raises OctorouteError when the cached body cannot be decoded."""
        self.notes = entry.notes
        self.endpoint = entry.endpoint
        self.headers: Mapping[str, str] = {"age": str(int(age_s))}
        self.stream = request.stream
        self.progress = Progress()
        self.progress.started = self.progress.finished = True
        self.progress.usage = entry.usage
        self._part: Chunk | None = entry.body if entry.body is not None and not request.stream else _events_of(entry)
        self.translated = not isinstance(self._part, bytes)

    async def read(self) -> Chunk | None:
        part, self._part = self._part, None
        return part

    def pass_on(self, sink: ChunkSink) -> None:
        """No effect: there is only one part."""

    def close(self) -> None:
        pass


def _events_of(entry: CacheEntry) -> Sequence[Event]:
    if entry.events is not None:
        return _EVENTS.decode(entry.events)
    assert entry.body is not None
    return entry.outbound.decode_response(entry.body)
