"""Firmware commands on a configuration: verify, size, budget."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgelearn.config import RunConfig, make_config
from edgelearn.data.source import ColumnsUsed
from edgelearn.errors import UserError
from edgelearn.files import read_arrays
from edgelearn.network.encoding import encode_levels
from edgelearn.network.graded import CLASSIFY
from edgelearn.network.learner import Learner
from edgelearn.network.spec import CONTRACT, MAX_NEURONS, NetworkSpec
from edgelearn.network.topology import Convolution, Dense, Topology
from edgelearn.runs.checkpoint import CONFIG, WEIGHTS, refuse_interrupted, saved_settings
from edgelearn.runs.converted import ConvertedFrontEnd
from edgelearn.runs.dataset import columns_of, design_for, encode_data, features_of, load_data
from edgelearn.runs.levels import LevelFrontEnd, Levels, RangeFrontEnd
from edgelearn.runs.numbers import NumbersWork
from edgelearn.runs.rates import notes_on_outputs, spec_of
from edgelearn.runs.shapes import order_of, topology_of
from edgelearn.runs.stored import AnyFrontEnd, part, parts_of, read_run
from firmware_sim.build.emit import SELFTEST_SAMPLES, emit
from firmware_sim.build.estimate import constant_fields, ram_bytes
from firmware_sim.build.features import Features
from firmware_sim.build.image import PREFIX, compile_image
from firmware_sim.build.levels import Tensor
from firmware_sim.build.maps import STACK_OF_MAPS
from firmware_sim.build.targets import EMULATED, TARGETS, Target, find_target
from firmware_sim.build.toolchain import find_compiler, missing_emulator
from firmware_sim.check.front import FrontVerification, compile_front, verify_front
from firmware_sim.check.graded import compile_graded, verify_graded
from firmware_sim.check.verify import Verification, verify
from firmware_sim.emulate.runners import runner

STRESS_SAMPLES = 300
FRONT_SAMPLES = 100  # samples of the model that frozen layers are compared in: each costs all of their products
# What a budget adds to the closed forms: as much as any rule was measured to need, and a little more.
STACK_ALLOWANCE, STACK_ALLOWANCE_OF_MAPS = 384, STACK_OF_MAPS
CODE_ALLOWANCE, CODE_ALLOWANCE_OF_MAPS = 3584, 6144  # the second of each where layers are convolutions


@dataclass(frozen=True)
class Samples:
    """A network and the stream it learns.

    Parameters
    ----------
    levels : int[n, n_in]; labels : int64[n], of graded targets their words, int16[n, n_out]
    low, high : of each input in the data
    columns, notes : what the columns of the data were taken for, and what was noted on reading
    tensor : of a model, whose values the levels are made from; None where they are parts of the ranges
    words : of the source of --start; None for random ones
    """

    config: RunConfig
    spec: NetworkSpec
    levels: np.ndarray
    labels: np.ndarray
    low: np.ndarray
    high: np.ndarray
    columns: ColumnsUsed
    notes: list[str]
    tensor: Tensor | Features | None = None
    words: Mapping[str, np.ndarray] | None = None

    def learner(self) -> Learner:
        """Return a learner with the words that the configuration starts from."""
        learner = Learner(self.spec)
        learner.put_words(self.words or {})
        return learner

    def first(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Return n samples in their order, from the start again where there are fewer."""
        rows = np.arange(n) % len(self.levels)
        return self.levels[rows], self.labels[rows]

    def first_values(self, n: int) -> Tensor | Features | None:
        """Return the tensor with its values in the samples of `first`."""
        if self.tensor is None or not self.tensor.is_integer:
            return self.tensor
        return replace(self.tensor, values=self.tensor.values[np.arange(n) % len(self.levels)])


def samples_of(config: RunConfig) -> Samples:
    """Open the data of a configuration as levels, and design its network."""
    if config.task != CLASSIFY:
        return _graded_samples(config)
    if config.start is not None:
        return _started_samples(config)
    data = load_data(config)
    spec = design_for(config, data)
    levels = encode_levels(data.train_x, data.low, data.high, config.input_bits)
    low, high, order = np.asarray(data.low), np.asarray(data.high), order_of(config)
    if order is not None:  # features of the data set are not in the order of the inputs of a map
        levels, low, high = levels[:, order], _in_order(low, order), _in_order(high, order)
    notes = [*data.notes, *notes_on_outputs(config, spec)]
    return Samples(config, spec, levels, np.asarray(data.train_y), low, high, columns_of(data), notes)


def shape_samples(config: RunConfig, n: int = 400) -> Samples:
    """Return the network of bare layer sizes with samples drawn at random: bytes do not depend on them.

    Half of the levels are zero; instructions and accesses of real samples differ.
    """
    topology = topology_of(config, None)
    spec = spec_of(config, topology)
    rng = np.random.default_rng(config.seed)
    lowest, highest = spec.input_range
    levels = rng.integers(lowest, highest + 1, (n, spec.sizes[0])) * (rng.random((n, spec.sizes[0])) < 0.5)
    note = f"--net {config.net} without --data: levels and labels are drawn at random, half of the levels zero"
    columns = ColumnsUsed(tuple(f"input {i + 1}" for i in range(spec.sizes[0])))
    labels = rng.integers(0, spec.n_classes, n)
    return Samples(config, spec, levels, labels, np.zeros(1), np.ones(1), columns, [note])


def _in_order(side: np.ndarray, order: np.ndarray | None) -> np.ndarray:
    """Return the lowest or highest value of each input from those of the features; one for all stays one."""
    return side if order is None or side.size == 1 else side[order]


def _graded_samples(config: RunConfig) -> Samples:
    """Return rows with graded targets; those of a reconstruction, which are the inputs, are left zero."""
    work = NumbersWork(config)
    data, scale, words = work.data, work.scale, work.train_targets
    if words is None:
        words = np.zeros((len(work.train_levels), work.spec.n_outputs), np.int16)
    notes = [*data.notes, *([] if scale is None else [scale.note(data.targets)])]
    return Samples(config, work.spec, work.train_levels, words, data.low, data.high, data.columns, notes)


def _started_samples(config: RunConfig) -> Samples:
    encoded = encode_data(config)
    data, start = encoded.data, encoded.start
    assert start is not None
    spec = design_for(config, data, start)
    low, high, tensor = _inputs(start.front_end, start.origin, features_of(data, data.train_x))
    notes = [*data.notes, *start.notes, *notes_on_outputs(config, spec)]
    labels, columns = np.asarray(data.train_y), columns_of(data)
    return Samples(config, spec, encoded.levels, labels, low, high, columns, notes, tensor, start.words)


def chosen_targets(text: str) -> list[Target]:
    """Return targets from names divided by commas, or all.

    Raises
    ------
    UserError
        "target '...' is not known"
    """
    names = list(TARGETS) if text == "all" else [name.strip().lower() for name in text.split(",")]
    return [find_target(name) for name in dict.fromkeys(names)]


def emulated_target(name: str) -> Target:
    """Return a target that counts can be taken on.

    Raises
    ------
    UserError
        "target '...' is not known", "instructions are counted on an emulated core ..."
    """
    target = find_target(name)
    if target.isa == "host":
        raise UserError(f"instructions are counted on an emulated core; give --target {' or '.join(EMULATED)}")
    return target


@contextmanager
def folder_for_builds() -> Iterator[Path]:
    """Give a folder that goes with what is compiled in it."""
    with tempfile.TemporaryDirectory(prefix="edgelearn-") as name:
        yield Path(name)


@dataclass(frozen=True)
class Verified:
    """One target's comparison: on the data, on a stream that drives words into their limits, of frozen layers."""

    target: str
    compiler: str
    optimisation: str
    data: Verification
    stress: Verification
    front: FrontVerification | None = None

    @property
    def equal(self) -> bool:
        front_equal = self.front is None or self.front.difference is None
        return front_equal and self.data.difference is None and self.stress.difference is None


def verify_on(
    samples: Samples,
    target: Target,
    n: int,
    compiler: str = "zig",
    optimisation: str = "-Os",
    on_progress: Callable[[int], None] = lambda done: None,
) -> Verified:
    """Compile a network for a target and compare n samples of its data and a stress stream with the simulator."""
    found = find_compiler(compiler, target)
    if target.isa != "host" and (lacks := missing_emulator()):
        raise UserError(lacks)
    options: dict[str, Any] = {"compiler": compiler, "optimisation": optimisation, "on_progress": on_progress}
    data = verify_learner(samples.learner(), target, *samples.first(n), **options)
    stress = verify_stress(samples.spec, target, **options | {"on_progress": lambda done: on_progress(n + done)})
    front, rows = samples.first_values(min(n, FRONT_SAMPLES)), samples.first(min(n, FRONT_SAMPLES))[0]
    if not isinstance(front, Features):
        return Verified(target.name, found.version, optimisation, data, stress)
    with folder_for_builds() as folder:
        image = compile_front(samples.learner(), front, folder, target, compiler, optimisation)
        compared = verify_front(image, front, rows)
    return Verified(target.name, found.version, optimisation, data, stress, compared)


def verify_stress(spec: NetworkSpec, target: Target, **options: Any) -> Verification:
    """Compare a stream that drives words into their limits; options are those of `verify_learner`."""
    learner = Learner(spec)
    drive_to_rails(learner)
    return verify_learner(learner, target, *stress_stream(spec, STRESS_SAMPLES), **options)


def verify_learner(
    learner: Learner,
    target: Target,
    levels: np.ndarray,
    labels: np.ndarray,
    compiler: str = "zig",
    optimisation: str = "-Os",
    on_progress: Callable[[int], None] = lambda done: None,
) -> Verification:
    """Compile a learner with its initial words for a target, and learn samples with both."""
    options: dict[str, Any] = {"compiler": compiler, "optimisation": optimisation}
    with folder_for_builds() as folder:
        if learner.spec.is_graded:
            image = compile_graded(learner, folder, target, None, **options)
            return verify_graded(learner, image, levels, labels, on_progress=on_progress)
        image = compile_image(learner, folder, target, **options)
        return verify(learner, image.identity, runner(image, learner.spec), levels, labels, on_progress)


def stress_stream(spec: NetworkSpec, n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return samples of the highest and lowest levels with labels at random, or targets at their ends."""
    generator = np.random.default_rng(seed)
    lowest, highest = spec.input_range
    levels = generator.choice([lowest, 0, highest, highest], (n, spec.sizes[0]))
    if spec.is_graded:
        return levels, generator.choice(spec.target_range, (n, spec.n_outputs)).astype(np.int16)
    return levels, generator.integers(0, spec.n_classes, n)


def drive_to_rails(learner: Learner, seed: int = 0) -> None:
    """Put half of a learner's words within two of the ends of their range, so that updates saturate."""
    generator = np.random.default_rng(seed)
    for k, layer in enumerate(learner.spec.layers):
        weights, biases = learner.state.weights(k).astype(np.int64), learner.state.biases(k).astype(np.int64)
        biases = biases[: layer.n_biases]  # a kernel without biases keeps zeros in their place
        for words, lowest, word in (
            (weights, layer.min_weight, layer.weight_word),
            (biases, layer.word.min_raw, layer.word),
        ):
            ends = np.array([lowest, lowest + 1, word.max_raw - 1, word.max_raw])
            moved = generator.random(words.shape) < 0.5
            words[moved] = generator.choice(ends, int(moved.sum()))
        learner.state.set_words(k, weights, biases if len(biases) else learner.state.biases(k))


@dataclass(frozen=True)
class Fit:
    """The widest network of a rule within a budget.

    Parameters
    ----------
    net : its topology, or None if not even hidden layers of one neuron or map fit
    ram, flash : bytes, allowances for stack and code included
    limited_by : what the next wider network would break
    own_ram, own_flash : bytes of the network that was given; own_fits : whether it is within the budget
    """

    net: str | None
    ram: int
    flash: int
    limited_by: str
    own_ram: int
    own_flash: int
    own_fits: bool

    def as_row(self) -> dict[str, Any]:
        row = {"fits": self.net or "nothing", "RAM": self.ram, "flash": self.flash, "limited by": self.limited_by}
        own = {
            "given RAM": self.own_ram,
            "given flash": self.own_flash,
            "given": "fits" if self.own_fits else "too large",
        }
        return row | own


def fits(samples: Samples, ram: int, flash: int) -> Fit:
    """Widen or narrow all hidden layers of a network together, maps too, until a budget of bytes is used up.

    Parameters
    ----------
    samples : with the network whose proportions, rule and formats are kept
    """
    topology = samples.spec.topology
    widths = [layer.n_columns for layer in samples.spec.layers[:-1]]
    widest = max(widths, default=0)

    def at_width(width: int) -> tuple[str, int, int]:
        hidden = [max(1, round(own * width / widest)) for own in widths]
        layers = (_widened(layer, n) for layer, n in zip(topology.layers, hidden, strict=False))
        spec = spec_of(samples.config, Topology(topology.inputs, (*layers, topology.layers[-1])))
        constants = sum(field.bytes for field in constant_fields(spec))
        stack, code = allowances(spec)
        return spec.net, ram_bytes(spec) + stack, constants + code

    def breaks(width: int) -> str | None:
        try:
            _, needs_ram, needs_flash = at_width(width)
        except UserError:
            return "what can be built"
        return "RAM" if needs_ram > ram else "flash" if needs_flash > flash else None

    if samples.words is not None:
        raise UserError(f"a budget asks how wide hidden layers may be, and those of {samples.config.start} are given")
    if not widest:
        raise UserError("a budget asks how wide hidden layers may be, and this network has none; give --net 64-32-10")
    _, own_ram, own_flash = at_width(widest)
    own = own_ram, own_flash, own_ram <= ram and own_flash <= flash
    if limit := breaks(1):
        _, needs_ram, needs_flash = at_width(1)
        return Fit(None, needs_ram, needs_flash, limit, *own)
    fitting, broken = 1, MAX_NEURONS + 1
    while broken - fitting > 1:
        middle = (fitting + broken) // 2
        fitting, broken = (fitting, middle) if breaks(middle) else (middle, broken)
    return Fit(*at_width(fitting), breaks(broken) or "", *own)


def _widened(layer: Convolution | Dense, n: int) -> Convolution | Dense:
    return replace(layer, maps=n) if isinstance(layer, Convolution) else Dense(n)


def allowances(spec: NetworkSpec) -> tuple[int, int]:
    """Return the bytes of stack and of code that a budget allows."""
    if spec.is_convolutional:
        return STACK_ALLOWANCE_OF_MAPS, CODE_ALLOWANCE_OF_MAPS
    return STACK_ALLOWANCE, CODE_ALLOWANCE


def restore_run(folder: Path, own: str | None = None) -> tuple[Samples, Learner]:
    """Return network, samples and learner of a finished run: its words and its rates, with an untouched generator.

    Parameters
    ----------
    own : file of samples in place of the run's data; its columns are read as those were

    Raises
    ------
    UserError
        "folder ... holds no finished run ...", "... has ... features ...", "class ... of ... is none of ..."
    """
    lacks = UserError(f"folder {folder} holds no finished run; give one that `edgelearn run --out` wrote")
    if not ((folder / WEIGHTS).exists() and (folder / CONFIG).exists()):
        refuse_interrupted(folder, folder)
        raise lacks
    saved = saved_settings(folder)
    words, note = read_arrays(folder / WEIGHTS)
    if note.get("kind") == "stream":
        raise UserError(
            f"folder {folder} is a stream of task {saved.get('task', CLASSIFY)}, and C sources are made of runs and of "
            "streams of classes; give one of these"
        )
    config = make_config(saved)
    if note.get("contract") != CONTRACT:
        raise UserError(f"{folder / WEIGHTS} follows contract {note.get('contract')}, not {CONTRACT}; run it again")
    if own is not None and config.task != CLASSIFY:
        raise UserError(f"--selftest takes samples of classes, and {folder} is of task {config.task}; leave it out")
    if own is not None:
        config = config.model_copy(update={"data": own, "limit": None, "validation_fraction": None, "classes": None})
    samples = samples_of(config) if own is None and not note.get("start") else _stored_samples(folder, config)
    learner = Learner(samples.spec)
    try:
        for k, layer in enumerate(samples.spec.layers):
            learner.state.set_words(k, words[f"layer{k + 1}_weights"], words[f"layer{k + 1}_biases"])
            if not layer.output and samples.spec.feedback_rows(k) and not samples.spec.regenerates(k):
                learner.state.set_feedback(k, words[f"layer{k + 1}_feedback"])
    except (KeyError, ValueError):
        raise lacks from None
    if config.halve_every:
        learner.set_halvings((config.epochs - 1) // config.halve_every)
    return samples, learner


def emit_network(
    source: Samples,
    learner: Learner,
    folder: Path,
    overwrite: bool = False,
    prefix: str = PREFIX,
    layout: str = "make",
) -> tuple[list[Path], Tensor | Features | None]:
    """Write the sources of a network with a self-test on its samples; see `emit`.

    Returns
    -------
    the files, and the tensor that levels are made from, None where they are parts of ranges
    """
    tensor = source.first_values(SELFTEST_SAMPLES)
    ranges = (source.low, source.high) if tensor is None else None
    samples = source.first(SELFTEST_SAMPLES)
    return emit(learner, folder, *samples, ranges, overwrite, prefix, tensor, layout), tensor


def _stored_samples(folder: Path, config: RunConfig) -> Samples:
    """Return samples as the network of a results folder takes them: by its conversion to levels and its classes."""
    arrays, note = read_run(folder)
    spec, front_end = parts_of(note)
    front_end.restore(part(arrays, "front_end"))
    data = load_data(config)
    n_in = front_end.inputs.n_features if isinstance(front_end, ConvertedFrontEnd) else spec.sizes[0]
    if data.n_features != n_in:
        raise UserError(
            f"{config.data} has {data.n_features} features per sample, and the network of {folder} takes "
            f"{n_in}; give samples like those of {note['config']['data']}"
        )
    outputs = {name: output for output, name in enumerate(note["classes"])}
    for name in (data.class_names[label] for label in np.unique(data.train_y)):
        if name not in outputs:
            raise UserError(f"class '{name}' of {config.data} is none of {folder}: {', '.join(note['classes'])}")
    of_label = np.array([outputs.get(name, -1) for name in data.class_names])
    x = data.train_x.astype(np.float64) + _offsets(columns_of(data).offsets)
    if isinstance(front_end, RangeFrontEnd):
        x -= _offsets(note.get("offsets", ()))
    low, high, tensor = _inputs(front_end, (note.get("start") or {}).get("origin", {"name": str(folder)}), x)
    notes = [*data.notes, *notes_on_outputs(config, spec)]
    levels, labels = front_end.encode(x), of_label[data.train_y]
    return Samples(config, spec, levels, labels, low, high, columns_of(data), notes, tensor)


def _inputs(
    front_end: AnyFrontEnd, origin: Mapping[str, Any], x: np.ndarray
) -> tuple[np.ndarray, np.ndarray, Tensor | Features | None]:
    """Return the ranges of inputs, or the tensor that they are the values of.

    Raises
    ------
    UserError
        "levels of ... follow the data ..."
    """
    if isinstance(front_end, LevelFrontEnd):
        return np.zeros(1), np.zeros(1), _tensor(front_end.levels, origin.get("cut") or "input", x)
    if isinstance(front_end, RangeFrontEnd):
        order = front_end.order
        return _in_order(front_end.low, order), _in_order(front_end.high, order), None
    if isinstance(front_end, ConvertedFrontEnd):
        pixels = front_end.inputs.encode(x).astype(np.int64)
        levels = front_end.inputs.levels
        return np.zeros(1), np.zeros(1), Features(origin.get("cut") or "features", front_end.stack, levels, pixels)
    raise UserError(
        f"levels of {origin['name']} follow the data as it comes, which firmware does not; start from a run or a model"
    )


def _offsets(given: Sequence[float]) -> np.ndarray:
    """Return offsets that were subtracted on reading, 0 for none."""
    return np.array(given, np.float64) if len(given) else np.zeros(1)


def _tensor(levels: Levels, name: str, x: np.ndarray) -> Tensor:
    """Return the tensor that levels come from, with its integers in samples; a missing one stands for level 0."""
    if levels.zero_point is None:
        return Tensor(name, levels, np.zeros((0, x.shape[1]), np.int64))
    return Tensor(name, levels, np.where(np.isnan(x), levels.zero_point, x).astype(np.int64))
