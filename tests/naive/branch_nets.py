"""Two-layer rows and tagged side rows of edgelearn/docs/branch_predictors.md in plain integers, one weight at a time.

Written from that page; comments cite its sections. Constants and widths are read from its tables.
"""

from __future__ import annotations

from collections import deque

from . import branch_page
from .branch import History, Perceptron, clip, move, xorshift32
from .oracle import RULES as PAPER_RULES
from .oracle import PaperRule

RULES = {
    **PAPER_RULES,
    "frozen": PAPER_RULES["shallow"],
    "drtp-gated": PaperRule(
        "B_k t where y is wrong or within the margin: drtp under this row's error", "gated", "direct"
    ),
    "madaline": PaperRule(
        "t for the wrong-sided unit nearest to zero: Widrow, Lehr 1990, rule I", "error", "nearest", True
    ),
}
COLUMNS = {  # of section 9, from what the papers say of a rule
    "none": "0",
    "transpose": "transposed",
    "nearest": "nearest",
    "direct": "t even, -t odd",
}


def line_of(rule: PaperRule) -> list[str]:
    """Return s_k, learned and lowest v of a rule, as section 9 writes them."""
    s = "t" if rule.feedback == "direct" and rule.non_negative else COLUMNS[rule.feedback]
    return [s, "always" if rule.signal == "target" else "asked", "1" if rule.non_negative else "-127"]


class Row:
    """W[unit][input], the bias last; v; the output bias."""

    def __init__(self, hidden: int, length: int, first: int) -> None:
        self.w = [[first] * (length + 1) for _ in range(hidden)]
        self.v = [first] * hidden
        self.bias = first

    def words(self) -> list[int]:
        return [word for unit in self.w for word in unit] + self.v + [self.bias]


class Rows:
    """Section 9: how a row predicts, learns and is drawn. `leak` of 256 random values lets a unit at its rail learn."""

    section = 9

    def __init__(self, rule, length, hidden, rows, theta, spread, v_shift, leak, v0, seed, lowest_bias=None) -> None:
        page = branch_page.page
        self.constants = page.constants(9)
        columns = {name: line for name, *line in page.table(9, "rule")}
        self.s, learned, lowest = columns.get(rule) or line_of(RULES[rule])
        self.always, self.lowest_v = learned == "always", int(lowest)
        self.length, self.hidden, self.n, self.theta = length, hidden, rows, theta
        self.spread, self.v_shift, self.leak, self.v0 = spread, v_shift, leak, v0
        self.ends, (low, high) = page.ends(9, "W"), page.ends(9, "bias")
        self.bias_ends = (low if lowest_bias is None else lowest_bias, high)
        self.first_bias = page.starts(9)["bias"]
        self.r = (self.constants["seed"] if seed is None else seed) | 1
        self.table = [Row(hidden, length, page.starts(10)["W, v, bias"]) for _ in range(rows)]
        self.history = History(length, self.section)
        self.trained = self.written = 0

    def draw(self) -> int:
        self.r = xorshift32(self.r)
        return self.r

    def fill(self, row: Row) -> None:
        """Initial weights."""
        for k in range(self.hidden):
            row.v[k] = -self.v0 if k % 2 and self.lowest_v < 0 else self.v0
            for j in range(self.length + 1):
                drawn = self.draw() >> self.constants["start_skip"]
                row.w[k][j] = drawn % (2 * self.spread + 1) - self.spread
        row.bias = self.first_bias

    def sums(self, row: Row, x: list[int]) -> list[int]:
        return [sum(w * xj for w, xj in zip(unit, [*x, 1], strict=True)) for unit in row.w]

    def activation(self, z: int) -> int:
        return clip(z, -self.constants["rail"], self.constants["rail"])

    def output(self, row: Row, z: list[int]) -> int:
        total = sum(v * self.activation(zk) for v, zk in zip(row.v, z, strict=True))
        return row.bias + (total >> self.constants["scale"])

    def taken(self, y: int) -> bool:
        return y >= self.constants["taken"]

    def learn(self, row: Row, x: list[int], z: list[int], o: int, wrong: bool, asked: bool) -> None:
        t, c = 2 * o - 1, self.constants
        if asked:  # 1
            row.bias = clip(row.bias + t, *self.bias_ends)
            self.written += self.hidden + 1
        elif not self.always:
            return
        self.trained += 1
        for k in range(self.hidden):  # 2
            r, a, g = self.draw(), self.activation(z[k]), row.v[k]
            if asked:
                step = (t * a + (r >> c["v_skip"]) % 2**self.v_shift) >> self.v_shift
                row.v[k] = clip(g + step, self.lowest_v, c["v_highest"])
            if abs(a) == c["rail"] and (r >> 12) % 256 >= self.leak:
                continue
            self.move(row, k, x, self.teaching(k, t, g, r))
        if self.s == "nearest" and wrong:  # 3
            candidates = [(abs(z[k]), k) for k in range(self.hidden) if z[k] * t <= 0]
            if candidates:
                self.move(row, min(candidates)[1], x, t)

    def teaching(self, k: int, t: int, g: int, r: int) -> int:
        """Return s_k."""
        c = self.constants
        return {
            "t": t,
            "t even, -t odd": -t if k % 2 else t,
            "transposed": (t * g + (r >> c["bp_skip"]) % 2 ** c["bp_scale"]) >> c["bp_scale"],
            "nearest": 0,
            "0": 0,
        }[self.s]

    def move(self, row: Row, k: int, x: list[int], s: int) -> None:
        if s:
            row.w[k] = [clip(w + s * xj, *self.ends) for w, xj in zip(row.w[k], [*x, 1], strict=True)]
            self.written += self.length + 1


class NaiveTwoLayer(Rows):
    """Section 9; a branch is learned once `delay` further ones are predicted."""

    def __init__(self, delay, **settings) -> None:
        super().__init__(**settings)
        for _ in range(self.hidden):
            self.draw()
        for row in self.table:
            self.fill(row)
        self.delay, self.flight = delay, deque()

    def step(self, p: int, o: int) -> int:
        row, x = self.table[p % self.n], self.history.x(self.length)
        y = self.output(row, self.sums(row, x))
        wrong = self.taken(y) != bool(o)
        self.flight.append((row, x, o, wrong, wrong or abs(y) <= self.theta))
        if len(self.flight) > self.delay:
            old, x, was, *margin = self.flight.popleft()
            self.learn(old, x, self.sums(old, x), was, *margin)
        self.history.push(o)
        return int(self.taken(y))


class Stepped:
    """A predictor of `branch` with `step`."""

    def __init__(self, predictor) -> None:
        self.predictor = predictor

    def step(self, p: int, o: int) -> int:
        guess, note = self.predictor.predict(p)
        self.predictor.push(p, o)
        self.predictor.train(note, o, guess)
        return guess


class NaivePerceptron(Stepped):
    def __init__(self, rows: int, length: int) -> None:
        super().__init__(Perceptron(rows, length))
        self.table = self.predictor.rows


class NaiveHybrid(Rows):
    """Section 10; the main predictor is anything with `step`."""

    section = 10

    def __init__(self, main, **settings) -> None:
        self.side = branch_page.page.constants(10)
        super().__init__(lowest_bias=self.side["bias_lowest"], **settings)
        starts = branch_page.page.starts(10)
        self.useful_ends, self.chooser_ends = (branch_page.page.ends(10, name) for name in ("useful", "chooser"))
        self.main = main
        self.tag: list[int] = [-1] * self.n  # none
        self.useful, self.chooser = [starts["useful"]] * self.n, [starts["chooser"]] * self.n
        self.hits = self.supplied = self.allocated = 0

    def inputs(self, p: int, m: int) -> list[int]:
        return self.history.x(self.length)

    def step(self, p: int, o: int) -> int:
        m = prediction = self.main.step(p, o)
        n, c = p % self.n, (p // self.n) % 2 ** self.side["tag_bits"]
        if self.tag[n] == c:
            prediction = self._hit(n, p, m, o)
        elif m != o:
            self._claim(n, c)
        self.history.push(o)
        return prediction

    def _hit(self, n: int, p: int, m: int, o: int) -> int:
        self.hits += 1
        row, x, prediction = self.table[n], self.inputs(p, m), m
        z = self.sums(row, x)
        y = self.output(row, z)
        s = int(self.taken(y))
        if self.chooser[n] >= self.side["chosen"]:
            self.supplied += 1
            prediction = s
        if s == o != m:
            self.chooser[n] = move(self.chooser[n], 1, self.chooser_ends)
            self.useful[n] = move(self.useful[n], 1, self.useful_ends)
        elif m == o != s:
            self.chooser[n] = move(self.chooser[n], 0, self.chooser_ends)
        self.learn(row, x, z, o, s != o, s != o or abs(y) <= self.theta)
        return prediction

    def _claim(self, n: int, c: int) -> None:
        side = self.side
        if (self.draw() >> side["chance_skip"]) % 2 ** side["chance_bits"] >= side["chance"]:
            return
        if self.useful[n] > 0:
            self.useful[n] -= 1
            return
        self.tag[n], self.useful[n], self.chooser[n] = c, side["new_useful"], side["new_chooser"]
        self.fill(self.table[n])
        self.allocated += 1
        self.written += len(self.table[n].words())


class NaiveInformed(NaiveHybrid):
    """Section 11."""

    section = 11

    def __init__(self, main, local=None, local_bits=None, **settings) -> None:
        super().__init__(main, **settings)
        page = branch_page.page
        self.local = page.constants(11)["l"] if local is None else local
        self.newest = self.length - self.local - 1
        entries = 2 ** (page.constants(11)["e"] if local_bits is None else local_bits)
        self.own = [[2 * page.starts(11)["own"] - 1] * self.local for _ in range(entries)]

    def inputs(self, p: int, m: int) -> list[int]:
        return [*self.history.x(self.newest), *self.own[p % len(self.own)], 2 * m - 1]

    def step(self, p: int, o: int) -> int:
        prediction = super().step(p, o)
        own = self.own[p % len(self.own)]
        own[:] = [2 * o - 1, *own[:-1]]
        return prediction
