"""The oracle judged by what does not come from it: hand arithmetic, published numbers, float gradients."""

import ast
import math
import random
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tests.naive import words  # noqa: E402
from tests.naive.device import BUDGET, DROPPED, GATED, LATE, LEARNED, SKIPPED, Done, NaiveDevice, Step  # noqa: E402
from tests.naive.memory import CountingMemory  # noqa: E402
from tests.naive.oracle import RULES, NaiveNetwork, lfsr_feedback  # noqa: E402


def build(rule: str, sizes: list[int], seed: int = 1, **changes) -> NaiveNetwork:
    """A small network with random words; every argument of the constructor may be replaced."""
    source = random.Random(seed)
    row = RULES[rule]
    layers = len(sizes) - 1
    bits = changes.get("bits", 8) + changes.get("residual_bits", 0)
    half = 1 << (bits - 1)
    weights = []
    for k in range(layers):
        lo = 0 if row.non_negative and k > 0 else -half
        weights.append([[source.randint(lo, half - 1) for _ in range(sizes[k])] for _ in range(sizes[k + 1])])
    feedback: list = [None] * (layers - 1)
    if row.fixed_feedback:
        for k in range(1, layers):
            rows = sizes[k + 1] if row.feedback == "layerwise" else sizes[-1]
            lo = 0 if row.non_negative else -127
            feedback[k - 1] = [[source.randint(lo, 127) for _ in range(sizes[k])] for _ in range(rows)]
    arguments = {
        "rule": rule,
        "sizes": sizes,
        "bits": 8,
        "residual_bits": 0,
        "rounding": "nearest",
        "input_bits": 8,
        "activation": "tanh",
        "output": "softmax",
        "range_exponents": [0] * layers,
        "rates": [-2] * layers,
        "weights": weights,
        "biases": [[0] * sizes[k + 1] for k in range(layers)],
        "feedback": feedback,
        "feedback_exponents": [0] * (layers - 1),
        "lfsr": False,
        "rng_state": 7,
    }
    return NaiveNetwork(**(arguments | changes))


def samples(sizes: list[int], count: int, seed: int = 5) -> list[tuple[list[int], int]]:
    source = random.Random(seed)
    classes = max(sizes[-1], 2)
    # every third level is zero, so that events are skipped
    level = lambda: source.randint(1, 255) if source.random() < 2 / 3 else 0  # noqa: E731
    return [([level() for _ in range(sizes[0])], source.randrange(classes)) for _ in range(count)]


def train(network: NaiveNetwork, count: int = 30) -> NaiveNetwork:
    for levels, label in samples(network.sizes, count):
        network.learn_one(levels, label)
    return network


# --- words -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("x", "s", "rounded"),
    [
        (3, 1, 2),
        (-3, 1, -1),
        (1, 1, 1),
        (-1, 1, 0),
        (6, 2, 2),
        (-6, 2, -1),
        (-7, 2, -2),
        (5, 2, 1),
        (5, 0, 5),
        (-5, -3, -40),
    ],
)
def test_rn_rounds_half_up_for_both_signs(x, s, rounded):
    assert words.rn(x, s) == rounded


@pytest.mark.parametrize(("x", "s"), [(2, 2), (-2, 2), (6, 2), (-6, 2), (1, 1), (-1, 1), (64, 7)])
def test_a_tie_is_a_discarded_half(x, s):
    assert words.is_tie(x, s)


@pytest.mark.parametrize(("x", "s"), [(3, 2), (4, 2), (0, 2), (1, 0), (1, -2), (65, 7)])
def test_everything_else_is_no_tie(x, s):
    assert not words.is_tie(x, s)


def test_shr_is_the_floor_and_refuses_long_shifts():
    assert [words.shr(x, 2) for x in (-5, -4, -1, 0, 3, 4)] == [-2, -1, -1, 0, 0, 1]
    assert words.shr(-1, 31) == -1
    with pytest.raises(ValueError, match="shift 32"):
        words.shr(1, 32)


def test_xorshift32_gives_the_known_values_from_state_7():
    draws, state = [], 7
    for _ in range(3):
        state = words.xorshift32(state)
        draws.append(state)
    assert draws == [1892583, 470389255, 3882205507]


def test_keys_and_bytes():
    assert words.key_byte(0) == 0x9E
    assert words.key_byte(1) == 0x3C  # 2 * 0x9E3779B1 = 0x1_3C6EF362
    assert [words.random_byte(0x44332211, j) ^ words.key_byte(j) for j in range(5)] == [
        0x11,
        0x22,
        0x33,
        0x44,
        0x11,
    ]


def test_initial_state_is_never_zero():
    assert words.initial_rng_state(0) == 0x7F4A7C15
    stuck = -0x7F4A7C15 * pow(0x9E3779B1, -1, 1 << 32) % (1 << 32)
    assert words.initial_rng_state(stuck) == 1


def test_tables_at_points_known_by_hand():
    assert words.activate("tanh", 0) == (0, 127)
    assert words.activate("tanh", 32) == (97, 53)  # 127 * 0.76159 = 96.72, 127 * 0.41997 = 53.34
    assert words.activate("hard-tanh", 16) == (64, 127)  # 63.5: the tie goes to the even word
    assert words.activate("hard-tanh", 32) == (127, 0)
    assert words.activate("hard-tanh", -128) == (-127, 0)
    assert words.activate("quadratic-tanh", 32) == (95, 64)  # t = 1/2: 95.25 and the tie 63.5
    assert words.activate("quadratic-tanh", -64) == (-127, 0)
    assert words.activate("relu", 0) == (0, 0)
    assert words.activate("relu", 127) == (127, 127)
    assert words.activate("leaky", -30) == (-2, 6)  # -1.5: the tie goes to the even word
    assert words.activate("leaky", -10) == (0, 6)  # -0.5
    assert words.activate("leaky", 5) == (5, 127)
    assert [words.sigmoid(q) for q in (0, 16, -16, -128, 127)] == [
        128,
        186,
        69,
        0,
        255,
    ]  # 127.5, 186.42, 68.58
    assert words.softmax([3, 3]) == [128, 128]  # floor(127.5 + 1/2), twice
    assert words.softmax([16, 0]) == [186, 69]
    assert words.softmax([-128, 127]) == [0, 255]


def test_galois_register_by_hand_and_by_its_period():
    # 1 -> 1, 0xB400; then ten zeros shift out of 0xB400 = 1011 0100 0000 0000
    outputs, state = [], 1
    for _ in range(13):
        out, state = words.galois_step(state)
        outputs.append(out)
    assert outputs == [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]
    state, period = 1, 0
    while state != 1 or period == 0:
        _, state = words.galois_step(state)
        period += 1
    assert period == 65535


def test_lfsr_feedback_starts_each_row_from_its_own_state():
    matrix = lfsr_feedback(2, 7, layer=2, seed=3, non_negative=False)
    for row, state in enumerate((1 + 40503 + 20014 + 3, 1 + 81006 + 20014 + 3 - 65535)):
        bits = []
        for _ in range(14):
            bits.append(state & 1)
            state = (state >> 1) ^ (0xB400 if state & 1 else 0)
        assert matrix[row] == [{(1, 0): 127, (1, 1): -127}.get((bits[2 * j], bits[2 * j + 1]), 0) for j in range(7)]
    wide = lfsr_feedback(3, 400, layer=1, seed=9, non_negative=False)
    assert {word for row in wide for word in row} == {-127, 0, 127}
    assert lfsr_feedback(3, 400, layer=1, seed=9, non_negative=True) == [[abs(b) for b in row] for row in wide]


def test_stochastic_rounding_is_unbiased():
    """Each neuron's bytes, over many draws: the mean step is the exact one within four standard errors."""
    draws = 20_000
    for neuron, product in ((0, 1000), (5, -1000), (2, 37), (7, -37)):
        state, total = 123456789, 0
        for _ in range(draws):
            state = words.xorshift32(state)
            total += words.stochastic_step(product, 10, 127, words.random_byte(state, neuron))[0]
        exact = product / 1024
        spread = math.sqrt((exact - math.floor(exact)) * (math.ceil(exact) - exact))
        assert abs(total / draws - exact) < 4 * spread / math.sqrt(draws)


def test_steps_are_cut_to_the_largest_word():
    assert words.nearest_step(1000, 0, 127) == (127, True)
    assert words.nearest_step(-1000, 0, 127) == (-127, True)
    assert words.nearest_step(127, 0, 127) == (127, False)
    assert words.stochastic_step(1000, 0, 127, 0) == (127, True)  # no fraction is left to round up with
    assert words.stochastic_step(-1000, 0, 127, 0) == (-127, True)
    assert words.stochastic_step(3, 1, 127, 127) == (2, False)  # 1.5: 128 of 256 bytes round up
    assert words.stochastic_step(3, 1, 127, 128) == (1, False)


def test_memory_counts_words_and_nothing_else():
    memory = CountingMemory([[1, 2], [3, 4]])
    memory.write(9, 1, 0)
    assert memory.read(1, 0) + memory.read(0, 1) == 11
    memory.blank([[0, 0], [0, 0]])
    assert (memory.reads, memory.writes) == (2, 1)


def test_oracle_imports_nothing_but_python():
    """Readers of the contract pages also take a parser of text, and NumPy for the generators that the pages name."""
    language = {"__future__", "collections", "collections.abc", "itertools", "math", "typing"}
    readers = {"branch_page", "from_page", "from_page_maps", "page", "vectors_replay"}
    of_readers = language | {
        "ast",
        "dataclasses",
        "functools",
        "json",
        "numpy",
        "numpy.random",
        "pathlib",
        "re",
        "sklearn.datasets",
        "types",
    }
    for path in (ROOT / "tests" / "naive").glob("*.py"):
        if path.stem == "float_rules" or path.stem.startswith("test_"):  # of the float references; it has its own test
            continue
        imported = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {name.name for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                imported.add(node.module)
        assert imported <= (of_readers if path.stem in readers else language), path.name


# --- rules -------------------------------------------------------------------------------------------------


def real_lsb(network: NaiveNetwork, k: int) -> float:
    """The value of one LSB of a stored word of layer k (from 1)."""
    return 2.0 ** (network.range_exponents[k - 1] - (network.bits - 1) - network.residual_bits)


REAL_ACTIVATIONS = {
    "tanh": math.tanh,
    "hard-tanh": lambda u: min(max(u, -1.0), 1.0),
    "quadratic-tanh": lambda u: u * (1 - abs(u) / 4) if abs(u) < 2 else math.copysign(1.0, u),
    "relu": lambda u: max(u, 0.0),
    "leaky": lambda u: u if u > 0 else u / 20,
}


def float_forward(network: NaiveNetwork, levels: list[int], nudge: tuple[int, int, float]) -> list[list[float]]:
    """Pre-activations of the same net in real numbers, one of them (layer, neuron) nudged."""
    x = [level / 255 for level in levels]
    layer, neuron, amount = nudge
    passed = []
    for k, (matrix, bias) in enumerate(zip(network.weights, network.biases, strict=True), start=1):
        lsb = real_lsb(network, k)
        z = [
            sum(w * lsb * v for w, v in zip(row, x, strict=True)) + b * lsb for row, b in zip(matrix, bias, strict=True)
        ]
        if k == layer:
            z[neuron] += amount
        x = [REAL_ACTIVATIONS[network.activation](value) for value in z]
        passed.append(z)
    return passed


def float_loss(network: NaiveNetwork, levels: list[int], label: int, nudge: tuple[int, int, float]) -> float:
    """Cross-entropy of the softmax."""
    z = float_forward(network, levels, nudge)[-1]
    return math.log(sum(math.exp(value - z[label]) for value in z))


def float_gradient(network: NaiveNetwork, levels: list[int], label: int, layer: int) -> list[float]:
    slope = []
    for j in range(network.sizes[layer]):
        up, down = (float_loss(network, levels, label, (layer, j, h)) for h in (1e-5, -1e-5))
        slope.append((up - down) / 2e-5)
    return slope


def cosine(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True)) / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


def near_a_kink(activation: str, z: float) -> bool:
    """An index of 1/32 cannot tell the two sides of a jump of f' apart, so such samples judge nothing."""
    kinks = {"relu": (0, 4), "leaky": (0, 4), "hard-tanh": (-1, 1)}.get(activation, ())
    return any(abs(z - kink) < 0.06 for kink in kinks)


@pytest.mark.parametrize("activation", REAL_ACTIVATIONS)
@pytest.mark.parametrize("exponents", [[0, 0, 0], [-1, 0, -2], [-2, -1, 1]])
def test_bp_follows_the_float_gradient_when_words_are_fine(exponents, activation):
    sizes = [6, 8, 7, 4]
    judged = 0
    for seed in range(400):
        network = build("bp", sizes, seed, bits=16, range_exponents=exponents, activation=activation)
        for bias, word in zip(network.biases, (5000, -4000, 1000), strict=True):
            bias[:] = [word] * len(bias)
        levels, label = samples(sizes, 1, seed)[0]
        hidden = [z for layer in float_forward(network, levels, (0, 0, 0.0))[:-1] for z in layer]
        if judged == 10 or any(near_a_kink(activation, z) or abs(z) > 3.9 for z in hidden):
            continue
        judged += 1
        truth = [float_gradient(network, levels, label, layer) for layer in (1, 2, 3)]
        network.learn_one(levels, label)
        for delta, slope, scale in zip(network.deltas, truth, (4096, 4096, 256), strict=True):
            real = [d / scale for d in delta]
            if not any(slope):  # every unit of a layer is shut
                assert not any(delta)
                continue
            assert cosine(real, slope) > 0.98
            # 1.0 is 127/128 of a power of two in each factor, and an index of 1/32 moves f'
            assert math.hypot(*real) == pytest.approx(math.hypot(*slope), rel=0.15)
    assert judged >= 3


@pytest.mark.parametrize("rule", RULES)
def test_output_layer_learns_by_the_float_gradient_under_every_rule(rule):
    sizes = [6, 8, 4]
    network = build(rule, sizes, bits=16)
    levels, label = samples(sizes, 1)[0]
    truth = float_gradient(network, levels, label, 2)
    network.learn_one(levels, label)
    assert cosine(network.deltas[-1], truth) > 0.98


@pytest.mark.parametrize("rounding", ["nearest", "stochastic"])
@pytest.mark.parametrize(("activation", "one", "scale"), [("tanh", 127, 128), ("leaky", 32, 32)])
def test_the_weight_step_is_rate_times_gradient(activation, one, scale, rounding):
    """In real numbers, with range exponents and residual bits, to one LSB of the stored word."""
    sizes = [4, 5, 3]
    network = build(
        "bp",
        sizes,
        bits=12,
        residual_bits=3,
        rounding=rounding,
        rates=[-3, -4],
        activation=activation,
        range_exponents=[1, -1],
    )
    weights = [[list(row) for row in matrix] for matrix in network.weights]
    levels, label = samples(sizes, 1)[0]
    network.learn_one(levels, label)
    layers = ((2**-3, 4096, 255, 256), (2**-4, 256, one, scale))
    for k, (rate, delta_one, input_one, input_scale) in enumerate(layers):
        lsb = real_lsb(network, k + 1)
        top = lsb * 2**14
        assert any(network.deltas[k])
        for j, d in enumerate(network.deltas[k]):
            inputs = [*network.activations[k], input_one]  # the bias is a weight whose input is always on
            before, after = [*weights[k][j], 0], [*network.weights[k][j], network.biases[k][j]]
            for old, new, x in zip(before, after, inputs, strict=True):
                wanted = old * lsb - rate * (x / input_scale) * (d / delta_one)
                wanted = min(max(wanted, -top), top - lsb)
                assert new * lsb == pytest.approx(wanted, abs=1.01 * lsb)


@pytest.mark.parametrize(("activation", "bias_z"), [("tanh", 127 * 50), ("relu", 32 * 50), ("leaky", 32 * 50)])
def test_a_bias_is_a_weight_whose_input_is_one(activation, bias_z):
    network = build("bp", [2, 2, 2], activation=activation, biases=[[3, -3], [50, 0]])
    network.predict_one([0, 0])
    assert network.z[0] == [765, -765]
    network = build("bp", [2, 2, 2], activation=activation, biases=[[0, 0], [50, 0]])
    network.predict_one([0, 0])
    assert network.z[1] == [bias_z, 0]


def test_prediction_is_the_first_maximum_and_zero_is_class_0():
    assert build("bp", [1, 3], weights=[[[1], [2], [2]]]).predict_one([9]) == 1
    assert build("bp", [1, 3], weights=[[[0], [0], [0]]]).predict_one([9]) == 0
    assert [build("bp", [1, 1], weights=[[[w]]]).predict_one([9]) for w in (-1, 0, 1)] == [0, 0, 1]


def test_modulator_is_cut_to_sixteen_bits():
    network = build("fa", [1, 1, 2], weights=[[[0]], [[0], [0]]], feedback=[[[-127], [127]]], feedback_exponents=[4])
    network.learn_one([0], 0)
    # sum = 127 * 127 + 128 * 127 = 32385; s_m = 8 + 7 - 4 - 12 = -1 gives 64770, cut to 32767
    assert network.deltas[0] == [32511]  # rn(32767 * 127, 7)


def test_fa_that_copies_the_weights_is_bp():
    sizes = [5, 6, 4, 3]
    weights = build("bp", sizes).weights
    for matrix in weights:
        for row in matrix:
            row[:] = [max(w, -127) for w in row]  # feedback has no -128
    for levels, label in samples(sizes, 10):
        # 8 bits and f = e = 0: the view and B are the same word, so nothing is left to differ
        bp, fa = (
            build("bp", sizes, weights=weights),
            build("fa", sizes, weights=weights, feedback=weights[1:]),
        )
        bp.learn_one(levels, label)
        fa.learn_one(levels, label)
        assert all(any(layer) for layer in bp.deltas)
        assert fa.deltas == bp.deltas
        assert fa.weights == bp.weights != weights


def test_fa_with_rounded_weights_is_bp_up_to_rounding():
    sizes = [5, 6, 4, 3]
    bp = build("bp", sizes, bits=12)
    rounded = [[[max(-127, min(127, round(w / 16))) for w in row] for row in matrix] for matrix in bp.weights[1:]]
    fa = build("fa", sizes, bits=12, weights=bp.weights, feedback=rounded)
    for levels, label in samples(sizes, 1):
        bp.learn_one(levels, label)
        fa.learn_one(levels, label)
    assert fa.deltas != bp.deltas
    for one, other in zip(fa.deltas, bp.deltas, strict=True):
        # each B is off by at most one of its LSB, each lane by at most 1.0
        assert all(abs(a - b) <= 0.02 * 4096 for a, b in zip(one, other, strict=True))
        assert cosine(one, other) > 0.999


def test_fa_reads_the_exponent_of_its_feedback():
    sizes = [5, 6, 3]
    plain, doubled = build("fa", sizes), build("fa", sizes, feedback_exponents=[1])
    levels, label = samples(sizes, 1)[0]
    plain.learn_one(levels, label)
    doubled.learn_one(levels, label)
    assert any(plain.deltas[0])
    assert all(abs(b - 2 * a) <= 3 for a, b in zip(plain.deltas[0], doubled.deltas[0], strict=True))


def test_dfa_with_one_hidden_layer_is_fa():
    sizes = [5, 7, 3]
    dfa = build("dfa", sizes)
    fa = build("fa", sizes, feedback=dfa.feedback)
    start = [[list(row) for row in matrix] for matrix in dfa.weights]
    for levels, label in samples(sizes, 25):
        assert dfa.learn_one(levels, label) == fa.learn_one(levels, label)
        assert dfa.deltas == fa.deltas
    assert dfa.weights == fa.weights
    assert dfa.biases == fa.biases
    assert dfa.weights != start


def test_sdfa_uses_the_sign_of_the_error_only():
    sizes = [5, 7, 4, 3]
    network = build("sdfa", sizes, dead_zone=20)
    seen = set()
    for levels, label in samples(sizes, 12):
        network.learn_one(levels, label)
        signs = [0 if e == 0 else e // abs(e) for e in network.errors]
        seen |= set(signs)
        for k in (0, 1):
            for j, d in enumerate(network.deltas[k]):
                m = sum(s * row[j] for s, row in zip(signs, network.feedback[k], strict=True))
                assert d == math.floor(m * network.gates[k][j] / 128 + 0.5)
    assert seen == {-1, 0, 1}


@pytest.mark.parametrize("sizes", [[5, 7, 4, 3], [5, 7, 4, 1]])
def test_signed_target_subtracts_the_row_of_the_label_from_the_others(sizes):
    network = build("signed-target", sizes, dead_zone=90)
    for levels, label in samples(sizes, 12):
        before = dict(network.counts)
        network.learn_one(levels, label)
        signs = [1 - 2 * label] if sizes[-1] == 1 else [-1 if c == label else 1 for c in range(3)]
        # the dead zone removes errors, and never a sign; the remaining signs of sdfa are the same
        assert all(e == 0 or (e > 0) == (s > 0) for e, s in zip(network.errors, signs, strict=True))
        for k in (0, 1):
            for j, d in enumerate(network.deltas[k]):
                m = sum(s * row[j] for s, row in zip(signs, network.feedback[k], strict=True))
                assert d == math.floor(m * network.gates[k][j] / 128 + 0.5)
            assert network.counts[k + 1, "gate", "write"] == 0
            open_gates = sum(g != 0 for g in network.gates[k])
            read = network.counts[k + 1, "feedback", "read"] - before[k + 1, "feedback", "read"]
            assert read == sizes[-1] * open_gates


@pytest.mark.parametrize("dead_zone", [0, 90])
def test_signed_target_is_sdfa_where_no_error_is_zero(dead_zone):
    sizes = [5, 7, 4, 3]
    ours, theirs = (build(rule, sizes, dead_zone=dead_zone) for rule in ("signed-target", "sdfa"))
    start = [[list(row) for row in matrix] for matrix in ours.weights]
    zeros = 0
    for levels, label in samples(sizes, 20):
        ours.learn_one(levels, label)
        theirs.learn_one(levels, label)
        zeros += 0 in theirs.errors
    assert start != ours.weights
    assert (zeros > 0) == (dead_zone > 0) == (ours.weights != theirs.weights)


def test_drtp_reads_exactly_one_row():
    sizes = [5, 7, 4, 3]
    network = build("drtp", sizes, lfsr=False)
    kept = [[list(row) for row in matrix] for matrix in network.feedback]
    for levels, label in samples(sizes, 9):
        for k in (0, 1):
            for row in range(3):
                # a word of any other row would break the arithmetic
                network.feedback[k][row][:] = kept[k][row] if row == label else ["poison"] * len(kept[k][row])
        before = dict(network.counts)
        network.learn_one(levels, label)
        for k in (1, 2):
            open_gates = sum(g != 0 for g in network.gates[k - 1])
            assert network.counts[k, "feedback", "read"] - before[k, "feedback", "read"] == open_gates
            wanted = [
                math.floor(b * g / 128 + 0.5) for b, g in zip(kept[k - 1][label], network.gates[k - 1], strict=True)
            ]
            assert network.deltas[k - 1] == wanted


@pytest.mark.parametrize("label", [0, 1])
def test_drtp_with_one_output_has_no_row_for_label_0(label):
    network = build("drtp", [4, 5, 1])
    before = [list(row) for row in network.weights[0]]
    network.learn_one([200, 10, 0, 90], label)
    assert network.errors == [network.probabilities[0] - 255 * label]
    assert (network.weights[0] != before) == (label == 1)
    assert (network.counts[1, "feedback", "read"] > 0) == (label == 1)
    assert network.counts[1, "label", "read"] == 1
    assert (network.operations[1, "gate_products"] > 0) == (label == 1)


def test_mdfa_keeps_later_weights_non_negative_and_biases_free():
    network = train(build("mdfa", [5, 7, 6, 3], rates=[0, 0, 0]), 60)
    assert all(w >= 0 for matrix in network.weights[1:] for row in matrix for w in row)
    assert network.events[3, "saturations"] > 0  # without the clip they would have gone below zero
    assert any(w < 0 for row in network.weights[0] for w in row)
    assert any(b < 0 for bias in network.biases[1:] for b in bias)


def test_mdfa_with_one_output_never_contradicts_bp():
    """Theorem 2 of the paper: with non-negative weights and feedback the sign is that of the gradient."""
    sizes = [5, 7, 6, 1]
    mdfa = build("mdfa", sizes)
    strict = 0
    for levels, label in samples(sizes, 40):
        bp = build("bp", sizes, weights=mdfa.weights, biases=mdfa.biases)
        bp.learn_one(levels, label)
        mdfa.learn_one(levels, label)
        for k in (0, 1):
            for a, b in zip(mdfa.deltas[k], bp.deltas[k], strict=True):
                assert a * b >= 0
                strict += a * b > 0
    assert strict > 50


def test_mdfa_refuses_negative_words():
    with pytest.raises(ValueError, match="feedback of layer 1"):
        build("mdfa", [1, 1, 2], feedback=[[[-1], [1]]])
    with pytest.raises(ValueError, match="weights of layer 2"):
        build("mdfa", [1, 1, 2], weights=[[[-1]], [[-1], [1]]])


def test_shallow_never_changes_hidden_weights():
    network = build("shallow", [5, 6, 4, 3])
    hidden = [[list(row) for row in matrix] for matrix in network.weights[:-1]]
    last = [list(row) for row in network.weights[-1]]
    train(network)
    assert network.weights[:-1] == hidden
    assert network.weights[-1] != last
    assert network.biases[:-1] == [[0] * 6, [0] * 4]
    assert all(network.counts[k, "weight", "write"] == 0 for k in (1, 2))
    assert all(network.events[k, "skipped_neurons"] == 0 for k in (1, 2))


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_learns_and_prediction_changes_nothing(rule):
    """Two classes that differ in one input: a rule whose signs are wrong somewhere does not get there."""
    network = build(rule, [3, 6, 2], rates=[-3, -3], seed=3)
    data = [([255, 0, 128], 0), ([0, 255, 128], 1)] * 40
    for levels, label in data:
        network.learn_one(levels, label)
    assert [network.predict_one(levels) for levels, _ in data[:2]] == [0, 1]
    frozen = dict(network.counts), dict(network.operations), dict(network.events), network.rng_state
    inferred = dict(network.inference_counts)
    network.predict_one([1, 2, 0])
    assert frozen == (network.counts, network.operations, network.events, network.rng_state)
    moved = {key: network.inference_counts[key] - inferred[key] for key in inferred}
    assert moved[1, "weight", "read"] == 12
    assert moved[1, "activation", "write"] == 2
    assert not any(count for (_, name, _), count in moved.items() if name not in ("activation", "weight", "bias"))


# --- sparsity, random bits, accumulator --------------------------------------------------------------------


@pytest.mark.parametrize("rounding", ["nearest", "stochastic"])
@pytest.mark.parametrize("rule", [name for name, row in RULES.items() if row.signal != "none"])
def test_zero_input_writes_only_biases(rule, rounding):
    network = build(rule, [4, 5, 3], rounding=rounding, rates=[1, 1])
    weights = [[list(row) for row in matrix] for matrix in network.weights]
    network.learn_one([0, 0, 0, 0], 1)
    assert network.weights == weights  # zero biases: the hidden layer is silent too
    assert any(network.biases[0])
    assert any(network.biases[1])
    for k in (1, 2):
        assert network.counts[k, "weight", "write"] == 0
        assert network.operations[k, "random_draws"] == (1 if rounding == "stochastic" else 0)
        assert network.events[k, "skipped_inputs"] == network.sizes[k - 1]


def test_draws_follow_the_events_in_update_order():
    """DFA updates layer 1 first: its two events and its bias take the first three draws from state 7."""
    zero = [[[0, 0, 0]], [[0], [0]]]
    network = build(
        "dfa",
        [3, 1, 2],
        rounding="stochastic",
        weights=zero,
        rates=[-3, -4],
        input_bits=1,
        feedback=[[[101], [-101]]],
    )
    network.learn_one([1, 0, 1], 0)
    # p = 128, 128; sum = -127 * 101 - 128 * 101 = -25755; m = rn(-25755, 3) = -3219;
    # d = rn(-3219 * 127, 7) = -3194
    assert network.deltas == [[-3194], [-127, 128]]
    # k = 0 + 12 + 3 - 7 = 8, so V = 3194 = 12 * 256 + 122. Low bytes of the draws: E7, 07, 43; key 9E:
    # 79 = 121 is below 122, 99 = 153 and DD = 221 are not.
    assert network.weights[0] == [[13, 0, 12]]
    assert network.biases[0] == [12]
    # Layer 2 is silent: its bias takes the fourth draw, one byte a neuron. k = 7 + 8 + 4 - 7 = 12;
    # V = rn(127 * 127, 4) = 1008 = 3 * 256 + 240 and rn(-127 * 128, 4) = -1016 = -4 * 256 + 8.
    fourth = words.xorshift32(3882205507)
    bytes_ = (fourth & 0xFF) ^ 0x9E, (fourth >> 8 & 0xFF) ^ 0x3C
    assert network.biases[1] == [3 + (bytes_[0] < 240), -4 + (bytes_[1] < 8)]
    assert network.rng_state == fourth
    assert (network.operations[1, "random_draws"], network.operations[2, "random_draws"]) == (3, 1)


def test_bp_draws_for_the_last_layer_first():
    zero = [[[0, 0, 0]], [[0], [64]]]
    network = build("bp", [3, 1, 2], rounding="stochastic", weights=zero, rates=[-3, -7])
    network.learn_one([1, 0, 1], 0)
    # k = 7 + 8 + 7 - 7 = 15; V = rn(127 * 127, 7) = 126 and rn(-127 * 128, 7) = -127 = -256 + 129.
    # The first draw: bytes E7 and E0 with keys 9E and 3C give 121 < 126 and 220 >= 129.
    assert network.biases[1] == [1, -1]
    assert network.deltas[0] == [1016]  # rn(128 * 64, 3) = 1024
    assert network.rng_state == words.xorshift32(3882205507)  # three more draws, for layer 1


def test_a_layer_without_error_draws_nothing():
    network = build("bp", [3, 2, 2], rounding="stochastic", dead_zone=255)
    network.learn_one([9, 9, 9], 0)
    assert network.rng_state == 7
    assert network.events[1, "skipped_neurons"] == network.events[2, "skipped_neurons"] == 2
    assert network.events[1, "skipped_inputs"] == 0


def test_a_narrow_accumulator_wraps_and_counts():
    shape = {"sizes": [2, 2], "input_bits": 1, "weights": [[[100, 0], [100, 100]]], "biases": [[0, 0]]}
    wide = build("bp", **shape)
    narrow = build("bp", **shape, accumulator_bits=8)
    assert wide.predict_one([1, 1]) == 1
    assert wide.z == [[100, 200]]
    assert narrow.learn_one([1, 1], 0) == 0
    assert narrow.z == [[100, -56]]
    assert narrow.events[1, "overflows"] == 1
    assert wide.events[1, "overflows"] == 0


def test_the_modulator_sum_wraps_too():
    changes = {"weights": [[[0]], [[0], [0]]], "feedback": [[[-127], [127]]], "input_bits": 1, "output": "sigmoid"}
    wide, narrow = build("dfa", [1, 1, 2], **changes), build("dfa", [1, 1, 2], **changes, accumulator_bits=15)
    wide.learn_one([1], 0)
    narrow.learn_one([1], 0)
    # sum = -127 * -127 + 128 * 127 = 32385, which is -383 in 15 bits; rn(-383, 3) = -48
    assert wide.deltas[0] == [4016]  # rn(32385, 3) = 4048, rn(4048 * 127, 7) = 4016
    assert narrow.deltas[0] == [-48]  # rn(-48 * 127, 7) = rn(-6096, 7) = -48
    assert narrow.events[1, "overflows"] == 1
    assert wide.events[1, "overflows"] == 0


def test_a_sum_beyond_the_contract_is_refused():
    network = build(
        "fa",
        [1, 1, 600, 1],
        weights=[[[0]], [[0]] * 600, [[1] * 600]],
        feedback=[[[127]] * 600, [[127] * 600]],
        feedback_exponents=[0, 6],
    )
    with pytest.raises(OverflowError, match="layer 1"):
        network.learn_one([0], 1)


def test_delta_saturates_at_its_width():
    network = build("dfa", [1, 1, 2], weights=[[[0]], [[0], [0]]], feedback=[[[-127], [127]]], delta_bits=8)
    network.learn_one([1], 0)
    assert network.deltas[0] == [127]


def test_narrow_factors_lose_fraction_bits_of_errors_and_modulators():
    """8 bits: e = 128 - 255 = -127 becomes rn(-127, 1) = -63; m = rn(-63 * -127 + 64 * 127, 14 - 6) = 63."""
    network = build("dfa", [1, 1, 2], weights=[[[0]], [[0], [0]]], feedback=[[[-127], [127]]], factor_bits=8)
    network.learn_one([1], 0)
    assert network.errors == [-63, 64]
    assert network.deltas == [[63], [-63, 64]]


def test_a_narrow_factor_rounds_the_selected_row():
    network = build("drtp", [1, 1, 2], weights=[[[0]], [[0], [0]]], feedback=[[[-127], [127]]], factor_bits=6)
    network.learn_one([1], 1)
    assert network.deltas[0] == [31]  # m = sat(rn(127, 2)) = 31 of 32; d = rn(31 * 127, 7)


def test_halvings_add_to_the_shift_and_stop_at_30():
    steps = []
    for halvings in (0, 1, 5):
        network = build("bp", [1, 2], bits=16, input_bits=1, rates=[0], weights=[[[0], [0]]])
        network.halvings = halvings
        network.learn_one([1], 0)
        steps.append(network.weights[0][0][0])
    assert steps == [127 * 128, 127 * 64, 127 * 4]  # e = -127, k = 8 - 15 + halvings = -7 + halvings
    network.halvings = 1000
    network.learn_one([1], 0)
    assert network.weights[0][0][0] == 127 * 4


def test_event_threshold_silences_the_activation_and_not_the_gate():
    changes = {"weights": [[[16], [32]], [[1, 1]] * 2], "input_bits": 1, "activation": "hard-tanh"}
    network = build("bp", [1, 2, 2], **changes, event_threshold=32)
    network.learn_one([1], 0)
    assert network.activations[1] == [0, 0]  # q = 4 and 8: y = 15.9 and 31.75 before the threshold
    assert network.gates[0] == [127, 127]
    network = build("bp", [1, 2, 2], **changes, event_threshold=31)
    network.learn_one([1], 0)
    assert network.activations[1] == [0, 32]


# --- section 8: what is counted ----------------------------------------------------------------------------


def tiny(rule: str, label: int = 0, **changes) -> NaiveNetwork:
    """Three inputs, three hidden neurons, two outputs; one sample [1, 0, 1], with label 0 all by hand.

    s_z = 0 + 7 - 5 = 2: z = 64, 200, 0 gives q = 16, 50, 0, y = 64, 127, 0 and gates 127, 0, 127.
    Output z = 0, 64 * 64 = 4096, s_z = 7 + 7 - 4 = 10: q = 0, 4; p = 128, 143; e = -127, 143, and the dead
    zone of 127 leaves 0, 143. So n_x = 2 and n_g = 2 in layer 1, n_x = 2 in layer 2, n_e = 1.
    """
    weights = [[[64, 0, 0], [100, 0, 100], [3, 50, -3]], [[0, 0, 0], [64, 0, 0]]]
    given = {
        "input_bits": 1,
        "activation": "hard-tanh",
        "output": "sigmoid",
        "weights": weights,
        "rates": [-3, -8],
        "dead_zone": 127,
    }
    if RULES[rule].feedback == "direct":
        given["feedback"] = [[[5, 6, 7], [8, 9, 0]]]
    network = build(rule, [3, 3, 2], **(given | changes))
    assert network.learn_one([1, 0, 1], label) == 1
    return network


# Of the memories of layers 1 and 2: (reads, writes). Forward, then learning, then what other layers read.
TINY_COUNTS = {
    # d = 142 for neuron 0 and B = 0 for neuron 2, so n_d = 1 in layer 1
    "dfa": {
        "activation": ((2 + 2, 2), (2 + 2, 2)),
        "weight": ((6 + 2, 2), (4 + 2, 2)),
        "bias": ((3 + 1, 1), (2 + 1, 1)),
        "gate": ((2, 2), (0, 0)),
        "label": ((0, 0), (1, 0)),
        "error": ((0, 0), (1 + 1, 1)),
        "delta": ((0, 0), (0, 0)),
        "feedback": ((2, 0), (0, 0)),
    },
    # the same words reach layer 1 through the weights of layer 2: d = 1135, 0, 0
    "bp": {
        "activation": ((2 + 2, 2), (2 + 2, 2)),
        "weight": ((6 + 2, 2), (4 + 2 + 2, 2)),
        "bias": ((3 + 1, 1), (2 + 1, 1)),
        "gate": ((2, 2), (0, 0)),
        "label": ((0, 0), (1, 0)),
        "error": ((0, 0), (1 + 1, 1)),
        "delta": ((1, 1), (0, 0)),
        "feedback": ((0, 0), (0, 0)),
    },
    # row 0 is 5, 6, 7, so two neurons update; no gate waits, no error comes down
    "drtp": {
        "activation": ((2 + 4, 2), (2 + 2, 2)),
        "weight": ((6 + 4, 4), (4 + 2, 2)),
        "bias": ((3 + 2, 2), (2 + 1, 1)),
        "gate": ((0, 0), (0, 0)),
        "label": ((1, 0), (1, 0)),
        "error": ((0, 0), (1, 1)),
        "delta": ((0, 0), (0, 0)),
        "feedback": ((2, 0), (0, 0)),
    },
    "shallow": {
        "activation": ((2, 2), (2 + 2, 2)),
        "weight": ((6, 0), (4 + 2, 2)),
        "bias": ((3, 0), (2 + 1, 1)),
        "gate": ((0, 0), (0, 0)),
        "label": ((0, 0), (1, 0)),
        "error": ((0, 0), (1, 1)),
        "delta": ((0, 0), (0, 0)),
        "feedback": ((0, 0), (0, 0)),
    },
}


@pytest.mark.parametrize("rule", TINY_COUNTS)
def test_counts_of_a_tiny_sample(rule):
    network = tiny(rule)
    for name, layers in TINY_COUNTS[rule].items():
        found = tuple((network.counts[k, name, "read"], network.counts[k, name, "write"]) for k in (1, 2))
        assert found == layers, name
    assert not any(network.inference_counts.values())


def test_words_and_operations_of_the_tiny_sample():
    network = tiny("dfa")
    # m = rn(143 * 8, 3) = 143; d = rn(143 * 127, 7) = 142; k = 0 + 12 + 3 - 7 = 8; v = rn(-142, 8) = -1
    assert network.z == [[64, 200, 0], [0, 4096]]
    assert network.q == [[16, 50, 0], [0, 4]]
    assert network.activations == [[1, 0, 1], [64, 127, 0]]
    assert network.gates == [[127, 0, 127]]
    assert network.errors == [0, 143]
    assert network.deltas == [[142, 0, 0], [0, 143]]
    assert network.weights[0] == [[63, 0, -1], [100, 0, 100], [3, 50, -3]]
    assert network.biases[0] == [-1, 0, 0]
    # k = 7 + 8 + 8 - 7 = 16; v = rn(-64 * 143, 16) = 0, and rn(-127 * 143, 16) = 0
    assert network.weights[1] == [[0, 0, 0], [64, 0, 0]]
    assert network.biases[1] == [0, 0]
    names = ("forward_macs", "signal_macs", "gate_products", "update_macs", "random_draws", "lfsr_steps")
    assert [network.operations[1, name] for name in names] == [6, 2, 2, 3, 0, 0]
    assert [network.operations[2, name] for name in names] == [4, 0, 0, 3, 0, 0]
    assert [network.events[k, "skipped_inputs"] for k in (1, 2)] == [1, 1]
    assert [network.events[k, "skipped_neurons"] for k in (1, 2)] == [2, 1]


def test_lfsr_feedback_is_stepped_and_not_read():
    stored, regenerated = tiny("dfa"), tiny("dfa", lfsr=True)
    assert regenerated.weights == stored.weights
    assert regenerated.counts[1, "feedback", "read"] == 0
    assert regenerated.operations[1, "lfsr_steps"] == 6  # one lane of three neurons, two steps each
    assert {key for key in stored.counts if stored.counts[key] != regenerated.counts[key]} == {(1, "feedback", "read")}


def test_events_of_one_update_by_hand():
    # k = 0 + 8 + 0 - 7 = 1; the errors are -127 and 128: steps rn(127, 1) = 64 (a tie), rn(-128, 1) = -64
    network = build("bp", [1, 2], input_bits=1, rates=[0], weights=[[[100], [100]]], biases=[[-100, -100]])
    network.learn_one([1], 0)
    assert network.weights == [[[127], [36]]]
    assert network.biases == [[-36, -128]]
    events = {name: network.events[1, name] for name in ("saturations", "step_saturations", "ties", "overflows")}
    assert events == {"saturations": 2, "step_saturations": 0, "ties": 2, "overflows": 0}
    # k = -1: the steps are 254 and -256, cut to 127 and -127
    network = build("bp", [1, 2], input_bits=1, rates=[2], weights=[[[0], [0]]])
    network.learn_one([1], 0)
    assert network.weights == [[[127], [-127]]]
    assert network.biases == [[127, -127]]
    assert (network.events[1, "step_saturations"], network.events[1, "saturations"]) == (4, 0)


@pytest.mark.parametrize("update_gate", ["always", "error", "margin"])
@pytest.mark.parametrize("lfsr", [False, True])
@pytest.mark.parametrize("sizes", [[6, 3], [6, 5, 3], [6, 5, 4, 3], [6, 5, 4, 1]])
@pytest.mark.parametrize("rule", RULES)
def test_accesses_add_up_to_the_formulas_of_the_contract(rule, sizes, lfsr, update_gate):
    network = build(
        rule,
        sizes,
        activation="hard-tanh",
        range_exponents=[0] * (len(sizes) - 1),
        dead_zone=60,
        lfsr=lfsr,
        update_gate=update_gate,
    )
    signal, feedback = RULES[rule].signal, RULES[rule].feedback
    known = signal in ("target", "signed target")
    holds = update_gate != "always" if known else signal != "none"
    gated = 0
    last = len(sizes) - 1
    count = dict.fromkeys(network.counts, 0)
    operation = dict.fromkeys(network.operations, 0)
    for levels, label in samples(sizes, 15):
        network.learn_one(levels, label)
        if network.gated:
            gated += 1
            count[last, "label", "read"] += 1
            for k in range(1, last + 1):
                n_x = sum(x != 0 for x in network.activations[k - 1])
                count[k, "activation", "write"] += n_x
                count[k, "activation", "read"] += n_x
                count[k, "weight", "read"] += n_x * sizes[k]
                count[k, "bias", "read"] += sizes[k]
                operation[k, "forward_macs"] += n_x * sizes[k]
                if k < last and holds:
                    count[k, "gate", "write"] += sum(g != 0 for g in network.gates[k - 1])
            continue
        n_e = sum(e != 0 for e in network.errors)
        count[last, "error", "write"] += n_e
        count[last, "error", "read"] += n_e
        count[last, "label", "read"] += 1
        for k in range(1, last + 1):
            hidden, learns = k < last, k == last or signal != "none"
            n_x = sum(x != 0 for x in network.activations[k - 1])
            n_d = sum(d != 0 for d in network.deltas[k - 1])
            count[k, "activation", "write"] += n_x
            count[k, "activation", "read"] += n_x + n_x * n_d
            count[k, "weight", "read"] += n_x * sizes[k] + n_x * n_d
            count[k, "weight", "write"] += n_x * n_d
            count[k, "bias", "read"] += sizes[k] + n_d
            count[k, "bias", "write"] += n_d
            operation[k, "forward_macs"] += n_x * sizes[k]
            operation[k, "update_macs"] += n_x * n_d + n_d
            if not hidden or not learns:
                continue
            n_g = sum(g != 0 for g in network.gates[k - 1])
            if signal == "target":
                n_s = 0 if sizes[-1] == 1 and label == 0 else 1
                count[k, "label", "read"] += 1
            elif signal == "signed target":
                n_s = sizes[-1]
                count[k, "label", "read"] += 1
            elif signal == "delta":
                n_s = sum(d != 0 for d in network.deltas[k])
                source = (last, "error", "read") if k == last - 1 else (k + 1, "delta", "read")
                count[source] += n_s
                count[k, "delta", "write"] += n_d
                count[k, "delta", "read"] += n_d
            elif signal == "local error":
                n_s = sum(e != 0 for e in network.local_errors[k - 1])
                n_y = sum(y != 0 for y in network.activations[k])
                count[k, "label", "read"] += 1
                count[k, "error", "write"] += n_s
                count[k, "error", "read"] += n_s
                operation[k, "signal_macs"] += n_y * sizes[-1]
                if update_gate != "always":
                    count[k + 1, "activation", "read"] += n_y
                if lfsr:
                    operation[k, "lfsr_steps"] += 2 * sizes[k] * sizes[-1]
                else:
                    count[k, "feedback", "read"] += n_y * sizes[-1]
            else:
                n_s = n_e
                count[last, "error", "read"] += n_e
            if holds:
                count[k, "gate", "write"] += n_g
                count[k, "gate", "read"] += n_g if n_s > 0 else 0
            if signal != "target":
                operation[k, "signal_macs"] += n_s * n_g
            operation[k, "gate_products"] += n_g if n_s > 0 else 0
            if feedback == "transpose":
                count[k + 1, "weight", "read"] += n_s * n_g
            elif lfsr:
                operation[k, "lfsr_steps"] += 2 * sizes[k] * n_s
            else:
                count[k, "feedback", "read"] += n_s * n_g
    assert network.counts == count
    assert network.operations == operation
    assert [network.events[k, "gated_samples"] for k in range(1, last + 1)] == [gated] * last
    assert (0 < gated < 15) == (update_gate != "always")


# --- section 9: gating and late labels ---------------------------------------------------------------------


def outputs(*weights: int, **changes) -> NaiveNetwork:
    """One layer whose z are the weights (the input is 1) and whose q are an eighth of them."""
    return build("bp", [1, len(weights)], input_bits=1, weights=[[[w] for w in weights]], **changes)


@pytest.mark.parametrize(
    ("weights", "label", "changes", "gated"),
    [
        ((80, 40, 0), 0, {"update_gate": "always"}, False),
        ((80, 40, 0), 0, {"update_gate": "error"}, True),
        ((80, 40, 0), 1, {"update_gate": "error"}, False),
        ((80, 40, 0), 0, {"update_gate": "margin", "margin": 4}, True),  # q = 10, 5, 0
        ((80, 40, 0), 0, {"update_gate": "margin", "margin": 5}, False),
        ((80, 40, 0), 1, {"update_gate": "margin", "margin": -99}, False),
        ((0, 16, 120), 2, {"update_gate": "margin", "margin": 12}, True),  # 15 - 2
        ((0, 16, 120), 2, {"update_gate": "margin", "margin": 13}, False),
        ((9, 8), 0, {"update_gate": "error"}, True),
        ((9, 8), 0, {"update_gate": "margin", "margin": 0}, False),  # q = 1 and 1: the index sees no lead
        ((80,), 1, {"update_gate": "margin", "margin": 9}, True),
        ((80,), 1, {"update_gate": "margin", "margin": 10}, False),
        ((-80,), 0, {"update_gate": "margin", "margin": 9}, True),
        ((-80,), 0, {"update_gate": "margin", "margin": 10}, False),
        ((80,), 0, {"update_gate": "error"}, False),
        ((0, 40, 80), 1, {"update_gate": "error", "live": 2}, True),
        ((0, 40, 80), 2, {"update_gate": "error", "live": 2}, False),  # a class nobody has met is not predicted
        ((0, 40, 80), 1, {"update_gate": "margin", "live": 2}, False),  # 5 - 10: all other outputs count
    ],
)
def test_what_is_gated(weights, label, changes, gated):
    network = outputs(*weights, **changes)
    network.learn_one([1], label)
    assert network.gated == gated
    assert network.events[1, "gated_samples"] == gated
    assert (network.weights == [[[w] for w in weights]]) == gated
    assert network.counts[1, "label", "read"] == 1
    assert (network.counts[1, "error", "write"] == 0) == gated


def test_the_prediction_is_the_first_maximum_of_the_live_outputs():
    network = outputs(40, 0, 40, 80)
    found = []
    for live in (1, 2, 3, 4):
        network.live = live  # as classes are met
        found.append((network.predict_one([1]), network.infer_one([1])))
    assert found == [(0, 0)] * 3 + [(3, 3)]
    with pytest.raises(ValueError, match="live is 5"):
        outputs(1, 2, 3, 4, live=5)
    with pytest.raises(ValueError, match="update_gate 'never'"):
        outputs(1, update_gate="never")


# Gates of layer 1 (reads, writes); the output layer holds none.
GATED_TINY = dict.fromkeys(("bp", "fa", "dfa", "sdfa", "signed-target", "drtp", "local"), (0, 2)) | {"shallow": (0, 0)}


@pytest.mark.parametrize("rounding", ["nearest", "stochastic"])
@pytest.mark.parametrize("rule", GATED_TINY)
def test_counts_of_a_gated_sample(rule, rounding):
    changes = {"feedback": [[[5, 6, 7], [8, 9, 0]]]} if rule == "fa" else {}
    network = tiny(rule, label=1, update_gate="error", rounding=rounding, **changes)
    forward = {(1, "activation"): (2, 2), (2, "activation"): (2, 2), (1, "weight"): (6, 0), (2, "weight"): (4, 0)}
    wanted = forward | {(1, "bias"): (3, 0), (2, "bias"): (2, 0), (2, "label"): (1, 0), (1, "gate"): GATED_TINY[rule]}
    for k, name, _ in network.counts:
        found = network.counts[k, name, "read"], network.counts[k, name, "write"]
        assert found == wanted.get((k, name), (0, 0)), (k, name)
    assert {key: n for key, n in network.operations.items() if n} == {(1, "forward_macs"): 6, (2, "forward_macs"): 4}
    happened = {key: n for key, n in network.events.items() if n and key[1] != "ties"}
    assert happened == {
        (1, "gated_samples"): 1, (2, "gated_samples"): 1, (1, "gated_events"): 2, (2, "gated_events"): 2,
    }  # fmt: skip
    assert (network.rng_state, network.errors) == (7, [])
    assert not any(network.inference_counts.values())


def test_a_gate_makes_drtp_wait_and_changes_nothing_else_of_what_is_learned():
    free, waiting = tiny("drtp"), tiny("drtp", update_gate="error")
    assert waiting.weights == free.weights
    changed = {key: waiting.counts[key] for key in free.counts if waiting.counts[key] != free.counts[key]}
    assert changed == {(1, "gate", "read"): 2, (1, "gate", "write"): 2}
    assert tiny("shallow", update_gate="error").counts == tiny("shallow").counts


def test_a_sample_can_be_held_back_from_outside():
    network = outputs(0, 0)
    assert network.learn_one([1], 1, gated=True) == 0
    assert (network.weights, network.events[1, "gated_samples"]) == ([[[0], [0]]], 1)
    network.learn_late([1], 1, gated=True)
    assert (network.weights, network.events[1, "gated_samples"]) == ([[[0], [0]]], 2)


def test_late_learning_is_learning_and_a_prediction_without_a_label_is_inference():
    sizes, delay = [4, 5, 3], 2
    late, prompt = build("dfa", sizes, rounding="stochastic"), build("dfa", sizes, rounding="stochastic")
    data = samples(sizes, 12)
    for i, (levels, _) in enumerate(data):
        late.infer_one(levels)
        if i >= delay:
            late.learn_late(*data[i - delay])
    for levels, label in data[:-delay]:
        prompt.learn_one(levels, label)
    assert late.weights == prompt.weights
    assert late.counts == prompt.counts
    assert late.rng_state == prompt.rng_state
    assert late.inference_counts[1, "bias", "read"] == 12 * 5
    assert not any(prompt.inference_counts.values())


def test_a_late_label_is_gated_by_the_weights_of_then():
    network = outputs(0, 0, update_gate="error")
    assert [network.infer_one([1]), network.infer_one([1])] == [0, 0]  # both wrong, label 1
    network.learn_late([1], 1)
    assert not network.gated
    network.learn_late([1], 1)  # by now it is right
    assert network.gated


# --- a device in time ----------------------------------------------------------------------------------------


def work(ticks: int, energy: int = 0, gated: bool = False):
    """Ten ticks more where it learns."""
    return lambda learn: Done(
        prediction=ticks, ticks=ticks + 10 * (learn and not gated), energy=energy * learn, gated=gated and learn
    )


def test_samples_queue_and_are_dropped_when_too_many_wait():
    device = NaiveDevice(capacity=1, deadline=7)
    # service 0..5, 5..10, (full), 10..15, then idle; at 5 the first is done and its place is free
    steps = [device.step(arrival, work(5), labelled=False) for arrival in (0, 1, 4, 5, 20)]
    assert [step.response for step in steps] == [5, 9, None, 10, 5]
    assert [step.status for step in steps] == [0, LATE, DROPPED, LATE, 0]
    assert [step.prediction for step in steps] == [5, 5, None, 5, 5]
    assert (device.busy, device.busy_time) == (25, 20)
    alone = NaiveDevice(capacity=0)
    assert [alone.step(arrival, work(5), False).status for arrival in (0, 4, 5, 9)] == [0, DROPPED, 0, DROPPED]
    patient = NaiveDevice()
    assert [patient.step(0, work(5), False).response for _ in range(4)] == [5, 10, 15, 20]
    patient.step(4, work(5), False)
    with pytest.raises(ValueError, match="a sample arrives at 3"):
        patient.step(3, work(5), False)


def test_a_deadline_is_met_by_a_response_as_long_as_it():
    assert NaiveDevice(deadline=5).step(3, work(5), False) == Step(0, 5, 5)
    assert NaiveDevice(deadline=4).step(3, work(5), False) == Step(LATE, 5, 5)
    assert NaiveDevice(deadline=14).step(3, work(5), True) == Step(LATE + LEARNED, 5, 15)
    assert NaiveDevice(deadline=14).step(3, work(5, gated=True), True) == Step(GATED, 5, 5)


def test_who_had_to_wait_does_not_learn_where_updates_are_skipped():
    for policy, statuses, responses in (
        ("skip-update", [LEARNED, SKIPPED, LEARNED], [15, 15, 15]),  # 0..15, 15..20, 20..35
        ("drop", [LEARNED, LEARNED, LEARNED], [15, 25, 25]),
    ):
        device = NaiveDevice(policy=policy)
        steps = [device.step(arrival, work(5), labelled=True) for arrival in (0, 5, 20)]
        assert [step.status for step in steps] == statuses
        assert [step.response for step in steps] == responses
    full = NaiveDevice(capacity=0, policy="skip-update")
    assert [full.step(arrival, work(5), True).status for arrival in (0, 5)] == [LEARNED, DROPPED]
    with pytest.raises(ValueError, match="policy 'retry'"):
        NaiveDevice(policy="retry")


def test_learning_waits_for_energy():
    device = NaiveDevice(credit=2, cap=3)
    # the bucket holds 2, then learning takes 5; credit brings it from -3 to -1, to 1, then it learns again
    steps = [device.step(100 * i, work(5, energy=5), labelled=True) for i in range(4)]
    assert [step.status for step in steps] == [LEARNED, BUDGET, LEARNED, BUDGET]
    assert device.bucket == -2
    for i in range(4, 8):  # nothing to learn: the bucket fills up to its brim
        assert device.step(100 * i, work(5, energy=5), labelled=False).status == 0
    assert device.bucket == 3
    assert device.step(900, work(5, energy=5, gated=True), True).status == GATED
    assert device.bucket == 3  # who does not learn pays nothing
    empty = NaiveDevice(cap=3)
    assert empty.step(0, work(5, gated=True), True).status == BUDGET  # asked before the gate
    queue = NaiveDevice(cap=3, policy="skip-update")
    assert [queue.step(0, work(5, gated=True), True).status for _ in range(2)] == [BUDGET, SKIPPED]


def test_late_learning_follows_the_prediction_and_holds_up_the_next():
    device = NaiveDevice(capacity=0, deadline=5)
    # prediction 0..5, learning 5..35; at 10 the first answer is out, so the second is admitted and waits: 35..40
    assert device.step(0, work(5), False, late_work=work(20)) == Step(0, 5, 5, LEARNED)
    assert device.busy == 35
    assert device.step(10, work(5), False) == Step(LATE, 5, 30)
    # full: the label has come all the same, and is learned 40..70
    assert device.step(39, work(5), False, late_work=work(20)) == Step(DROPPED, label_status=LEARNED)
    assert (device.busy, device.busy_time) == (70, 70)
    assert device.step(70, work(5), False, late_work=work(20, gated=True)) == Step(0, 5, 5, GATED)
    assert device.busy == 95


def test_late_learning_asks_queue_and_budget_too():
    device = NaiveDevice(policy="skip-update", cap=10, bucket=10)
    assert device.step(0, work(5), False, late_work=work(5, energy=11)).label_status == LEARNED
    assert device.step(1, work(5), False, late_work=work(5)).label_status == SKIPPED  # came with one that waited
    assert device.step(100, work(5), False, late_work=work(5)).label_status == BUDGET
    assert device.busy == 110
