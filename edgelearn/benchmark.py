"""Speed benchmark: edgelearn, numpy, torch and the memory bandwidth, with one thread.

All contestants learn the same samples in one process, in turns. Times are processor times; a speed is that of the
median turn, a ratio the median of the ratios of each turn.
"""

from __future__ import annotations

import itertools
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from edgelearn.data.datasets import open_dataset
from edgelearn.errors import UserError
from edgelearn.fixedpoint.lanes import add16, compiled
from edgelearn.network.encoding import encode_levels
from edgelearn.network.kernels import tables as t
from edgelearn.network.learner import Learner
from edgelearn.network.spec import NetworkSpec, design
from edgelearn.references.torch_online import HIDDEN_RATE, OUTPUT_RATE, InPlaceNet, as_tensors, one_thread

SETTINGS: tuple[tuple[tuple[int, ...], int], ...] = (
    ((784, 500, 10), 1),
    ((784, 500, 10), 4),
    ((256, 500, 500, 10), 4),
)
LEARN = "edgelearn"
NUMPY, TORCH = "numpy, tuned", "torch in place, batch 1"
ROOFLINE = "memory bandwidth"
SLOWER = {NUMPY: 8, TORCH: 20}  # these learn 1 / 8 and 1 / 20 of the samples

Progress = Callable[[str], None]


@dataclass(frozen=True)
class BenchData:
    """Samples to learn: levels uint8[n, n_in], labels int64[n], and one line on where they come from."""

    levels: np.ndarray
    labels: np.ndarray
    source: str

    @property
    def mean_events(self) -> float:
        """Inputs of a sample that are not zero, on average."""
        return float(np.count_nonzero(self.levels) / max(len(self.levels), 1))


@dataclass(frozen=True)
class Setting:
    """What contestants learn: the words that edgelearn reads and changes per sample, in bytes, belong to it."""

    spec: NetworkSpec
    data: BenchData
    read_bytes: float
    changed_bytes: float


@dataclass(frozen=True)
class Contestant:
    """A timed implementation. `prepare` is not timed; `run` learns `n_samples` samples."""

    name: str
    n_samples: int
    run: Callable[[], Any]
    prepare: Callable[[], Any] = field(default=lambda: None)


@dataclass(frozen=True)
class Row:
    """One line of the result.

    Parameters
    ----------
    setting : network, input bits and samples
    name : who learned
    samples_per_second : in the median turn, None where it was skipped
    best : samples per second in the quickest turn
    ratio : speed of edgelearn divided by this speed, None where it was skipped
    note : the reason, or more to say
    context : what is part of every ratio of this setting
    """

    setting: str
    name: str
    samples_per_second: float | None
    ratio: float | None
    note: str
    context: str
    best: float | None = None


def processor() -> str:
    """Return the name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def caches_kib() -> dict[str, int]:
    """Return the data and unified caches of a core, {"L1": 32, "L2": 1024, ...}; none where Linux hides them."""
    found = {}
    for folder in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        try:
            kind, level, size = ((folder / name).read_text().strip() for name in ("type", "level", "size"))
        except OSError:
            continue
        if kind != "Instruction" and size.endswith("K"):
            found[f"L{level}"] = int(size[:-1])
    return found


def synthetic(n_in: int, n_classes: int, input_bits: int, n_samples: int, seed: int = 0) -> BenchData:
    """Return samples that are as sparse as handwritten digits and can be learned.

    Every class has its own 18 % of the inputs; a sample leaves out one in ten of them and adds as many.
    73 % of the events are bright enough to stay with one bit.
    """
    generator = np.random.default_rng(seed)
    shape = (n_samples, n_in)
    labels = generator.integers(0, n_classes, n_samples)
    share = 0.18
    own = generator.random((n_classes, n_in)) < share
    noise = generator.random(shape)
    on = np.where(own[labels], noise >= 0.1, noise < 0.1 * share / (1 - share))
    bright = generator.integers(128, 256, shape)
    values = np.where(generator.random(shape) < 0.73, bright, generator.integers(16, 128, shape))
    levels = encode_levels((on * values).astype(np.uint8), np.float64(0), np.float64(256), input_bits)
    return BenchData(levels, labels.astype(np.int64), "synthetic samples as sparse as digits")


def choose_data(sizes: Sequence[int], input_bits: int, n_samples: int) -> BenchData:
    """Return digits of MNIST where EDGELEARN_DATA holds them and they fit the network, else synthetic ones.

    28 x 28 pixels fit 784 inputs; for 256 inputs, digits are padded to 32 x 32 and 2 x 2 pixels are averaged.
    """
    if sizes[0] not in (784, 256) or sizes[-1] != 10 or not os.environ.get("EDGELEARN_DATA"):
        return synthetic(sizes[0], sizes[-1], input_bits, n_samples)
    try:
        data = open_dataset("mnist", limit=n_samples, allow_download=False)
    except UserError:
        return synthetic(sizes[0], sizes[-1], input_bits, n_samples)
    x, source = data.train_x, "MNIST"
    if sizes[0] == 256:
        square = np.pad(x.reshape(-1, 28, 28), ((0, 0), (2, 2), (2, 2)))
        x = square.reshape(-1, 16, 2, 16, 2).mean((2, 4)).astype(np.uint8).reshape(-1, 256)
        source = "MNIST averaged to 16 x 16"
    return BenchData(encode_levels(x, np.float64(0), np.float64(256), input_bits), data.train_y, source)


class NumpyNet:
    """DRTP in float32 with numpy: rows of inputs that are not zero are gathered into one array, changed and put back.

    Parameters
    ----------
    sizes : layer sizes, inputs to outputs
    top : the input level that is 1.0
    """

    def __init__(self, sizes: Sequence[int], top: int, seed: int = 0) -> None:
        generator = np.random.default_rng(seed)
        shapes = list(itertools.pairwise(sizes))
        self.weights = [
            generator.uniform(-np.sqrt(6 / n), np.sqrt(6 / n), (n, m)).astype(np.float32) for n, m in shapes
        ]
        self.biases = [np.zeros(n, np.float32) for n in sizes[1:]]
        self.feedback = [generator.uniform(-1, 1, (sizes[-1], n)).astype(np.float32) for n in sizes[1:-1]]
        self.top = top

    def learn(self, levels: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Learn samples one after another; return the classes before learning.

        Parameters
        ----------
        levels : uint8[n, n_in]; labels : int64[n]
        """
        weights, biases, feedback = self.weights, self.biases, self.feedback
        last = len(weights) - 1
        hidden, output = np.float32(HIDDEN_RATE), np.float32(OUTPUT_RATE)
        one = np.float32(1)
        of_level = np.arange(256, dtype=np.float32) / np.float32(self.top)
        ones = np.ones(levels.shape[1], np.float32)
        gathered = np.empty((levels.shape[1], weights[0].shape[1]), np.float32)
        predictions = np.zeros(len(labels), np.int64)
        for i, label in enumerate(labels.tolist()):
            events = levels[i].nonzero()[0]
            x = ones[: len(events)] if self.top == 1 else of_level[levels[i].take(events)]
            rows = gathered[: len(events)]
            weights[0].take(events, axis=0, out=rows, mode="clip")
            values: list[np.ndarray] = []
            for k in range(last + 1):
                z = (x @ rows if k == 0 else values[-1] @ weights[k]) + biases[k]
                values.append(np.tanh(z) if k < last else z)
            predictions[i] = values[last].argmax()
            for k in range(last + 1):
                if k < last:
                    d = feedback[k][label] * (one - values[k] * values[k]) * hidden
                else:
                    d = one / (one + np.exp(-values[k]))
                    d[label] -= one
                    d *= output
                if k > 0:
                    weights[k] -= values[k - 1][:, None] * d
                else:
                    rows -= d if self.top == 1 else x[:, None] * d
                    weights[0][events] = rows
                biases[k] -= d
        return predictions


@compiled
def stream_read(matrix, rows, starts, sums):  # type: ignore[no-untyped-def]
    """Read rows of a matrix in the order of `rows` and add them up: all samples, sample i from starts[i].

    Parameters
    ----------
    matrix : int16[n, columns]; rows : int64[...]; starts : int64[samples + 1]; sums : int16[columns]
    """
    for i in range(starts.shape[0] - 1):
        e, last = starts[i], starts[i + 1]
        while e + 4 <= last:
            a, b, c, d = rows[e], rows[e + 1], rows[e + 2], rows[e + 3]
            for j in range(matrix.shape[1]):
                low, high = add16(matrix[a, j], matrix[b, j]), add16(matrix[c, j], matrix[d, j])
                sums[j] = add16(sums[j], add16(low, high))
            e += 4
        while e < last:
            a = rows[e]
            for j in range(matrix.shape[1]):
                sums[j] = add16(sums[j], matrix[a, j])
            e += 1


@compiled
def stream_change(matrix, rows, starts, row):  # type: ignore[no-untyped-def]
    """Add one constant row to rows of a matrix in place, in the order of `rows`.

    Parameters
    ----------
    matrix : int16[n, columns]; rows : int64[...]; starts : int64[samples + 1]; row : int16[columns]
    """
    for i in range(starts.shape[0] - 1):
        for e in range(starts[i], starts[i + 1]):
            a = rows[e]
            for j in range(matrix.shape[1]):
                matrix[a, j] = add16(matrix[a, j], row[j])


@dataclass(frozen=True)
class _Plane:
    """The rows of one layer that samples read, and those they change."""

    matrix: np.ndarray
    read: np.ndarray
    read_starts: np.ndarray
    changed: np.ndarray
    changed_starts: np.ndarray


def _planes(learner: Learner, data: BenchData) -> list[_Plane]:
    """Copy every weight matrix and list the rows of all samples; `learner` has learned them."""
    planes = []
    n = len(data.levels)
    counters = learner.counters
    for k, layer in enumerate(learner.state.layers):
        start, n_rows, stride = layer[t.WEIGHT_AT], layer[t.ROWS], layer[t.STRIDE]
        plane = learner.state.arrays.weights[start : start + n_rows * stride]
        matrix = np.zeros(len(plane) + 32, np.int16)
        first = -matrix.ctypes.data % 64 // 2
        matrix = matrix[first : first + len(plane)]
        matrix[:] = plane
        if k == 0:  # the bias is the last row
            on = np.concatenate([data.levels != 0, np.ones((n, 1), bool)], axis=1)
            read = np.nonzero(on)[1]
            read_starts = np.concatenate([[0], np.cumsum(on.sum(1))])
            changed, changed_starts = read, read_starts
        else:  # all neurons are read; of those with an error, the mean number is changed
            active = min(round(float(counters["active_neurons"][k]) / n), int(n_rows))
            read, read_starts = np.tile(np.arange(n_rows), n), np.arange(n + 1) * n_rows
            changed, changed_starts = np.tile(np.arange(active), n), np.arange(n + 1) * active
        planes.append(_Plane(matrix.reshape(n_rows, stride), read, read_starts, changed, changed_starts))
    return planes


def _stream(planes: Sequence[_Plane], change: bool) -> None:
    for plane in planes:
        row = np.ones(plane.matrix.shape[1], np.int16)
        if change:
            stream_change(plane.matrix, plane.changed, plane.changed_starts, row)
        else:
            stream_read(plane.matrix, plane.read, plane.read_starts, row)


def _bytes(planes: Sequence[_Plane], change: bool) -> int:
    return sum(2 * p.matrix.shape[1] * len(p.changed if change else p.read) for p in planes)


_READ, _CHANGE = "read", "change"  # the two halves of the roofline


def share_of(n_samples: int, times: int) -> int:
    """Return how many samples a contestant that is slower by so many times learns: 100 or more."""
    return max(min(100, n_samples), n_samples // times)


def torch_contestant(name: str, make: Callable[..., Any], times: int, setting: Setting) -> Contestant:
    """Return a network of torch as a contestant.

    Parameters
    ----------
    make : from sizes and seed; times : how often slower it is than edgelearn

    Raises
    ------
    UserError
        "torch is not installed ..."
    """
    spec, data = setting.spec, setting.data
    n = share_of(len(data.levels), times)
    net = make(spec.sizes, seed=spec.seed)
    tensors = as_tensors(data.levels[:n], data.labels[:n], spec.n_outputs)

    def learn() -> None:
        with one_thread():
            net.learn(*tensors)

    return Contestant(name, n, learn)


def contestants_of(spec: NetworkSpec, data: BenchData) -> tuple[Setting, list[Contestant]]:
    """Return the setting, edgelearn, and the two halves of the roofline: its reads and its changes."""
    n = len(data.levels)
    learner = Learner(spec)
    start = learner.save()
    learner.learn(data.levels, data.labels)
    planes = _planes(learner, data)
    setting = Setting(spec, data, _bytes(planes, False) / n, _bytes(planes, True) / n)
    return setting, [
        Contestant(LEARN, n, lambda: learner.learn(data.levels, data.labels), lambda: learner.restore(start)),
        Contestant(_READ, n, lambda: _stream(planes, False)),
        Contestant(_CHANGE, n, lambda: _stream(planes, True)),
    ]


def _float_contestants(setting: Setting) -> tuple[list[Contestant], dict[str, str]]:
    """Return DRTP in numpy and torch, and why one is skipped."""
    spec, data = setting.spec, setting.data
    few = share_of(len(data.levels), SLOWER[NUMPY])
    net = NumpyNet(spec.sizes, (1 << spec.input_bits) - 1, spec.seed)
    found = [Contestant(NUMPY, few, lambda: net.learn(data.levels[:few], data.labels[:few]))]
    try:
        return [*found, torch_contestant(TORCH, InPlaceNet, SLOWER[TORCH], setting)], {}
    except UserError as error:
        return found, {TORCH: str(error)}


def seconds_of(
    contestants: Sequence[Contestant], repeats: int, setting: str, on_progress: Progress
) -> dict[str, np.ndarray]:
    """Return the processor seconds per sample of each contestant and turn, after a turn that is not timed."""
    from threadpoolctl import threadpool_limits

    seconds: dict[str, list[float]] = {c.name: [] for c in contestants}
    with threadpool_limits(1):
        for turn in range(repeats + 1):
            for contestant in contestants:
                on_progress(f"{setting}: turn {turn} of {repeats}, {contestant.name}")
                contestant.prepare()
                start = time.process_time()
                contestant.run()
                if turn > 0:
                    seconds[contestant.name].append((time.process_time() - start) / contestant.n_samples)
    return {name: np.array(turns) for name, turns in seconds.items()}


def measure(
    sizes: Sequence[int],
    input_bits: int = 4,
    n_samples: int = 4000,
    repeats: int = 15,
    data: BenchData | None = None,
    on_progress: Progress = lambda line: None,
    others: Sequence[Callable[[Setting], Contestant]] = (),
    rule: str = "drtp",
) -> list[Row]:
    """Measure online learning with one thread: edgelearn, the memory bandwidth and, for DRTP, numpy and torch.

    Parameters
    ----------
    sizes : layer sizes, inputs to outputs
    input_bits : width of the input levels
    n_samples : samples that edgelearn learns per turn; slower contestants learn a part of them
    repeats : turns
    data : what to learn; `choose_data` chooses when left out
    on_progress : called with one line before each measurement
    others : make more contestants
    rule : learning rule

    Raises
    ------
    UserError
        "bench needs at least ..."

    Notes
    -----
    The roofline is the time in which plain loops read all rows of weights that a sample reads, and add a
    constant to all rows it changes, in the same order on the same matrices. It is no physical limit: a network that
    takes several samples per row reads less.
    """
    if n_samples < 1 or repeats < 1:
        raise UserError(f"bench needs at least 1 sample and 1 repeat; {n_samples} and {repeats} were given")
    spec = design(tuple(sizes), rule=rule, bits=8, residual_bits=8, input_bits=input_bits)
    if data is None:
        data = choose_data(sizes, input_bits, n_samples)
    title = f"{rule} {'-'.join(str(n) for n in sizes)}, {input_bits}-bit inputs, {data.source}"
    setting, contestants = contestants_of(spec, data)
    made = [make(setting) for make in others]
    floats, skipped = _float_contestants(setting) if rule == "drtp" else ([], {})
    contestants[1:1] = made
    seconds = seconds_of([*contestants, *floats], repeats, title, on_progress)

    context = f"On average {data.mean_events:.0f} of {sizes[0]} inputs are events."
    if floats:
        context = (
            f"Sparsity and narrow weights are part of the ratio: on average {data.mean_events:.0f} of {sizes[0]} "
            "inputs are events and edgelearn and numpy skip the others, torch computes all; a weight takes "
            f"{spec.layers[0].word.stored_bits} bits here, 32 in numpy and torch."
        )
    learn, floor = seconds[LEARN], seconds[_READ] + seconds[_CHANGE]
    read, change = setting.read_bytes, setting.changed_bytes
    roofline = (
        f"edgelearn reaches {np.median(floor / learn):.0%} of the bandwidth roofline: {read / 1000:.0f} kB read at "
        f"{read / np.median(seconds[_READ]) / 1e9:.0f} GB/s and {change / 1000:.0f} kB changed at "
        f"{change / np.median(seconds[_CHANGE]) / 1e9:.0f} GB/s per sample"
    )

    def row(name: str, own: np.ndarray, note: str = "") -> Row:
        ratio = float(np.median(own / learn))
        return Row(title, name, float(1 / np.median(own)), ratio, note, context, float(1 / own.min()))

    rows = [
        row(LEARN, learn, "8-bit view + 8 residual bits"),
        *(row(c.name, seconds[c.name]) for c in (*made, *floats)),
    ]
    rows += [Row(title, name, None, None, f"skipped: {reason}", context) for name, reason in skipped.items()]
    return [*rows, row(ROOFLINE, floor, roofline)]


def as_table(rows: Sequence[Row]) -> list[str]:
    """Return the rows as lines of text, one block a setting."""
    lines: list[str] = []
    settings = list(dict.fromkeys(row.setting for row in rows))
    for setting in settings:
        block = [row for row in rows if row.setting == setting]
        width = max(len(row.name) for row in block)
        lines += ["", setting] if lines else [setting]
        lines.append(f"  {'online, one thread':{max(width, 23)}}  samples/s       best  edgelearn is")
        for row in block:
            if row.samples_per_second is None or row.ratio is None or row.best is None:
                speed = f"{'-':>9}  {'-':>9}  {'-':>12}"
            else:
                speed = f"{row.samples_per_second:9.0f}  {row.best:9.0f}  {row.ratio:10.2f} x"
            lines.append(f"  {row.name:{max(width, 23)}}  {speed}  {row.note}".rstrip())
        lines.append(f"  {block[0].context}")
    return lines
