"""Two-layer rows and tagged side rows in plain whole numbers, one word at a time, sharing nothing with kernels."""

from __future__ import annotations

from collections import deque

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


def sat8(value: int) -> int:
    return max(-128, min(127, value))


def xorshift(r: int) -> int:
    r ^= (r << 13) & 0xFFFFFFFF
    r ^= r >> 17
    return r ^ ((r << 5) & 0xFFFFFFFF)


class Row:
    """W[unit][input], the bias last; v; the output bias."""

    def __init__(self, hidden: int, length: int) -> None:
        self.w = [[0] * (length + 1) for _ in range(hidden)]
        self.v = [0] * hidden
        self.bias = 0

    def words(self) -> list[int]:
        return [word for unit in self.w for word in unit] + self.v + [self.bias]


class Rows:
    """What pure rows and side rows share: how a row predicts, learns and is drawn."""

    def __init__(self, rule, length, hidden, rows, theta, spread, v_shift, leak, v0, seed, lowest_bias) -> None:
        self.rule, self.length, self.hidden, self.n, self.theta = RULES[rule], length, hidden, rows, theta
        self.spread, self.v_shift, self.leak, self.v0, self.lowest_bias = spread, v_shift, leak, v0, lowest_bias
        self.r = seed | 1
        self.table = [Row(hidden, length) for _ in range(rows)]
        self.past = [-1] * length  # newest first
        self.trained = self.written = 0

    def draw(self) -> int:
        self.r = xorshift(self.r)
        return self.r

    def fill(self, row: Row) -> None:
        for k in range(self.hidden):
            row.v[k] = -self.v0 if k % 2 and not self.rule.non_negative else self.v0
            for j in range(self.length + 1):
                row.w[k][j] = (self.draw() >> 8) % (2 * self.spread + 1) - self.spread
        row.bias = 0

    def sums(self, row: Row, x: list[int]) -> list[int]:
        return [sum(w * xj for w, xj in zip(unit, [*x, 1], strict=True)) for unit in row.w]

    def output(self, row: Row, z: list[int]) -> int:
        return row.bias + (sum(v * max(-127, min(127, zk)) for v, zk in zip(row.v, z, strict=True)) >> 5)

    def push(self, outcome: int) -> None:
        self.past = [2 * outcome - 1, *self.past[:-1]]

    def learn(self, row: Row, x: list[int], z: list[int], outcome: int, wrong: bool, asked: bool) -> None:
        t = 2 * outcome - 1
        if asked:
            row.bias = max(self.lowest_bias, min(127, row.bias + t))
            self.written += self.hidden + 1
        if not asked and self.rule.signal != "target":
            return
        self.trained += 1
        error = t if asked else 0
        for k in range(self.hidden):
            r, a, g = self.draw(), max(-127, min(127, z[k])), row.v[k]
            if asked:
                step = (t * a + (r >> 4) % 2**self.v_shift) >> self.v_shift
                row.v[k] = max(1 if self.rule.non_negative else -127, min(127, g + step))
            if abs(a) == 127 and ((r >> 12) & 255) >= self.leak:
                continue
            signal = {
                "target": t,
                "gated": t if asked else 0,
                "sign": 0 if error == 0 else error // abs(error),
            }.get(self.rule.signal, error)
            turned = -1 if k % 2 and not self.rule.non_negative else 1
            s = {
                "direct": turned * signal,
                "transpose": (signal * g + ((r >> 20) & 63)) >> 6,
                "nearest": 0,
                "none": 0,
            }[self.rule.feedback]
            self.move(row, k, x, s)
        if self.rule.feedback == "nearest" and wrong:
            candidates = [(abs(z[k]), k) for k in range(self.hidden) if z[k] * t <= 0]
            if candidates:
                self.move(row, min(candidates)[1], x, t)

    def move(self, row: Row, k: int, x: list[int], s: int) -> None:
        if s:
            row.w[k] = [sat8(w + s * xj) for w, xj in zip(row.w[k], [*x, 1], strict=True)]
            self.written += self.length + 1


class NaiveTwoLayer(Rows):
    """Pure rows; a branch is learned once `delay` further ones are predicted."""

    def __init__(self, delay, **settings) -> None:
        super().__init__(lowest_bias=-128, **settings)
        for _ in range(self.hidden):
            self.draw()
        for row in self.table:
            self.fill(row)
        self.delay, self.flight = delay, deque()

    def step(self, pc: int, outcome: int) -> int:
        row, x = self.table[pc % self.n], self.past
        y = self.output(row, self.sums(row, x))
        wrong = (y >= 0) != bool(outcome)
        self.flight.append((row, x, outcome, wrong, wrong or abs(y) <= self.theta))
        if len(self.flight) > self.delay:
            old, x, was, *margin = self.flight.popleft()
            self.learn(old, x, self.sums(old, x), was, *margin)
        self.push(outcome)
        return int(y >= 0)


class NaivePerceptron:
    def __init__(self, rows: int, length: int) -> None:
        self.table = [[0] * (length + 1) for _ in range(rows)]
        self.past, self.theta = [-1] * length, int(1.93 * length + 14 + 1e-9)

    def step(self, pc: int, outcome: int) -> int:
        row, x, t = self.table[pc % len(self.table)], [*self.past, 1], 2 * outcome - 1
        y = sum(w * xj for w, xj in zip(row, x, strict=True))
        if (y >= 0) != bool(outcome) or abs(y) <= self.theta:
            row[:] = [sat8(w + t * xj) for w, xj in zip(row, x, strict=True)]
        self.past = [t, *self.past[:-1]]
        return int(y >= 0)


class NaiveHybrid(Rows):
    """Tagged side rows beside anything with `step`."""

    def __init__(self, main, **settings) -> None:
        super().__init__(lowest_bias=-127, **settings)
        self.main = main
        self.tag, self.useful, self.chooser = [-1] * self.n, [0] * self.n, [0] * self.n
        self.hits = self.supplied = self.allocated = 0

    def inputs(self, pc: int, says: int) -> list[int]:
        return self.past

    def step(self, pc: int, outcome: int) -> int:
        says = self.main.step(pc, outcome)
        main_wrong, slot, tag = says != outcome, pc % self.n, (pc // self.n) & 1023
        row = self.table[slot]
        if self.tag[slot] == tag:
            self.hits += 1
            x = self.inputs(pc, says)
            z = self.sums(row, x)
            y = self.output(row, z)
            wrong = (y >= 0) != bool(outcome)
            if self.chooser[slot] > 0:
                self.supplied += 1
                says = int(y >= 0)
            if main_wrong and not wrong:
                self.chooser[slot] = min(7, self.chooser[slot] + 1)
                self.useful[slot] = min(15, self.useful[slot] + 1)
            elif wrong and not main_wrong:
                self.chooser[slot] = max(-8, self.chooser[slot] - 1)
            self.learn(row, x, z, outcome, wrong, wrong or abs(y) <= self.theta)
        elif main_wrong and ((self.draw() >> 8) & 255) < 32:
            if self.useful[slot] > 0:
                self.useful[slot] -= 1
            else:
                self.tag[slot], self.useful[slot], self.chooser[slot] = tag, 4, -2
                self.fill(row)
                self.allocated += 1
                self.written += len(row.words())
        self.push(outcome)
        return says


class NaiveInformed(NaiveHybrid):
    """Side rows that see the newest outcomes, those of their address, and what the other predictor says."""

    def __init__(self, main, local, local_bits, **settings) -> None:
        super().__init__(main, **settings)
        self.local, self.newest = local, settings["length"] - local - 1
        self.own = [[-1] * local for _ in range(2**local_bits)]

    def inputs(self, pc: int, says: int) -> list[int]:
        return [*self.past[: self.newest], *self.own[pc % len(self.own)], 2 * says - 1]

    def step(self, pc: int, outcome: int) -> int:
        says = super().step(pc, outcome)
        own = self.own[pc % len(self.own)]
        own[:] = [2 * outcome - 1, *own[:-1]]
        return says


class Stepped:
    """A predictor of `branch` with `step`."""

    def __init__(self, predictor) -> None:
        self.predictor = predictor

    def step(self, pc: int, outcome: int) -> int:
        guess, note = self.predictor.predict(pc)
        self.predictor.push(pc, outcome)
        self.predictor.train(note, outcome, guess)
        return guess
