"""The parts of a stream's run that no golden test reaches: long times, large budgets, clocks that start again."""

from __future__ import annotations

import io
import signal

import numpy as np
import pytest

from edgelearn.config import StreamConfig, validated
from edgelearn.data.lines import LineSource
from edgelearn.data.recordings import Limited, Recording
from edgelearn.data.sensor import DriftingSensor
from edgelearn.data.source import Block
from edgelearn.errors import UserError
from edgelearn.network.kernels import tables as t
from edgelearn.runs.checkpoint import Interrupted
from edgelearn.runs.stream import StreamWork
from edgelearn.runs.stream import run as stream

QUICK = {"hidden": "4"}


def config(**settings):
    return validated(StreamConfig, QUICK | settings)


def test_a_larger_budget_never_learns_less():
    """Budgets of any size: credits must not leave 64 bits."""
    slow = [DriftingSensor(n_samples=300, rate_hz=1 / 1800) for _ in range(8)]
    budgets = ("1 nW", "10 nW", "1 uW", "5 uW", "10 uW", "1 mW", "100 mW", "1000 W")
    learned = [
        stream(config(energy_budget=budget), source=source).content["learning"]["learned"]
        for budget, source in zip(budgets, slow, strict=True)
    ]
    assert learned == sorted(learned)
    assert learned[-1] == 300


def test_a_budget_holds_back_and_is_kept():
    source = DriftingSensor(n_samples=2000, rate_hz=1000)
    content = stream(config(energy_budget="50 nW"), source=source).content
    free = stream(config(), source=DriftingSensor(n_samples=2000, rate_hz=1000)).content
    learning = content["learning"]
    assert 0 < learning["learned"] < 1500
    assert learning["learned"] + learning["over_budget"] == 2000
    update_pj = (free["device"]["energy_per_row_pj"] - content["device"]["energy_per_row_pj"]) * 2000
    per_update = update_pj / (2000 - learning["learned"])
    given_pj = 0.05e6 * (2 + 1)  # two seconds, and one second's worth in the bucket at the start
    assert 0.9 * given_pj < learning["learned"] * per_update < 1.1 * given_pj


@pytest.mark.parametrize(
    ("settings", "outputs"), [({}, 1), ({"net": "2-4-2"}, 2), ({"rule": "dfa"}, 2), ({"output": "sigmoid"}, 1)]
)
def test_mdfa_takes_one_output_for_two_classes_unless_asked(tmp_path, settings, outputs):
    (tmp_path / "two.csv").write_text("a,b,state\n" + "\n".join(f"{k % 7},{k % 5},{'ud'[k % 2]}" for k in range(60)))
    given = {"data": str(tmp_path / "two.csv"), "rule": "mdfa"} | settings
    content = stream(validated(StreamConfig, (QUICK if "net" not in settings else {}) | given)).content
    assert content["network"]["sizes"] == [2, 4, outputs]
    assert content["network"]["output"] == ("sigmoid" if outputs == 1 else "softmax")
    noted = "mdfa takes one output for two classes, as in its paper; --net 2-4-2 gives two" in content["notes"]
    assert noted == (outputs == 1)


def test_longer_than_ticks_can_tell():
    with pytest.raises(UserError, match=r"lasts longer than the 2.9 years .* 200 MHz; give a higher --sample-rate"):
        stream(config(sample_rate="1e-6 Hz"), source=DriftingSensor(n_samples=300))


def with_restarts():
    """Three recordings whose clocks begin at zero, 0.1 s a sample: sums of times depend on their order."""
    segment = np.repeat([0, 1, 2], 40)
    clock = np.tile(np.arange(40) * 0.1 + 0.7, 3)
    x = np.random.default_rng(0).normal(size=(120, 2)).astype(np.float32)
    return x, np.arange(120) % 2, clock, segment


class Clocked:
    name, source, drift_points, rate_hz, has_clock = "clocked", "here", (), None, True
    channels, class_names, n_classes, n_samples = ("a", "b"), ("x", "y"), 2, 120

    def __init__(self, bad_time=None):
        from edgelearn.data.source import Rejects

        self.rejects, self.bad_time = Rejects(), bad_time

    def blocks(self, start=0, cuts=(120,)):
        x, y, clock, segment = with_restarts()
        if self.bad_time is not None:
            clock[5] = self.bad_time
        for a, b in zip([0, *cuts[:-1]], cuts, strict=True):
            yield Block(x[a:b], y[a:b], clock[a:b], segment[a:b])

    def state(self):
        return {}

    def restore(self, state):
        pass


@pytest.mark.parametrize("cuts", [(1, 2, 40, 41, 120), (13, 39, 80, 120), tuple(range(1, 121))])
def test_clocks_that_start_again_do_not_depend_on_cuts(cuts):
    whole, cut = StreamWork(config(), Clocked()), StreamWork(config(), Clocked())
    times = whole.take(next(whole.source.blocks())).times
    pieces = np.concatenate([cut.take(block).times for block in cut.source.blocks(0, cuts)])
    assert times.tobytes() == pieces.tobytes()
    assert (np.diff(times) >= 0).all()
    assert times[40] - times[39] == pytest.approx(times[39] - times[38])  # the next recording follows a period later
    np.testing.assert_array_equal(whole.device.clock, cut.device.clock)


def test_a_sample_without_a_time_is_refused():
    with pytest.raises(UserError, match="clocked has samples without a time; give --sample-rate"):
        stream(config(), source=Clocked(np.nan))


def test_labels_of_one_class_are_refused_with_a_way_out():
    with pytest.raises(UserError, match=r"labels of 1 class\(es\) .* name the labels with --label-column"):
        stream(config(), source=Recording([[0.0], [1.0]], [0, 0], class_names=("a",)))


def test_a_limited_live_source_keeps_its_line_numbers():
    text = [f"{i},{i % 2},{'ab'[i % 2]}\n".encode() for i in range(9)]
    lines = LineSource(iter(text), name="-", source="here", live=True, block_size=4)
    seen = []
    stream(config(), source=Limited(lines, 6), on_rows=lambda run, rows: seen.extend(rows.lines.tolist()))
    assert seen == [1, 2, 3, 4, 5, 6]


def test_statuses_add_up():
    settings = {"sample_rate": "10 kHz", "processor": "cortex-m4", "when_late": "skip-update", "queue": 2}
    settings["hidden"] = "64"
    rows = []
    content = stream(
        config(**settings), source=DriftingSensor(n_samples=400), on_rows=lambda run, done: rows.append(done)
    ).content
    status = np.concatenate([done.statuses for done in rows])
    counted = {bit: int(np.count_nonzero(status & bit)) for bit in (t.DROPPED, t.LATE, t.LEARNED, t.WAITED)}
    assert counted[t.DROPPED] == content["device"]["dropped"] > 0
    assert counted[t.LATE] == content["device"]["late"]
    assert counted[t.LEARNED] == content["learning"]["learned"]
    assert counted[t.WAITED] == content["learning"]["waited"] > 0
    assert counted[t.DROPPED] + counted[t.LEARNED] + counted[t.WAITED] == 400


def test_a_row_is_due_when_the_next_one_comes():
    run = StreamWork(config(window=10, stride=5), DriftingSensor(n_samples=100, rate_hz=50))
    assert run.timing.deadline_s == run.period_s == 0.1
    assert StreamWork(config(deadline="3 ms"), DriftingSensor(n_samples=100)).timing.deadline_s == pytest.approx(3e-3)


SETTINGS = {"limit": 900, "label_delay": 3, "rounding": "stochastic", "energy_budget": "40 nW", "label_fraction": 0.8}


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_an_interrupted_stream_continues_to_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr("edgelearn.runs.checkpoint.CHECKPOINT_SECONDS", 0.0)

    def strike(run):
        if run.n_samples >= 300:
            signal.raise_signal(signal.SIGINT)

    source = lambda: Slow(DriftingSensor(n_samples=900))  # noqa: E731
    with pytest.raises(Interrupted) as interrupt:
        stream(config(**SETTINGS), tmp_path / "a", source=source(), on_progress=strike)
    assert interrupt.value.folder == tmp_path / "a"
    assert set(files(tmp_path / "a")) == {"checkpoint.npz", "config.toml"}
    with pytest.raises(UserError, match="was saved with seed 0 and has 1"):
        stream(config(**SETTINGS), tmp_path / "a", resume=True, source=Slow(DriftingSensor(n_samples=900, seed=1)))
    fewer = Slow(DriftingSensor(n_samples=900, n_channels=7))
    with pytest.raises(UserError, match="has other channels than when its state was saved"):
        stream(config(**SETTINGS), tmp_path / "a", resume=True, source=fewer)
    report = stream(config(**SETTINGS), tmp_path / "a", resume=True, source=source())
    stream(config(**SETTINGS), tmp_path / "b", source=source())
    assert files(tmp_path / "a") == files(tmp_path / "b")
    again = stream(
        config(**SETTINGS), tmp_path / "a", resume=True, on_progress=lambda run: pytest.fail("learned again")
    )
    assert again.to_json() == report.to_json()


def test_a_live_source_is_left_with_a_checkpoint(tmp_path):
    def lines():
        yield from (f"{i},{i % 2},{'ab'[i % 2]}\n".encode() for i in range(9))
        raise KeyboardInterrupt  # as the signal does while it waits for a line

    live = LineSource(lines(), name="-", source="here", live=True, block_size=1)
    with pytest.raises(Interrupted):
        stream(config(), tmp_path / "a", source=live)
    more = LineSource(iter([b"1,1,b\n"]), name="-", source="here", live=True)
    content = stream(config(), tmp_path / "a", resume=True, source=more).content
    assert content["stream"]["samples"] == 10
    assert content["stream"]["classes"] == ["a", "b"]


class Slow:
    """A source in blocks of 100, so that there is a moment to interrupt."""

    def __init__(self, whole):
        self.whole = whole

    def __getattr__(self, name):
        return getattr(self.whole, name)

    def blocks(self, start=0):
        for block in self.whole.blocks(start):
            for a in range(0, len(block), 100):
                part = slice(a, a + 100)
                yield Block(block.x[part], block.y[part], block.t[part], block.segment[part])


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"when_late": "wait"}, "setting 'when_late' = 'wait' is not allowed; give one of drop, skip-update"),
        ({"battery": "AA"}, "setting 'battery': 'AA' is not a battery"),
        ({"sample_rate": "50 m"}, "setting 'sample_rate': '50 m' is not a rate"),
        ({"hidden": "-1"}, "hidden '-1' cannot be read"),
        ({"net": "3-4-4"}, "net '3-4-4' does not fit .*; try --net 8-4-4"),
        ({"window": 60}, "no recording of .* is as long as a window of 60 samples"),
        ({"processor": "cortex-m0", "energy_budget": "1 uW"}, "needs the energy of a cycle"),
    ],
)
def test_settings_that_cannot_be(settings, text):
    with pytest.raises(UserError, match=text):
        stream(config(**settings), source=DriftingSensor(n_samples=50))


def test_time_must_come_from_somewhere():
    still = Recording(np.zeros((4, 2)), [0, 1, 0, 1])
    with pytest.raises(UserError, match=r"setting 'deadline' needs time, and .* has none; give --sample-rate"):
        stream(config(deadline="1 ms"), source=still)


def test_nothing_usable_is_told_with_its_first_reject():
    nothing = Clocked()
    nothing.rejects.add("not a number", "line 1: 'a,b'")
    nothing.blocks = lambda start=0: iter(())
    with pytest.raises(UserError, match="clocked has no samples that can be used: not a number, line 1"):
        stream(config(), source=nothing)


def test_a_net_of_all_sizes_is_taken():
    content = stream(config(net="8-6-5-4"), source=DriftingSensor(n_samples=50)).content
    assert content["network"]["sizes"] == [8, 6, 5, 4]


class Gaps(DriftingSensor):
    """The built-in stream without every seventh sample of one channel."""

    size = 256

    def blocks(self, start=0):
        for block in super().blocks(start):
            x = block.x.copy()
            x[np.rint(block.t * self.rate_hz) % 7 == 0, 2] = np.nan
            for at in range(0, len(x), self.size):
                part = slice(at, at + self.size)
                yield Block(x[part], block.y[part], block.t[part], block.segment[part])


@pytest.mark.parametrize("settings", [{"encoder": "levels"}, {"window": 4, "window_features": "statistics"}])
def test_missing_values_are_counted_and_do_not_depend_on_blocks(settings):
    found = []
    for size in (256, 33):
        source = Gaps(n_samples=1000)
        source.size = size
        work = StreamWork(config(**settings), source)
        for block in work.chunks():
            work.advance(block)
        content = work.content()
        assert content["stream"]["missing_values"] == 143
        found.append((content, {name: array.tolist() for name, array in work.words()[0].items()}))
    assert found[0] == found[1]


class Pieces(io.RawIOBase):
    """Bytes that come a few at a time."""

    def __init__(self, data, size):
        self.data, self.size = data, size

    def readable(self):
        return True

    def readinto(self, buffer):
        piece, self.data = self.data[: min(self.size, len(buffer))], self.data[min(self.size, len(buffer)) :]
        buffer[: len(piece)] = piece
        return len(piece)


@pytest.mark.parametrize("settings", [{}, {"window": 3, "label_delay": 2, "encoder": "delta"}])
def test_live_input_does_not_depend_on_how_much_is_read_at_once(settings):
    rng = np.random.default_rng(6)
    lines = ["4,walk"]  # half a line
    for k in range(300):
        label = ("", "sit", "run", "walk")[rng.integers(0, 1 + min(3, k // 60 + 1))]
        lines.append("what" if k % 50 == 20 else f"{rng.normal():.3f},{rng.normal():.3f},{label}")
    data = ("\n".join(lines) + "\n").encode()
    found = []
    for size in (1, 7, 1000, 1 << 20):
        rows = []

        def take(work, done, rows=rows):
            names = work.source.class_names
            for i in range(len(done.samples)):
                p = int(done.predictions[i])
                told = names[p] if 0 <= p < done.known[i] else None
                rows.append(
                    (int(done.samples[i]), told, int(done.labels[i]), int(done.statuses[i]), int(done.lines[i]))
                )

        source = LineSource(Pieces(data, size), name="-", source="pieces", n_classes=5, live=True)
        work = StreamWork(config(data="-", **settings), source, take)
        for block in work.chunks():
            work.advance(block)
        words = {name: array.tolist() for name, array in work.words()[0].items()}
        found.append((rows, words, work.content()))
    assert found[0] == found[1] == found[2] == found[3]
    come = set()
    for _, told, label, *_ in found[0][0]:
        assert told is None or told in come or settings
        come |= {work.source.class_names[label]} if label >= 0 else set()
    assert found[0][0][0][1] is None or settings
    assert "walk" in come
