"""The shadow mirror chooses what is labelled, within its limits; its file holds whole lines, whatever the disk takes."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from octoroute.domain.decision import Decision
from octoroute.domain.endpoint import Tier
from octoroute.domain.outcome import Ending
from octoroute.domain.request import Facts
from octoroute.gateway.lifecycle import RequestLifecycle
from octoroute.gateway.live_requests import LiveRequests
from octoroute.gateway.shadow.mirror import MAX_QUEUED_JOBS, MAX_RECORDED_BYTES, ShadowMirror, ShadowOptions, append
from octoroute.gateway.shadow.worker import ShadowJob, ShadowResult
from tests.support.limits import files_no_larger_than
from tests.support.parts import endpoint, request
from tests.support.spine import Book


def test_lines_follow_each_other(tmp_path):
    path = tmp_path / "shadow.ndjson"
    append(str(path), b"one\n")
    append(str(path), b"two\n")
    assert path.read_bytes() == b"one\ntwo\n"


@pytest.mark.parametrize("room", [8, 10], ids=["none of it", "a piece of it"])
def test_a_line_that_the_disk_does_not_take_leaves_nothing_and_is_told(tmp_path, room):
    path = tmp_path / "shadow.ndjson"
    append(str(path), b"the 1st\n")
    with files_no_larger_than(room), pytest.raises(OSError):
        append(str(path), b"the 2nd\n")
    append(str(path), b"the 3rd\n")
    assert path.read_bytes() == b"the 1st\nthe 3rd\n"


class Stage:
    """A mirror whose worker labels every job alike."""

    def __init__(self, **options) -> None:
        self.now = 0.0
        self.options = ShadowOptions(**{"share": 1.0, "max_per_minute": 2, **options})
        self.counts: list[str] = []
        self.lines: list[dict] = []
        self.jobs: list[ShadowJob] = []
        self.spent: list[float] = []
        self.mirror = ShadowMirror(
            lambda: self.options,
            self,
            clock=lambda: self.now,
            wall=lambda: self.now,
            random=lambda: 0.5,
            write=lambda path, line: self.lines.append(json.loads(line)),
            count=self.counts.append,
            spent=self.spent.append,
        )

    async def label(self, job, judge_tier, budget):
        self.jobs.append(job)
        budget.pay(0.4)
        return ShadowResult(result="labelled", label=1, how="empty", quality={Tier.FAST: 0.0})

    def answered(self, ending=Ending.ANSWERED, parts=(b"part",), **more):
        """One request from its first event to its settlement; True: it was recorded."""
        asked = request(**{"facts": Facts(text="hello"), **more})
        decision = Decision(tier=Tier.FAST, by="learned", why="because")
        lifecycle, response = RequestLifecycle(asked, Book(), LiveRequests(lambda: self.now)), Response()
        self.mirror.watch(asked, decision, response, lifecycle)
        if response.recorder is None:
            return False
        for part in parts:
            response.recorder(part)
        lifecycle.failed(endpoint(), 0.0, "x")
        lifecycle.answered(SimpleNamespace(**LEASE, endpoint=endpoint()), SimpleNamespace(**RESPONSE), 0.0)
        lifecycle.finish(ending)
        lifecycle.settle()
        return True


LEASE = {name: lambda *_: None for name in ("started", "succeeded", "failed", "release")}


class Response:
    recorder = None

    def record(self, recorder):
        self.recorder = recorder


RESPONSE = {"close": lambda: None, "progress": SimpleNamespace(usage=None, output_chars=0)}


async def test_an_answered_request_becomes_one_line_without_text():
    stage = Stage()
    assert stage.answered(parts=(b"secret text",))
    await stage.mirror.next()
    assert stage.jobs[0].parts == [b"secret text"]
    (line,) = stage.lines
    assert (line["label"], line["how"], line["tier"], line["reward"]) == (1, "empty", "fast", 0.0)
    assert "secret" not in json.dumps(line)
    assert stage.counts == ["labelled"]


@pytest.mark.parametrize(
    "more",
    [
        {"headers": {"x-octoroute-privacy": "on"}},
        {"headers": {"cache-control": "No-Store"}},
        {"facts": Facts(text="hello", tools=True)},
        {"facts": Facts(text="hello", images=True)},
        {"facts": Facts(text="  ")},
        {"dialect": "routing"},
        {"api": "embeddings"},
    ],
)
def test_some_requests_are_never_mirrored(more):
    assert not Stage().answered(**more)


def test_a_share_of_nothing_and_a_spent_minute_mirror_nothing():
    assert not Stage(share=0.0).answered()
    assert not Stage(share=0.5).answered()  # 0.5 was drawn
    stage = Stage()
    assert [stage.answered() for _ in range(3)] == [True, True, False]
    stage.now = 60.0
    assert stage.answered()


async def test_the_budget_is_of_a_day():
    stage = Stage(max_per_minute=100, max_cost_per_day_usd=0.7)
    for _ in range(2):
        assert stage.answered()
        await stage.mirror.next()
    assert stage.spent == [0.4, 0.4]
    assert not stage.answered()
    stage.now = 86_400.0
    assert stage.answered()


@pytest.mark.parametrize(
    ("ending", "parts"),
    [(Ending.BROKEN, (b"x",)), (Ending.ABANDONED, (b"x",)), (Ending.ANSWERED, (b"x" * (MAX_RECORDED_BYTES + 1),))],
)
def test_an_answer_that_is_not_complete_or_too_long_is_no_job(ending, parts):
    stage = Stage()
    assert stage.answered(ending, parts)
    assert stage.mirror._jobs.empty()


def test_more_jobs_than_the_queue_holds_are_dropped_and_counted():
    stage = Stage(max_per_minute=100)
    for _ in range(MAX_QUEUED_JOBS + 2):
        assert stage.answered()
    assert stage.counts == ["dropped", "dropped"]
