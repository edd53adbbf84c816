"""Generated C headers: configuration, initial weights and tables of a network; deterministic."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from edgelearn.errors import UserError
from edgelearn.network.activations import find_activation, output_table
from edgelearn.network.layer import DenseLayer
from edgelearn.network.learner import Learner
from edgelearn.network.spec import NetworkSpec
from edgelearn.network.widths import WIDEST
from edgelearn.rules.rule import Feedback, Signal

CONTRACT = 1
_SIGNALS = {
    Signal.NONE: "NONE",
    Signal.TARGET: "TARGET",
    Signal.ERROR: "ERROR",
    Signal.SIGN_ERROR: "SIGN",
    Signal.DELTA: "DELTA",
    Signal.SIGNED_TARGET: "SIGNED_TARGET",
    Signal.LOCAL_ERROR: "LOCAL",
}
_FEEDBACKS = {
    Feedback.NONE: "NONE",
    Feedback.DIRECT: "DIRECT",
    Feedback.LAYERWISE: "LAYERWISE",
    Feedback.TRANSPOSE: "TRANSPOSE",
}


@dataclass(frozen=True)
class Shape:
    """Sizes of the arrays of the C core.

    Parameters
    ----------
    learned, frozen : words of layers that learn, and of those that never do (constants)
    widest_input, widest_hidden, widest : largest number of inputs, hidden neurons, and of either or outputs
    activations, gates : bytes; all hidden layers where a rule waits for those above, else what one layer hands to the
        next, and the gates of one layer where it waits for its own outputs
    deltas, delta_buffers : elements of d, in one or two buffers
    lfsr_lanes : shift registers that regenerate feedback
    factor_bytes : of an error or a d
    """

    outputs: int
    learned: int
    frozen: int
    widest_input: int
    widest_hidden: int
    widest: int
    activations: int
    gates: int
    deltas: int
    delta_buffers: int
    lfsr_lanes: int
    word_bytes: int
    index_bytes: int
    factor_bytes: int
    stochastic: bool


def teaches_hidden(spec: NetworkSpec) -> bool:
    """Return whether any hidden layer learns."""
    return spec.rule.learns_hidden and len(spec.layers) > 1


def waits(spec: NetworkSpec) -> bool:
    """Return whether all hidden layers hold inputs and gates until a signal from above or a decision comes."""
    return any(spec.waits_for_above(k) for k in range(len(spec.layers) - 1))


def reads_out(spec: NetworkSpec) -> bool:
    """Return whether hidden layers have readouts."""
    return teaches_hidden(spec) and spec.rule.reads_out


def shape(spec: NetworkSpec) -> Shape:
    """Return the arrays of the C core for a specification."""
    hidden = [layer.n_out for layer in spec.layers[:-1]]
    words = [(layer.n_in + 1) * layer.n_out for layer in spec.layers]
    learned = sum(n for n, layer in zip(words, spec.layers, strict=True) if layer.learns)
    widest_hidden = max(hidden, default=0)
    buffers = 0
    if teaches_hidden(spec):
        buffers = 2 if spec.rule.holds_deltas and len(hidden) > 1 else 1
    lanes = 0
    if spec.regenerates_feedback and teaches_hidden(spec):
        rows = max(spec.feedback_rows(k) for k in range(len(hidden)))
        lanes = 1 if spec.rule.selects_row else rows
    widest = max(spec.sizes)
    if sum(hidden) > 65535:
        raise UserError(f"{sum(hidden):,} hidden neurons are too many for the C core; at most 65,535 in all layers")
    if widest > 65534:  # counters of events go one further
        raise UserError(f"a layer of {widest:,} is too wide for the C core; at most 65,534 inputs or neurons")
    return Shape(
        outputs=spec.n_outputs,
        learned=learned,
        frozen=sum(words) - learned,
        widest_input=max(layer.n_in for layer in spec.layers),
        widest_hidden=widest_hidden,
        widest=widest,
        activations=sum(hidden) if waits(spec) else max(hidden[0::2], default=0) + max(hidden[1::2], default=0),
        gates=sum(hidden) if waits(spec) else widest_hidden if reads_out(spec) else 0,
        deltas=buffers * widest_hidden,
        delta_buffers=buffers,
        lfsr_lanes=lanes,
        word_bytes=1 if spec.layers[0].word.stored_bits <= 8 else 2,
        index_bytes=1 if widest <= 256 else 2,
        factor_bytes=1 if spec.delta_bits <= 8 else 2,
        stochastic=spec.stochastic,
    )


def feedback_bits(spec: NetworkSpec) -> tuple[int, int, int]:
    """Return bits of a stored feedback word, and of one bit or none: what it stands for when set and when clear."""
    if not teaches_hidden(spec) or not spec.rule.stores_feedback or spec.regenerates_feedback:
        return 0, 0, 0
    positive = spec.rule.non_negative
    return {
        "int8": (8, 0, 0),
        "imported": (8, 0, 0),
        "ternary": (1, 127, 0) if positive else (2, 0, 0),
        "sign": (0, 64, 64) if positive else (1, 64, -64),
    }[spec.feedback_format]


def config_header(spec: NetworkSpec, identity: int, halvings: int) -> str:
    """Return el_config.h: sizes, formats and the switches that choose the rule."""
    has, bits = shape(spec), feedback_bits(spec)
    taught = teaches_hidden(spec)
    word = spec.layers[0].word
    sizes = "-".join(str(size) for size in spec.sizes)
    numbers: dict[str, int | str] = {
        "CONTRACT": CONTRACT,
        "IDENTITY": f"0x{identity:08X}UL",
        "LAYERS": len(spec.layers),
        "INPUTS": spec.sizes[0],
        "OUTPUTS": spec.n_outputs,
        "CLASSES": spec.n_classes,
        "WORDS": has.learned,
        "FROZEN_WORDS": has.frozen,
        "WORD_BITS": word.stored_bits,
        "VIEW_SHIFT": f"{word.residual_bits}U",
        "STOCHASTIC": int(spec.stochastic),
        "HALVINGS": halvings,
        "LONG_STEPS": int(any(_may_cut(layer, spec.stochastic) for layer in spec.layers if layer.learns)),
        "NON_NEGATIVE": int(any(layer.non_negative and layer.learns for layer in spec.layers)),
        "SIGNED_LEVELS": int(spec.signed_inputs),
        "WIDE_LEVELS": int(spec.input_bits == 8 and not spec.signed_inputs),
        "SIGNAL": f"EL_SIGNAL_{_SIGNALS[spec.rule.signal] if taught else 'NONE'}",
        "FEEDBACK": f"EL_FEEDBACK_{_FEEDBACKS[spec.rule.feedback] if taught else 'NONE'}",
        "LEARNS_ON_THE_WAY": int(taught and not waits(spec)),
        "FEEDBACK_BITS": bits[0],
        "FEEDBACK_SET": bits[1],
        "FEEDBACK_CLEAR": f"({bits[2]})",
        "FEEDBACK_NON_NEGATIVE": int(spec.rule.non_negative),
        "LFSR_LANES": has.lfsr_lanes,
        "SOFTMAX": int(spec.output == "softmax"),
        "DEAD_ZONE": spec.dead_zone,
        "EVENT_THRESHOLD": spec.event_threshold,
        "ACCUMULATOR_BITS": spec.accumulator_bits,
        "DELTA_MAX": spec.layers[0].delta_max,
        "UPDATE_GATE": f"EL_GATE_{spec.update_gate.upper()}",
        "MARGIN": spec.margin,
        "WIDEST": has.widest,
        "WIDEST_INPUT": has.widest_input,
        "WIDEST_HIDDEN": f"{has.widest_hidden}U",
        "ACTIVATIONS": has.activations,
        "GATES": has.gates,
        "DELTAS": has.deltas,
        "DELTA_BUFFERS": has.delta_buffers,
    }
    if spec.delta_bits < WIDEST:  # else absent, so that identities, and with them checkpoints, stay what they were
        numbers["MODULATOR_MAX"] = spec.layers[0].modulator_max
        numbers["ERROR_SHIFT"], numbers["ERROR_MAX"] = spec.layers[-1].signal_shift, spec.layers[-1].delta_max
    lines = [
        f"/* {sizes}, rule {spec.rule.name}, {word.bits} view bits + {word.residual_bits} residual bits, "
        f"{spec.rounding} rounding. */",
        "#ifndef EL_CONFIG_H",
        "#define EL_CONFIG_H",
        "",
        *(f"#define EL_{name} {number}" for name, number in numbers.items()),
        "",
        "#endif",
    ]
    return "\n".join(lines) + "\n"


def numbers_header(learner: Learner) -> str:
    """Return el_numbers.h: the layers, the words the learner holds now, feedback and tables."""
    spec = learner.spec
    parts = ["/* Included by el_learner.c alone. */", "#ifndef EL_NUMBERS_H", "#define EL_NUMBERS_H", "", _layers(spec)]
    parts.append(array("el_word", "EL_INITIAL", rows_of_words(learner, learns=True)))
    if shape(spec).frozen:
        parts.append(array("el_word", "EL_FROZEN", rows_of_words(learner, learns=False)))
    feedback, bits = _feedback(learner), feedback_bits(spec)[0]
    if bits:
        parts.append(array("int8_t" if bits == 8 else "uint8_t", "EL_FEEDBACK_WORDS", feedback))
    if len(spec.layers) > 1:
        y, g = find_activation(spec.layers[0].activation).table()
        parts.append(array("int8_t", "EL_ACTIVATION", y))
        if teaches_hidden(spec):
            parts.append(array("uint8_t", "EL_GATE_OF", g))
    table = output_table()
    if spec.output == "softmax":
        parts.append(array("uint16_t", "EL_EXPONENTIAL", table[256:]))
    else:
        parts.append(array("uint8_t", "EL_SIGMOID", table[:256]))
    if spec.stochastic:
        parts.append(f"#define EL_GENERATOR 0x{int(learner.state.arrays.generator[0]):08X}UL")
    return "\n".join([*parts, "", "#endif"]) + "\n"


def rows_of_words(learner: Learner, learns: bool) -> np.ndarray:
    """Return the words of all layers that learn, or of all that do not: a row per neuron, its bias last."""
    state = learner.state
    rows = [
        np.concatenate([state.weights(k), state.biases(k)[:, None]], axis=1).ravel()
        for k, layer in enumerate(learner.spec.layers)
        if layer.learns == learns
    ]
    return np.concatenate(rows)


def headers(learner: Learner) -> tuple[int, dict[str, str]]:
    """Return the identity of a network, and its generated headers by file name.

    They start from the words and rates that the learner has now, with an untouched generator.
    """
    numbers, halvings = numbers_header(learner), int(learner.save()["halvings"][0])
    same = numbers.replace(IN_FLASH, "")  # where constants lie is no part of the identity that checkpoints carry
    identity = zlib.crc32((config_header(learner.spec, 0, halvings) + same).encode())
    return identity, {"el_config.h": config_header(learner.spec, identity, halvings), "el_numbers.h": numbers}


def _may_cut(layer: DenseLayer, stochastic: bool) -> bool:
    """Return whether a step of a layer could be longer than S."""
    shift = layer.step_shift - (8 if stochastic else 0)
    product = layer.input_max * layer.delta_reach << max(-shift, 0)
    longest = (product + ((1 << max(shift, 0)) >> 1)) >> max(shift, 0)
    return longest > layer.word.max_raw << (8 if stochastic else 0)


def _layers(spec: NetworkSpec) -> str:
    learned_at = frozen_at = feedback_at = 0
    hidden = [layer.n_out for layer in spec.layers[:-1]]
    offsets = [0, *accumulate(hidden)]
    rows = []
    for k, layer in enumerate(spec.layers):
        words_at = learned_at if layer.learns else frozen_at
        size = (layer.n_in + 1) * layer.n_out
        learned_at, frozen_at = learned_at + size * layer.learns, frozen_at + size * (not layer.learns)
        activation_at = gate_at = 0
        if not layer.output:
            gate_at = offsets[k] if waits(spec) else 0
            activation_at = offsets[k] if waits(spec) else (k % 2) * max(hidden[0::2])
        row_of_feedback = feedback_at
        if teaches_hidden(spec) and spec.regenerates_feedback:
            row_of_feedback = ((k + 1) * 10007 + spec.seed) % 65535
        elif teaches_hidden(spec) and not layer.output:
            feedback_at += spec.feedback_rows(k) * layer.n_out
        fields = [
            words_at,
            row_of_feedback,
            layer.n_in,
            layer.n_out,
            activation_at,
            gate_at,
            layer.input_one,
            layer.sum_shift,
            layer.signal_shift,
            layer.step_shift,
            int(layer.non_negative),
        ]
        if reads_out(spec):
            fields.append(layer.readout_shift)
        rows.append("    {" + ", ".join(str(int(field)) for field in fields) + "}")
    return "static const el_layer EL_LAYER[EL_LAYERS] = {\n" + ",\n".join(rows) + "\n};\n"


def _feedback(learner: Learner) -> np.ndarray:
    """Return feedback words of all hidden layers as they are stored: int8, or packed from the lowest bits of a byte."""
    spec = learner.spec
    bits, when_set, _ = feedback_bits(spec)
    if not bits:
        return np.zeros(0, np.int64)
    raw = np.concatenate([learner.state.feedback(k).ravel() for k in range(len(spec.layers) - 1)]).astype(np.int64)
    if bits == 8:
        return raw
    codes = np.where(raw < 0, 2, np.sign(raw)) if bits == 2 else np.where(raw == when_set, 1, 0)
    return _packed(codes, bits)


def _packed(codes: np.ndarray, bits: int) -> np.ndarray:
    per_byte = 8 // bits
    padded = np.zeros(-(-len(codes) // per_byte) * per_byte, np.int64)
    padded[: len(codes)] = codes
    packed: np.ndarray = (padded.reshape(-1, per_byte) << (bits * np.arange(per_byte))).sum(axis=1)
    return packed


IN_FLASH = " EL_FLASH"


def array(kind: str, name: str, values: Sequence[int] | np.ndarray, place: str = IN_FLASH) -> str:
    """Return the definition of a constant array; `place` follows its name."""
    words = [str(int(value)) for value in values]
    lines = (", ".join(words[i : i + 24]) for i in range(0, len(words), 24))
    return f"static const {kind} {name}[{len(words)}]{place} = {{\n    " + ",\n    ".join(lines) + "\n};\n"


def checkpoint_bytes(spec: NetworkSpec) -> int:
    """Return EL_CHECKPOINT_BYTES."""
    has = shape(spec)
    return 28 + has.learned * has.word_bytes


def checkpoint(learner: Learner, identity: int, learned: int, sequence: int = 0) -> bytes:
    """Return the bytes that el_checkpoint_out writes for a learner's state (el_checkpoint.h)."""
    spec, state = learner.spec, learner.state
    kind = "<i1" if shape(spec).word_bytes == 1 else "<i2"
    saved = learner.save()
    generator = int(state.arrays.generator[0]) if spec.stochastic else 0
    head = np.array([0x4B434C45, identity, sequence, learned, generator], "<u4").tobytes()
    head += np.array([saved["live_outputs"][0], saved["halvings"][0]], "<u2").tobytes()
    body = head + rows_of_words(learner, learns=True).astype(kind).tobytes()
    return body + zlib.crc32(body).to_bytes(4, "little")
