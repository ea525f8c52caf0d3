"""Log files: whole lines, each in exactly one of them, whatever happens in between."""

from __future__ import annotations

import gzip
import json
import os
import resource
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octoroute.telemetry.traffic_log.reader import lines, read, writers
from octoroute.telemetry.traffic_log.rotation import pack, sweep
from tests.support.traffic_logs import DAY, NOW, all_numbers, backups, log_file, names, numbered

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
    assert [record and record["n"] for record in found] == [0, None, 2, 3]


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
        written = file.write(numbered(10, 3))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert written == room // len(numbered(1, 3)[0])
    assert file.error is not None
    assert all_numbers(tmp_path) == list(range(3 + written))
    assert file.write(numbered(2, 90)) == 2
    assert all_numbers(tmp_path) == [*range(3 + written), 90, 91]


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
