"""The microcontroller in time: cases worked out by hand, against the simulator's own device, and replayed."""

import random

import numpy as np
import pytest

from edgelearn.errors import UserError
from edgelearn.network.device import device
from edgelearn.network.kernels import tables as t
from edgelearn.network.learner import Learner, steps_of
from edgelearn.network.spec import design
from firmware_sim.emulate.board import Microcontroller, operate


def board(**changes):
    """One cycle is 1 us, a sample comes every 100."""
    settings = {"clock_hz": 1e6, "cycles_per_instruction": 1, "period_s": 100e-6, "predict": 20, "learn": 60}
    return Microcontroller(**(settings | changes))


def test_a_core_with_time_to_spare_learns_all():
    done = operate(board(save_every=2, save=5, erase_s=10e-6, program_s=5e-6), [True] * 5)
    assert (done.arrived, done.learned, done.dropped, done.missed, done.saves, done.forgotten) == (5, 5, 0, 0, 2, 0)
    assert done.accepted == done.kept == (0, 1, 2, 3, 4)
    assert (done.busy_cycles, done.powered_cycles) == (5 * 60 + 2 * 20, 460)
    assert done.utilisation == 340 / 460


def test_cycles_per_instruction_and_clock_stretch_work():
    slow = operate(board(cycles_per_instruction=1.4), [True, False])
    assert (slow.learned, slow.predicted, slow.busy_cycles) == (1, 1, 84 + 28)
    assert operate(board(clock_hz=2e6), [True, False]).powered_cycles == 220


def test_a_full_buffer_drops_and_a_deadline_passes():
    """Work of 250: 0 runs 0-250, 1 waits until 500, 2 finds it there; 3 comes at 300, waits until 750, and so on."""
    done = operate(board(learn=250, deadline_s=450e-6), [True] * 8)
    assert done.accepted == (0, 1, 3, 5)
    assert (done.dropped, done.late) == (4, 1)  # 250, 500 - 100, 750 - 300, 1000 - 500: only the last is above 450
    assert operate(board(learn=250, deadline_s=449e-6), [True] * 8).late == 2


def test_a_sample_that_comes_as_work_ends_finds_room():
    assert operate(board(learn=200, queue=0), [True] * 5).accepted == (0, 2, 4)
    assert operate(board(learn=201, queue=0), [True] * 5).accepted == (0, 3)


@pytest.mark.parametrize(
    ("queue", "accepted", "dropped"), [(0, (0, 1, 5, 6), 3), (1, (0, 1, 2, 5, 6), 2), (3, (0, 1, 2, 3, 4, 5, 6), 0)]
)
def test_samples_that_come_while_flash_is_written_wait_or_drop(queue, accepted, dropped):
    """The save after samples 0 and 1 takes from 160 to 460: 2, 3 and 4 come meanwhile."""
    done = operate(board(save_every=2, erase_s=250e-6, program_s=50e-6, queue=queue), [True] * 7)
    assert (done.accepted, done.dropped, done.saves) == (accepted, dropped, len(accepted) // 2)


def test_only_labelled_samples_are_learned_and_counted_for_saves():
    done = operate(board(save_every=2), [True, False, True, False, False, True])
    assert (done.learned, done.predicted, done.saves, done.accepted) == (3, 3, 1, (0, 2, 5))
    assert done.busy_cycles == 3 * 60 + 3 * 20


def test_measured_work_of_each_sample_counts():
    done = operate(board(queue=0), [True] * 4, work=[50, 130, 10, 70])
    assert (done.accepted, done.dropped, done.busy_cycles) == ((0, 1, 3), 1, 250)


def test_a_loss_forgets_what_was_not_saved():
    """Saves after 0-1 and 2-3; at 455 sample 4 is being learned, at 530 nobody is there, at 650 power is back."""
    done = operate(board(save_every=2), [True] * 9, losses=[(455e-6, 195e-6)])
    assert (done.accepted, done.kept) == ((0, 1, 2, 3, 7, 8), (0, 1, 2, 3, 7, 8))
    assert (done.missed, done.forgotten, done.saves) == (3, 0, 3)
    done = operate(board(save_every=2), [True] * 9, losses=[(475e-6, 0.0)])
    assert (done.accepted, done.kept) == ((0, 1, 2, 3, 4, 5, 6, 7, 8), (0, 1, 2, 3, 5, 6, 7, 8))
    assert (done.missed, done.forgotten, done.saves) == (0, 1, 4)
    assert done.powered_cycles == 860


def test_a_loss_in_the_middle_of_a_save_or_as_it_ends():
    """Samples 0 and 1 are learned at 160; the save takes to 190."""
    saving = board(save_every=2, erase_s=20e-6, program_s=10e-6)
    cut = operate(saving, [True] * 4, losses=[(189e-6, 0.0)])
    assert (cut.kept, cut.forgotten, cut.saves) == ((2, 3), 2, 1)
    assert cut.busy_cycles == 4 * 60 + 29 + 30
    whole = operate(saving, [True] * 4, losses=[(190e-6, 0.0)])
    assert (whole.kept, whole.forgotten, whole.saves) == ((0, 1, 2, 3), 0, 2)


def test_what_waits_is_missed_and_a_loss_comes_before_a_sample_of_its_cycle():
    """At 400 sample 1 is being learned and 2 and 3 wait, 4 comes in the same cycle."""
    done = operate(board(learn=250, queue=2), [True] * 6, losses=[(400e-6, 1e-6)])
    assert (done.missed, done.dropped, done.kept, done.forgotten) == (4, 0, (5,), 1)


def test_with_a_log_the_forgotten_are_learned_again_first():
    """0-3 are done by 360, the save of 0-2 by 300; power fails at 370, 3 is learned again from 380 to 440, then 4."""
    done = operate(board(save_every=3, relearns=True), [True] * 6, losses=[(370e-6, 10e-6)])
    assert (done.accepted, done.kept) == ((0, 1, 2, 3, 3, 4, 5), (0, 1, 2, 3, 4, 5))
    assert (done.learned, done.forgotten, done.missed, done.saves) == (6, 1, 0, 2)
    assert done.busy_cycles == 7 * 60


def test_a_second_loss_while_learning_again_forgets_again():
    """0, 1, 2 are done at 260 and lost at 270; 0 is again by 330; 340 cuts 1 and takes 3, which waits; 4 waits for 0, 1, 2."""
    done = operate(board(relearns=True, save_every=4), [True] * 5, losses=[(270e-6, 0.0), (340e-6, 0.0)])
    assert (done.accepted, done.kept) == ((0, 1, 2, 0, 0, 1, 2, 4), (0, 1, 2, 4))
    assert (done.learned, done.forgotten, done.missed, done.saves) == (4, 4, 1, 1)
    assert done.busy_cycles == 8 * 60 + 10


def test_every_sample_has_one_fate_whatever_happens():
    seen = np.zeros(5, int)
    for seed in range(200):
        draw = random.Random(seed)
        at, losses = 0.0, []
        for _ in range(draw.randrange(4)):
            at += draw.uniform(0, 2e-3)
            losses.append((at, draw.uniform(0, 3e-4)))
            at += losses[-1][1]
        settings = board(
            learn=draw.randrange(20, 200), queue=draw.randrange(4), save_every=draw.randrange(6), erase_s=draw.uniform(0, 2e-4),
            jitter_s=draw.uniform(0, 9.9e-5), relearns=draw.random() < 0.5, deadline_s=draw.uniform(5e-5, 3e-4),
        )  # fmt: skip
        labelled = [draw.random() < 0.8 for _ in range(60)]
        done = operate(settings, labelled, losses=losses, seed=seed)
        assert done == operate(settings, labelled, losses=losses, seed=seed)
        assert done.learned + done.predicted + done.dropped + done.missed == done.arrived == 60
        assert len(done.accepted) - done.forgotten == len(done.kept)
        assert len(set(done.accepted)) == done.learned
        assert sorted(set(done.kept)) == list(done.kept)
        assert 0 < done.utilisation <= 1
        if settings.relearns and not done.missed:
            assert set(done.kept) == set(done.accepted)
        seen += [
            done.dropped > 0,
            done.missed > 0,
            done.late > 0,
            done.forgotten > 0,
            len(done.accepted) > done.learned,
        ]
    assert (seen > 20).all(), seen


@pytest.mark.parametrize("queue", [0, 1, 3])
@pytest.mark.parametrize("jitter_s", [0.0, 80e-6])
def test_queue_and_deadline_are_those_of_the_simulated_device(queue, jitter_s):
    """Work of a sample: a number, and one for each input that is not zero; a tick of the device is a cycle."""
    rng, n = np.random.default_rng(queue), 300
    levels = rng.integers(0, 16, (n, 12)) * (rng.random((n, 12)) < 0.5)
    labels = np.where(rng.random(n) < 0.7, rng.integers(0, 3, n), t.NO_LABEL)
    learner = Learner(design((12, 6, 3), rule="drtp"))
    prices = np.zeros((2, 2, 2, len(t.COUNTERS)), np.int64)
    prices[0, 0, 0, t.SAMPLES], prices[0, 1, 0, t.SAMPLES], prices[0, :, 0, t.INPUT_EVENTS] = 90, 30, 5
    work = np.where(labels == t.NO_LABEL, 30, 90) + 5 * (levels != 0).sum(axis=1)
    settings = board(queue=queue, jitter_s=jitter_s, deadline_s=150e-6)
    simulated = device(prices, queue, 150)._replace(arrivals=np.array(settings.arrivals(n, seed=3)))
    outcome = learner.run_steps(levels, steps_of(labels), simulated)
    done = operate(settings, (labels != t.NO_LABEL).tolist(), work.tolist(), seed=3)
    counted = [int(((outcome.statuses & bit) != 0).sum()) for bit in (t.DROPPED, t.LATE, t.LEARNED)]
    assert counted == [done.dropped, done.late, done.learned]
    assert min(counted) > 5 or queue == 0  # without a queue nothing waits
    assert done.accepted == tuple(np.flatnonzero(outcome.statuses & t.LEARNED).tolist())
    assert done.busy_cycles == simulated.clock[t.BUSY_TICKS]


def test_what_was_kept_gives_the_state_of_a_learner_that_saved_and_lost_power():
    """Each sample of `accepted` is learned in its turn, and a loss takes the learner back to its last save."""
    rng = np.random.default_rng(1)
    levels, labels = rng.integers(0, 16, (40, 8)), rng.integers(0, 3, 40)
    losses = [(1.275e-3, 2.5e-4), (3.07e-3, 1e-5)]
    done = operate(board(save_every=4), [True] * 40, losses=losses)
    assert done.forgotten > 0
    assert done.missed > 0
    learner, saved, since = Learner(design((8, 5, 3), rule="dfa", rounding="stochastic")), None, 0
    saved = learner.save()
    for sample in done.accepted:
        restart = next((at + off for at, off in losses if sample * 1e-4 >= at), None)
        if restart is not None:
            losses, since = losses[1:], 0
            learner.restore(saved)
        learner.learn(levels[sample : sample + 1], labels[sample : sample + 1])
        since += 1
        if since == 4:
            saved, since = learner.save(), 0
    replayed = Learner(learner.spec)
    kept = list(done.kept)
    replayed.learn(levels[kept], labels[kept])
    for name, words in replayed.words().items():
        assert (words == learner.words()[name]).all(), name


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"clock_hz": 0}, "clock_hz is 0"),
        ({"queue": -1}, "queue is -1"),
        ({"deadline_s": 0.0}, "deadline_s is 0.0"),
        ({"jitter_s": 100e-6}, "let samples overtake"),
        ({"period_s": 1e-7}, "one clock cycle at least"),
    ],
)  # fmt: skip
def test_a_board_that_cannot_be_is_refused(changes, message):
    with pytest.raises(UserError, match=message):
        board(**changes)


def test_work_and_losses_that_do_not_fit_are_refused():
    with pytest.raises(UserError, match="work of 2 samples does not fit 3 samples"):
        operate(board(), [True] * 3, work=[1, 2])
    with pytest.raises(UserError, match=r"power cannot fail at 0\.0001 s"):
        operate(board(), [True] * 3, losses=[(1e-4, 1e-4), (1e-4, 0.0)])
