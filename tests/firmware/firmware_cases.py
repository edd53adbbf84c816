"""What tests of firmware share: tools or a reason to skip, samples, and one comparison from specification to verdict."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edgelearn.network.learner import Learner
from edgelearn.network.spec import NetworkSpec, design
from firmware_sim.build.headers import checkpoint
from firmware_sim.build.image import compile_image
from firmware_sim.build.targets import find_target
from firmware_sim.build.toolchain import missing as missing_compiler
from firmware_sim.build.toolchain import missing_emulator
from firmware_sim.check.session import drive_to_rails, stress_stream
from firmware_sim.check.verify import Verification, verify
from firmware_sim.emulate.runners import runner
from tests.tools import missing


def require(compiler: str, target: str) -> None:
    """Skip, or fail where tools are demanded, if a target cannot be compiled for and run."""
    lacks = missing_compiler(compiler, find_target(target))
    if target != "host":
        lacks = lacks or missing_emulator()
    if lacks:
        missing(lacks)


def random_samples(spec: NetworkSpec, n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return sparse levels, and labels of which one in nine is unknown."""
    rng = np.random.default_rng(seed)
    lowest, highest = spec.input_range
    levels = rng.integers(lowest, highest + 1, (n, spec.sizes[0])) * (rng.random((n, spec.sizes[0])) < 0.6)
    labels = rng.integers(0, spec.n_classes, n)
    labels[4::9] = -1
    return levels, labels


def compare(
    spec: NetworkSpec,
    folder: Path,
    target: str = "host",
    compiler: str = "gcc",
    optimisation: str = "-O1",
    n: int = 300,
    stress: bool = False,
    extra: tuple[str, ...] = (),
    halvings: int = 0,
    live: int = 0,
) -> Verification:
    """Compile a network, learn n samples on both sides, return the comparison."""
    require(compiler, target)
    learner = Learner(spec)
    if stress:
        drive_to_rails(learner)
    options = {"compiler": compiler, "optimisation": optimisation, "extra": extra}
    image = compile_image(learner, folder, find_target(target), **options)
    firmware = runner(image, spec)
    if halvings or live:
        learner.set_halvings(halvings)
        learner.set_live_outputs(live or spec.n_outputs)
        assert firmware.resume(checkpoint(learner, image.identity, 0))
    levels, labels = stress_stream(spec, n) if stress else random_samples(spec, n)
    return verify(learner, image.identity, firmware, levels, labels, chunk=100)


# Networks whose hidden layers differ: rules per layer, and what learns in each.
MIXED: dict[str, dict[str, Any]] = {
    "direct below a label": {"rule": "dfa+drtp"},
    "a label below direct": {"rule": "drtp+dfa"},
    "biases under bp": {"rule": "bp", "learn": "bias"},
    "last": {"rule": "dfa", "learn": "last"},
    "last two": {"rule": "bp", "learn": "last2"},
    "bp through a frozen layer": {"rule": "bp", "learn": "all+none+all"},
    "bp through biases": {"rule": "bp", "learn": "none+bias+all"},
    "bp below a label": {"rule": "bp+drtp"},
    "bp below a readout": {"rule": "bp+local"},
    "a readout below direct": {"rule": "local+dfa"},
    "a readout below bp": {"rule": "local+bp"},
    "fa below direct": {"rule": "fa+dfa", "feedback_format": "ternary"},
    "signs below signed targets": {"rule": "sdfa+signed-target", "feedback_format": "lfsr"},
    "non-negative below direct": {"rule": "mdfa+dfa", "feedback_format": "sign"},
    "a label below bp": {"rule": "drtp+bp", "feedback_format": "lfsr"},
    "biases of outputs": {"rule": "drtp", "learn": "bias+all+bias"},
    "frozen outputs": {"rule": "dfa", "learn": "all+bias+none"},
    "three rules": {"rule": "local+bp+drtp", "sizes": (10, 7, 8, 6, 4)},
    "a readout below a label": {"rule": "local+drtp"},
    "a label below a readout": {"rule": "signed-target+local"},
    "gated label and readout": {"rule": "drtp+local", "update_gate": "error"},
    "gated, bp below a readout": {"rule": "bp+local", "update_gate": "margin", "margin": 20, "output": "softmax"},
    "biases of readouts, narrow": {"rule": "local", "learn": "bias", "delta_bits": 6, "accumulator_bits": 12},
    "4-bit last": {"rule": "drtp", "learn": "last", "bits": 4, "update_gate": "error"},
    "16-bit biases": {"rule": "dfa", "learn": "bias", "bits": 16, "rounding": "nearest"},
}


def mixed(name: str, **settings: Any) -> NetworkSpec:
    """Return a network of `MIXED`; roundings that cannot hold its words give way to its own."""
    return design(**({"sizes": (10, 7, 8, 4), "hidden_rate": -4, "output_rate": -3} | settings | MIXED[name]))
