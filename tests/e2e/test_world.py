"""What the world does to a process, in short; at length it is `python tests/torture/world`."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

import pytest

from tests.torture.world import clock, descriptors, disk, names, reloading, stopping
from tests.torture.world.impossible import Impossible


async def possible(scenario: Awaitable[dict[str, Any]]) -> None:
    try:
        await scenario
    except Impossible as error:
        pytest.skip(str(error))


async def test_a_stop_under_load_loses_nobody_and_no_line(tmp_path):
    await stopping.run(tmp_path, turns=2)


async def test_reloads_under_load_are_noticed_by_nobody(tmp_path):
    await reloading.run(tmp_path, reloads=5)


async def test_on_a_full_disk_answers_go_on_and_what_is_lost_is_counted(tmp_path):
    await possible(disk.run(tmp_path, fillings=1, workers=2, asked=20))


async def test_so_it_is_with_files_that_may_not_grow(tmp_path):
    await disk.limited(tmp_path, fillings=1, asked=20)


async def test_a_step_of_the_wall_clock_moves_dates_only(tmp_path):
    await possible(clock.run(tmp_path, steps=1))


async def test_names_fail_for_themselves_only(tmp_path):
    await possible(names.run(tmp_path, starts=1))


async def test_without_descriptors_nothing_spins_and_nobody_is_blamed(tmp_path):
    await descriptors.run(tmp_path, rounds=1)
