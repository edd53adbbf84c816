"""What the compiled firmware takes, beside what the simulator counts and the closed forms say."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest

from edgelearn.network.learner import Learner
from edgelearn.network.spec import design
from edgelearn.rules import RULES
from firmware_sim.build.estimate import by_role, constant_fields, learner_fields, ram_bytes
from firmware_sim.build.headers import checkpoint_bytes, shape
from firmware_sim.build.image import CSRC, compile_image, write_sources
from firmware_sim.build.targets import find_target
from firmware_sim.build.toolchain import find_compiler
from firmware_sim.check.measure import PROCESSORS, modelled_instructions, profile, size
from firmware_sim.check.session import CODE_ALLOWANCE, STACK_ALLOWANCE
from firmware_sim.emulate.emulator import Machine, Stopped, read_program
from firmware_sim.emulate.runners import as_words
from hw_models.processor import find_processor
from tests.firmware.firmware_cases import MIXED, mixed, random_samples, require
from tests.tools import in_turn

SHAPES = [
    (64, 32, 10),
    (64, 10),
    (1, 1, 1),
    (7, 3, 5),
    (300, 20, 4),
    (12, 257, 3),
    (16, 15, 14, 13),
    (9, 4, 11, 5, 2),
    (784, 16, 10),
    (33, 32, 31, 30, 29, 1),
]


def learner_bytes(folder, learner):
    """Return .data + .bss of an object with one learner in it, compiled for a 32-bit core."""
    from elftools.elf.elffile import ELFFile

    write_sources(learner, folder)
    command = [*find_compiler("zig", find_target("cortex-m0")).command, "-ffreestanding", "-Os", "-c"]
    source, path = str(CSRC / "app" / "replay.c"), folder / "replay.o"
    subprocess.run([*command, "-I", str(folder / "include"), source, "-o", str(path)], check=True)
    with path.open("rb") as file:
        return sum(s["sh_size"] for s in ELFFile(file).iter_sections() if s.name.startswith((".data", ".bss")))


FORMATS = (
    {},
    {"bits": 4, "rounding": "nearest"},
    {"rounding": "stochastic"},
    {"feedback_format": "lfsr"},
    {"update_gate": "error"},
)


@pytest.mark.parametrize("sizes", SHAPES, ids=str)
def test_ram_is_what_the_closed_form_says(tmp_path, sizes):
    require("zig", "cortex-m0")
    every = sizes == (7, 3, 5)  # the others take a format a rule
    for i, rule in enumerate(RULES):
        for j, settings in enumerate(FORMATS):
            if every or (i + len(sizes)) % len(FORMATS) == j:
                spec = design(sizes, rule, **settings)
                assert learner_bytes(tmp_path / f"{rule}{j}", Learner(spec)) == ram_bytes(spec), (rule, settings)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if i % 10 else ()) for i, name in enumerate(MIXED)]
)
def test_ram_and_constants_where_layers_differ(tmp_path, name):
    require("zig", "cortex-m4")
    for i, rounding in enumerate(("residual", "stochastic")):
        spec = mixed(name, rounding=rounding)
        program = read_program(compile_image(Learner(spec), tmp_path / str(i), find_target("cortex-m4")))
        assert program.symbols["net"][1] == ram_bytes(spec)
        for field in constant_fields(spec):
            if field.name in program.symbols or field.bytes > 256:  # a compiler may put a few words into the code
                assert program.symbols[field.name][1] == field.bytes, field.name


def test_frozen_words_are_views_in_flash_and_learned_ones_alone_in_ram_and_checkpoints():
    sizes = (64, 32, 16, 10)
    weights, biases = [64 * 32, 32 * 16, 16 * 10], [32, 16, 10]
    learned = {  # words
        "all": sum(weights) + sum(biases),
        "last": weights[2] + biases[2],
        "last2": weights[1] + weights[2] + biases[1] + biases[2],
        "bias": weights[2] + sum(biases),
        "none+bias+all": weights[2] + biases[1] + biases[2],
    }
    for learn, words in learned.items():
        spec = design(sizes, "bp", learn=learn)
        ram = {field.name: field.bytes for field in learner_fields(spec)}
        flash = {field.name: field.bytes for field in constant_fields(spec)}
        assert ram["words"] == flash["EL_INITIAL"] == 2 * words
        assert flash.get("EL_FROZEN", 0) == learned["all"] - words  # a byte each
        assert checkpoint_bytes(spec) == 28 + 2 * words
    assert ram_bytes(design(sizes, "bp", learn="bias")) < ram_bytes(design(sizes, "bp")) / 5


def test_inputs_wait_only_where_weights_above_learn_from_them():
    sizes = (64, 32, 16, 10)

    def held(rule, learn="all", **settings):
        has = shape(design(sizes, rule, learn=learn, **settings))
        return has.activations, has.gates

    assert held("dfa") == (32 + 16, 32 + 16)
    assert held("drtp+dfa") == (32 + 16, 16)  # layer 2 waits: its inputs, its gates
    assert held("dfa+drtp") == (32 + 16, 32)
    assert held("dfa+dfa", "bias") == (32 + 16, 32 + 16)  # two buffers, as under a rule that waits for nothing
    assert held("drtp", "last") == (32 + 16, 0)
    four = (64, 32, 16, 24, 10)
    waits, passes = (shape(design(four, "dfa", learn=learn)).activations for learn in ("all", "bias"))
    assert (waits, passes) == (32 + 16 + 24, 32 + 16)
    # draws of the one generator are in the order of layers: layer 2 waits for layer 1
    assert held("dfa+drtp", rounding="stochastic") == (32 + 16, 32 + 16)


def test_narrow_factors_take_a_byte(tmp_path):
    require("zig", "cortex-m0")
    wide, narrow = (design((16, 15, 14, 13), "bp", delta_bits=bits) for bits in (9, 8))
    assert ram_bytes(wide) - ram_bytes(narrow) == 13 + 2 * 15 - 3  # errors, two vectors of d, padding at the end
    assert learner_bytes(tmp_path, Learner(narrow)) == ram_bytes(narrow)


@pytest.mark.parametrize("target", ["cortex-m4", "rv32"])
def test_an_image_holds_the_learner_and_its_constants(tmp_path, target):
    require("zig", target)
    for i, (rule, feedback) in enumerate((("bp", "int8"), ("dfa", "ternary"), ("drtp", "sign"), ("shallow", "int8"))):
        spec = design((20, 9, 5), rule, feedback_format=feedback, output=("sigmoid", "softmax")[i % 2])
        program = read_program(compile_image(Learner(spec), tmp_path / rule, find_target(target)))
        assert program.symbols["net"][1] == ram_bytes(spec)
        for field in constant_fields(spec):
            if field.name in program.symbols or field.name != "EL_LAYER":  # a compiler may put two rows into the code
                assert program.symbols[field.name][1] == field.bytes, field.name


BUILDS = (("cortex-m4", "-O2"), ("rv32", "-Os"), ("cortex-m0", "-O0"), ("cortex-m4", "-O3"), ("rv32", "-O1"))


@pytest.mark.parametrize(("rule", "build"), in_turn(RULES, range(len(BUILDS))))
def test_weights_are_loaded_and_stored_as_often_as_simulated(tmp_path, rule, build):
    target, optimisation = BUILDS[build]
    require("zig", target)
    spec = design((20, 9, 8, 5), rule, **FORMATS[build], hidden_rate=-4, output_rate=-3)
    levels, labels = random_samples(spec, 60)
    labels[labels < 0] = 0
    options = {"optimisation": optimisation, "warm_up": 40, "windows": 5}
    found = profile(Learner(spec), tmp_path, find_target(target), levels, labels, **options)
    counted = {key: found.accesses.get(key, 0) for key in found.simulated}
    assert counted == found.simulated
    assert counted["store", "net.words"] > 0
    assert 0 < found.least <= found.learn <= found.most
    assert 0 < found.predict < found.learn
    assert 0 < found.stack < 1000


@pytest.mark.slow
@pytest.mark.parametrize("build", range(len(BUILDS)))
@pytest.mark.parametrize("name", ["biases under bp", "bp through a frozen layer", "last two", "a label below direct"])
def test_frozen_words_are_loaded_as_often_as_simulated(tmp_path, name, build):
    target, optimisation = BUILDS[build]
    require("zig", target)
    spec = mixed(name)
    levels, labels = random_samples(spec, 60)
    labels[labels < 0] = 0
    options = {"optimisation": optimisation, "warm_up": 40, "windows": 5}
    found = profile(Learner(spec), tmp_path, find_target(target), levels, labels, **options)
    assert {key: found.accesses.get(key, 0) for key in found.simulated} == found.simulated
    assert ("load", "EL_FROZEN") in found.simulated or spec.learn == "all"


def test_counts_are_the_same_every_time(tmp_path):
    require("zig", "cortex-m0")
    spec = design((20, 9, 5), "bp", rounding="stochastic")
    levels, labels = random_samples(spec, 40)
    labels[labels < 0] = 0
    runs = [
        profile(Learner(spec), tmp_path / str(i), find_target("cortex-m0"), levels, labels, warm_up=20, windows=10)
        for i in range(2)
    ]
    assert (runs[0].predict, runs[0].learn, runs[0].accesses) == (runs[1].predict, runs[1].learn, runs[1].accesses)


@pytest.mark.parametrize(("rule", "target"), in_turn(RULES, ("cortex-m4", "rv32")))
def test_watching_memory_changes_no_count(tmp_path, rule, target):
    require("zig", target)
    spec = design((20, 9, 8, 5), rule, hidden_rate=-4, output_rate=-3)
    levels, labels = random_samples(spec, 1)
    counted = []
    image = compile_image(Learner(spec), tmp_path, find_target(target), optimisation="-O2")
    for watched in (None, {}):
        machine = Machine(image)
        machine.call("replay_init")
        (at,) = machine.place(as_words(spec, levels, labels)[0])
        with machine.counting(watched) as counts:
            machine.call("replay_learn", at, 3)
        counted.append(counts.instructions)
        assert (watched is None) == (not counts.accesses)
    assert counted[0] == counted[1] > 1000


def test_sizes_by_role_add_up(tmp_path):
    require("zig", "cortex-m4")
    spec = design((20, 9, 5), "shallow")
    levels, labels = random_samples(spec, 20)
    found = size(Learner(spec), tmp_path, find_target("cortex-m4"), levels, labels)
    assert found.ram_measured == sum(found.ram.values()) == ram_bytes(spec)
    assert found.flash["frozen weights"] == 2 * 21 * 9
    assert 300 < found.flash["code: learner"] < 4000
    assert found.as_row()["flash total"] == sum(found.flash.values())


ONE_CORE = ["cortex-m4", *(pytest.param(name, marks=pytest.mark.slow) for name in ("cortex-m0", "rv32"))]


@pytest.mark.parametrize("target", ONE_CORE)
def test_stack_and_code_stay_within_what_a_budget_allows(tmp_path, target):
    require("zig", target)
    for rule in ("bp", "drtp", "mdfa"):
        spec = design((20, 9, 8, 5), rule, rounding="stochastic", output="softmax")
        found = size(Learner(spec), tmp_path / rule, find_target(target), *random_samples(spec, 20))
        assert found.stack <= STACK_ALLOWANCE
        code = found.flash["code: learner"] + found.flash["code: checkpoint"]
        assert CODE_ALLOWANCE / 2 < code <= CODE_ALLOWANCE


def test_rules_that_do_not_wait_take_less_ram():
    sizes = (64, 48, 32, 10)
    ram = {rule: by_role(learner_fields(design(sizes, rule)))["buffers"] for rule in RULES}
    assert ram["shallow"] < ram["drtp"] < ram["dfa"] < ram["bp"]
    gated = by_role(learner_fields(design(sizes, "drtp", update_gate="error")))["buffers"]
    assert ram["drtp"] < gated <= ram["dfa"]


@pytest.mark.parametrize("target", ONE_CORE)
def test_the_processor_model_expects_the_instructions_that_are_counted(tmp_path, target):
    """Shapes that the model was neither fitted on nor judged by before."""
    require("zig", target)
    for i, (sizes, rule, rounding) in enumerate(
        (
            ((45, 21, 7), "dfa", "residual"),
            ((72, 14, 10, 3), "drtp", "stochastic"),
            ((28, 36, 9), "bp", "stochastic"),
            ((90, 18, 4), "mdfa", "residual"),
        )
    ):
        spec = design(sizes, rule, rounding=rounding)
        levels, labels = random_samples(spec, 60)
        labels[labels < 0] = 1
        core = find_target(target)
        found = profile(Learner(spec), tmp_path / str(i), core, levels, labels, warm_up=40, windows=6)
        modelled = modelled_instructions(spec, found.counters, core)
        assert modelled == pytest.approx(found.learn, rel=0.1), (sizes, rule)
        processor = find_processor(PROCESSORS[target])
        cycles = processor.price(spec, found.counters).total("cycles") / found.windows
        assert cycles == pytest.approx(modelled * processor.cycles_per_instruction.nominal)


def test_a_call_ends_at_its_limit(tmp_path):
    require("zig", "rv32")
    machine = Machine(compile_image(Learner(design((8, 4, 2))), tmp_path, find_target("rv32")))
    with pytest.raises(Stopped):
        machine.call("replay_init", limit=10)
    machine.call("replay_init")
    assert np.frombuffer(machine.read(*machine.program.symbols["net"])[:4], "<u4")[0] == 0
