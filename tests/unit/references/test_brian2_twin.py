"""The spiking kernel against Brian2: every spike, membrane, trace and weight; and faults that must be seen."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import load_digits

from edgelearn.errors import UserError
from edgelearn.rules import Backend, rules_for
from edgelearn.spiking.coding import rate_code, samples_raster
from edgelearn.spiking.learner import SpikingLearner, raster_of
from edgelearn.spiking.network import MODELS, Neuron, design
from tests.tools import missing

try:
    import brian2
except ImportError:
    if np.lib.NumpyVersion(np.__version__) >= "2.4.0":
        pytest.skip("brian2 2.9 fails with numpy 2.4; the extra brian2 brings an older one", allow_module_level=True)
    missing('brian2 is not installed; run: pip install "edgelearn[brian2]"')

from edgelearn.references.brian2_twin import BrianTwin, compare
from edgelearn.references.float_spiking import compare_float

STEPS = 1000
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of brian2


@pytest.fixture(autouse=True)
def numpy_target(monkeypatch):
    """Code for C++ would be compiled for minutes."""
    monkeypatch.setitem(brian2.prefs, "codegen.target", "numpy")
    brian2.BrianLogger.log_level_error()


def network(rule="drtp", rounding="nearest", seed=0, model="lif", **changes):
    """A network of 64-64-10 whose plasticity is open around its membranes, so that little learning hides nothing."""
    neuron = Neuron(model=model, threshold=512, refractory=2, gate_on="membrane", gate=(128, 2048))
    output = Neuron(threshold=512, gate_on="membrane", gate=(-512, 2048))
    settings = {"neuron": neuron, "output": output, "shifts": [7, 7], "spreads": [37.0, 37.0]}
    settings |= {"trace_leak": 3, "trace_step": 32, "target": 64, "feedback_spread": 127}
    return design((64, 64, 10), rule, rounding=rounding, seed=seed, **(settings | changes))


def samples(seed=0, steps=STEPS, rate=0.08, every=20, starts=False):
    rng = np.random.default_rng(seed)
    spikes = rng.random((steps, 64)) < rate
    labels = np.full(steps, -1)
    labels[every - 1 :: every] = rng.integers(0, 10, len(labels[every - 1 :: every]))
    return raster_of(spikes, labels, np.arange(steps) % 50 == 0 if starts else None)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("rounding", ["nearest", "stochastic"])
@pytest.mark.parametrize("rule", [name for name, row in rules_for(Backend.SPIKING).items() if row.learns_hidden])
@pytest.mark.parametrize("model", MODELS)
def test_every_word_and_spike(model, rule, rounding, seed):
    found = compare(network(rule, rounding, seed, model), samples(seed), every=10)
    assert found.difference is None
    assert (found.steps, found.checkpoints) == (STEPS, 100)
    assert found.totals["spikes"] > 1000
    assert found.totals["synaptic_updates"] > 10_000
    assert found.totals["saturations"] > 0


@pytest.mark.parametrize("rule", ["drtp", "dfa"])
def test_every_rail(rule):
    """Inputs nearly always on, labels every five steps, weights near their ends, gates wide open, no spikes of membranes."""

    def loud(learner):
        rng = np.random.default_rng(0)
        learner.weights[:] = np.clip(2 * learner.weights + rng.choice([-100, 100], learner.weights.shape), -127, 127)

    neuron = Neuron(threshold=32767, gate_on="membrane", gate=(-32769, 32768))
    spec = network(rule, "stochastic", neuron=neuron)
    found = compare(spec, samples(rate=0.9, every=5, steps=400), every=10, prepare=loud)
    assert found.difference is None
    for name in ("saturations", "membrane_saturations", "trace_saturations"):
        assert found.totals[name] > 0, name


@pytest.mark.parametrize(
    "changes",
    [
        {"neuron": Neuron(threshold=512, reset="zero", gate_on="membrane", gate=(128, 2048))},
        {"delays": [3, 2]},
        {"bits": 5, "spreads": [5.0, 5.0]},
        {"bits": 12, "spreads": [600.0, 600.0]},
        {"rule": "shallow", "rounding": "stochastic"},
    ],
    ids=str,
)
def test_other_networks(changes):
    assert compare(network(**changes), samples(steps=300)).difference is None


def test_samples_that_start_anew():
    assert compare(network("dfa", "stochastic"), samples(steps=300, starts=True)).difference is None
    with pytest.raises(UserError, match="spikes on their way"):
        compare(network(delays=[2, 1]), samples(steps=300, starts=True))


# text, what it is, what it would be wrongly
MUTANTS = {
    "fires above the threshold only": ("threshold 1", "v >= 512", "v > 512"),
    "leak truncates": ("neurons 1", "v//16", "int(abs(v)//16*sign(v))"),
    "nearest for stochastic": ("learn 1", "edgelearn_rho(t_in_timesteps, i, j, 1, 127)", "64"),
    "another draw": ("learn 1", "edgelearn_rho(t_in_timesteps, i, j", "edgelearn_rho(t_in_timesteps, j, i"),
    "input past the refractory period": ("neurons 1", "int(r > 0)*v + int(r == 0)*", "0*v + 1*"),
    "gate not strict": ("neurons 1", "int(v > 128)", "int(v >= 128)"),
    "traces fade slower": ("neurons 0", "x//8", "x//16"),
    "weights without a rail": ("learn 1", "-127, 127)", "-128, 128)"),
    "feedback is not transposed": ("feedback", "(f*m_pre)//32", "(f*m_pre)//16"),
    "the target is one more": ("error", "64*int(i == j)", "65*int(i == j)"),
    "refractory one step longer": ("reset 1", "r = 2", "r = 3"),
    "zero for subtract": ("reset 1", "v = clip(v - 512, -32768, 32767)", "v = 0"),
    "a generator for the hash": ("learn 1", "edgelearn_rho(t_in_timesteps, i, j, 1, 127)", "int(128*rand())"),
    "weights straight to the membrane": ("forward 1", "I_post += w", "v_post += w"),
    "a real membrane": ("state", "v : integer", "v : 1"),
    "real weights": ("weight", "w : integer", "w : 1"),
}


def real_membrane_leaks(texts):
    """A real membrane that is rounded by its leak would still be whole."""
    for place in ("neurons 1", "neurons 2"):
        texts[place] = texts[place].replace("v//16", "v/16")


def real_weights_learn(texts):
    for place in ("learn 1", "learn 2"):
        texts[place] = texts[place].replace(")//", ")/")


@pytest.mark.parametrize("name", MUTANTS)
def test_a_wrong_line_is_seen(name):
    place, right, wrong = MUTANTS[name]

    def change(texts):
        assert right in texts[place]
        texts[place] = texts[place].replace(right, wrong)
        {"a real membrane": real_membrane_leaks, "real weights": real_weights_learn}.get(name, lambda texts: None)(
            texts
        )

    found = compare(network("dfa", "stochastic"), samples(), change=change)
    assert found.difference is not None
    assert str(found.difference.population) in str(found.difference)


def learns_before_it_adds(twin):
    for synapses in twin.synapses[1:]:
        synapses.pre.order, synapses.upd.order = 1, 0


def takes_synapses_first(twin):
    twin.network.schedule = ["start", "synapses", "groups", "thresholds", "resets", "end"]


@pytest.mark.parametrize("alter", [learns_before_it_adds, takes_synapses_first])
def test_another_order_is_seen(alter):
    assert compare(network("dfa", "stochastic"), samples(), alter=alter).difference is not None


def test_one_bit_at_any_time_is_seen():
    """A weight that is 1 too large from a random step on differs at the next checkpoint, though few change a spike."""
    rng = np.random.default_rng(0)
    spec, raster = network("drtp", "stochastic"), samples(steps=300)
    for _ in range(20):
        learner, hit = SpikingLearner(spec), int(rng.integers(1, 290))
        twin = BrianTwin(learner, raster)
        seen = []

        def look(done, learner=learner, twin=twin, hit=hit, seen=seen):
            learner.advance(raster.part(done - 10, done))
            if (learner.weights_into(1) != twin.weights_into(1)).any():
                seen.append(done)
                return False
            if done - 10 <= hit < done:
                word = int(rng.integers(0, 64 * 64))
                value = int(twin.synapses[1].w[word])
                twin.synapses[1].w[word] = value + (1 if value < 127 else -1)
            return True

        twin.run(300, 10, look)
        assert seen
        assert seen[0] <= hit - hit % 10 + 20


def test_a_difference_names_its_place():
    found = compare(
        network(), samples(), change=lambda texts: texts.update({"reset 1": texts["reset 1"] + "\nv = v + 1"})
    )
    assert (found.difference.population, found.difference.what) == (1, "membrane")
    assert found.difference.brian2 == found.difference.kernel + 1


def test_winners_are_the_same():
    spec, raster = network("dfa"), samples(steps=200)
    learner = SpikingLearner(spec)
    twin, said = BrianTwin(learner, raster), []

    def look(done):
        learner.advance(raster.part(done - 10, done))
        said.append((learner.winner(), twin.winner()))
        return True

    twin.run(200, 10, look)
    assert all(ours == theirs for ours, theirs in said)
    assert len({ours for ours, _ in said}) > 2


def fine(rule, seed=0):
    """A network whose words are so fine that floors hardly count: 12 bits, large membranes, traces that fade to 3."""
    shifts = {"drtp": [7, 7], "dfa": [10, 7], "sdfa": [10, 7]}[rule]
    neuron = Neuron(threshold=4096, refractory=1, gate=(-16384, 16384))
    output = Neuron(threshold=8192, gate=(-32768, 32767))
    settings = {"bits": 12, "spreads": [200.0, 200.0], "shifts": shifts, "trace_leak": 2, "trace_step": 64}
    spec = design((64, 64, 10), rule, seed=seed, neuron=neuron, output=output, **settings)
    return replace(spec, synapses=tuple(replace(one, exponent=0) for one in spec.synapses))


def digit_samples(seed=0, n=60, period=4):
    data = load_digits()
    spikes = rate_code(data.data[:n] / 16, 32, np.random.default_rng(seed))
    return samples_raster(spikes, data.target[:n], 14, period)


def outside(found, rule):
    """Return what is not as close as float is to fixed point; limits lie a fifth and more past the worst of ten seeds."""
    rate, weights, difference = FLOAT_LIMITS[rule]
    seen = []
    for p, one in enumerate(found.populations, 1):
        if abs(one.float_spikes - one.spikes) > rate * one.spikes:
            seen.append(f"rate {p}")
        if one.counts < 0.95:
            seen.append(f"counts {p}")
        if one.weights < weights:
            seen.append(f"weights {p}")
        if one.difference > difference:
            seen.append(f"difference {p}")
    return seen


# rates, correlation of weights, difference of weights / what was learned
FLOAT_LIMITS = {"drtp": (0.05, 0.98, 0.33), "dfa": (0.05, 0.99, 0.2), "sdfa": (0.12, 0.99, 0.25)}


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("rule", FLOAT_LIMITS)
def test_float_stays_near(rule, seed):
    found = compare_float(fine(rule, seed), digit_samples(seed, period=8 if rule == "drtp" else 4))
    assert not outside(found, rule)
    assert found.steps == 60 * 32
    assert all(one.spikes > 100 for one in found.populations)
    assert all(one.changes > 0.94 for one in found.populations)
    assert all(0 < one.rms < 100 for one in found.populations)


# text, what it is, what it would be wrongly; what sees it
FLOAT_MUTANTS = {
    "leak": ("neurons 1", "v/16", "v/32", "rate 1"),
    "output leak": ("neurons 2", "v/16", "v/32", "rate 2"),
    "learning shift": ("learn 1", "/1024", "/2048", "difference 1"),
    "learning shift of outputs": ("learn 2", "/128", "/64", "difference 2"),
    "trace leak": ("neurons 0", "x/4", "x/8", "difference 1"),
    "feedback": ("feedback", "/32", "/16", "difference 1"),
}


@pytest.mark.parametrize("name", FLOAT_MUTANTS)
def test_a_wrong_float_twin_is_seen(name):
    place, right, wrong, sees = FLOAT_MUTANTS[name]

    def change(texts):
        assert right in texts[place]
        texts[place] = texts[place].replace(right, wrong)

    assert sees in outside(compare_float(fine("dfa"), digit_samples(), change), "dfa")


@pytest.mark.parametrize("model", MODELS)
def test_float_without_learning(model):
    """Floors alone: spikes and counts differ by little, no weight does."""
    raster = samples(steps=1000)
    raster.labels[:] = -1
    found = compare_float(network("dfa", model=model), raster)
    one = found.populations[0]
    assert one.spikes > 200
    assert abs(one.float_spikes - one.spikes) < 0.06 * one.spikes
    assert one.counts > 0.995
    assert (one.weights, one.rms, one.difference) == (pytest.approx(1), 0, 0)


def test_the_hash_of_numpy_and_of_c(tmp_path):
    from edgelearn.references.brian2_twin import _CPP_HASH, _rho

    assert int(_rho(1000, 63, 9, 2, 0xFFFFFFFF)) == 0x478CA144
    compiler = shutil.which("c++")
    if compiler is None:
        missing("there is no C++ compiler; install g++")
    (tmp_path / "hash.cpp").write_text(f'#include <cstdint>\nextern "C" {_CPP_HASH.strip()}\n')
    subprocess.run([compiler, "-shared", "-fPIC", "-o", "hash.so", "hash.cpp"], cwd=tmp_path, check=True)
    function = ctypes.CDLL(str(tmp_path / "hash.so")).edgelearn_rho
    function.restype, function.argtypes = ctypes.c_int64, [ctypes.c_int64] * 5
    rng = np.random.default_rng(0)
    for _ in range(200):
        case = [int(rng.integers(0, 2**31)), *(int(n) for n in rng.integers(0, 16_000, 2)), int(rng.integers(0, 2**32))]
        assert function(*case, 2**11 - 1) == int(_rho(*case, 2**11 - 1))
