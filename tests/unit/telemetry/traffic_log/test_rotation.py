"""Log files: whole lines, each in exactly one of them, whatever happens in between."""

from __future__ import annotations

import gzip
import json
import os
import resource
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.cli import main
from octoroute.telemetry.traffic_log.reader import RecordFilter, lines, read, writers
from octoroute.telemetry.traffic_log.record import TrafficRecord
from octoroute.telemetry.traffic_log.redaction import Redaction
from octoroute.telemetry.traffic_log.rotation import LogFile, pack, rotated_files, sweep
from octoroute.telemetry.traffic_log.writer import TrafficLog, TrafficLogSettings

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC).timestamp()
DAY = 86400.0


def numbered(count: int, start: int = 0, pad: int = 80) -> list[bytes]:
    return [json.dumps({"n": n, "pad": "x" * pad}).encode() + b"\n" for n in range(start, start + count)]


def log_file(directory: Path, limit: int | None = 1000, wall=lambda: NOW) -> LogFile:
    return LogFile(directory, "traffic", limit_bytes=limit, wall=wall)


def all_numbers(directory: Path) -> list[int]:
    return [json.loads(line)["n"] for writer in writers(directory, "traffic") for line in lines(directory, writer)]


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir() if not path.name.startswith("."))


# rotation


def test_c25_across_the_limit_every_line_is_in_exactly_one_file(tmp_path):
    file = log_file(tmp_path)
    for at in range(0, 300, 7):
        assert file.write(numbered(7, at)) == 7
    assert all_numbers(tmp_path) == list(range(301))
    sizes = [path.stat().st_size for path in tmp_path.glob("*.ndjson")]
    assert len(sizes) > 20
    assert max(sizes) <= 1000


def test_c25_two_in_one_second_keep_both(tmp_path):
    file = log_file(tmp_path, limit=100)
    for n in range(3):
        file.write(numbered(1, n))
    assert names(tmp_path) == ["traffic.20260301_120000-2.ndjson", "traffic.20260301_120000.ndjson", "traffic.ndjson"]
    assert all_numbers(tmp_path) == [0, 1, 2]


def test_c25_a_packed_name_counts_as_taken(tmp_path):
    file = log_file(tmp_path, limit=100)
    file.write(numbered(2))
    pack(file.rotated[0])
    file.write(numbered(1, 2))
    assert names(tmp_path) == ["traffic.20260301_120000-2.ndjson", "traffic.20260301_120000.ndjson.gz", "traffic.ndjson"]


def test_c25_a_line_larger_than_the_limit_has_a_file_of_its_own(tmp_path):
    file = log_file(tmp_path, limit=50)
    assert file.write(numbered(2, pad=500)) == 2
    assert all_numbers(tmp_path) == [0, 1]


def test_without_a_limit_it_grows(tmp_path):
    log_file(tmp_path, limit=None).write(numbered(500))
    assert names(tmp_path) == ["traffic.ndjson"]


@given(sizes=st.lists(st.lists(st.integers(0, 300), max_size=8), max_size=12), limit=st.integers(60, 600))
def test_c25_any_batches_any_limit(tmp_path_factory, sizes, limit):
    directory = tmp_path_factory.mktemp("logs")
    file = log_file(directory, limit=limit)
    n = 0
    for batch in sizes:
        made = [json.dumps({"n": n + at, "pad": "x" * size}).encode() + b"\n" for at, size in enumerate(batch)]
        assert file.write(made) == len(made)
        n += len(made)
    file.close()
    assert all_numbers(directory) == list(range(n))
    assert all(path.read_bytes().endswith(b"\n") for path in directory.glob("*.ndjson") if path.stat().st_size)


def test_it_goes_on_where_it_was(tmp_path):
    first = log_file(tmp_path)
    first.write(numbered(3))
    first.close()
    second = log_file(tmp_path)
    second.write(numbered(3, 3))
    assert all_numbers(tmp_path) == list(range(6))
    assert second.path.stat().st_mode & 0o777 == 0o600


def test_half_a_line_of_a_crash_does_not_spoil_the_next(tmp_path):
    (tmp_path / "traffic.ndjson").write_bytes(numbered(1)[0] + b'{"n": 1, "pa')
    log_file(tmp_path).write(numbered(2, 2))
    found = [read(line) for line in lines(tmp_path, "traffic")]
    assert [told and told["n"] for told in found] == [0, None, 2, 3]


def test_a_file_moved_away_is_made_anew(tmp_path):
    file = log_file(tmp_path)
    file.write(numbered(1))
    file.path.rename(tmp_path / "mine")
    file.write(numbered(1, 1))
    assert all_numbers(tmp_path) == [1]


def test_two_writers_do_not_share_a_file(tmp_path):
    one, two = log_file(tmp_path, limit=300), log_file(tmp_path, limit=300)
    for at in range(0, 40, 2):
        one.write(numbered(1, at))
        two.write(numbered(1, at + 1))
    assert writers(tmp_path, "traffic") == ["traffic", "traffic-2"]
    assert [read(line)["n"] for line in lines(tmp_path, "traffic")] == list(range(0, 40, 2))
    assert [read(line)["n"] for line in lines(tmp_path, "traffic-2")] == list(range(1, 40, 2))


# a disk that is full


def test_a_full_disk_takes_nothing_and_breaks_nothing(tmp_path):
    (tmp_path / "traffic.ndjson").symlink_to("/dev/full")
    file = log_file(tmp_path)
    assert file.write(numbered(3)) == 0
    assert file.error is not None
    (tmp_path / "traffic.ndjson").unlink()
    assert file.write(numbered(2, 3)) == 2
    assert file.error is None
    assert all_numbers(tmp_path) == [3, 4]


@pytest.mark.parametrize("room", [0, 1, 90, 97, 98, 99, 150, 400])
def test_a_disk_that_fills_in_the_middle_of_a_line_keeps_whole_lines(tmp_path, room):
    file = log_file(tmp_path, limit=None)
    file.write(numbered(3))
    size = file.path.stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + room, hard))
    try:
        kept = file.write(numbered(10, 3))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert kept == room // len(numbered(1, 3)[0])
    assert file.error is not None
    assert all_numbers(tmp_path) == list(range(3 + kept))
    assert file.write(numbered(2, 90)) == 2
    assert all_numbers(tmp_path) == [*range(3 + kept), 90, 91]


def test_a_directory_that_cannot_be_made(tmp_path):
    (tmp_path / "logs").write_text("a file")
    file = log_file(tmp_path / "logs")
    assert file.write(numbered(1)) == 0
    (tmp_path / "logs").unlink()
    assert file.write(numbered(1)) == 1


# packing


def test_c26_packed_is_the_same_and_the_ratio_is_right(tmp_path):
    path = tmp_path / "traffic.20260301_120000.ndjson"
    path.write_bytes(b"".join(numbered(1000)))
    before = path.stat()
    ratio = pack(path)
    packed = tmp_path / "traffic.20260301_120000.ndjson.gz"
    assert names(tmp_path) == [packed.name]
    assert gzip.decompress(packed.read_bytes()) == b"".join(numbered(1000))
    assert ratio == pytest.approx(before.st_size / packed.stat().st_size)
    assert ratio > 5


def test_x37_the_ratio_is_never_zero(tmp_path):
    path = tmp_path / "traffic.20260301_120000.ndjson"
    path.write_bytes(numbered(1)[0])
    assert pack(path) > 0


def test_c26_what_cannot_be_packed_stays(tmp_path):
    path = tmp_path / "traffic.20260301_120000.ndjson"
    path.write_bytes(numbered(1)[0])
    (tmp_path / f"{path.name}.gz").mkdir()  # in the way of the rename
    with pytest.raises(OSError):
        pack(path)
    assert path.read_bytes() == numbered(1)[0]
    assert names(tmp_path) == [path.name, f"{path.name}.gz"]


def test_c26_a_crash_between_the_steps_leaves_one_readable_file(tmp_path):
    path = tmp_path / "traffic.20260301_120000.ndjson"
    path.write_bytes(b"".join(numbered(3)))
    left_over = tmp_path / f"{path.name}.4242.tmp"
    left_over.write_bytes(b"half")  # while it was being packed
    assert all_numbers(tmp_path) == [0, 1, 2]
    (tmp_path / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))  # after the rename, before the removal
    assert all_numbers(tmp_path) == [0, 1, 2]
    os.utime(left_over, (NOW - 7200, NOW - 7200))
    sweep(tmp_path, "traffic", keep=0, max_age_s=0, compress=True, now=NOW)
    assert names(tmp_path) == [f"{path.name}.gz"]
    assert all_numbers(tmp_path) == [0, 1, 2]


# retention


def backups(directory: Path, ages_days: list[float]) -> list[str]:
    made = []
    for age in ages_days:
        stamp = time.strftime("%Y%m%d_%H%M%S", time.gmtime(NOW - age * DAY))
        path = directory / f"traffic.{stamp}.ndjson"
        path.write_bytes(b"{}\n")
        made.append(path.name)
    return made


def test_c27_the_eleventh_goes(tmp_path):
    made = backups(tmp_path, [0.1 * at for at in range(11)])
    swept = sweep(tmp_path, "traffic", keep=10, max_age_s=30 * DAY, compress=False, now=NOW)
    assert [path.name for path in swept.removed] == [made[-1]]
    assert names(tmp_path) == sorted(made[:-1])


def test_c27_thirty_one_days_go(tmp_path):
    made = backups(tmp_path, [1, 29.9, 30.1, 31])
    sweep(tmp_path, "traffic", keep=10, max_age_s=30 * DAY, compress=False, now=NOW)
    assert names(tmp_path) == sorted(made[:2])


def test_c27_nothing_foreign_is_touched(tmp_path):
    old = time.strftime("%Y%m%d_%H%M%S", time.gmtime(NOW - 400 * DAY))
    foreign = ["notes.json", "traffic.json", "traffic.ndjson", "traffic.old.ndjson", "traffic.20260230_000000.ndjson", f"other.{old}.ndjson",
               f"traffic.{old}.json", f"traffic.{old}.ndjson.bak", f"my-traffic.{old}.ndjson", f"traffic-2.{old}.ndjson", f"traffic.{old}.txt.gz"]  # fmt: skip
    for name in foreign:
        (tmp_path / name).write_bytes(b"{}\n")
        os.utime(tmp_path / name, (0, 0))
    backups(tmp_path, [400])
    sweep(tmp_path, "traffic", keep=1, max_age_s=DAY, compress=True, now=NOW)
    assert names(tmp_path) == sorted(foreign)


def test_c27_zero_keeps_everything(tmp_path):
    made = backups(tmp_path, [at * 10 for at in range(20)])
    sweep(tmp_path, "traffic", keep=0, max_age_s=0, compress=False, now=NOW)
    assert names(tmp_path) == sorted(made)


class Clock:
    def __init__(self, now: float = 50.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def traffic_log(directory, clock, dropped=lambda count: None, file=None, **settings):
    return TrafficLog(
        TrafficLogSettings(directory=directory, **settings),
        Redaction(),
        clock=clock,
        wall=lambda: NOW + clock(),
        dropped=dropped,
        file=file,
    )


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


# the thread


def recording(n: int) -> TrafficRecord:
    made = TrafficRecord("POST", "/v1/chat/completions", [(b"content-type", b"application/json")], 1000, NOW)
    made.request_id = str(n)
    made.status = 200
    made.request_body.add(b'{"model":"auto","n":%d}' % n)
    return made


def ids(directory: Path) -> list[int]:
    return [int(read(line)["request_id"]) for writer in writers(directory, "traffic") for line in lines(directory, writer)]


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


def test_what_is_put_aside_and_packed_while_it_is_read_is_read_once(tmp_path):
    first, second = (tmp_path / f"traffic.20260301_14305{n}.ndjson" for n in (1, 2))
    live = tmp_path / "traffic.ndjson"
    first.write_bytes(b'{"n": 0}\n')
    live.write_bytes(b'{"n": 1}\n')
    reading = lines(tmp_path, "traffic")
    found = [next(reading)]
    live.rename(second)
    pack(second)
    live.write_bytes(b'{"n": 2}\n')
    assert [read(line)["n"] for line in (*found, *reading)] == [0, 1]


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


# the command


@pytest.fixture
def filled(tmp_path):
    file = log_file(tmp_path, limit=200)
    rows = [
        {"request_id": "r1", "ending": "answered", "endpoint": "a", "time": "2026-01-01T00:00:00.000Z"},
        {"request_id": "r2", "ending": "failed", "endpoint": "b", "time": "2026-01-02T00:00:00.000Z"},
        {"request_id": "r3", "ending": "answered", "endpoint": "b", "time": "2026-01-03T00:00:00.000Z"},
    ]
    file.write([json.dumps(row).encode() + b"\n" for row in rows for _ in range(2)])
    file.close()
    pack(rotated_files(tmp_path, "traffic")[0].path)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], ["r1", "r1", "r2", "r2", "r3", "r3"]),
        (["--request-id", "r2"], ["r2", "r2"]),
        (["--endpoint", "b"], ["r2", "r2", "r3", "r3"]),
        (["--endpoint", "b", "--ending", "answered"], ["r3", "r3"]),
        (["--ending", "broken"], []),
    ],
)
def test_c28_cat_reads_packed_files_too_and_filters(filled, capfdbinary, words, expected):
    assert main(["logs", "cat", "--directory", str(filled), *words]) == 0
    assert [json.loads(line)["request_id"] for line in capfdbinary.readouterr().out.splitlines()] == expected


def test_c28_stats(filled, capsys):
    assert main(["logs", "stats", "--directory", str(filled)]) == 0
    told = capsys.readouterr().out
    assert "3 files" in told
    assert "6 requests" in told
    assert "from 2026-01-01T00:00:00.000Z to 2026-01-03T00:00:00.000Z" in told
    assert "answered     4" in told
    assert "failed       2" in told


def test_c28_cleanup_follows_the_configuration(tmp_path, capsys, monkeypatch):
    directory = tmp_path / "logs"
    directory.mkdir()
    stamps = ["20200101_000000", *(time.strftime("%Y%m%d_%H%M%S", time.gmtime(time.time() - 60 * at)) for at in range(4))]
    for stamp in stamps:
        (directory / f"traffic.{stamp}.ndjson").write_bytes(b"{}\n")
    (tmp_path / "config.toml").write_text(
        '[[models.fast]]\nname = "m"\nbase_url = "http://h/v1"\n[logging.rotation]\nmax_backups = 3\n', "utf-8"
    )
    monkeypatch.chdir(tmp_path)
    assert main(["logs", "cleanup"]) == 0
    assert "2 removed, 3 packed" in capsys.readouterr().out
    assert len(list(directory.glob("*.gz"))) == 3


def test_c28_nothing_there(tmp_path, capsys):
    for what in ("stats", "cleanup", "cat"):
        assert main(["logs", what, "--directory", str(tmp_path / "none")]) == 0
    assert "0 files" in capsys.readouterr().out


def test_filters():
    assert RecordFilter().takes({})
    assert not RecordFilter(endpoint="a").takes({})
