"""Branch predictors of edgelearn/docs/branch_predictors.md in plain integers, one branch at a time.

Written from that page alone; comments cite its sections. Constants, widths and initial values are read from its tables.
A predictor answers `predict(p)` with a guess and a note, sees every outcome at once in `push(p, o)`, and learns the
note with `train(note, o, guess)`; `run` puts branches between prediction and training.
"""

from __future__ import annotations

from . import branch_page

WORD = 0xFFFFFFFF


def xorshift32(r: int) -> int:
    """Section 1, draw."""
    shifts = branch_page.page.constants(1)
    r ^= (r << shifts["left"]) & WORD
    r ^= r >> shifts["right"]
    return r ^ ((r << shifts["last"]) & WORD)


def clip(value: int, low: int, high: int) -> int:
    return max(low, min(high, value))


def move(counter: int, up: bool | int, ends: tuple[int, int]) -> int:
    """Section 1."""
    return clip(counter + (1 if up else -1), *ends)


def run(predictor, pcs: list[int], outcomes: list[int], delay: int = 0) -> list[int]:
    """Return the predictions (section 1, delay): the last `delay` branches are never trained."""
    predictions, waiting = [], []
    for p, o in zip(pcs, outcomes, strict=True):
        guess, note = predictor.predict(p)
        predictor.push(p, o)
        predictions.append(guess)
        waiting.append((note, o, guess))
        if len(waiting) > delay:
            note, was, guess = waiting.pop(0)
            predictor.train(note, was, guess)
    return predictions


class History:
    """Section 1: H as a number, bit j is H[j]; all of them start as the state table of a section says."""

    def __init__(self, longest: int, section: int) -> None:
        self._bits, self._longest = branch_page.page.starts(section)["H"] * (2**longest - 1), longest

    def push(self, o: int) -> None:
        self._bits = (2 * self._bits + o) % 2**self._longest

    def num(self, n: int) -> int:
        return self._bits % 2**n

    def fold(self, n: int, w: int) -> int:
        left, value = self.num(n), 0
        while left:
            value ^= left % 2**w
            left >>= w
        return value

    def x(self, n: int) -> list[int]:
        return [2 * (self._bits >> j & 1) - 1 for j in range(n)]


class Gshare:
    """Section 3; bimodal with h = 0."""

    def __init__(self, b: int, h: int, initial: int | None = None) -> None:
        page = branch_page.page
        self.b, self.h, self.history = b, h, History(h, 3)
        self.counter = [page.starts(3)["counter"] if initial is None else initial] * 2**b
        self.ends, self.taken = page.ends(3, "counter"), page.constants(3)["taken"]
        self.trained = 0

    def predict(self, p):
        i = (p ^ self.history.num(self.h)) % 2**self.b
        return int(self.counter[i] >= self.taken), i

    def push(self, p, o):
        self.history.push(o)

    def train(self, i, o, guess):
        self.trained += 1
        self.counter[i] = move(self.counter[i], o, self.ends)


class Tournament:
    """Section 4."""

    def __init__(self, g: int, lo: int, q: int, initial: int | None = None, chooser: int | None = None) -> None:
        page, starts = branch_page.page, branch_page.page.starts(4)
        self.g, self.lo, self.q, self.history = g, lo, q, History(g, 4)
        self.globally = [starts["global"] if initial is None else initial] * 2**g
        self.locally = [starts["local"] if initial is None else initial] * 2**lo
        self.chooser = [starts["chooser"] if chooser is None else chooser] * 2**g
        self.own = [starts["history"]] * 2**q
        self.ends = {name: page.ends(4, name) for name in ("global", "local", "chooser")}
        self.constants = page.constants(4)
        self.written = 0

    def predict(self, p):
        i, s = self.history.num(self.g), self.own[p % 2**self.q]
        far, near = (table >= self.constants["taken"] for table in (self.globally[i], self.locally[s]))
        chosen = far if self.chooser[i] >= self.constants["choose_global"] else near
        return int(chosen), (i, p % 2**self.q, s, far, near)

    def push(self, p, o):
        pass  # in train: no delay

    def train(self, note, o, guess):
        i, own, s, far, near = note
        self.written += 3
        if far != near:
            self.written += 1
            self.chooser[i] = move(self.chooser[i], far == bool(o), self.ends["chooser"])
        self.globally[i] = move(self.globally[i], o, self.ends["global"])
        self.locally[s] = move(self.locally[s], o, self.ends["local"])
        self.own[own] = (2 * s + o) % 2**self.lo
        self.history.push(o)


class Perceptron:
    """Section 5; piecewise with g > 0."""

    def __init__(self, n: int, h: int, g: int = 0) -> None:
        page, self.constants = branch_page.page, branch_page.page.constants(5)
        self.n, self.h, self.g, self.history = n, h, g, History(max(h, g), 5)
        self.theta = (self.constants["slope"] * h + self.constants["offset"]) // self.constants["unit"]
        self.rows = [[page.starts(5)["w"]] * (h + 1) for _ in range(n)]
        self.ends = page.ends(5, "w")
        self.trained = 0

    def predict(self, p):
        row = p
        if self.g:
            mixed = p * self.constants["address_factor"] + self.history.num(self.g) * self.constants["path_factor"]
            row = mixed % 2**32 ^ (mixed % 2**32 >> self.constants["mix"])
        x, w = [*self.history.x(self.h), 1], self.rows[row % self.n]
        y = sum(weight * value for weight, value in zip(w, x, strict=True))
        return int(y >= 0), (w, x, y)

    def push(self, p, o):
        self.history.push(o)

    def train(self, note, o, guess):
        w, x, y = note
        if guess != o or abs(y) <= self.theta:
            self.trained += 1
            for j, value in enumerate(x):
                w[j] = clip(w[j] + (2 * o - 1) * value, *self.ends)


class Hashed:
    """Section 6."""

    def __init__(self, b: int, lengths: tuple[int, ...]) -> None:
        page, starts = branch_page.page, branch_page.page.starts(6)
        self.b, self.lengths, self.history = b, lengths, History(max(lengths), 6)
        self.w = [[starts["w"]] * 2**b for _ in lengths]
        self.theta, self.drift = starts["theta"], starts["drift"]
        self.ends, self.constants = page.ends(6, "w"), page.constants(6)
        self.most = page.ends(6, "theta", T=len(lengths))[1]
        self.trained = 0

    def predict(self, p):
        places = [(p ^ (p >> self.b) ^ self.history.fold(length, self.b)) % 2**self.b for length in self.lengths]
        y = sum(self.w[k][i] for k, i in enumerate(places))
        guess = int(y >= self.constants["taken"])
        return guess, (places, y, self.theta)  # whether it is learned is decided now (section 1)

    def push(self, p, o):
        self.history.push(o)

    def train(self, note, o, guess):
        places, y, theta = note
        if guess == o and abs(y) >= theta:
            return
        self.trained += 1
        for k, i in enumerate(places):
            self.w[k][i] = clip(self.w[k][i] + 2 * o - 1, *self.ends)
        self.drift += 1 if guess != o else -1
        if self.drift == self.constants["speed"]:
            self.theta, self.drift = min(self.theta + 1, self.most), 0
        elif self.drift == -self.constants["speed"]:
            self.theta, self.drift = self.theta - 1, 0


class Layered:
    """Section 7; `learned` off keeps v as it is and draws nothing, which the page does not have."""

    def __init__(self, b, lengths, rows, shift=None, v0=None, learned=True, seed=None) -> None:
        page, starts, self.constants = branch_page.page, branch_page.page.starts(7), branch_page.page.constants(7)
        self.b, self.lengths, self.learned, self.history = b, lengths, learned, History(max(lengths), 7)
        self.shift = self.constants["v_shift"] if shift is None else shift
        self.w = [[starts["w"]] * 2**b for _ in lengths]
        self.v = [[starts["v"] if v0 is None else v0] * len(lengths) for _ in range(rows)]
        self.theta, self.drift = starts["theta"], starts["drift"]
        self.r = (self.constants["seed"] if seed is None else seed) | 1
        self.ends, self.most = page.ends(7, "w"), page.ends(7, "theta", T=len(lengths))[1]
        self.trained = self.written = 0

    def predict(self, p):
        places = [(p ^ (p >> self.b) ^ self.history.fold(length, self.b)) % 2**self.b for length in self.lengths]
        rail, v = self.constants["rail"], self.v[p % len(self.v)]
        a = [clip(2 * self.w[k][i] + 1, -rail, rail) for k, i in enumerate(places)]
        y = sum(vk * ak for vk, ak in zip(v, a, strict=True)) >> self.constants["scale"]
        return int(y >= self.constants["taken"]), (places, a, v, y)

    def push(self, p, o):
        self.history.push(o)

    def train(self, note, o, guess):
        places, a, v, y = note
        t, c = 2 * o - 1, self.constants
        if guess == o and abs(y) >= self.theta:
            return
        self.trained += 1
        for k, i in enumerate(places):
            if self.learned:
                self.r = xorshift32(self.r)
                step = (t * a[k] + (self.r >> c["skip"]) % 2**self.shift) >> self.shift
                v[k] = clip(v[k] + step, c["v_lowest"], c["v_highest"])
                self.written += 1
            if t * a[k] < c["rail"]:
                self.w[k][i] = clip(self.w[k][i] + t, *self.ends)
                self.written += 1
        self.drift += 1 if guess != o else -1
        if abs(self.drift) == c["speed"]:
            up = 1 if self.drift > 0 else -1
            self.theta, self.drift = clip(self.theta + up, c["theta_lowest"], self.most), 0


class Entry:
    """Of a tagged table of section 8."""

    def __init__(self, ctr: int, u: int) -> None:
        self.ctr, self.tag, self.u = ctr, None, u


class Tage:
    """Section 8."""

    def __init__(self, b: int, t: int, a: int, lengths: tuple[int, ...], seed: int | None = None) -> None:
        page, starts, self.constants = branch_page.page, branch_page.page.starts(8), branch_page.page.constants(8)
        self.b, self.t, self.a, self.lengths, self.history = b, t, a, lengths, History(max(lengths), 8)
        self.base = [starts["base"]] * 2**b
        self.tables = [[Entry(starts["ctr"], starts["u"]) for _ in range(2**t)] for _ in lengths]
        self.use_alt, self.tick = starts["use_alt"], starts["tick"]
        self.r = (self.constants["seed"] if seed is None else seed) | 1
        self.ends = {name: page.ends(8, name) for name in ("base", "ctr", "u", "use_alt")}
        self.written = 0

    def predict(self, p):
        c, found, tags = self.constants, [], []
        for k, length in enumerate(self.lengths):
            index = (p ^ (p >> (self.t - k % c["turns"])) ^ self.history.fold(length, self.t)) % 2**self.t
            tag = p ^ self.history.fold(length, self.a) ^ (2 * self.history.fold(length, self.a - 1))
            found.append(self.tables[k][index])
            tags.append(tag % 2**self.a)
        hits = [k for k, entry in enumerate(found) if entry.tag == tags[k]]
        provider = hits[-1] if hits else -1
        after = found[hits[-2]] if len(hits) > 1 else None
        place = p % 2**self.b
        alternate = after.ctr >= c["taken"] if after else self.base[place] >= c["base_taken"]
        own, weak, guess = None, False, alternate
        if hits:
            entry = found[provider]
            own = entry.ctr >= c["taken"]
            weak = c["weak_low"] <= entry.ctr <= c["weak_high"] and entry.u == 0
            guess = alternate if weak and self.use_alt >= c["prefer"] else own
        return int(guess), (found, tags, provider, after, place, alternate, own, weak)

    def push(self, p, o):
        self.history.push(o)

    def train(self, note, o, guess):
        found, tags, provider, after, place, alternate, own, weak = note
        taken = bool(o)
        if weak and own != alternate:  # 1
            self.use_alt = move(self.use_alt, alternate == taken, self.ends["use_alt"])
        if guess != o and provider < len(self.lengths) - 1 and not (weak and own == taken):  # 2
            self._allocate(found, tags, provider, o)
        if provider < 0:  # 3
            self._move_base(place, o)
            return
        entry = found[provider]  # 4
        entry.ctr = move(entry.ctr, o, self.ends["ctr"])
        self.written += 1
        if own != alternate:
            entry.u = move(entry.u, own == taken, self.ends["u"])
        if weak and after:
            after.ctr = move(after.ctr, o, self.ends["ctr"])
            self.written += 1
        elif weak:
            self._move_base(place, o)

    def _move_base(self, place, o):
        self.base[place] = move(self.base[place], o, self.ends["base"])
        self.written += 1

    def _allocate(self, found, tags, provider, o):
        c, last = self.constants, len(self.lengths) - 1
        self.r = xorshift32(self.r)
        s = provider + 1
        for mask in (c["first_skip"], c["second_skip"]):
            if (self.r & mask) == 0 and s < last:
                s += 1
        for k in range(s, last + 1):
            if found[k].u == c["new_u"]:
                found[k].tag, found[k].u = tags[k], c["new_u"]
                found[k].ctr = c["new_taken"] if o else c["new_not_taken"]
                self.tick = max(self.tick - 1, 0)
                self.written += 1
                return
        for entry in found[s:]:
            entry.u -= 1
            self.written += 1
        self.tick += 1
        if self.tick == c["ticks"]:
            self.tick = 0
            for table in self.tables:
                for entry in table:
                    entry.u >>= 1
                    self.written += 1
