"""The writing thread: no record is lost unless it is counted, and no record waits for the disk in the event loop."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

from octoroute.telemetry.traffic_log.reader import lines, writers
from octoroute.telemetry.traffic_log.rotation import LogFile, rotated_files
from tests.support.traffic_logs import DAY, NOW, Clock, backups, ids, names, recording, traffic_log


def test_c27_x36_cleanup_comes_when_its_interval_has_passed_and_not_before(tmp_path):
    clock = Clock()
    log = traffic_log(tmp_path, clock, keep=1, compress=False)
    backups(tmp_path, [1, 2])
    log.sweep_if_due()
    assert len(rotated_files(tmp_path, "traffic")) == 1
    for _ in range(3):
        backups(tmp_path, [1, 2])
        for _ in range(23):
            clock.now += 3600
            log.sweep_if_due()
            assert len(rotated_files(tmp_path, "traffic")) == 2
        clock.now += 3600
        log.sweep_if_due()
        assert len(rotated_files(tmp_path, "traffic")) == 1


def test_c26_not_immediately_means_at_the_next_cleanup(tmp_path):
    clock = Clock()
    log = traffic_log(tmp_path, clock, compress_immediately=False, max_size_bytes=100, keep=0, max_age_s=0)
    log.sweep_if_due()
    log.write([recording(n) for n in range(3)])
    assert all(name.endswith(".ndjson") for name in names(tmp_path))
    clock.now += DAY
    log.sweep_if_due()
    assert [name.endswith(".gz") for name in names(tmp_path)] == [True, True, False]


class Reader(threading.Thread):
    """Reads everything again and again while it is written: only whole lines, none twice, the beginning always complete."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self.directory = directory
        self.done = threading.Event()
        self.rounds = 0
        self.wrong: list[object] = []

    def run(self) -> None:
        try:
            while not self.done.is_set():
                found = [int(json.loads(line)["request_id"]) for line in lines(self.directory, "traffic")]
                if found != sorted(set(found)):
                    self.wrong.append(found)
                self.rounds += 1
        except (OSError, ValueError, EOFError) as error:
            self.wrong.append(error)


def test_c25_two_thousand_lines_a_second_across_the_limit_with_a_reader(tmp_path):
    lost: list[int] = []
    log = traffic_log(tmp_path, time.monotonic, dropped=lost.append, max_size_bytes=40_000, keep=0, max_age_s=0)
    reader = Reader(tmp_path)
    log.start()
    reader.start()
    began = time.monotonic()
    for n in range(5000):
        log.offer(recording(n))
        if n % 20 == 19:
            time.sleep(max(0.0, began + n / 2000 - time.monotonic()))
    log.finish()
    assert log.join(30)
    reader.done.set()
    reader.join()
    assert lost == []
    assert reader.wrong == []
    assert reader.rounds > 1
    assert ids(tmp_path) == list(range(5000))
    assert len(rotated_files(tmp_path, "traffic")) > 10
    assert all(file.compressed for file in rotated_files(tmp_path, "traffic"))


class Stuck(LogFile):
    """A disk that does not answer until it is told to."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, "traffic", limit_bytes=None, wall=lambda: NOW)
        self.free = threading.Event()

    def write(self, lines):
        if lines:
            assert self.free.wait(30)
        return super().write(lines)


def test_c24_a_stuck_disk_fills_the_queue_and_drops_and_counts_the_rest(tmp_path):
    lost: list[int] = []
    file = Stuck(tmp_path)
    log = traffic_log(tmp_path, time.monotonic, dropped=lost.append, file=file, queue_bytes=100 * recording(1).cost)
    log.start()
    for n in range(1000):
        log.offer(recording(n))
    assert sum(lost) > 500
    assert log.pending_bytes <= 100 * recording(1).cost
    file.free.set()
    log.finish()
    assert log.join(30)
    assert len(ids(tmp_path)) + sum(lost) == 1000
    assert log.pending_bytes == 0


def test_c24_a_full_disk_counts_what_it_lost(tmp_path):
    (tmp_path / "traffic.ndjson").symlink_to("/dev/full")
    lost: list[int] = []
    log = traffic_log(tmp_path, Clock(), dropped=lost.append)
    log.write([recording(n) for n in range(5)])
    assert sum(lost) == 5


def test_a_successor_waits_for_its_predecessor(tmp_path):
    file = Stuck(tmp_path)
    old = traffic_log(tmp_path, time.monotonic, file=file)
    new = traffic_log(tmp_path, time.monotonic)
    old.start()
    old.offer(recording(0))
    new.start(after=old)
    old.finish()
    new.offer(recording(1))
    file.free.set()
    new.finish()
    assert new.join(30)
    assert ids(tmp_path) == [0, 1]
    assert writers(tmp_path, "traffic") == ["traffic"]
