"""Blocks pass stages in order, whichever thread is quicker."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from edgelearn.network.pipeline import Pipeline

SIZES, N_BLOCKS, DEPTH = (4, 1, 2, 1), 9, 3


def run(threads, slow=None, fail_at=None):
    """Return (stage, unit, block) in the order in which they ended, as a check of each sees all before it."""
    ended, lock = [], threading.Lock()

    def unit(stage, number):
        def take(block, thread):
            with lock:
                before = set(ended)
            assert block == 0 or (stage, number, block - 1) in before
            assert stage == 0 or {(stage - 1, other, block) for other in range(SIZES[stage - 1])} <= before
            assert stage > 0 or block < DEPTH or (len(SIZES) - 1, 0, block - DEPTH) in before
            if (stage, number, block) == fail_at:
                raise ValueError("this unit fails")
            if thread == slow:
                time.sleep(0.001)
            with lock:
                ended.append((stage, number, block))

        return take

    stages = [[unit(stage, number) for number in range(size)] for stage, size in enumerate(SIZES)]
    with ThreadPoolExecutor(max(threads - 1, 1)) as executor:
        try:
            Pipeline(stages, N_BLOCKS, DEPTH, threads).run(executor)
        except ValueError:
            return ended, True
    return ended, False


@pytest.mark.parametrize(("threads", "slow"), [(1, None), (2, None), (2, 0), (3, 1), (8, 5)])
def test_every_unit_takes_every_block_once_and_in_order(threads, slow):
    ended, failed = run(threads, slow)
    assert not failed
    assert sorted(ended) == [(s, u, b) for s, size in enumerate(SIZES) for u in range(size) for b in range(N_BLOCKS)]


@pytest.mark.parametrize("threads", [1, 3])
def test_no_unit_begins_after_one_failed(threads):
    ended, failed = run(threads, fail_at=(1, 0, 4))
    assert failed
    assert (1, 0, 3) in ended
    assert not [place for place in ended if place[0] > 0 and place[2] >= 4]


def test_a_unit_without_an_owner_is_not_left_to_one_thread():
    taken = set()

    def unit(block, thread):
        taken.add(thread)
        time.sleep(0.002)

    with ThreadPoolExecutor(1) as executor:
        Pipeline([[unit] * 4, [unit]], 10, DEPTH, 2).run(executor)
    assert taken == {0, 1}
