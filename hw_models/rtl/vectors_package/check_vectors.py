#!/usr/bin/env python3
"""Checker of a folder of test vectors: computes every value again from the settings, first words, inputs and labels.

Plain Python 3.10 or later, nothing to install. Usage: python check_vectors.py [FOLDER] [--values-only]
Exit code: 0 all equal, 1 something differs (the first lines that do are printed), 2 the folder cannot be read.
--values-only leaves out the checksums and checks values alone, for example of a folder that your own RTL has written.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Layer = dict[str, Any]  # an entry of the layers of vectors.json
Words = dict[int, list[int]]  # of each layer, counted from 1
SHOWN = 3  # differences printed per file


class Folder:
    """Files of words, read when they are asked for, and what differs in them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.about: dict[str, Any] = json.loads((path / "vectors.json").read_text())
        self.files = self.about["files"]
        self.problems: list[str] = []
        self.checked = 0
        self.computed: dict[str, list[int]] = {}

    def read(self, name: str) -> list[int]:
        """Return the words of a file as whole numbers."""
        about = self.files[name]
        digits, words = -(-about["bits"] // 4), []
        with open(self.path / name, encoding="ascii", newline="") as file:
            lines = file.read().split("\n")
        if lines.pop() != "":
            self.problems.append(f"{name}: the last line has no end")
        for number, line in enumerate(lines, 1):
            if len(line) != digits or set(line) - set("0123456789abcdef"):
                self.problems.append(f"{name}:{number}: '{line}' is not {digits} hexadecimal digits")
                words.append(0)
                continue
            word = int(line, 16)
            if word >> about["bits"]:
                self.problems.append(f"{name}:{number}: {line} has more than {about['bits']} bits")
            words.append(word - (1 << about["bits"]) if about["signed"] and word >> (about["bits"] - 1) else word)
        if len(words) != about["lines"]:
            self.problems.append(f"{name}: {len(words)} lines, vectors.json says {about['lines']}")
        return words

    def expect(self, name: str, words: Sequence[int]) -> None:
        """Add words that a file must have next; files that the network does not have are left out."""
        if name in self.files:
            self.computed.setdefault(name, []).extend(words)

    def compare(self) -> None:
        for name, wanted in sorted(self.computed.items()):
            found, shown = self.read(name), 0
            self.checked += len(wanted)
            if len(found) != len(wanted):
                self.problems.append(f"{name}: {len(found)} lines, computed {len(wanted)}")
            wrong = [i for i, (a, b) in enumerate(zip(found, wanted, strict=False)) if a != b]
            for i in wrong[:SHOWN]:
                self.problems.append(f"{name}:{i + 1}: {found[i]}, computed {wanted[i]}")
                shown += 1
            if len(wrong) > shown:
                self.problems.append(f"{name}: {len(wrong) - shown:,} more lines differ")


def check_sums(folder: Folder) -> None:
    """Compare every file with its checksum."""
    for line in (folder.path / "SHA256SUMS").read_text().splitlines():
        wanted, name = line[:64], line[66:]
        path = folder.path / name
        if not path.is_file():
            folder.problems.append(f"{name}: missing")
        elif hashlib.sha256(path.read_bytes()).hexdigest() != wanted:
            folder.problems.append(f"{name}: not the file that was written (SHA256SUMS)")


def rounded(x: int, shift: int) -> int:
    """Return x / 2^shift, halves rounded up."""
    return (x + (1 << (shift - 1))) >> shift if shift > 0 else x << -shift


def limited(x: int, low: int, high: int) -> int:
    return low if x < low else high if x > high else x


def symmetric(x: int, bits: int) -> int:
    most = (1 << (bits - 1)) - 1
    return limited(x, -most, most)


class Network:
    """The network of the folder, one sample at a time."""

    def __init__(self, folder: Folder) -> None:
        self.folder, about = folder, folder.about
        self.set, self.layers, self.order = about["network"], about["layers"], about["update_order"]
        self.words_every = about["words_every"]
        self.stochastic = self.set["rounding"] == "stochastic"
        self.state = folder.read("generator.hex")[0] if self.stochastic else 0
        self.weights: dict[int, list[list[int]]] = {}
        self.feedback: dict[int, list[list[int]]] = {}
        self.biases: Words = {}
        for k, layer in enumerate(self.layers, 1):
            flat, n = folder.read(f"layer{k}/weights_start.hex"), layer["inputs"]
            self.weights[k] = [flat[j * n : (j + 1) * n] for j in range(layer["outputs"])]
            self.biases[k] = folder.read(f"layer{k}/biases_start.hex")
            if layer.get("feedback_rows"):
                flat, n = folder.read(f"layer{k}/feedback.hex"), layer["outputs"]
                self.feedback[k] = [flat[c * n : (c + 1) * n] for c in range(layer["feedback_rows"])]
            if f"layer{k}/lfsr_start.hex" in folder.files:
                self.regenerate(k)
            self.check_range(k, layer)
        self.make_tables()

    def check_range(self, k: int, layer: Layer) -> None:
        for row in self.weights[k]:
            if min(row) < layer["weight_min"]:
                self.folder.problems.append(f"layer{k}/weights_start.hex: a word is below {layer['weight_min']}")

    def regenerate(self, k: int) -> None:
        """Compute the feedback that a 16-bit shift register gives, row by row, two steps per word."""
        words = []
        for state in self.folder.read(f"layer{k}/lfsr_start.hex"):
            for _ in range(self.layers[k - 1]["outputs"]):
                bits = []
                for _ in range(2):
                    bits.append(state & 1)
                    state = state >> 1 ^ (0xB400 if state & 1 else 0)
                words.append(0 if bits[0] == 0 else -127 if bits[1] else 127)
        stored = self.folder.read(f"layer{k}/feedback.hex")
        if all(word >= 0 for word in stored):  # of a rule whose feedback is not negative
            words = [abs(word) for word in words]
        self.folder.expect(f"layer{k}/feedback.hex", words)

    def make_tables(self) -> None:
        """Compute the tables; address q & 255."""
        name, y, g = self.set["activation"], [], []
        for q in [*range(128), *range(-128, 0)]:
            u = q / 32
            t = min(max(u / 2, -1), 1)
            if name == "tanh":
                pair = 127 * math.tanh(u), 127 * (1 - math.tanh(u) ** 2)
            elif name == "hard-tanh":
                pair = 127 * min(max(u, -1), 1), 127 if abs(u) < 1 else 0
            elif name == "quadratic-tanh":
                pair = 127 * t * (2 - abs(t)), 127 * (1 - abs(t))
            elif name == "relu":
                pair = max(q, 0), 127 if q > 0 else 0
            elif name == "leaky":
                pair = q if q > 0 else q / 20, 127 if q > 0 else 127 / 20
            else:
                pair = 0, 0
            y.append(round(pair[0]))
            g.append(round(pair[1]))
        self.y: list[int] = y
        self.g: list[int] = g
        signed = [*range(128), *range(-128, 0)]
        self.sigmoid = [round(255 / (1 + math.exp(-q / 16))) for q in signed]
        self.exponential = [round(2**15 * math.exp(-t / 16)) for t in range(256)]
        widest = max(layer["outputs"] for layer in self.layers)
        self.key = [((j + 1) * 0x9E3779B1 & 0xFFFFFFFF) >> 24 for j in range(widest)]
        for stem, table in (("activation", y), ("gate", g), ("sigmoid", self.sigmoid)):
            self.folder.expect(f"tables/{stem}.hex", table)
        self.folder.expect("tables/exponential.hex", self.exponential)
        self.folder.expect("tables/key.hex", self.key)

    def view(self, k: int, j: int, i: int) -> int:
        shift: int = self.layers[k - 1]["weight_bits"] - self.layers[k - 1]["view_bits"]
        return self.weights[k][j][i] >> shift

    def accumulated(self, total: int) -> int:
        bits: int = self.set["accumulator_bits"]
        total &= (1 << bits) - 1
        return total - (1 << bits) if total >> (bits - 1) else total

    def learn(self, x: list[int], label: int) -> None:
        """Take one sample: forward pass, and what follows unless its gate holds it back."""
        put, n = self.folder.expect, len(self.layers)
        inputs: Words = {1: x}
        q, y, g, z = {}, {}, {}, [0]  # type: Words, Words, Words, list[int]
        for k, layer in enumerate(self.layers, 1):
            z = self.forward(k, layer, inputs[k])
            q[k] = [limited(rounded(total, layer["sum_shift"]), -128, 127) for total in z]
            put(f"layer{k}/z.hex", z)
            put(f"layer{k}/q.hex", q[k])
            if k < n:
                y[k] = [self.y[one & 255] for one in q[k]]
                y[k] = [0 if abs(one) <= self.set["event_threshold"] else one for one in y[k]]
                g[k] = [self.g[one & 255] for one in q[k]]
                put(f"layer{k}/y.hex", y[k])
                put(f"layer{k}/g.hex", g[k])
                inputs[k + 1] = y[k]
        p = self.probabilities(q[n])
        predicted = (1 if z[0] > 0 else 0) if len(z) == 1 else z.index(max(z))
        learned = not self.held_back(predicted, label, q[n])
        put(f"layer{n}/p.hex", p)
        put("class.hex", [predicted])
        put("status.hex", [int(learned)])
        if self.stochastic:
            put("generator.hex", [self.state])
        d = self.deltas(label, p, y, g) if learned else self.nothing()
        for k in self.order:
            self.update(k, inputs[k], d[k])

    def forward(self, k: int, layer: Layer, x: list[int]) -> list[int]:
        events, sums = [i for i, level in enumerate(x) if level], []
        shift, bias_shift = layer["weight_bits"] - layer["view_bits"], layer["bias_bits"] - layer["view_bits"]
        for row, bias in zip(self.weights[k], self.biases[k], strict=True):
            total = sum(x[i] * (row[i] >> shift) for i in events)
            sums.append(self.accumulated(total + layer["bias_level"] * (bias >> bias_shift)))
        return sums

    def probabilities(self, q: list[int]) -> list[int]:
        if self.set["output"] == "sigmoid":
            return [self.sigmoid[one & 255] for one in q]
        shares = [self.exponential[max(q) - one] for one in q]
        total = sum(shares)
        return [(255 * share + total // 2) // total for share in shares]

    def held_back(self, predicted: int, label: int, q: list[int]) -> bool:
        if self.set["update_gate"] == "always" or predicted != label:
            return False
        if self.set["update_gate"] == "error":
            return True
        margin: int = self.set["margin"]
        if len(q) == 1:
            return (q[0] if label else -q[0]) > margin
        return q[label] - max(q[:label] + q[label + 1 :]) > margin

    def errors(self, p: list[int], label: int, dead_zone: int) -> list[int]:
        last, found = self.layers[-1], []
        for c, one in enumerate(p):
            hot = label if len(p) == 1 else int(c == label)
            e = one - 255 * hot
            e = 0 if abs(e) <= dead_zone else e
            found.append(symmetric(rounded(e, last["error_shift"]), last["error_bits"]))
        return found

    def deltas(self, label: int, p: list[int], y: Words, g: Words) -> Words:
        """Return d of each layer that forms one, the errors for the output layer."""
        n = len(self.layers)
        d = {n: self.errors(p, label, self.set["dead_zone"])}
        self.folder.expect(f"layer{n}/e.hex", d[n])
        hot = [label] if len(p) == 1 else [int(c == label) for c in range(len(p))]
        for k in range(n - 1, 0, -1):
            layer = self.layers[k - 1]
            kind = layer["signal"]
            if kind == "none":
                continue
            if kind == "local error":
                signal = self.local_error(k, layer, y[k], label)
            elif kind == "delta":
                signal = d[k + 1]
            elif kind == "target":
                signal = hot
            elif kind == "signed target":
                signal = [1 - 2 * one for one in hot]
            else:
                signal = [(e > 0) - (e < 0) for e in d[n]] if kind == "sign" else d[n]
            d[k] = self.modulated(k, layer, signal, g[k])
        return d

    def local_error(self, k: int, layer: Layer, y: list[int], label: int) -> list[int]:
        put, matrix = self.folder.expect, self.feedback[k]
        z = [self.accumulated(sum(one * b for one, b in zip(y, row, strict=True))) for row in matrix]
        q = [limited(rounded(total, layer["readout_shift"]), -128, 127) for total in z]
        p = self.probabilities(q)
        e = self.errors(p, label, self.set["local_dead_zone"])
        for stem, words in (("z", z), ("q", q), ("p", p), ("e", e)):
            put(f"layer{k}/local_{stem}.hex", words)
        return e

    def modulated(self, k: int, layer: Layer, signal: list[int], gates: list[int]) -> list[int]:
        put, lanes = self.folder.expect, [c for c, s in enumerate(signal) if s]
        found: tuple[list[int], ...] = ([], [], [])
        for j, gate in enumerate(gates):
            if layer["feedback"] == "transposed":
                total = sum(signal[c] * self.view(k + 1, c, j) for c in lanes)
            else:
                total = sum(signal[c] * self.feedback[k][c][j] for c in lanes)
            total = self.accumulated(total)
            m = symmetric(rounded(total, layer["signal_shift"]), layer["modulator_bits"])
            for words, word in zip(
                found, (total, m, symmetric(rounded(m * gate, 7), layer["delta_bits"])), strict=True
            ):
                words.append(word)
        for stem, words in zip(("sum", "m", "d"), found, strict=True):
            put(f"layer{k}/{stem}.hex", words)
        return found[2]

    def nothing(self) -> Words:
        """Write the zeros of a sample that is not learned."""
        d, c = {}, self.layers[-1]["outputs"]
        for k, layer in enumerate(self.layers, 1):
            d[k] = [0] * layer["outputs"]
            for stem in ("sum", "m", "d", "e"):
                self.folder.expect(f"layer{k}/{stem}.hex", d[k])
            for stem in "zqpe":
                self.folder.expect(f"layer{k}/local_{stem}.hex", [0] * c)
        return d

    def draw(self) -> int:
        s = self.state
        s ^= s << 13 & 0xFFFFFFFF
        s ^= s >> 17
        s ^= s << 5 & 0xFFFFFFFF
        self.state = s
        return s

    def update(self, k: int, x: list[int], d: list[int]) -> None:
        layer, put = self.layers[k - 1], self.folder.expect
        put(f"layer{k}/generator.hex", [self.state])
        events = [i for i, level in enumerate(x) if level] if layer["learned"] == "all" else []
        steps = []
        if any(d):
            draws = [self.draw() if self.stochastic else 0 for _ in range(len(events) + 1)]
            bits, least = layer["bias_bits"], layer["weight_min"]
            most = (1 << (bits - 1)) - 1
            for j, one in enumerate(d):
                if one == 0:
                    continue
                row = self.weights[k][j]
                for i, draw in zip(events, draws[:-1], strict=True):
                    v = self.step(layer["step_shift"], most, -x[i] * one, draw, j)
                    row[i] = limited(row[i] + v, least, most)
                    steps.append(v)
                v = self.step(layer["step_shift"], most, -layer["bias_level"] * one, draws[-1], j)
                self.biases[k][j] = limited(self.biases[k][j] + v, -most - 1, most)
                steps.append(v)
        put(f"layer{k}/step.hex", steps)
        put(f"layer{k}/step_count.hex", [len(steps)])

    def step(self, shift: int, most: int, product: int, draw: int, j: int) -> int:
        if not self.stochastic:
            return limited(rounded(product, shift), -most, most)
        fine = limited(rounded(product, shift - 8), -256 * most, 256 * most)
        random = draw >> 8 * (j % 4) & 255 ^ self.key[j]
        return (fine >> 8) + (random < (fine & 255))

    def put_words(self, suffix: str) -> None:
        for k in self.weights:
            self.folder.expect(f"layer{k}/weights{suffix}.hex", [word for row in self.weights[k] for word in row])
            self.folder.expect(f"layer{k}/biases{suffix}.hex", self.biases[k])


def check_values(folder: Folder) -> None:
    """Compute all values again and compare."""
    network, n_in = Network(folder), folder.about["layers"][0]["inputs"]
    inputs, labels = folder.read("inputs.hex"), folder.read("labels.hex")
    classes = max(2, folder.about["layers"][-1]["outputs"])
    if max(labels) >= classes:
        folder.problems.append(f"labels.hex: a label is {max(labels)}, the network has {classes} classes")
        return
    for sample in range(folder.about["samples"]):
        network.learn(inputs[sample * n_in : (sample + 1) * n_in], labels[sample])
        if network.words_every and (sample + 1) % network.words_every == 0:
            network.put_words("")
    network.put_words("_end")
    folder.expect("generator.hex", [network.state])
    folder.compare()
    given = {"inputs.hex", "labels.hex"}
    for name in folder.files:
        is_given = name in given or name.endswith(("_start.hex", "feedback.hex"))
        if name not in folder.computed and not is_given and folder.files[name]["lines"]:
            folder.problems.append(f"{name}: nothing to compare it with")


def main(arguments: list[str]) -> int:
    paths = [one for one in arguments if not one.startswith("-")]
    path = Path(paths[0]) if paths else Path(__file__).resolve().parent
    try:
        folder = Folder(path)
        if "--values-only" not in arguments:
            check_sums(folder)
        check_values(folder)
    except (OSError, KeyError, IndexError, ValueError, TypeError) as error:
        print(f"check_vectors: {path} cannot be read: {type(error).__name__}: {error}", file=sys.stderr)
        for problem in folder.problems if "folder" in locals() else []:
            print(problem, file=sys.stderr)
        return 2
    for problem in folder.problems:
        print(problem)
    samples = folder.about["samples"]
    if folder.problems:
        print(f"check_vectors: DIFFERENT, {len(folder.problems)} problems in {len(folder.files)} files")
        return 1
    print(f"check_vectors: equal, {folder.checked:,} values of {samples:,} samples computed again")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
