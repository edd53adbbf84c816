"""Networks with convolutions drawn at random, with samples: everything that a specification can ask for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edgelearn.errors import UserError
from edgelearn.network.activations import ACTIVATIONS
from edgelearn.network.layer import ConvLayer
from edgelearn.network.learner import Learner
from edgelearn.network.spec import FEEDBACK_FORMATS, ROUNDINGS, NetworkSpec, design
from edgelearn.rules import RULES

N_SAMPLES = 20


@dataclass(frozen=True, eq=False)
class Case:
    """A network, samples, and what is done to its words before the first of them."""

    spec: NetworkSpec
    levels: np.ndarray
    labels: np.ndarray
    halvings: int
    words: str
    seed: int

    def prepare(self, learner: Learner) -> None:
        """Put words where sums are longest and saturation is next, or leave those of the start."""
        rng = np.random.default_rng([self.seed, 1])
        if self.words == "start":
            return
        for k, layer in enumerate(self.spec.layers):
            shape, lowest, highest = (layer.n_columns, layer.fan_in), layer.min_weight, layer.weight_word.max_raw
            choice = {"lowest": [lowest], "highest": [highest], "both rails": [lowest, highest]}[self.words]
            biases = [layer.word.min_raw, layer.word.max_raw] if layer.n_biases else [0]
            learner.state.set_words(k, rng.choice(choice, shape), rng.choice(biases, layer.n_columns))


def case(seed: int, n: int = N_SAMPLES) -> Case:
    """Return the case of a seed; what cannot be built is drawn again."""
    rng = np.random.default_rng(seed)
    while True:
        try:
            spec = _laid_out(design(**_settings(rng)), seed)
            break
        except UserError:
            continue
    low, high = spec.input_range
    levels = rng.integers(low, high + 1, (n, spec.sizes[0]))
    levels[rng.random(levels.shape) >= rng.choice([0.15, 0.5, 1.0])] = 0
    levels[rng.integers(0, n)] = 0  # a sample without events
    words = str(rng.choice(["start", "start", "start", "lowest", "highest", "both rails"]))
    kind = np.int8 if spec.signed_inputs else np.uint8
    halvings = int(rng.choice([0, 0, 0, 1, 5, 25]))
    return Case(spec, levels.astype(kind), rng.integers(0, spec.n_classes, n), halvings, words, seed)


def _laid_out(spec: NetworkSpec, seed: int) -> NetworkSpec:
    """Let any dense layer keep a row an input or a row a neuron: the layout of memory is free."""
    rng = np.random.default_rng([seed, 2])
    layers = [
        layer if layer.is_convolution or layer.non_negative else replace(layer, event_major=bool(rng.integers(2)))
        for layer in spec.layers
    ]
    return replace(spec, layers=tuple(layers))


def _settings(rng: np.random.Generator) -> dict[str, Any]:
    def one(*choices: Any) -> Any:
        return choices[rng.integers(len(choices))]

    n_maps, n_dense = one(1, 1, 2, 2, 3), one(0, 1, 1, 2)
    bits, rounding = one(2, 3, 4, 6, 8, 8, 11, 12, 16), one(*ROUNDINGS)
    lowest = 1 if rounding == "residual" and bits < 16 else 0
    some = int(rng.integers(lowest, min(8, 16 - bits) + 1))
    outputs = one(1, 2, 3, 4)
    signed = one(False, False, False, True)
    names = sorted(RULES)
    hidden = n_maps + n_dense
    each = "+".join(one(*names) for _ in range(hidden))
    rule = one(one(*names), one(*names), one("bp", "fa", "local"), each)
    direct = not {"bp", "fa", "local"} & set(rule.split("+"))  # others have no feedback per map or position
    masks = "+".join(one("all", "all", "all", "bias", "none") for _ in range(hidden + 1))
    top = one(0, 0, 8)
    return {
        "sizes": _net(one, rng, n_maps, n_dense, outputs),
        "rule": rule,
        "learn": one("all", "all", "all", masks),
        "kernels": one("learn", "learn", "learn", "frozen"),
        "bits": bits,
        "rounding": rounding,
        "residual_bits": one(None, None if rounding == "nearest" else some),
        "input_bits": int(rng.integers(2 if signed else 1, 9)),
        "signed_inputs": signed,
        "activation": one(*sorted(ACTIVATIONS)),
        "output": "sigmoid" if outputs == 1 else one("sigmoid", "softmax"),
        "feedback_format": one("int8", "int8", *FEEDBACK_FORMATS),
        "feedback_kind": one("element", "element", "map") if direct else "element",
        "teach": one("elements", "elements", "positions") if direct else "elements",
        "kernel_bias": one(False, True),
        "kernel_rate": int(rng.integers(-16 - top, 1)),
        "hidden_rate": int(rng.integers(-12 - top, 1)),
        "output_rate": int(rng.integers(-12 - top, 1)),
        "range_exponent": one(None, None, int(rng.integers(-8, 9))),
        "event_threshold": one(0, 0, 3, 40),
        "dead_zone": one(0, 0, 8, 120),
        "local_dead_zone": one(None, None, 20),
        "accumulator_bits": one(32, 32, 32, 16, 10),
        "update_gate": one("always", "always", "always", "error", "margin"),
        "margin": one(0, 16),
        "hidden_inference": one("full", "full", "full", "sign"),
        "delta_bits": one(16, 16, 12, 9, 8, 6, 2),
        "seed": int(rng.integers(0, 2**31)),
    }


def _net(one: Any, rng: np.random.Generator, n_maps: int, n_dense: int, outputs: int) -> str:
    side = 9 if n_maps == 1 else 7
    parts = ["x".join(str(n) for n in (*rng.integers(2, side, 2), one(1, 1, 2, 3)))]
    for _ in range(n_maps):
        maps, height, width = one(1, 2, 3, 4, 5, one(6, 17)), int(rng.integers(1, 5)), int(rng.integers(1, 5))
        parts.append(f"conv{maps}x{height}x{width}s{one(1, 1, 1, 2, 3)}p{one(0, 1, 1, 2)}")
        parts.append(one("", "pool2", "pool2", "pool3", "meanpool2"))
    parts += [str(n if n < 7 else 66) for n in rng.integers(1, 8, n_dense)]  # and more than a vector has lanes
    return "-".join(filter(None, [*parts, str(outputs)]))


def traits(spec: NetworkSpec) -> set[str]:
    """Name what a network has, to see that networks drawn at random have everything."""
    maps = [layer for layer in spec.layers if isinstance(layer, ConvLayer)]
    found = {f"{len(maps)} convolutions", spec.rounding, spec.feedback_format, f"gate {spec.update_gate}"}
    for k, layer in enumerate(maps):
        window, rule = layer.window, layer.rule
        found |= {f"rule {rule.name}", f"learned {layer.learned}"}
        if rule.learns_hidden:
            found |= {f"{layer.feedback_kind}, {layer.teach}", f"{spec.feedback_format}, {layer.feedback_kind}"}
        if rule.holds_deltas and spec.layers[k + 1].is_convolution:
            found.add(f"{rule.name} between convolutions")
        found |= {
            name
            for name, holds in (
                ("stride", window.stride > 1),
                ("padding", window.padding > 0),
                ("max pooling", window.takes_winners),
                ("mean pooling", window.pool_shift > 0),
                ("positions outside of windows", window.out_height % window.pool > 0),
                ("kernel bias", layer.kernel_bias),
                ("one position", window.positions == 1),
                ("non-negative kernels", layer.non_negative),
                ("more maps than lanes", window.maps > 16),
                ("several channels", k == 0 and window.channels > 1),
            )
            if holds
        }
    return found
