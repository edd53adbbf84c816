"""Networks with convolutions in the C core: the simulator's bits, the closed forms of RAM and flash, counted accesses."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

from edgelearn.config import make_config
from edgelearn.errors import UserError
from edgelearn.network.learner import Learner
from edgelearn.network.spec import design
from firmware_sim.build.emit import emit
from firmware_sim.build.estimate import constant_fields, ram_bytes
from firmware_sim.build.headers import checkpoint, shape
from firmware_sim.build.image import compile_image
from firmware_sim.build.maps import STACK_OF_MAPS
from firmware_sim.build.targets import find_target
from firmware_sim.check.measure import profile
from firmware_sim.check.session import fits, samples_of
from firmware_sim.check.verify import Verification, verify
from firmware_sim.emulate.emulator import read_program
from firmware_sim.emulate.runners import runner
from hw_models.microcontroller import kernels_at_once
from tests.convolution_cases import Case, case
from tests.firmware.firmware_cases import compare, random_samples, require
from tests.firmware.test_emit import SANITIZERS
from tests.firmware.test_same_bits import CHECKS


def compared(
    drawn: Case, folder: Path, target: str = "host", compiler: str = "gcc", optimisation: str = "-O1"
) -> Verification:
    """Compile a network, learn its samples on both sides, one in nine without a label; return the comparison."""
    require(compiler, target)
    learner = Learner(drawn.spec)
    drawn.prepare(learner)
    extra = CHECKS if target == "host" else ()
    options = {"compiler": compiler, "optimisation": optimisation, "extra": extra}
    image = compile_image(learner, folder, find_target(target), **options)
    firmware = runner(image, drawn.spec)
    learner.set_halvings(drawn.halvings)
    assert firmware.resume(checkpoint(learner, image.identity, 0))
    labels = drawn.labels.astype(np.int64)
    labels[4::9] = -1
    return verify(learner, image.identity, firmware, drawn.levels, labels)


FAST, SLOW = 4, 40


@pytest.mark.parametrize(
    "seed", [pytest.param(seed, marks=() if seed < FAST else pytest.mark.slow) for seed in range(SLOW)]
)
def test_networks_drawn_at_random(tmp_path, seed):
    found = compared(case(seed), tmp_path)
    assert found.difference is None


BUILDS = (("cortex-m0", "-Os"), ("cortex-m4", "-O2"), ("rv32", "-O3"), ("cortex-m4", "-O0"), ("rv32", "-O1"))


@pytest.mark.parametrize(
    ("seed", "build"),
    [
        pytest.param(seed, BUILDS[seed % len(BUILDS)], marks=() if seed == 101 else pytest.mark.slow)
        for seed in range(100, 112)
    ],
)
def test_networks_drawn_at_random_on_emulated_cores(tmp_path, seed, build):
    target, optimisation = build
    found = compared(case(seed), tmp_path, target, "zig", optimisation)
    assert found.difference is None


# One network each that the C core takes another way through: sums of one kernel on the way, gates and winners that wait,
# d below a convolution, frozen kernels, and what may be fed back.
KINDS: dict[str, tuple[str, dict[str, object]]] = {
    "waiting": ("8x8x1-conv4x3x3-pool2-fc12-5", {"rule": "dfa"}),
    "on the way": ("8x8x1-conv4x3x3-pool2-fc12-5", {"rule": "drtp", "rounding": "stochastic"}),
    "on the way, two layers, lfsr": (
        "8x6x1-conv4x3x3-pool2-conv3x3x3-6-5",
        {"rule": "drtp", "feedback_format": "lfsr"},
    ),
    "signed target on the way": ("8x6x1-conv4x3x3-pool2-6-5", {"rule": "signed-target", "feedback_format": "lfsr"}),
    "one modulator per map": ("8x8x1-conv4x3x3-pool2-fc12-5", {"rule": "drtp", "feedback_kind": "map"}),
    "map feedback that waits": (
        "9x6x1-conv4x3x3-pool3-fc12-5",
        {"rule": "dfa", "feedback_kind": "map", "feedback_format": "lfsr", "kernel_bias": True},
    ),
    "through a convolution": (
        "8x6x2-conv4x3x3-pool2-conv5x3x3s2-fc7-5",
        {"rule": "bp", "kernel_bias": True, "rounding": "stochastic"},
    ),
    "through a mean": ("8x8x2-conv4x3x3-meanpool2-conv5x3x3-meanpool2-5", {"rule": "fa", "feedback_format": "ternary"}),
    "lfsr below a convolution": ("6x6x1-conv3x2x2p0-conv4x3x2p0-5", {"rule": "fa", "feedback_format": "lfsr"}),
    "frozen kernels": ("8x8x1-conv4x3x3-pool2-fc12-5", {"rule": "dfa", "kernels": "frozen"}),
    "positions": ("7x7x1-conv4x3x3-pool2-fc12-5", {"rule": "dfa", "teach": "positions"}),
    "readout": ("8x8x1-conv4x3x3-pool2-fc12-5", {"rule": "local", "rounding": "stochastic"}),
    "behind an update gate": ("8x8x1-conv4x3x3-pool4-fc12-5", {"rule": "drtp", "update_gate": "error"}),
    "biases alone": (
        "8x8x1-conv4x3x3-pool2-fc12-5",
        {"rule": "bp", "learn": "bias", "kernel_bias": True, "rounding": "stochastic"},
    ),
    "non-negative": ("6x6x1-conv3x3x3-pool2-conv4x2x2p0-1", {"rule": "mdfa"}),
    "narrow factors": ("8x8x1-conv4x3x3-pool2-fc12-5", {"rule": "bp", "delta_bits": 8, "signed_inputs": True}),
    "8-bit levels": ("10x8x3-conv4x5x3p1-pool2-fc12-5", {"rule": "dfa", "input_bits": 8, "accumulator_bits": 14}),
    "shallow": ("8x8x1-conv4x3x3-pool2-5", {"rule": "shallow"}),
    "signs at inference": ("8x8x1-conv4x3x3-pool2-fc12-5", {"rule": "dfa", "hidden_inference": "sign"}),
}
RATES = {"kernel_rate": -4, "hidden_rate": -4, "output_rate": -3}
QUICK = ("on the way", "through a convolution")


def of_kind(kind: str) -> Learner:
    net, settings = KINDS[kind]
    learns = settings.get("kernels") != "frozen" and settings["rule"] != "shallow"
    return Learner(design(net, **(RATES if learns else RATES | {"kernel_rate": None}) | settings))


@pytest.mark.parametrize("kind", [pytest.param(k, marks=() if k in QUICK else pytest.mark.slow) for k in KINDS])
def test_every_kind_of_convolution(tmp_path, kind):
    spec = of_kind(kind).spec
    for stress in (False, True):
        found = compare(spec, tmp_path / str(stress), n=120, stress=stress, extra=CHECKS)
        assert found.difference is None
        assert found.updates > 10


@pytest.mark.parametrize("kind", [pytest.param(k, marks=() if k == "waiting" else pytest.mark.slow) for k in KINDS])
def test_ram_flash_and_accesses_are_those_of_the_closed_forms(tmp_path, kind):
    target, optimisation = BUILDS[list(KINDS).index(kind) % len(BUILDS)]
    require("zig", target)
    learner = of_kind(kind)
    spec = learner.spec
    levels, labels = random_samples(spec, 45)
    labels[labels < 0] = 0
    core = find_target(target)
    found = profile(learner, tmp_path, core, levels, labels, optimisation=optimisation, warm_up=40, windows=5)
    assert {key: found.accesses.get(key, 0) for key in found.simulated} == found.simulated
    assert found.accesses["store", "net.words"] > 0
    program = read_program(compile_image(learner, tmp_path / "image", core))
    assert program.symbols["net"][1] == ram_bytes(spec)
    for field in constant_fields(spec):
        if field.name in program.symbols or field.bytes > 256:  # a compiler may put a few words into the code
            assert program.symbols[field.name][1] == field.bytes, field.name


def test_positions_in_no_pooling_window_are_left_out(tmp_path):
    """Of 5 x 4 positions the last row is in no window: neither the core nor the simulator loads a weight for it."""
    require("zig", "cortex-m4")
    spec = design("7x6x1-conv4x3x3p0-pool2-5", rule="dfa", **RATES)
    levels, labels = random_samples(spec, 25)
    labels[labels < 0] = 0
    found = profile(Learner(spec), tmp_path, find_target("cortex-m4"), levels, labels, warm_up=20, windows=5)
    assert spec.layers[0].positions == 16
    assert {key: found.accesses.get(key, 0) for key in found.simulated} == found.simulated
    assert levels[20:].reshape(5, 7, 6)[:, 4:].any()  # inputs that the last row would see


def test_what_waits_follows_the_rule():
    """RAM beside words and dense layers: sums of a few kernels for drtp, gates, winners and d of all elements for others."""

    def held(rule, **settings):
        maps = shape(design("28x28x1-conv16x5x5-pool2-fc128-10", rule=rule, **settings)).maps
        return 4 * maps.sums, maps.deltas, maps.winners

    assert held("drtp") == (4 * 16 * (25 + 3), 0, 0)  # all kernels at once, which takes less than the output map
    assert held("drtp", kernel_bias=True) == (4 * 16 * (26 + 3), 0, 0)
    assert held("dfa") == held("local") == (100, 3136, 784)
    assert held("drtp", update_gate="error") == (100, 3136, 784)
    assert held("drtp", teach="positions") == (100, 28 * 28 * 16, 0)
    assert held("dfa", kernels="frozen") == (100, 0, 0)


def test_kernels_that_learn_at_once_take_no_more_than_the_output_map():
    for net, at_once in (
        ("28x28x1-conv16x5x5-pool2-10", 16),
        ("8x8x1-conv8x3x3-pool2-10", 2),  # 128 bytes, 48 a kernel
        ("6x6x1-conv4x3x3-pool2-10", 1),  # 36
        ("28x28x1-conv64x3x3-pool2-10", 32),
    ):
        spec = design(net, rule="drtp")
        layer, maps = spec.layers[0], shape(spec).maps
        assert kernels_at_once(layer) == at_once
        assert maps.sums == max(layer.fan_in, layer.n_columns, at_once * (layer.fan_in + 3))


@pytest.mark.parametrize(
    ("net", "message"),
    [
        ("224x224x3-conv4x3x3-pool2-10", "too many for the C core"),
        ("40x40x1-conv2x3x3-pool20-3", "too wide for the C core"),
        ("8x8x1-conv1x1x1p252-meanpool256-10", "or pooling of layer 1 is too large for the C core; at most 255"),
        ("8x8x2-conv1x200x200p100-10", "kernels of 80,000 weights of layer 1"),
    ],
)
def test_maps_that_do_not_fit_are_refused(net, message):
    with pytest.raises(UserError, match=message):
        shape(design(net, rule="dfa"))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_self_test_of_a_package_passes(tmp_path, kind):
    """Under the sanitizers of memory and undefined behaviour, with a compiler that warns."""
    require("gcc", "host")
    learner = of_kind(kind)
    levels, labels = random_samples(learner.spec, 40)
    labels[labels < 0] = 0
    files = emit(learner, tmp_path, levels, labels, prefix="maps")
    assert tmp_path / "include/maps_convolution.h" in files
    subprocess.run(["make", "-s", "-C", tmp_path, f"CFLAGS=-Werror {SANITIZERS}"], check=True)
    assert subprocess.run([tmp_path / "selftest"]).returncode == 0


def test_a_budget_widens_maps_and_dense_layers_together():
    samples = samples_of(make_config({"net": "8x8x1-conv8x3x3-pool2-fc32-10", "rule": "drtp", "limit": 50}))
    found = fits(samples, 16384, 65536)
    assert found.net == "8x8x1-conv10x3x3-pool2-fc42-10"
    assert found.limited_by == "RAM"
    widths = [(8, 32), (10, 42), (11, 43)]  # as given, as found, and the next
    nets = [f"8x8x1-conv{maps}x3x3-pool2-fc{n}-10" for maps, n in widths]
    given, widest, wider = (ram_bytes(design(net, rule="drtp")) + STACK_OF_MAPS for net in nets)
    assert given < widest == found.ram <= 16384 < wider
