"""Replay of a folder of test vectors, written from docs/rtl_vectors.md alone: arrays in, every file it can compute out.

Nothing of the product and nothing of the shipped checker is used, so that the page is known to be enough.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np


def read(folder: Path, name: str) -> np.ndarray:
    """Section 1: a word per line, two's complement where signed."""
    about = json.loads((folder / "vectors.json").read_text())["files"][name]
    words = np.array([int(line, 16) for line in (folder / name).read_text().splitlines()], np.int64)
    assert len(words) == about["lines"]
    if about["signed"]:
        words = np.where(words >= 1 << (about["bits"] - 1), words - (1 << about["bits"]), words)
    return words


def shr(x: Any, s: int) -> Any:
    return np.floor_divide(x, 1 << s)


def rn(x: Any, s: int) -> Any:
    return shr(x + (1 << (s - 1)), s) if s > 0 else x * (1 << -s)


def sat(x: Any, n: int) -> Any:
    return np.clip(x, -((1 << (n - 1)) - 1), (1 << (n - 1)) - 1)


class Replay:
    """Sections 2 and 3 of the page."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.json = json.loads((folder / "vectors.json").read_text())
        self.net = self.json["network"]
        self.K = len(self.json["layers"])
        self.layer = {k + 1: entry for k, entry in enumerate(self.json["layers"])}
        self.out: dict[str, list[int]] = {}
        shape = {k: (one["outputs"], one["inputs"]) for k, one in self.layer.items()}
        self.W = {k: read(folder, f"layer{k}/weights_start.hex").reshape(shape[k]) for k in self.layer}
        self.b = {k: read(folder, f"layer{k}/biases_start.hex") for k in self.layer}
        self.B = {
            k: read(folder, f"layer{k}/feedback.hex").reshape(one["feedback_rows"], one["outputs"])
            for k, one in self.layer.items()
            if one.get("feedback_rows", 0)
        }
        self.table = {path.stem: read(folder, f"tables/{path.name}") for path in (folder / "tables").iterdir()}
        self.stochastic = self.net["rounding"] == "stochastic"
        self.s = int(read(folder, "generator.hex")[0]) if self.stochastic else None

    def put(self, name: str, words: Any) -> None:
        self.out.setdefault(f"{name}.hex", []).extend(np.ravel(words).tolist())

    def wrap(self, x: Any) -> Any:
        size = 1 << self.net["accumulator_bits"]
        x = np.mod(x, size)
        return np.where(x >= size // 2, x - size, x)

    def view(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        one = self.layer[k]
        return (
            shr(self.W[k], one["weight_bits"] - one["view_bits"]),
            shr(self.b[k], one["bias_bits"] - one["view_bits"]),
        )

    def outputs(self, q: np.ndarray) -> np.ndarray:
        if self.net["output"] == "sigmoid":
            return self.table["sigmoid"][q % 256]
        E = self.table["exponential"][q.max() - q]
        return (255 * E + E.sum() // 2) // E.sum()

    def error(self, p: np.ndarray, t: np.ndarray, dead_zone: int) -> np.ndarray:
        e = p - 255 * t
        e = np.where(np.abs(e) <= dead_zone, 0, e)
        return sat(rn(e, self.layer[self.K]["error_shift"]), self.layer[self.K]["error_bits"])

    def run(self) -> dict[str, list[int]]:
        n_in = self.layer[1]["inputs"]
        levels = read(self.folder, "inputs.hex").reshape(-1, n_in)
        for number, (x, label) in enumerate(zip(levels, read(self.folder, "labels.hex"), strict=True), 1):
            self.sample(x, int(label))
            every = self.json["words_every"]
            if every and number % every == 0:
                self.words("")
        self.words("_end")
        if self.stochastic:
            self.put("generator", self.s)
        return self.out

    def words(self, suffix: str) -> None:
        for k, one in self.layer.items():
            if suffix or one["learned"] == "all":
                self.put(f"layer{k}/weights{suffix}", self.W[k])
            if suffix or one["learned"] != "none":
                self.put(f"layer{k}/biases{suffix}", self.b[k])

    def sample(self, x: np.ndarray, label: int) -> None:
        inputs, y, g = {1: x}, {}, {}
        for k, one in self.layer.items():
            W, b = self.view(k)
            z = self.wrap(W @ inputs[k] + one["bias_level"] * b)
            q = np.clip(rn(z, one["sum_shift"]), -128, 127)
            self.put(f"layer{k}/z", z)
            self.put(f"layer{k}/q", q)
            if k < self.K:
                y[k], g[k] = self.table["activation"][q % 256], self.table["gate"][q % 256]
                y[k] = np.where(np.abs(y[k]) <= self.net["event_threshold"], 0, y[k])
                inputs[k + 1] = y[k]
                self.put(f"layer{k}/y", y[k])
                self.put(f"layer{k}/g", g[k])
        p = self.outputs(q)
        c = int(z[0] > 0) if len(z) == 1 else int(np.argmax(z))
        t = np.array([label]) if len(z) == 1 else np.eye(len(z), dtype=np.int64)[label]
        learned = not self.held_back(c, label, q)
        self.put(f"layer{self.K}/p", p)
        self.put("class", c)
        self.put("status", int(learned))
        if self.stochastic:
            self.put("generator", self.s)
        d = self.back(p, t, y, g, learned)
        for k in self.json["update_order"]:
            self.update(k, inputs[k], d[k])

    def held_back(self, c: int, label: int, q: np.ndarray) -> bool:
        if self.net["update_gate"] == "always" or c != label:
            return False
        if self.net["update_gate"] == "error":
            return True
        if len(q) == 1:
            return bool((q[0] if label == 1 else -q[0]) > self.net["margin"])
        return bool(q[label] - np.delete(q, label).max() > self.net["margin"])

    def back(
        self, p: np.ndarray, t: np.ndarray, y: dict[int, Any], g: dict[int, Any], learned: bool
    ) -> dict[int, np.ndarray]:
        e = self.error(p, t, self.net["dead_zone"]) * learned
        d = {self.K: e}
        self.put(f"layer{self.K}/e", e)
        for k in range(self.K - 1, 0, -1):
            one = self.layer[k]
            if one["signal"] == "none":
                continue
            local = e
            if one["signal"] == "local error":
                lz = self.wrap(self.B[k] @ y[k])
                lq = np.clip(rn(lz, one["readout_shift"]), -128, 127)
                lp = self.outputs(lq)
                local = self.error(lp, t, self.net["local_dead_zone"])
                for stem, words in (("z", lz), ("q", lq), ("p", lp), ("e", local)):
                    self.put(f"layer{k}/local_{stem}", words * learned)
            s = {
                "target": t,
                "signed target": 1 - 2 * t,
                "error": e,
                "sign": np.sign(e),
                "local error": local,
                "delta": d.get(k + 1),
            }[one["signal"]]
            matrix = self.view(k + 1)[0] if one["feedback"] == "transposed" else self.B[k]
            total = self.wrap(s @ matrix) * learned
            m = sat(rn(total, one["signal_shift"]), one["modulator_bits"])
            d[k] = sat(rn(m * g[k], 7), one["delta_bits"])
            for stem, words in (("sum", total), ("m", m), ("d", d[k])):
                self.put(f"layer{k}/{stem}", words)
        return d

    def draw(self) -> int:
        s = self.s or 0
        s ^= (s << 13) % 2**32
        s ^= s >> 17
        s ^= (s << 5) % 2**32
        self.s = s
        return s

    def update(self, k: int, x: np.ndarray, d: np.ndarray) -> None:
        one = self.layer[k]
        if self.stochastic:
            self.put(f"layer{k}/generator", self.s)
        events = [int(i) for i in np.nonzero(x)[0]] if one["learned"] == "all" else []
        draws = [self.draw() for _ in range(len(events) + 1)] if self.stochastic and d.any() else []
        S, count = (1 << (one["bias_bits"] - 1)) - 1, 0
        for j in np.nonzero(d)[0]:
            factors = np.array([*x[events], one["bias_level"]])
            if self.stochastic:
                r = np.array([draw >> 8 * (int(j) % 4) & 255 for draw in draws]) ^ self.table["key"][j]
                V = np.clip(rn(-factors * d[j], one["step_shift"] - 8), -256 * S, 256 * S)
                v = shr(V, 8) + (r < V % 256)
            else:
                v = np.clip(rn(-factors * d[j], one["step_shift"]), -S, S)
            self.W[k][j, events] = np.clip(self.W[k][j, events] + v[:-1], one["weight_min"], S)
            self.b[k][j] = np.clip(self.b[k][j] + v[-1], -S - 1, S)
            self.put(f"layer{k}/step", v)
            count += len(v)
        self.put(f"layer{k}/step_count", count)
