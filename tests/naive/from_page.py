"""Networks of the rate contract, built from docs/arithmetic.md alone and learned sample by sample.

Every constant and formula is read from the page; comments name its section. NumPy holds vectors of exact integers,
PCG64 gives raw 64-bit outputs, and scikit-learn the digits: nothing of edgelearn.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import PCG64, SeedSequence

from .page import Page, formula, rn, sat, shr

PAGE = Page(Path(__file__).parents[2] / "edgelearn" / "docs" / "arithmetic.md")
Ints = np.ndarray


# --- section 7: generators ---------------------------------------------------------------------------------


class Draws:
    """One generator, by the purpose that the page gives it, with the page's methods on its outputs."""

    def __init__(self, purpose: str, **names: int) -> None:
        rows = {row["draws"]: row["entropy"] for row in PAGE.table(7, "draws", "entropy")}
        (entropy,) = (text for draws, text in rows.items() if draws.startswith(purpose))
        self._source = PCG64(SeedSequence([int(names.get(word, word)) for word in entropy.strip("[]").split(", ")]))
        self._kept: int | None = None
        self._methods = {row["method"].split("(")[0]: row["value"] for row in PAGE.table(7, "method", "value")}
        (self._low_bits,) = PAGE.numbers(7, r"\*half\* is the next (\d+) bits")

    def uniform(self, low: float, high: float, shape: tuple[int, ...]) -> np.ndarray:
        value = formula(self._methods["uniform"].removesuffix(", in doubles"))
        return np.asarray(value(low=low, high=high, output=self._source.random_raw(math.prod(shape)))).reshape(shape)

    def half(self) -> int:
        """The low bits of an output, then its high ones."""
        if self._kept is not None:
            kept, self._kept = self._kept, None
            return kept
        output = int(self._source.random_raw())
        self._kept = output >> self._low_bits
        return output % (1 << self._low_bits)

    def integers(self, low: int, high: int, shape: tuple[int, ...]) -> Ints:
        assert self._methods["integers"] == (
            "n = high - low; m = half * n, again while m mod 2^32 < 2^32 mod n; low + floor(m / 2^32)"
        )
        n, found = high - low, []
        while len(found) < math.prod(shape):
            m = self.half() * n
            if m % 2**32 >= 2**32 % n:
                found.append(low + m // 2**32)
        return np.array(found).reshape(shape)

    def permutation(self, n: int) -> Ints:
        assert self._methods["permutation"] == (
            "p = 0..n-1; for i = n-1 down to 1: j = half mod 2^(bit length of i), again while j > i; swap p_i and p_j"
        )
        p = list(range(n))
        for i in range(n - 1, 0, -1):
            j = n
            while j > i:
                j = self.half() % 2 ** i.bit_length()
            p[i], p[j] = p[j], p[i]
        return np.array(p)


# --- section 7: data and defaults --------------------------------------------------------------------------


def defaults() -> dict[str, str]:
    return {row["setting"]: row["default"] for row in PAGE.table(7, "setting", "default")}


def digits(input_bits: int) -> tuple[Ints, Ints]:
    """Levels and labels of the training samples."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    samples, pixels, top = PAGE.numbers(7, r"(\d+) samples of (\d+) pixels, 0 to (\d+): of")
    n_train = PAGE.numbers(7, r"samples p_0..p_(\d+) are the training samples")[0] + 1
    assert (len(x), x.shape[1], int(x.max())) == (samples, pixels, top)
    train = Draws("training and test samples").permutation(samples)[:n_train]
    low, high = PAGE.numbers(7, r"with low = (\d+) and high = (\d+) for the digits")
    (text,) = PAGE.find(7, r"level = (.*?), in doubles")
    levels = formula(text.replace("2^b_x", "(2^b_x)"))(x=x[train], low=low, high=high, b_x=input_bits)
    return levels.astype(np.int64), y[train]


def held_out(n: int, fraction: float) -> tuple[Ints, Ints]:
    """Training samples that stay, and those held out, as positions among n."""
    order = Draws("samples held out").permutation(n)
    n_held = round(fraction * n)
    return np.sort(order[:-n_held]), np.sort(order[-n_held:])


def order_of(seed: int, epoch: int, n: int) -> Ints:
    return Draws("order of the samples in epoch E", seed=seed, E=epoch).permutation(n)


def _residual_bits(rounding: str, b: int) -> int:
    rows = {row["rounding"]: row["residual bits r"] for row in PAGE.table(7, "rounding", "residual bits r")}
    return int(formula(rows[rounding])(b=b))


def _range_exponents(b: int) -> tuple[int, int]:
    for row in PAGE.table(7, "view bits b", "e of hidden layers", "e of the output layer"):
        first, _, last = row["view bits b"].partition(" to ")
        if int(first) <= b <= int(last or first):
            return int(row["e of hidden layers"]), int(row["e of the output layer"])
    raise LookupError(b)


def _rates(rule: str) -> tuple[int, int]:
    (row,) = (row for row in PAGE.table(7, "rule", "hidden rate", "output rate") if row["rule"] == rule)
    return int(row["hidden rate"].replace("(none)", "0")), int(row["output rate"])


@cache
def formats() -> list[dict[str, str]]:
    """Section 2."""
    return PAGE.table(2, "role", "raw word", "value of the raw word")


# --- section 4: rules --------------------------------------------------------------------------------------


@cache
def _modulators() -> dict[str, tuple[str, str, str]]:
    """m_j, M and s_m by rule."""
    found = {}
    for row in PAGE.table(4, "rule", "m_j", "M", "s_m"):
        found |= dict.fromkeys(row["rule"].split(", "), (row["m_j"], row["M"], row["s_m"]))
    return found


def feedback_of(rule: str) -> str:
    """The operator of a rule, from how its modulator is written."""
    text = _modulators()[rule][0]
    if "B[c, j]" in text:
        return "direct"
    return "layerwise" if "B[k, j]" in text else "transposed" if "in place of B" in text else "none"


@dataclass(frozen=True)
class Taught:
    """The rule that a hidden layer acts by, as section 4 writes it for factors of n bits."""

    rule: str
    n: int

    @property
    def text(self) -> str:
        """m_j."""
        return _modulators()[self.rule][0]

    @property
    def shift(self) -> str:
        """s_m."""
        return _modulators()[self.rule][2]

    @property
    def feedback(self) -> str:
        return feedback_of(self.rule)

    @property
    def takes_delta(self) -> bool:
        """Whether its signal is d of the layer above."""
        return self.feedback in ("layerwise", "transposed")

    @property
    def reads_out(self) -> bool:
        return "local error" in self.text

    @property
    def non_negative(self) -> bool:
        return self.rule in PAGE.find(4, r"Non-negative rules \((.*?)\) keep B >= 0")[0].split(", ")

    @cached_property
    def M(self) -> int:
        any_width, of_target = PAGE.find(4, r"Of any n it is (.*?), under the signal target (.*?)\.\n")
        selects = "target_c B[c, j]" in self.text and "s_c" not in self.text
        scale = int(_modulators()[self.rule][1] or 0)
        return int(formula(of_target if selects else any_width)(M=scale, n=self.n))


def masks_of(learn: str, n_layers: int) -> list[str]:
    """The mask of each layer: all, bias or none; or one named for each."""
    if "+" in learn:
        return learn.split("+")
    text = " ".join(PAGE.find(5, r"and each layer a mask \(`--learn`\): ((?:.|\n)*?)\. Hidden layers under")[0].split())
    assert text == (
        "all of its words learn, its biases, or none. `last` is the mask all in the output layer and none elsewhere, "
        "`last2` all in the last two layers and so on; `bias` is bias in hidden layers and all in the output layer"
    )
    if learn.startswith("last"):
        n = int(learn.removeprefix("last") or 1)
        return ["none"] * (n_layers - n) + ["all"] * n
    return [learn] * (n_layers - 1) + ["all"]


class FromPage:
    """A network of a rule, or of one per hidden layer (a+b); settings left out are the page's defaults."""

    def __init__(self, rule: str, sizes: Sequence[int], seed: int = 0, learn: str = "all", **given: Any) -> None:
        settings = defaults() | {name: str(value) for name, value in given.items()}
        self.sizes, self.K, self.n = list(sizes), len(sizes) - 1, int(settings["`delta_bits` n"])
        names = rule.split("+")
        self.named = names if len(names) > 1 else names * max(self.K - 1, 1)
        self.masks = masks_of(learn, self.K)
        self.taught = self._taught()
        self.b, self.input_bits = int(settings["view bits b"]), int(settings["input bits b_x"])
        self.rounding = settings["rounding"]
        self.r = _residual_bits(self.rounding, self.b)
        self._widths()
        hidden, output = _range_exponents(self.b)
        self.e = [hidden] * (self.K - 1) + [output]
        acting = [one.rule if one else "shallow" for one in self.taught[:-1]]
        self.rates = [_rates(name)[0] for name in acting] + [_rates((acting or self.named)[-1])[1]]
        self.dead_zone, self.event_threshold = int(settings["dead_zone"]), int(settings["event_threshold"])
        self.local_dead_zone = int(settings.get(settings["local_dead_zone"], settings["local_dead_zone"]))
        assert settings["update gate"] == "always"
        assert settings["accumulator_bits"] == "32"
        self.softmax = settings["output"] == "softmax"
        self.activation, self.feedback_format = settings["activation"], settings["feedback format"]
        self.seed, self.halvings = seed, 0
        self._tables()
        self._formulas()
        self._initial_words()

    # section 4: a rule per layer and masks

    def _taught(self) -> list[Taught | None]:
        """The rule of each hidden layer that forms d; None for others and for the output layer."""
        found: list[Taught | None] = []
        for k, name in enumerate(self.named[: self.K - 1]):
            one, below = Taught(name, self.n), found[-1] if found else None
            if one.feedback == "none":
                self.masks[k] = "none"
            taken = below is not None and below.takes_delta
            found.append(one if self.masks[k] != "none" or taken else None)
        return [*found, None]

    def _widths(self) -> None:
        """r of weights and of biases: none where they never learn."""
        silent = all(Taught(name, self.n).feedback == "none" for name in self.named)
        kept = silent and len(set(self.named)) == 1 and self.masks[-1] == "all"
        self.r_weight = [self.r if mask == "all" or kept else 0 for mask in self.masks]
        self.r_bias = [self.r if mask != "none" or kept else 0 for mask in self.masks]

    # section 3: tables over q + 128

    def _tables(self) -> None:
        (low,) = PAGE.numbers(3, r"q_j = sat\(rn\(z_j, s_z\), (-\d+), \d+\)")
        (self.q_max,) = PAGE.numbers(3, r"q_j = sat\(rn\(z_j, s_z\), -\d+, (\d+)\)")
        self.q_min, q = low, np.arange(low, self.q_max + 1)
        (row,) = (row for row in PAGE.table(3, "activation", "y", "g", "one") if row["activation"] == self.activation)
        (unit,) = PAGE.numbers(3, r"With u = q/(\d+) \(exact\)")
        _, *names = row["y"].split(", t = ")  # g of quadratic-tanh is written with the t of y
        gate = ", t = ".join((row["g"], *names)) if "t)" in row["g"] and names else row["g"]
        self.Y, self.G = (np.rint(formula(text)(u=q / unit, q=q)).astype(np.int64) for text in (row["y"], gate))
        self.one_hidden = int(row["one"])
        scales = PAGE.numbers(2, r"(\d+) for activations with one = 127, \d+ for activations")
        scales += PAGE.numbers(2, r"(\d+) for activations with one = 32")
        self.A_hidden = dict(zip((127, 32), scales, strict=True))[self.one_hidden]
        self.A_input = 0 if self.input_bits == 1 else self.input_bits  # section 2
        self.sigmoid = formula(PAGE.find(3, r"sigmoid: p_c = (.*)\n")[0])
        self.softmax_parts = [
            formula(text) for text in PAGE.find(3, r"softmax: t_c = (.*?); E_c = (.*?); p_c = (.*?), S = sum E")
        ]
        (hidden, output) = PAGE.numbers(3, r"s_z = A \+ \(b - 1\) - e - \((\d+) hidden \| (\d+) output\)")
        self.index_scales = [hidden] * (self.K - 1) + [output]

    # sections 4 to 6: formulas

    def _formulas(self) -> None:
        (error,) = PAGE.find(4, r"error: e_c = (.*?); e_c = 0 if \|e_c\| <= dead_zone")
        self.error = formula(error)
        narrow, few = PAGE.find(4, r"n < (\d+): e_c = (.*?), in every place")
        self.narrow = formula(few) if self.n < int(narrow) else None
        self.D_output = int(formula(PAGE.find(4, r"output: d_c = e_c, D = D_e = (.*)\n")[0])(n=self.n))
        self.gated = formula(PAGE.find(4, r"hidden: d_j = (.*?), D = M; d_j = 0 where g_j = 0")[0])
        self.satn = formula(PAGE.find(4, r"satn\(x\) = (.*?)\. D_next is D_e for the output layer, else M\.")[0])
        self.k = formula(PAGE.find(5, r"k = (A .*?halvings) rate:")[0])
        (self.k_max,) = PAGE.numbers(5, r"k is cut to (\d+)")
        self.S = formula(PAGE.find(5, r"S = (.*?) the largest step")[0])
        self.nearest = formula(PAGE.find(5, r"nearest: v = (.*)\n")[0])
        self.V, self.vi, self.vf, self.v = (
            formula(text) for text in PAGE.find(5, r"stochastic: V = (.*?); vi = (.*?); vf = (.*?)\n\s+v = (.*)\n")
        )
        self.highest = formula(PAGE.find(5, r"both: W = sat\(W \+ v, lo, (.*?)\) lo = 0")[0])
        self.lowest = formula(PAGE.find(5, r"lo = 0 for a non-negative weight, else (.*)\n")[0])
        self.shifts = PAGE.numbers(6, r"`s \^= s << (\d+); s \^= s >> (\d+); s \^= s << (\d+)`")
        self.byte_count = PAGE.numbers(6, r"rand8 = byte \(j mod (\d+)\) of the draw")[0]
        first, last = PAGE.numbers(6, r"key_j = bits (\d+)\.\.(\d+) of")
        (key,) = PAGE.find(6, r"key_j = bits \d+\.\.\d+ of \((.*?)\)\n")
        j = np.arange(max(self.sizes), dtype=object)
        self.keys = (formula(key)(j=j) >> first).astype(np.int64) % (1 << (last - first + 1))
        (state,) = PAGE.find(6, r"Initial state: `(.*?)`, or 1 if that is zero")
        self.state = int(formula(state)(seed=self.seed)) or 1

    # section 7: initial words

    def _initial_words(self) -> None:
        draws = Draws("initial weights and feedback", seed=self.seed)
        low, high = PAGE.find(7, r"x = uniform\((.*?\)), (.*?\))\), in doubles")
        word, smallest, largest = PAGE.find(7, r"W = sat\((.*?), (-2\S*), (2.*?)\), LSB")
        (unit,) = PAGE.find(7, r"LSB = (.*)\n")
        self.W: list[Ints] = []
        self.bias: list[Ints] = []
        self.B: list[Ints] = []
        for k in range(1, self.K + 1):
            n_out, n_in = self._weight_shape(k)

            def stored(x: np.ndarray, r: int, k: int = k) -> Ints:
                widths = {"b": self.b, "r": r}
                lsb = float(formula(unit)(**widths, e=self.e[k - 1]))
                raw = formula(word)(x=x, LSB=lsb, r=float(r))
                return sat(raw.astype(np.int64), *(int(formula(text)(**widths)) for text in (smallest, largest)))

            x = draws.uniform(*(float(formula(text)(I=n_in)) for text in (low, high)), (n_out, n_in))
            self.W.append(stored(np.abs(x) if self._floor(k) == 0 else x, self.r_weight[k - 1]))
            self.bias.append(stored(np.zeros(n_out), self.r_bias[k - 1]))
            shape = self._feedback_shape(k)
            self.B.append(self._feedback(draws, k, shape) if shape[0] else np.zeros(shape, np.int64))

    def _weight_shape(self, k: int) -> tuple[int, int]:
        return self.sizes[k], self.sizes[k - 1]

    def _feedback_shape(self, k: int) -> tuple[int, int]:
        rows = {"direct": self.sizes[-1], "layerwise": self.sizes[min(k + 1, self.K)]}.get(self._kind(k), 0)
        return rows, self.sizes[k]

    def _kind(self, k: int) -> str:
        """Feedback of layer k."""
        taught = self.taught[k - 1]
        return taught.feedback if taught else "none"

    def _feedback(self, draws: Draws, k: int, shape: tuple[int, int]) -> Ints:
        columns = ("feedback format", "draw", "raw B", "stored")
        (row,) = (row for row in PAGE.table(7, *columns) if row["feedback format"] == self.feedback_format)
        if row["draw"] == "none":
            words = np.array([self._register(c, k, shape[1]) for c in range(shape[0])])
        else:
            low, high = (int(text) for text in row["draw"].removeprefix("integers(").removesuffix(")").split(", "))
            words = draws.integers(low, high, shape)
            if row["raw B"] != "the draw":  # "64, -64 for 0, 1"
                raw, _, drawn = row["raw B"].partition(" for ")
                assert [int(text) for text in drawn.split(", ")] == list(range(low, high))
                words = np.array([int(text) for text in raw.split(", ")])[words]
        taught = self.taught[k - 1]
        return np.abs(words) if taught and taught.non_negative else words

    def _register(self, c: int, k: int, n: int) -> list[int]:
        (start,) = PAGE.find(7, r"starts from `(.*?)`; a step")
        (feedback,) = PAGE.numbers(7, r"if out: s \^= (0x\w+)`")
        assert PAGE.find(7, r"`(out = s & 1; s >>= 1; if out)")
        zero, plus, minus = PAGE.numbers(7, r"b1 = 0 gives (\d); b1 = 1 gives \+(\d+) for b0 = 0 and (-\d+) for b0 = 1")
        first, last = start.split(" + ", 1)  # 1 + (...) mod 65535
        s = int(first) + int(formula(last)(c=c, k=k, seed=self.seed))
        row = []
        for _ in range(n):
            bits = []
            for _step in range(2):
                out, s = s & 1, s >> 1
                s ^= feedback * out
                bits.append(out)
            row.append(zero if bits[0] == 0 else minus if bits[1] else plus)
        return row

    def _floor(self, k: int) -> int | None:
        """lo of the weights of layer k where they are non-negative (sections 4 and 7)."""
        return 0 if any(one and one.non_negative for one in self.taught[: k - 1]) else None

    # one sample

    def learn(self, levels: Ints, label: int) -> int:
        """Learn a sample; return its prediction."""
        x, q, z = [levels], [], np.zeros(0, np.int64)
        for k in range(1, self.K + 1):  # section 3
            z = self._sums(k, x[-1])
            shift = self._A(k) + (self.b - 1) - self.e[k - 1] - self.index_scales[k - 1] + self._mean_bits(k)
            q.append(sat(rn(z, shift), self.q_min, self.q_max))
            if k < self.K:
                y = self.Y[q[-1] - self.q_min]
                x.append(np.where(np.abs(y) <= self.event_threshold, 0, y))
        d = self._signals(q, x, label)
        order = [k for k in range(1, self.K + 1) if self.masks[k - 1] != "none"]
        deltas = any(one and one.takes_delta for one in self.taught)
        for k in order[::-1] if deltas else order:  # section 5: first to last, or last to first under the signal delta
            self._update(k, x[k - 1], d[k - 1])
        return int(z[0] > 0) if len(z) == 1 else int(z.argmax())

    def _sums(self, k: int, x: Ints) -> Ints:
        return np.asarray(self._view(k) @ x + self._one(k) * shr(self.bias[k - 1], self.r_bias[k - 1]))

    def _mean_bits(self, k: int) -> int:
        """log2 of the sums whose mean a pre-activation is; one in dense layers."""
        return 0

    def _view(self, k: int) -> Ints:
        return shr(self.W[k - 1], self.r_weight[k - 1])

    def _signals(self, q: list[Ints], x: list[Ints], label: int) -> list[Ints]:
        """Section 4: d of all layers, from the weights before the update."""
        target = np.array([label]) if len(q[-1]) == 1 else (np.arange(len(q[-1])) == label).astype(np.int64)
        e = self._errors(q[-1], target, self.dead_zone)
        d: list[Ints] = [e]
        for k in range(self.K - 1, 0, -1):
            taught = self.taught[k - 1]
            if taught is None:
                d.insert(0, np.zeros(self.sizes[k], np.int64))
                continue
            own = self._errors(self._read_out(k, x[k]), target, self.local_dead_zone) if taught.reads_out else e
            m = self._modulator(k, taught, own, target, d[0])
            g = self._gates(k, q[k - 1])
            d.insert(0, np.where(g == 0, 0, self.gated(m_j=m, g_j=g, n_d=self.n_d(k))))
        return d

    def _gates(self, k: int, q: Ints) -> Ints:
        return np.asarray(self.G[q - self.q_min])

    def _errors(self, q: Ints, target: Ints, dead_zone: int) -> Ints:
        """Of the outputs, or of a readout, from its indices."""
        e = self.error(p_c=self._probabilities(q), target_c=target)
        e = np.where(np.abs(e) <= dead_zone, 0, e)
        return np.asarray(e if self.narrow is None else self.narrow(e_c=e, n=self.n))

    def _read_out(self, k: int, y: Ints) -> Ints:
        """q of the readout of hidden layer k."""
        PAGE.find(4, r"e_kc from p_kc as e_c from p_c, rounding included, with local_dead_zone in place of dead_zone")
        PAGE.find(4, r"l_kc = sum_j y_j \* B\[c, j\]")
        (index,) = PAGE.find(4, r"q_kc = (sat\(.*?\)) s_l = ")
        (shift,) = PAGE.find(4, r"s_l = (A .*?), A of the activations of the layer")
        s_l = int(formula(shift)(A=self.A_hidden, f=self._f(k)))
        return np.asarray(formula(index)(l_kc=self.B[k - 1] @ y, s_l=s_l))

    def _f(self, k: int) -> int:
        """Range exponent of the feedback of hidden layer k."""
        taught = self.taught[k - 1]
        if taught and taught.reads_out:
            (exponent,) = PAGE.find(4, r"f = (rint\(log2\(sqrt\(\d+ / n_k\)\)\)), so that")
            return int(formula(exponent)(n_k=self.sizes[k]))
        if self._kind(k) == "layerwise" and k + 1 < self.K:
            (exponent,) = PAGE.find(4, r"f = (rint\(log2\(sqrt\(\d+ / n_next\)\)\)) for a matrix")
            return int(formula(exponent)(n_next=self._n_next(k)))
        return 0

    def _n_next(self, k: int) -> int:
        return self.sizes[k + 1]

    def _probabilities(self, q: Ints) -> Ints:
        if not self.softmax:
            return np.asarray(self.sigmoid(q_c=q)).astype(np.int64)
        t, share, probability = self.softmax_parts
        shares = share(t_c=t(q=q, q_c=q))
        return np.asarray(probability(E_c=shares, S=shares.sum())).astype(np.int64)

    def _modulator(self, k: int, taught: Taught, e: Ints, target: Ints, d_next: Ints) -> Ints:
        above = self.taught[k]
        D_next = above.M if above else self.D_output
        names = {
            "f": self._f(k),
            "M": taught.M,
            "D_e": self.D_output,
            "D_next": D_next,
            "b": self.b,
            "e_next": self.e[k],
        }
        s_m = int(formula(taught.shift)(**names))
        if taught.takes_delta:
            sums, more = self._from_above(
                k, d_next, self._view(k + 1) if taught.feedback == "transposed" else self.B[k - 1]
            )
            s_m += more
        elif "s_c = " in taught.text:
            assert taught.text.endswith("s_c = -1 where target_c is 1, else +1")
            sums = np.where(target == 1, -1, 1) @ self.B[k - 1]
        elif "target_c B[c, j]" in taught.text:
            sums = target @ self.B[k - 1]
        else:
            sums = (np.sign(e) if "sign(e_c)" in taught.text else e) @ self.B[k - 1]
        return np.asarray(self.satn(x=rn(sums, s_m), n=self.n))

    def _from_above(self, k: int, d_next: Ints, matrix: Ints) -> tuple[Ints, int]:
        """The sums that d of layer k + 1 sends to layer k, and what s_m is larger by."""
        return np.asarray(d_next @ matrix), 0

    def n_d(self, k: int) -> int:
        """The width of d in hidden layer k: narrower in layers that take or give d between hidden layers."""
        below, own = self.taught[k - 2] if k > 1 else None, self.taught[k - 1]
        concerned = (own is not None and own.takes_delta) or (below is not None and below.takes_delta)
        return self.narrow_d if concerned else self.n

    @cached_property
    def narrow_d(self) -> int:
        senders = [(one, self._n_next(k)) for k, one in enumerate(self.taught[:-2], 1) if one and one.takes_delta]
        least, limit = PAGE.numbers(4, r"modulator sum plus 2\^max\((\d+), s_m\) can reach 2\^(\d+)\.")
        PAGE.find(5, r"no modulator sum of these layers plus 2\^max\(20, b - 1 - e\) reaches 2\^31\.")
        (largest,) = PAGE.numbers(4, r"with F = (\d+) for B")
        transposed = int(formula(PAGE.find(4, r"in the format sign\), (.*?) for transposed weights")[0])(b=self.b))
        constant = 2 ** (max(least, self.b - 1 - self.e[0]) + self._largest_mean_bits())
        n_d = self.n
        for one, lanes in senders:
            word = transposed if one.feedback == "transposed" else largest
            while lanes * (2 ** (n_d - 1) - 1) * word + constant >= 2**limit:
                n_d -= 1
        return n_d

    def _largest_mean_bits(self) -> int:
        return 0

    def _update(self, k: int, x: Ints, d: Ints) -> None:
        """Sections 5 and 6."""
        biases = self.masks[k - 1] == "bias"
        rows, columns = np.flatnonzero(d), np.flatnonzero(np.zeros_like(x) if biases else x)
        if len(rows) == 0:
            return
        taught, r = self.taught[k - 1], self.r_bias[k - 1]
        D = taught.M if taught else self.D_output
        shift = self.k(
            A=self._A(k), D=D, rate=self.rates[k - 1], e=self.e[k - 1], b=self.b, r=r, halvings=self.halvings
        )
        lowest, highest = (int(limit(b=self.b, r=r)) for limit in (self.lowest, self.highest))
        inputs = np.append(x[columns], self._one(k))  # the bias last
        rand8 = self._bytes(len(inputs), rows) if self.rounding == "stochastic" else None
        v = self._steps(min(shift, self.k_max), r, inputs, d[rows][:, None], rand8)
        floor = self._floor(k)
        cells = np.ix_(rows, columns)
        self.W[k - 1][cells] = sat(self.W[k - 1][cells] + v[:, :-1], lowest if floor is None else floor, highest)
        self.bias[k - 1][rows] = sat(self.bias[k - 1][rows] + v[:, -1], lowest, highest)

    def _steps(self, k: int, r: int, x: Ints, d: Ints, rand8: Ints | None) -> Ints:
        """v of products x d."""
        names: dict[str, Any] = {"k": k, "S": int(self.S(b=self.b, r=r)), "x_i": x, "d_j": d}
        if rand8 is None:
            return np.asarray(self.nearest(**names))
        names["rand8"] = rand8
        names["V"] = self.V(**names)
        names["vi"] = self.vi(**names)
        names["vf"] = self.vf(**names)
        return np.asarray(self.v(**names))

    def _bytes(self, n: int, neurons: Ints) -> Ints:
        draws, (left, right, left_again) = [], self.shifts
        for _ in range(n):
            s = self.state
            s ^= s << left & 0xFFFFFFFF
            s ^= s >> right
            s ^= s << left_again & 0xFFFFFFFF
            self.state = s
            draws.append(s)
        place = 8 * (neurons % self.byte_count)
        return (np.array(draws) >> place[:, None]) & 255 ^ self.keys[neurons][:, None]

    def _one(self, k: int) -> int:
        """1.0 of an input: the level of the bias."""
        if k > 1:
            return self.one_hidden
        (row,) = (row for row in formats() if row["role"] == "input level")
        return int(formula(row["raw word"].split("1.0 = ")[1])(bits=self.input_bits))

    def _A(self, k: int) -> int:
        return self.A_input if k == 1 else self.A_hidden
