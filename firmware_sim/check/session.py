"""Firmware commands on a configuration: verify, size, budget."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgelearn.config import RunConfig, make_config
from edgelearn.data.source import ColumnsUsed
from edgelearn.errors import UserError
from edgelearn.files import read_arrays
from edgelearn.network.encoding import encode_levels
from edgelearn.network.learner import Learner
from edgelearn.network.spec import CONTRACT, MAX_NEURONS, NetworkSpec
from edgelearn.runs.checkpoint import CONFIG, WEIGHTS, saved_settings
from edgelearn.runs.dataset import columns_of, design_for, load_data
from edgelearn.runs.rates import notes_on_outputs, spec_of
from firmware_sim.build.estimate import constant_fields, ram_bytes
from firmware_sim.build.image import compile_image
from firmware_sim.build.targets import EMULATED, TARGETS, Target, find_target
from firmware_sim.build.toolchain import find_compiler, missing_emulator
from firmware_sim.check.verify import Verification, verify
from firmware_sim.emulate.runners import runner

STRESS_SAMPLES = 300
# What a budget adds to the closed forms: as much as any rule was measured to need, and a little more.
STACK_ALLOWANCE = 384
CODE_ALLOWANCE = 3584


@dataclass(frozen=True)
class Samples:
    """A network and the stream it learns.

    Parameters
    ----------
    levels : int[n, n_in]; labels : int64[n]
    low, high : of each input in the data
    columns, notes : what the columns of the data were taken for, and what was noted on reading
    """

    config: RunConfig
    spec: NetworkSpec
    levels: np.ndarray
    labels: np.ndarray
    low: np.ndarray
    high: np.ndarray
    columns: ColumnsUsed
    notes: list[str]

    def first(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Return n samples in their order, from the start again where there are fewer."""
        rows = np.arange(n) % len(self.levels)
        return self.levels[rows], self.labels[rows]


def samples_of(config: RunConfig) -> Samples:
    """Open the data of a configuration as levels, and design its network."""
    data = load_data(config)
    spec = design_for(config, data)
    levels = encode_levels(data.train_x, data.low, data.high, config.input_bits)
    low, high = np.asarray(data.low), np.asarray(data.high)
    notes = [*data.notes, *notes_on_outputs(config, spec)]
    return Samples(config, spec, levels, np.asarray(data.train_y), low, high, columns_of(data), notes)


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
    """One target's comparison: on the data, and on a stream that drives words into their limits."""

    target: str
    compiler: str
    optimisation: str
    data: Verification
    stress: Verification

    @property
    def equal(self) -> bool:
        return self.data.difference is None and self.stress.difference is None


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
    data = verify_learner(Learner(samples.spec), target, *samples.first(n), **options)
    stress = verify_stress(samples.spec, target, **options | {"on_progress": lambda done: on_progress(n + done)})
    return Verified(target.name, found.version, optimisation, data, stress)


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
    with folder_for_builds() as folder:
        image = compile_image(learner, folder, target, compiler=compiler, optimisation=optimisation)
        return verify(learner, image.identity, runner(image, learner.spec), levels, labels, on_progress)


def stress_stream(spec: NetworkSpec, n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return samples of the highest and lowest levels with labels at random."""
    generator = np.random.default_rng(seed)
    lowest, highest = spec.input_range
    levels = generator.choice([lowest, 0, highest, highest], (n, spec.sizes[0]))
    return levels, generator.integers(0, spec.n_classes, n)


def drive_to_rails(learner: Learner, seed: int = 0) -> None:
    """Put half of a learner's words within two of the ends of their range, so that updates saturate."""
    generator = np.random.default_rng(seed)
    for k, layer in enumerate(learner.spec.layers):
        weights, biases = learner.state.weights(k).astype(np.int64), learner.state.biases(k).astype(np.int64)
        for words, lowest in ((weights, layer.min_weight), (biases, layer.word.min_raw)):
            ends = np.array([lowest, lowest + 1, layer.word.max_raw - 1, layer.word.max_raw])
            moved = generator.random(words.shape) < 0.5
            words[moved] = generator.choice(ends, int(moved.sum()))
        learner.state.set_words(k, weights, biases)


@dataclass(frozen=True)
class Fit:
    """The widest network of a rule within a budget.

    Parameters
    ----------
    sizes : layer sizes, or None if not even hidden layers of one neuron fit
    ram, flash : bytes, allowances for stack and code included
    limited_by : what the next wider network would break
    """

    sizes: tuple[int, ...] | None
    ram: int
    flash: int
    limited_by: str

    def as_row(self) -> dict[str, Any]:
        net = "-".join(str(size) for size in self.sizes) if self.sizes else "nothing"
        return {"fits": net, "RAM": self.ram, "flash": self.flash, "limited by": self.limited_by}


def fits(samples: Samples, ram: int, flash: int) -> Fit:
    """Widen or narrow all hidden layers of a network together until a budget of bytes is used up.

    Parameters
    ----------
    samples : with the network whose proportions, rule and formats are kept
    """
    sizes = samples.spec.sizes
    widest = max(sizes[1:-1], default=0)

    def at_width(width: int) -> tuple[tuple[int, ...], int, int]:
        hidden = [max(1, round(size * width / widest)) for size in sizes[1:-1]]
        spec = spec_of(samples.config, (sizes[0], *hidden, sizes[-1]))
        constants = sum(field.bytes for field in constant_fields(spec))
        return spec.sizes, ram_bytes(spec) + STACK_ALLOWANCE, constants + CODE_ALLOWANCE

    def breaks(width: int) -> str | None:
        try:
            _, needs_ram, needs_flash = at_width(width)
        except UserError:
            return "what can be built"
        return "RAM" if needs_ram > ram else "flash" if needs_flash > flash else None

    if not widest:
        raise UserError("a budget asks how wide hidden layers may be, and this network has none; give --net 64-32-10")
    if limit := breaks(1):
        _, needs_ram, needs_flash = at_width(1)
        return Fit(None, needs_ram, needs_flash, limit)
    fitting, broken = 1, MAX_NEURONS + 1
    while broken - fitting > 1:
        middle = (fitting + broken) // 2
        fitting, broken = (fitting, middle) if breaks(middle) else (middle, broken)
    return Fit(*at_width(fitting), breaks(broken) or "")


def restore_run(folder: Path) -> tuple[Samples, Learner]:
    """Return network, samples and learner of a finished run: its words and its rates, with an untouched generator.

    Raises
    ------
    UserError
        "folder ... holds no finished run ..."
    """
    lacks = UserError(f"folder {folder} holds no finished run; give one that `edgelearn run --out` wrote")
    if not ((folder / WEIGHTS).exists() and (folder / CONFIG).exists()):
        raise lacks
    config = make_config(saved_settings(folder))
    words, note = read_arrays(folder / WEIGHTS)
    if note.get("contract") != CONTRACT:
        raise UserError(f"{folder / WEIGHTS} follows contract {note.get('contract')}, not {CONTRACT}; run it again")
    samples = samples_of(config)
    learner = Learner(samples.spec)
    try:
        for k, layer in enumerate(samples.spec.layers):
            learner.state.set_words(k, words[f"layer{k + 1}_weights"], words[f"layer{k + 1}_biases"])
            if not layer.output and samples.spec.feedback_rows(k) and not samples.spec.regenerates_feedback:
                learner.state.set_feedback(k, words[f"layer{k + 1}_feedback"])
    except (KeyError, ValueError):
        raise lacks from None
    if config.halve_every:
        learner.set_halvings((config.epochs - 1) // config.halve_every)
    return samples, learner
