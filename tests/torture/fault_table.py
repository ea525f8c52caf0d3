"""What is right when an endpoint goes wrong: every fault at every moment of an answer. Data; `faults` tries it.

A row says what the endpoint does and what its client must get, for a whole answer and for a stream, when nobody else can be asked.
Where a second endpoint is there, whatever is wrong before an answer has begun is answered by that one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    HEAD = "before the headers"
    FIRST = "before the first event"
    MID = "mid-stream"
    DONE = "after the finish"


HEAD, FIRST, MID, DONE = Phase


@dataclass(frozen=True)
class Right:
    """One thing a client may get."""

    status: int
    code: str = ""
    """Of the error, in an envelope or, after a 200, in the event that ends the stream; none: there is no error."""
    endless: bool = False
    """The answer goes on for as long as the client reads."""

    @property
    def begun(self) -> bool:
        return self.status == 200

    @property
    def outcome(self) -> str:
        """What the metrics call it."""
        if self.endless:
            return "abandoned"
        if self.begun:
            return "broken" if self.code else "answered"
        return "failed"


ANSWERED = (Right(200),)
ENDLESS = (Right(200, endless=True),)
UNREACHABLE = (Right(502, "upstream_unreachable"),)
FAILED = (Right(502, "upstream_failed"),)
LATE = (Right(504, "upstream_timeout"),)
BROKEN = (Right(200, "upstream_failed"),)
STALLED = (Right(200, "upstream_timeout"),)


@dataclass(frozen=True)
class Cell:
    fault: str
    phase: Phase
    does: str
    whole: tuple[Right, ...]
    """Any of these."""
    stream: tuple[Right, ...]


@dataclass(frozen=True)
class Void:
    """A combination that does not exist."""

    fault: str
    phase: Phase
    why: str


ROWS: tuple[Cell | Void, ...] = (
    #    fault                moment what the endpoint does                                          whole         stream
    Cell("refused",           HEAD,  "nobody listens",                                               UNREACHABLE,  UNREACHABLE),
    Void("refused",           FIRST, "a connection that was accepted cannot be refused any more"),
    Void("refused",           MID,   "a connection that was accepted cannot be refused any more"),
    Cell("refused",           DONE,  "answers, hangs up, and listens no more",                       ANSWERED,     ANSWERED),

    Cell("accept-then-close", HEAD,  "closes at once, without reading the question",                 FAILED,       FAILED),
    Cell("accept-then-close", FIRST, "closes after its headers",                                     FAILED,       FAILED),
    Cell("accept-then-close", MID,   "closes in the middle",                                         FAILED,       BROKEN),
    Cell("accept-then-close", DONE,  "closes after its last word",                                   ANSWERED,     ANSWERED),

    Cell("reset",             HEAD,  "resets after reading the question",                            FAILED,       FAILED),
    Cell("reset",             FIRST, "resets after its headers",                                     FAILED,       FAILED),
    Cell("reset",             MID,   "resets in the middle",                                         FAILED,       BROKEN),
    Cell("reset",             DONE,  "resets after its last word",                                   ANSWERED,     ANSWERED),

    Cell("half-close",        HEAD,  "shuts its sending side after reading the question",            FAILED,       FAILED),
    Cell("half-close",        FIRST, "shuts its sending side after its headers",                     FAILED,       FAILED),
    Cell("half-close",        MID,   "shuts its sending side in the middle",                         FAILED,       BROKEN),
    Cell("half-close",        DONE,  "shuts its sending side after its last word",                   ANSWERED,     ANSWERED),

    Cell("garbage",           HEAD,  "sends bytes that are not HTTP",                                FAILED,       FAILED),
    Cell("garbage",           FIRST, "sends bytes that are no chunk, and another client's answer",   FAILED,       FAILED),
    Cell("garbage",           MID,   "sends bytes that are no chunk, and another client's answer",   FAILED,       BROKEN),
    Cell("garbage",           DONE,  "sends another client's answer after the right one",            ANSWERED,     ANSWERED),

    Cell("oversized headers", HEAD,  "sends a header of 200,000 bytes",                              FAILED,       FAILED),
    Void("oversized headers", FIRST, "the headers are over"),
    Void("oversized headers", MID,   "the headers are over"),
    Cell("oversized headers", DONE,  "sends trailers of 200,000 bytes: nothing is amiss but these",  ANSWERED + FAILED, ANSWERED),

    Cell("slow headers",      HEAD,  "sends header after header, slowly, without end",               LATE,         LATE),
    Void("slow headers",      FIRST, "the headers are over"),
    Void("slow headers",      MID,   "the headers are over"),
    Cell("slow headers",      DONE,  "sends trailer after trailer, slowly, without end",             LATE,         ANSWERED),

    Cell("length too long",   HEAD,  "sends two lengths that disagree",                              FAILED,       FAILED),
    Cell("length too long",   FIRST, "promises more than it has, closes after its headers",          FAILED,       FAILED),
    Cell("length too long",   MID,   "promises more than it has, closes in the middle",              FAILED,       BROKEN),
    Cell("length too long",   DONE,  "promises more than it has, closes after its last word",        FAILED,       ANSWERED),

    Cell("length too short",  HEAD,  "sends a length that is no number",                             FAILED,       FAILED),
    Cell("length too short",  FIRST, "promises nothing, sends all of it",                            FAILED,       FAILED),
    Cell("length too short",  MID,   "promises half, sends all of it",                               FAILED,       BROKEN),
    Cell("length too short",  DONE,  "sends more than its answer, and than it promised",             ANSWERED,     ANSWERED),

    Void("truncated chunk",   HEAD,  "there are no chunks before the headers"),
    Cell("truncated chunk",   FIRST, "closes after the size of the first chunk",                     FAILED,       FAILED),
    Cell("truncated chunk",   MID,   "closes inside a chunk",                                        FAILED,       BROKEN),
    Cell("truncated chunk",   DONE,  "closes inside the last chunk, the empty one",                  FAILED,       ANSWERED),

    Cell("never-ending body", HEAD,  "sends interim answers without end",                            FAILED + LATE, FAILED + LATE),
    Cell("never-ending body", FIRST, "sends blanks, or a flood of comments, without end",            LATE,         FAILED + LATE),
    Cell("never-ending body", MID,   "sends more and more",                                          LATE,         ENDLESS),
    Cell("never-ending body", DONE,  "goes on after its last word",                                  ANSWERED,     ANSWERED),

    Void("endless event",     HEAD,  "there are no events before the headers"),
    Cell("endless event",     FIRST, "begins a word that never ends",                                LATE,         LATE),
    Cell("endless event",     MID,   "begins a word that never ends",                                LATE,         STALLED),
    Cell("endless event",     DONE,  "begins another word after its last, which never ends",         ANSWERED,     ANSWERED),

    Void("endless comments",  HEAD,  "there are no comments before the headers"),
    Cell("endless comments",  FIRST, "sends a blank, or a comment, from time to time",               LATE,         LATE),
    Cell("endless comments",  MID,   "sends a blank, or a comment, from time to time: it lives",     LATE,         ENDLESS),
    Cell("endless comments",  DONE,  "sends a blank, or a comment, from time to time",               ANSWERED,     ANSWERED),

    Cell("silence",           HEAD,  "says nothing at all",                                          LATE,         LATE),
    Cell("silence",           FIRST, "says nothing after its headers",                               LATE,         LATE),
    Cell("silence",           MID,   "falls silent in the middle",                                   LATE,         STALLED),
    Cell("silence",           DONE,  "says nothing after its last word, not even that it was that",  ANSWERED,     ANSWERED),

    Cell("1-byte dribble",    HEAD,  "answers a byte at a time",                                     ANSWERED,     ANSWERED),
    Cell("1-byte dribble",    FIRST, "answers a byte at a time after its headers",                   ANSWERED,     ANSWERED),
    Cell("1-byte dribble",    MID,   "answers a byte at a time from the middle on",                  ANSWERED,     ANSWERED),
    Cell("1-byte dribble",    DONE,  "ends the transfer a byte at a time",                           ANSWERED,     ANSWERED),

    Void("gzip bomb",         HEAD,  "HTTP/1.1 does not compress headers"),
    Cell("gzip bomb",         FIRST, "sends a gigabyte in a megabyte",                               FAILED,       FAILED),
    Cell("gzip bomb",         MID,   "sends a gigabyte in a megabyte, from the middle on",           FAILED,       BROKEN),
    Cell("gzip bomb",         DONE,  "sends a gigabyte in a megabyte after its last word",           FAILED,       ANSWERED),

    Cell("redirect",          HEAD,  "says that the answer is elsewhere",                            FAILED,       FAILED),
    Void("redirect",          FIRST, "a status comes once, before everything"),
    Void("redirect",          MID,   "a status comes once, before everything"),
    Cell("redirect",          DONE,  "answers, and then says that the answer is elsewhere",          ANSWERED,     ANSWERED),

    Cell("100-continue",      HEAD,  "says twice to go on, and then answers",                        ANSWERED,     ANSWERED),
    Cell("100-continue",      FIRST, "says to go on after its headers, where the answer should be",  FAILED,       FAILED),
    Cell("100-continue",      MID,   "says to go on in the middle of its answer",                    FAILED,       BROKEN),
    Cell("100-continue",      DONE,  "says to go on when nobody asks any more",                      ANSWERED,     ANSWERED),

    Cell("HTTP/1.0",          HEAD,  "answers in HTTP/1.0, with a length, and does not close",       ANSWERED,     ANSWERED),
    Cell("HTTP/1.0",          FIRST, "HTTP/1.0 without length, closes after its headers",            FAILED,       FAILED),
    Cell("HTTP/1.0",          MID,   "HTTP/1.0 without length, closes in the middle",                FAILED,       BROKEN),
    Cell("HTTP/1.0",          DONE,  "HTTP/1.0 without length, closes after its last word",          ANSWERED,     ANSWERED),

    Cell("nonsense",          HEAD,  "says that there is nothing to say: 204",                       FAILED,       FAILED),
    Cell("nonsense",          FIRST, "sends a web page",                                             FAILED,       FAILED),
    Cell("nonsense",          MID,   "goes on with something that is not JSON",                      FAILED,       BROKEN),
    Cell("nonsense",          DONE,  "adds something that is not JSON",                              FAILED,       ANSWERED),
)  # fmt: skip

FLOOD = Cell("flood", MID, "begins a word that never ends, as fast as it can", FAILED, BROKEN)
"""Beside the table, for it costs what the gateway is willing to hold: 256 MiB of a whole answer, 64 MiB of one event."""
CELLS = tuple(row for row in ROWS if isinstance(row, Cell))
FAULTS = tuple(dict.fromkeys(row.fault for row in ROWS))
