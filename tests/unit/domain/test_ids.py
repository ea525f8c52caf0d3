"""Ids for requests that arrive without one."""

import os
import re

from octoroute.domain import ids
from octoroute.domain.ids import new_id

SHAPE = re.compile(r"req_[0-9a-f]{24}")


def test_an_id_has_one_shape_and_none_comes_twice_over_several_batches():
    drawn = [new_id() for _ in range(5 * ids._BATCH)]
    assert all(SHAPE.fullmatch(one) for one in drawn)
    assert len(set(drawn)) == len(drawn)


def test_a_child_process_draws_ids_of_its_own():
    new_id()  # the parent has a batch in stock
    heard, told = os.pipe()
    child = os.fork()
    if not child:
        os.write(told, " ".join(new_id() for _ in range(ids._BATCH)).encode())
        os._exit(0)
    os.close(told)
    with os.fdopen(heard) as pipe:
        theirs = set(pipe.read().split())
    assert os.waitpid(child, 0)[1] == 0
    ours = {new_id() for _ in range(ids._BATCH)}
    assert len(theirs) == len(ours) == ids._BATCH
    assert not theirs & ours
