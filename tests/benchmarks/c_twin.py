"""Builds the hand-written C twin of online DRTP, DFA and backpropagation and calls it with the words of a Learner."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from edgelearn.fixedpoint.aligned import aligned_zeros
from edgelearn.network.activations import find_activation, output_table
from edgelearn.network.learner import Learner
from edgelearn.network.spec import NetworkSpec

SOURCE = Path(__file__).with_name("c_twin.c")
TILE = 512  # neurons, as in the source
LINE = 32  # words of 16 bits in a cache line
LIMITS = {"inputs": 4096, "hidden neurons": 4096, "outputs": 64}
RULES = ("drtp", "dfa", "bp")  # numbered as in the source
PHASES = ("list events", "forward", "activate", "gate", "steps", "add rows", "output sums", "output add")


def gcc() -> str | None:
    """Return the path of gcc, or None."""
    return shutil.which("gcc")


@cache
def library(*options: str) -> ctypes.CDLL:
    """Compile the source for this processor and load it; raises CalledProcessError with gcc's message."""
    folder = Path(tempfile.mkdtemp(prefix="c_twin_"))
    try:
        target = folder / "c_twin.so"
        command = ["gcc", "-std=gnu11", "-O3", "-march=native", "-Wall", "-shared", "-fPIC", *options]
        subprocess.run([*command, "-o", str(target), str(SOURCE)], check=True, capture_output=True, text=True)
        loaded = ctypes.CDLL(str(target))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    loaded.learn.restype = loaded.read_words.restype = None
    loaded.change_words.restype = ctypes.c_int64
    return loaded


class _Network(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("n_in", "n_hidden", "n_out", "stride", "out_stride", "one")),
        *((name, ctypes.c_int64) for name in ("sum_shift", "out_sum_shift", "step_shift", "out_step_shift")),
        *((name, ctypes.c_int64) for name in ("rule", "signal_shift")),
        *((name, ctypes.c_void_p) for name in ("hidden", "out", "feedback")),
        *((name, ctypes.c_void_p) for name in ("activation", "gate", "probability")),
        ("saturations", ctypes.c_int64 * 2),
        ("ticks", ctypes.c_uint64 * len(PHASES)),
    )


def _rounded_up(n: int, unit: int) -> int:
    return -(-n // unit) * unit


class CTwin:
    """The network of a specification in C, starting from the words that a Learner starts from.

    Parameters
    ----------
    spec : drtp, dfa or bp, one hidden layer, tanh and sigmoid, 8-bit view + 8 residual bits, range exponent 0,
        1- to 4-bit inputs
    options : more options of the compiler, such as "-DPHASES" or "-mno-avx512f"
    """

    def __init__(self, spec: NetworkSpec, *options: str) -> None:
        hidden, out = spec.layers
        for name, n in zip(LIMITS, spec.sizes, strict=True):
            assert n <= LIMITS[name], f"{n} {name} are more than the {LIMITS[name]} of the C twin"
        assert spec.rule.name in RULES, spec.rule.name
        assert (hidden.activation, spec.output, spec.rounding) == ("tanh", "sigmoid", "residual")
        assert (spec.event_threshold, spec.dead_zone, spec.accumulator_bits) == (0, 0, 32)
        assert spec.input_bits <= 4, "levels of more bits do not have steps of their own"
        assert spec.n_outputs > 1, "the C twin has no single output"
        for layer in spec.layers:
            assert (layer.word.bits, layer.word.residual_bits) == (8, 8), layer.word
            assert layer.sum_shift > 0
        # products of DRTP, and all steps before and after rounding, fit 16 bits, so that no step is ever cut
        if spec.rule.name == "drtp":
            largest = hidden.input_max * 126 << max(-hidden.step_shift, 0)
            assert largest + (1 << max(hidden.step_shift - 1, 0)) < 1 << 15, hidden.step_shift
        else:
            assert 0 < hidden.step_shift < 16, hidden.step_shift
            assert hidden.input_max * 32767 >> hidden.step_shift < 32767, hidden.step_shift
            assert (hidden.modulator_max, hidden.delta_max) == (32767, 32767), hidden
            assert hidden.signal_shift >= 0, hidden.signal_shift
        assert out.step_shift > 0, out.step_shift
        assert 127 * 255 + (1 << (out.step_shift - 1)) < 1 << 15, out.step_shift

        self.spec = spec
        self._start = Learner(spec)
        self._library = library(*options)
        n_in, n_hidden, n_out = spec.sizes
        stride, out_stride = _rounded_up(n_hidden, TILE) + LINE, _rounded_up(n_hidden + 1, 2 * LINE)
        self._hidden = aligned_zeros((n_in + 1, stride), np.int16)
        # as long as a tile behind the last row, where backpropagation reads and gates are 0
        self._out_room = aligned_zeros((n_out * out_stride + TILE,), np.int16)
        self._out = self._out_room[: n_out * out_stride].reshape(n_out, out_stride)
        self._feedback = aligned_zeros((n_out, stride), np.int16)
        if spec.rule.name != "bp":
            self._feedback[:, :n_hidden] = self._start.state.feedback(0)
        activations, gates = find_activation(hidden.activation).table()
        self._tables = [aligned_zeros((256,), dtype) for dtype in (np.int8, np.int8, np.uint8)]
        for words, values in zip(self._tables, (activations, gates, output_table()[:256]), strict=True):
            words[:] = values
        self._network = _Network(
            n_in, n_hidden, n_out, stride, out_stride, hidden.input_one,
            hidden.sum_shift, out.sum_shift, hidden.step_shift, out.step_shift,
            RULES.index(spec.rule.name), max(hidden.signal_shift, 0),
            *(array.ctypes.data for array in (self._hidden, self._out, self._feedback, *self._tables)),
        )  # fmt: skip
        self.reset()

    def reset(self) -> None:
        """Go back to the initial words."""
        n_in, n_hidden, _ = self.spec.sizes
        state = self._start.state
        self._hidden[:n_in, :n_hidden], self._hidden[n_in, :n_hidden] = state.weights(0).T, state.biases(0)
        self._out[:, :n_hidden], self._out[:, n_hidden] = state.weights(1), state.biases(1)
        for k in range(2):
            self._network.saturations[k] = 0
        for phase in range(len(PHASES)):
            self._network.ticks[phase] = 0

    def learn(self, levels: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Learn uint8[n, n_in] with int64[n] one after another; return the classes before learning, int64[n]."""
        levels, labels = np.ascontiguousarray(levels, np.uint8), np.ascontiguousarray(labels, np.int64)
        assert levels.shape == (len(labels), self.spec.sizes[0])
        predictions = np.zeros(len(labels), np.int64)
        pointers: list[Any] = [ctypes.c_void_p(array.ctypes.data) for array in (levels, labels)]
        self._library.learn(
            ctypes.byref(self._network), *pointers, ctypes.c_int64(len(labels)),
            ctypes.c_void_p(predictions.ctypes.data),
        )  # fmt: skip
        return predictions

    def words(self) -> dict[str, np.ndarray]:
        """Return the raw words by the names that `Learner.words` uses; feedback excepted."""
        n_in, n_hidden, _ = self.spec.sizes
        return {
            "layer1_weights": self._hidden[:n_in, :n_hidden].T.copy(),
            "layer1_biases": self._hidden[n_in, :n_hidden].copy(),
            "layer2_weights": self._out[:, :n_hidden].copy(),
            "layer2_biases": self._out[:, n_hidden].copy(),
        }

    @property
    def saturations(self) -> list[int]:
        """Sums that left the range of the word, by layer."""
        return list(self._network.saturations)

    @property
    def ticks(self) -> dict[str, int]:
        """Ticks of the time stamp counter by phase; zero unless built with "-DPHASES"."""
        return dict(zip(PHASES, self._network.ticks, strict=True))


class CacheLimit:
    """Loops over a buffer that stays in a cache: the rows of a sample read, and changed with saturation and its count.

    Parameters
    ----------
    n_bytes : size of the buffer, rounded down to kilobytes
    options : more options of the compiler
    """

    def __init__(self, n_bytes: int, *options: str) -> None:
        self._library = library(*options)
        self._words = aligned_zeros((max(n_bytes // 1024, 1) * TILE,), np.int16)
        self._result, self._steps = aligned_zeros((2 * LINE,), np.int16), aligned_zeros((TILE,), np.int16)
        self._steps[:] = 1

    def run(self, read_bytes: float, changed_bytes: float) -> int:
        """Read and change so many bytes, rounded up to kilobytes; return the saturations."""
        words, buffer = ctypes.c_void_p(self._words.ctypes.data), ctypes.c_int64(len(self._words))
        result, steps = (ctypes.c_void_p(array.ctypes.data) for array in (self._result, self._steps))
        self._library.read_words(words, buffer, ctypes.c_int64(int(read_bytes) // 2), result)
        return int(self._library.change_words(words, buffer, ctypes.c_int64(int(changed_bytes) // 2), steps))
