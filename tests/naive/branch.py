"""Branch predictors in plain whole numbers, one branch at a time, sharing nothing with kernels.

A predictor answers `predict(pc)` with a guess and a note, learns the note with `train(note, outcome)`, and sees every
outcome at once in `push(pc, outcome)`; `run` puts branches between prediction and training.
"""

from __future__ import annotations

WORD = 0xFFFFFFFF


def xorshift32(r: int) -> int:
    r ^= (r << 13) & WORD
    r ^= r >> 17
    r ^= (r << 5) & WORD
    return r


def clip(value: int, low: int, high: int) -> int:
    return max(low, min(high, value))


def step(counter: int, up: bool, low: int, high: int) -> int:
    return clip(counter + (1 if up else -1), low, high)


def run(predictor, pcs: list[int], outcomes: list[int], delay: int = 0) -> list[int]:
    """Return the predictions; the last `delay` branches are never trained."""
    predictions, waiting = [], []
    for pc, outcome in zip(pcs, outcomes, strict=True):
        guess, note = predictor.predict(pc)
        predictor.push(pc, outcome)
        predictions.append(guess)
        waiting.append((note, outcome, guess))
        if len(waiting) > delay:
            note, outcome, guess = waiting.pop(0)
            predictor.train(note, outcome, guess)
    return predictions


class History:
    """Outcomes 0 and 1, the newest first; before the first branch none was taken."""

    def __init__(self) -> None:
        self.outcomes: list[int] = []

    def push(self, outcome: int) -> None:
        self.outcomes.insert(0, outcome)
        del self.outcomes[400:]

    def newest(self, n: int) -> list[int]:
        return (self.outcomes + [0] * n)[:n]

    def number(self, n: int) -> int:
        return sum(bit << j for j, bit in enumerate(self.newest(n)))

    def fold(self, n: int, width: int) -> int:
        """Return the history with bit j exclusive-ored into bit j modulo the width."""
        value = 0
        for j, bit in enumerate(self.newest(n)):
            value ^= bit << (j % width)
        return value


class Gshare:
    """Bimodal with h = 0."""

    def __init__(self, b: int, h: int, initial: int = 2) -> None:
        self.b, self.h, self.table, self.history = b, h, [initial] * 2**b, History()
        self.trained = 0

    def predict(self, pc):
        index = (pc ^ self.history.number(self.h)) % 2**self.b
        return int(self.table[index] >= 2), index

    def push(self, pc, outcome):
        self.history.push(outcome)

    def train(self, index, outcome, guess):
        self.trained += 1
        self.table[index] = step(self.table[index], outcome == 1, 0, 3)


class Tournament:
    def __init__(self, g: int, lo: int, p: int, initial: int = 1, chooser: int = 2) -> None:
        self.g, self.lo, self.p, self.history = g, lo, p, History()
        self.globally, self.chooser = [initial] * 2**g, [chooser] * 2**g
        self.locally, self.histories = [initial] * 2**lo, [0] * 2**p
        self.written = 0

    def predict(self, pc):
        everywhere, own = self.history.number(self.g), pc % 2**self.p
        here = self.histories[own]
        far, near = self.globally[everywhere] >= 2, self.locally[here] >= 2
        return int(far if self.chooser[everywhere] >= 2 else near), (everywhere, own, here, far, near)

    def push(self, pc, outcome):
        pass

    def train(self, note, outcome, guess):
        everywhere, own, here, far, near = note
        taken = outcome == 1
        self.written += 3
        if far != near:
            self.written += 1
            self.chooser[everywhere] = step(self.chooser[everywhere], far == taken, 0, 3)
        self.globally[everywhere] = step(self.globally[everywhere], taken, 0, 3)
        self.locally[here] = step(self.locally[here], taken, 0, 3)
        self.histories[own] = (2 * here + outcome) % 2**self.lo
        self.history.push(outcome)


class Perceptron:
    """Piecewise linear with g > 0."""

    def __init__(self, n: int, h: int, g: int = 0) -> None:
        self.n, self.h, self.g, self.history = n, h, g, History()
        self.theta = (193 * h + 1400) // 100
        self.rows = [[0] * (h + 1) for _ in range(n)]
        self.trained = 0

    def predict(self, pc):
        if self.g:
            q = (pc * 0x9E3779B1 + self.history.number(self.g) * 0x85EBCA6B) % 2**32
            pc = q ^ (q >> 15)
        x = [2 * bit - 1 for bit in self.history.newest(self.h)] + [1]
        row = self.rows[pc % self.n]
        y = sum(w * value for w, value in zip(row, x, strict=True))
        return int(y >= 0), (row, x, y)

    def push(self, pc, outcome):
        self.history.push(outcome)

    def train(self, note, outcome, guess):
        row, x, y = note
        if guess != outcome or abs(y) <= self.theta:
            self.trained += 1
            for j, value in enumerate(x):
                row[j] = clip(row[j] + (2 * outcome - 1) * value, -128, 127)


class Hashed:
    def __init__(self, b: int, lengths: tuple[int, ...]) -> None:
        self.b, self.lengths, self.history = b, lengths, History()
        self.tables = [[0] * 2**b for _ in lengths]
        self.theta, self.drift = 10, 0
        self.trained = 0

    def predict(self, pc):
        places = [(pc ^ (pc >> self.b) ^ self.history.fold(length, self.b)) % 2**self.b for length in self.lengths]
        y = sum(table[place] for table, place in zip(self.tables, places, strict=True))
        guess = int(y >= 1)
        return guess, (places, y, self.theta)

    def push(self, pc, outcome):
        self.history.push(outcome)

    def train(self, note, outcome, guess):
        places, y, theta = note
        wrong = guess != outcome
        if not (wrong or abs(y) < theta):
            return
        self.trained += 1
        for table, place in zip(self.tables, places, strict=True):
            table[place] = clip(table[place] + 2 * outcome - 1, -128, 127)
        self.drift += 1 if wrong else -1
        if self.drift == 18:
            self.theta, self.drift = min(self.theta + 1, 2 ** (128 * len(self.lengths)).bit_length() - 1), 0
        if self.drift == -18:
            self.theta, self.drift = self.theta - 1, 0


class Layered:
    """A hashed perceptron whose tables are hidden units under learned output weights."""

    def __init__(self, b, lengths, rows, shift, v0, learned, seed) -> None:
        self.b, self.lengths, self.shift, self.learned, self.history = b, lengths, shift, learned, History()
        self.tables = [[0] * 2**b for _ in lengths]
        self.v = [[v0] * len(lengths) for _ in range(rows)]
        self.theta, self.drift, self.r = 10, 0, seed | 1
        self.trained = self.written = 0

    def predict(self, pc):
        places = [(pc ^ (pc >> self.b) ^ self.history.fold(length, self.b)) % 2**self.b for length in self.lengths]
        a = [clip(2 * table[place] + 1, -31, 31) for table, place in zip(self.tables, places, strict=True)]
        v = self.v[pc % len(self.v)]
        y = sum(vk * ak for vk, ak in zip(v, a, strict=True)) // 64
        return int(y >= 0), (places, a, v, y)

    def push(self, pc, outcome):
        self.history.push(outcome)

    def train(self, note, outcome, guess):
        places, a, v, y = note
        wrong, t = guess != outcome, 2 * outcome - 1
        if not (wrong or abs(y) < self.theta):
            return
        self.trained += 1
        for k, place in enumerate(places):
            if self.learned:
                self.r = xorshift32(self.r)
                v[k] = clip(v[k] + (t * a[k] + (self.r // 16) % 2**self.shift) // 2**self.shift, 1, 127)
                self.written += 1
            if t * a[k] < 31:
                self.tables[k][place] = clip(self.tables[k][place] + t, -128, 127)
                self.written += 1
        self.drift += 1 if wrong else -1
        if abs(self.drift) == 18:
            most = 2 ** (len(self.lengths) * 127 * 31 // 64).bit_length() - 1
            self.theta, self.drift = clip(self.theta + self.drift // 18, 1, most), 0


class Tage:
    def __init__(self, b: int, t: int, tag_bits: int, lengths: tuple[int, ...], seed: int = 12345) -> None:
        self.b, self.t, self.tag_bits, self.lengths, self.history = b, t, tag_bits, lengths, History()
        self.bimodal = [2] * 2**b
        self.tables = [[{"c": 0, "tag": None, "u": 0} for _ in range(2**t)] for _ in lengths]
        self.use_alt, self.tick, self.r = 8, 0, seed | 1
        self.written = 0

    def predict(self, pc):
        entries, tags = [], []
        for k, length in enumerate(self.lengths):
            fold = self.history.fold
            index = (pc ^ (pc >> (self.t - k % 4)) ^ fold(length, self.t)) % 2**self.t
            tags.append((pc ^ fold(length, self.tag_bits) ^ (fold(length, self.tag_bits - 1) << 1)) % 2**self.tag_bits)
            entries.append(self.tables[k][index])
        hits = [k for k, entry in enumerate(entries) if entry["tag"] == tags[k]]
        hit = hits[-1] if hits else -1
        base = pc % 2**self.b
        alt_entry = entries[hits[-2]] if len(hits) > 1 else None
        alt = int(alt_entry["c"] >= 0) if alt_entry else int(self.bimodal[base] >= 2)
        if hit < 0:
            return alt, (entries, tags, hit, base, alt_entry, alt, None, False)
        entry = entries[hit]
        weak = entry["c"] in (0, -1) and entry["u"] == 0
        own = int(entry["c"] >= 0)
        return (alt if weak and self.use_alt >= 8 else own), (entries, tags, hit, base, alt_entry, alt, own, weak)

    def push(self, pc, outcome):
        self.history.push(outcome)

    def train(self, note, outcome, guess):
        entries, tags, hit, base, alt_entry, alt, own, weak = note
        last = len(self.lengths) - 1
        if hit >= 0 and weak and own != alt:
            self.use_alt = step(self.use_alt, alt == outcome, 0, 15)
        if guess != outcome and hit < last and not (weak and own == outcome):
            self._allocate(entries, tags, hit, outcome, last)
        if hit < 0:
            self._train_bimodal(base, outcome)
            return
        entry = entries[hit]
        self.written += 1
        entry["c"] = step(entry["c"], outcome == 1, -4, 3)
        if weak and alt_entry:
            self.written += 1
            alt_entry["c"] = step(alt_entry["c"], outcome == 1, -4, 3)
        elif weak:
            self._train_bimodal(base, outcome)
        if own != alt:
            entry["u"] = step(entry["u"], own == outcome, 0, 3)

    def _train_bimodal(self, base, outcome):
        self.written += 1
        self.bimodal[base] = step(self.bimodal[base], outcome == 1, 0, 3)

    def _allocate(self, entries, tags, hit, outcome, last):
        self.r = xorshift32(self.r)
        start = hit + 1
        if self.r & 1 == 0 and start < last:
            start += 1
        if self.r & 6 == 0 and start < last:
            start += 1
        for k in range(start, last + 1):
            if entries[k]["u"] == 0:
                entries[k].update(tag=tags[k], c=0 if outcome else -1)
                self.tick = max(self.tick - 1, 0)
                self.written += 1
                return
        for k in range(start, last + 1):
            entries[k]["u"] = max(entries[k]["u"] - 1, 0)
            self.written += 1
        self.tick += 1
        if self.tick == 1024:
            self.tick = 0
            for table in self.tables:
                for entry in table:
                    entry["u"] //= 2
                    self.written += 1
