"""Generated C headers: configuration, initial weights and tables of a network; deterministic."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgelearn.errors import UserError
from edgelearn.fixedpoint.qformat import WeightFormat
from edgelearn.network.activations import find_activation, output_table
from edgelearn.network.layer import Layer
from edgelearn.network.learner import Learner
from edgelearn.network.spec import NetworkSpec
from edgelearn.network.widths import WIDEST
from edgelearn.rules.rule import Feedback, Signal
from edgelearn.streaming.detector import AnomalyDetector, DetectorSpec
from firmware_sim.build import detector as of_detector
from firmware_sim.build.maps import Maps, check_maps, is_on_the_way, map_fields, map_flags, maps_of

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
    learned, frozen : words that are learned, and those that never are (constants)
    widest_input, widest_hidden, widest : largest number of inputs, hidden neurons, and of either or outputs
    activations, gates : bytes, see `Places`
    deltas, delta_buffers : elements of d, in one or two buffers
    lfsr_lanes : shift registers that regenerate feedback
    word_bytes, frozen_bytes, factor_bytes : of a learned word, a frozen one, an error or a d
    maps : arrays of convolutions, None in a network of dense layers
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
    frozen_bytes: int
    index_bytes: int
    factor_bytes: int
    stochastic: bool
    maps: Maps | None


def teaches_hidden(spec: NetworkSpec) -> bool:
    """Return whether any hidden layer forms a d."""
    return bool(taught(spec))


def taught(spec: NetworkSpec) -> list[int]:
    """Return the hidden layers that form a d, counted from 0; a frozen one does for a layer below that reads it."""
    return [k for k, layer in enumerate(spec.layers[:-1]) if layer.rule.learns_hidden]


def on_the_way(spec: NetworkSpec, k: int) -> bool:
    """Return whether hidden layer k learns right after its own forward pass.

    Notes
    -----
    Not where it waits for something above it, nor where the layer below reads its words and d, nor where it would take
    draws of the one random generator before a layer whose turn comes first. Nor are d of positions formed before all of
    them are there.
    """
    if k not in taught(spec) or spec.waits_for_above(k) or spec.sends_delta(k) or not is_on_the_way(spec.layers[k]):
        return False
    if not spec.stochastic:
        return True
    return not spec.last_to_first and all(on_the_way(spec, below) for below in taught(spec) if below < k)


def waiting(spec: NetworkSpec) -> list[int]:
    """Return the hidden layers that form a d after the forward pass of all layers."""
    return [k for k in taught(spec) if not on_the_way(spec, k)]


def reads_out(spec: NetworkSpec) -> bool:
    """Return whether hidden layers have readouts."""
    return any(spec.layers[k].rule.reads_out for k in taught(spec))


def per_layer(spec: NetworkSpec) -> bool:
    """Return whether layers differ in rule or in what they learn, so that the C core looks both up layer by layer."""
    hidden = spec.layers[:-1]
    if spec.is_convolutional:
        return True
    if any(layer.learned == "bias" or layer.weight_word != layer.word for layer in spec.layers):
        return True
    if spec.layers[-1].learned != "all" or any(layer.rule != hidden[0].rule for layer in hidden):
        return True
    frozen = [layer for layer in hidden if layer.learned == "none"]
    return any(
        layer.rule.learns_hidden or layer.word.residual_bits != spec.layers[-1].word.residual_bits for layer in frozen
    )


def taught_by(spec: NetworkSpec) -> str:
    """Return the rules as given, and what learns where that is not everything."""
    return spec.rule_name if spec.learn == "all" else f"{spec.rule_name}, learns {spec.learn}"


def learned_word(spec: NetworkSpec) -> WeightFormat:
    """Return the format of the words that are learned."""
    return next(layer.word for layer in spec.layers if layer.learns)


def word_counts(layer: Layer) -> tuple[int, int]:
    """Return the words of a layer that are learned, and its frozen ones."""
    weights, biases = layer.n_weights, layer.n_biases
    return {
        "all": (weights + biases, 0),
        "bias": (biases, weights),
        "none": (0, weights + biases),
    }[layer.learned]


@dataclass(frozen=True)
class Places:
    """Where hidden layers keep activations and gates, and how many bytes these take.

    An activation is held until the updates where the layer above learns weights then, or the layer's own readout is
    taken then; others alternate between two buffers. Gates of layers that learn on the way share one place.
    """

    activation_at: list[int]
    gate_at: list[int]
    activations: int
    gates: int


def places(spec: NetworkSpec) -> Places:
    """Return the places of activations and gates of hidden layers."""
    sizes, late = [layer.n_out for layer in spec.layers[:-1]], waiting(spec)
    held = [
        (k + 1 in late and spec.layers[k + 1].learned == "all") or (k in late and spec.layers[k].rule.reads_out)
        for k in range(len(sizes))
    ]
    sides: list[int] = []  # buffer of an activation that is not held
    for k in range(len(sizes)):
        sides.append(-1 if held[k] else 1 - sides[k - 1] if k and sides[k - 1] >= 0 else 0)
    at, first = 0, sum(n for n, is_held in zip(sizes, held, strict=True) if is_held)
    widest = [max((n for n, side in zip(sizes, sides, strict=True) if side == which), default=0) for which in (0, 1)]
    activation_at = []
    for n, side in zip(sizes, sides, strict=True):
        activation_at.append(at if side < 0 else first + side * widest[0])
        at += n * (side < 0)
    own = [spec.layers[k].n_gates if k in late else 0 for k in range(len(sizes))]
    shared = [spec.layers[k].n_gates for k in taught(spec) if k not in late and not spec.layers[k].rule.from_label]
    gate_at = [sum(own[:k]) if k in late else sum(own) if k in taught(spec) else 0 for k in range(len(sizes))]
    return Places(activation_at, gate_at, first + sum(widest), sum(own) + max(shared, default=0))


def shape(spec: NetworkSpec) -> Shape:
    """Return the arrays of the C core for a specification.

    Raises
    ------
    UserError
        "... hidden neurons are too many ...", "a layer of ... is too wide ..."
    """
    hidden = [layer.n_out for layer in spec.layers[:-1]]
    learned, frozen = (sum(counts) for counts in zip(*map(word_counts, spec.layers), strict=True))
    dense = [k for k in taught(spec) if not spec.layers[k].is_convolution]
    widest_hidden = max((hidden[k] for k in dense), default=0 if spec.is_convolutional else max(hidden, default=0))
    buffers = 0
    if dense:
        buffers = 2 if spec.last_to_first and len(set(dense) & set(waiting(spec))) > 1 else 1
    regenerated = [k for k in taught(spec) if spec.regenerates(k)]
    one_row = [spec.layers[k].rule.selects_row and not spec.is_graded for k in regenerated]
    lanes = max((1 if one else spec.feedback_rows(k) for k, one in zip(regenerated, one_row, strict=True)), default=0)
    widest = max(max(layer.fan_in, 0 if layer.is_convolution else layer.n_out) for layer in spec.layers)
    maps = maps_of(spec, taught(spec), waiting(spec)) if spec.is_convolutional else None
    check_maps(spec)
    if sum(hidden) > 65535:
        raise UserError(f"{sum(hidden):,} hidden neurons are too many for the C core; at most 65,535 in all layers")
    if widest > 65534:  # counters of events go one further
        raise UserError(f"a layer of {widest:,} is too wide for the C core; at most 65,534 inputs or neurons")
    kept, word = places(spec), learned_word(spec)
    return Shape(
        outputs=spec.n_outputs,
        learned=learned,
        frozen=frozen,
        widest_input=max(layer.fan_in for layer in spec.layers),
        widest_hidden=widest_hidden,
        widest=widest,
        activations=kept.activations,
        gates=kept.gates,
        deltas=buffers * widest_hidden,
        delta_buffers=buffers,
        lfsr_lanes=lanes,
        word_bytes=1 if word.stored_bits <= 8 else 2,
        frozen_bytes=1 if (word.bits if per_layer(spec) else word.stored_bits) <= 8 else 2,
        index_bytes=1 if widest <= 256 else 2,
        factor_bytes=1 if spec.delta_bits <= 8 else 2,
        stochastic=spec.stochastic,
        maps=maps,
    )


def feedback_bits(spec: NetworkSpec) -> tuple[int, int, int]:
    """Return bits of a stored feedback word, and of one bit or none: what it stands for when set and when clear."""
    stored = [spec.layers[k].rule for k in taught(spec) if spec.feedback_rows(k) and not spec.regenerates(k)]
    if not stored:
        return 0, 0, 0
    positive = all(rule.non_negative for rule in stored)
    return {
        "int8": (8, 0, 0),
        "imported": (8, 0, 0),
        "ternary": (1, 127, 0) if positive else (2, 0, 0),
        "sign": (0, 64, 64) if positive else (1, 64, -64),
    }[spec.feedback_format]


def config_header(spec: NetworkSpec, identity: int, halvings: int, detector: DetectorSpec | None = None) -> str:
    """Return el_config.h: sizes, formats and the switches that choose the rule."""
    has, bits = shape(spec), feedback_bits(spec)
    word = learned_word(spec)
    numbers: dict[str, int | str] = {
        "CONTRACT": CONTRACT,
        "IDENTITY": f"0x{identity:08X}UL",
        "LAYERS": len(spec.layers),
        "INPUTS": spec.sizes[0],
        "OUTPUTS": spec.n_outputs,
        "CLASSES": 1 if spec.is_graded else spec.n_classes,  # graded targets are learned as if of one
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
        **_rule_switches(spec),
        "FEEDBACK_BITS": bits[0],
        "FEEDBACK_SET": bits[1],
        "FEEDBACK_CLEAR": f"({bits[2]})",
        "FEEDBACK_NON_NEGATIVE": int(any(layer.rule.non_negative for layer in spec.layers[:-1])),
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
    if spec.readout_dead_zone != spec.dead_zone and any(layer.rule.reads_out for layer in spec.layers[:-1]):
        numbers["LOCAL_DEAD_ZONE"] = spec.readout_dead_zone
    if spec.hidden_inference == "sign":
        numbers["SIGN_ONE"] = find_activation(spec.layers[0].activation).one
    if spec.is_graded:
        numbers |= {"GRADED": 1, "LINEAR": int(spec.output == "linear")}
        numbers |= {"RECONSTRUCTS": int(spec.task == "reconstruct"), "TARGET_SHIFT": spec.target_shift}
    if detector is not None:
        numbers |= of_detector.numbers(spec, detector)
    if has.maps:
        numbers |= has.maps.numbers()
    lines = [
        f"/* {spec.net}, rule {taught_by(spec)}, {word.bits} view bits + {word.residual_bits} residual bits, "
        f"{spec.rounding} rounding. */",
        "#ifndef EL_CONFIG_H",
        "#define EL_CONFIG_H",
        "",
        *(f"#define EL_{name} {number}" for name, number in numbers.items()),
        "",
        "#endif",
    ]
    return "\n".join(lines) + "\n"


def _rule_switches(spec: NetworkSpec) -> dict[str, int | str]:
    """Return the switches of the rule: of one that all hidden layers have, or of all that they have."""
    if not per_layer(spec):
        rule = spec.layers[0].rule if teaches_hidden(spec) else None
        return {
            "SIGNAL": f"EL_SIGNAL_{_SIGNALS[rule.signal] if rule else 'NONE'}",
            "FEEDBACK": f"EL_FEEDBACK_{_FEEDBACKS[rule.feedback] if rule else 'NONE'}",
            "LEARNS_ON_THE_WAY": int(teaches_hidden(spec) and not waiting(spec)),
        }
    late = waiting(spec)
    early = [k for k in taught(spec) if k not in late]
    return {
        "PER_LAYER": 1,
        "SIGNALS": _signal_bits(spec, taught(spec)) or "(1 << EL_SIGNAL_NONE)",
        "SIGNALS_ON_THE_WAY": _signal_bits(spec, early) or 0,
        "SIGNALS_WAITING": _signal_bits(spec, late) or 0,
        "LAST_TO_FIRST": int(spec.last_to_first),
        "FROZEN_BITS": learned_word(spec).bits,
    }


def _signal_bits(spec: NetworkSpec, layers: list[int]) -> str:
    names = dict.fromkeys(_SIGNALS[spec.layers[k].rule.signal] for k in layers)
    bits = " | ".join(f"(1 << EL_SIGNAL_{name})" for name in names)
    return f"({bits})" if bits else ""


def numbers_header(learner: Learner) -> str:
    """Return el_numbers.h: the layers, the words the learner holds now, feedback and tables."""
    spec = learner.spec
    parts = ["/* Included by el_learner.c alone. */", "#ifndef EL_NUMBERS_H", "#define EL_NUMBERS_H", "", _layers(spec)]
    parts.append(array("el_word", "EL_INITIAL", learned_words(learner)))
    if shape(spec).frozen:
        parts.append(array("el_frozen" if per_layer(spec) else "el_word", "EL_FROZEN", _frozen_words(learner)))
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
    elif spec.output == "sigmoid":
        parts.append(array("uint8_t", "EL_SIGMOID", table[:256]))
    if spec.stochastic:
        parts.append(f"#define EL_GENERATOR 0x{int(learner.state.arrays.generator[0]):08X}UL")
    return "\n".join([*parts, "", "#endif"]) + "\n"


def learned_words(learner: Learner) -> np.ndarray:
    """Return the words that are learned: a row per neuron, its bias last, or the biases of a layer alone."""
    return _rows_of_words(learner, {"all": ("weights", "biases"), "bias": ("biases",), "none": ()})


def _frozen_words(learner: Learner) -> np.ndarray:
    """Return the words that are not learned, in the same order; their views, which is all that is read of them, where
    layers differ."""
    parts = {"all": (), "bias": ("weights",), "none": ("weights", "biases")}
    return _rows_of_words(learner, parts, views=per_layer(learner.spec))


def _rows_of_words(learner: Learner, parts: dict[str, tuple[str, ...]], views: bool = False) -> np.ndarray:
    """Return rows of the words of each layer that `parts` names by what the layer learns, or of their views."""
    state = learner.state
    rows = [np.zeros(0, np.int64)]
    for k, layer in enumerate(learner.spec.layers):
        words = {"weights": state.weights(k), "biases": state.biases(k)[: layer.n_biases, None]}
        if views:
            words["weights"] = words["weights"] >> layer.weight_word.residual_bits
            words["biases"] = words["biases"] >> layer.word.residual_bits
        if columns := [words[part] for part in parts[layer.learned] if words[part].size]:
            rows.append(np.concatenate(columns, axis=1).ravel())
    return np.concatenate(rows)


def headers(learner: Learner, detector: DetectorSpec | None = None) -> tuple[int, dict[str, str]]:
    """Return the identity of a network, and its generated headers by file name.

    They start from the words and rates that the learner has now, with an untouched generator.
    """
    numbers, halvings = numbers_header(learner), int(learner.save()["halvings"][0])
    same = numbers.replace(IN_FLASH, "")  # where constants lie is no part of the identity that checkpoints carry
    identity = zlib.crc32((config_header(learner.spec, 0, halvings, detector) + same).encode())
    config = config_header(learner.spec, identity, halvings, detector)
    return identity, {"el_config.h": config, "el_numbers.h": numbers}


def _may_cut(layer: Layer, stochastic: bool) -> bool:
    """Return whether a step of a layer could be longer than S."""
    shift = layer.step_shift - (8 if stochastic else 0)
    product = layer.positions * layer.input_max * layer.delta_reach << max(-shift, 0)
    longest = (product + ((1 << max(shift, 0)) >> 1)) >> max(shift, 0)
    return longest > layer.word.max_raw << (8 if stochastic else 0)


def _layers(spec: NetworkSpec) -> str:
    learned_at = frozen_at = feedback_at = 0
    has, kept, varied = shape(spec), places(spec), per_layer(spec)
    rows = []
    for k, layer in enumerate(spec.layers):
        learned, frozen = word_counts(layer)
        row_of_feedback = feedback_at
        if teaches_hidden(spec) and spec.regenerates_feedback and (layer.output or spec.regenerates(k)):
            row_of_feedback = ((k + 1) * 10007 + spec.seed) % 65535
        elif not layer.output:
            feedback_at += spec.feedback_rows(k) * spec.feedback_columns(k)
        fields = [
            frozen_at if frozen and not varied else learned_at,
            row_of_feedback,
            layer.n_in,
            layer.n_out,
            0 if layer.output else kept.activation_at[k],
            0 if layer.output else kept.gate_at[k],
            layer.input_one,
            layer.sum_shift,
            layer.signal_shift,
            layer.step_shift,
            int(layer.non_negative),
        ]
        if reads_out(spec):
            fields.append(layer.readout_shift(spec.output))
        texts = [str(int(field)) for field in fields]
        if varied:
            texts += [*_varied_fields(spec, k), str(frozen_at)]
        if has.maps:
            texts += map_fields(spec, k, has.maps)
        rows.append("    {" + ", ".join(texts) + "}")
        learned_at, frozen_at = learned_at + learned, frozen_at + frozen
    return "static const el_layer EL_LAYER[EL_LAYERS] = {\n" + ",\n".join(rows) + "\n};\n"


def _varied_fields(spec: NetworkSpec, k: int) -> list[str]:
    """Return signal, what is learned, flags and largest d of a layer where layers differ."""
    layer = spec.layers[k]
    early = on_the_way(spec, k)
    flags = {
        "ON_THE_WAY": early,
        "TRANSPORTS": layer.rule.weight_transport,
        "NON_NEGATIVE": layer.rule.non_negative,
        "HOLDS_GATES": layer.rule.learns_hidden and not (early and layer.rule.from_label),
    }
    if spec.is_convolutional:
        flags |= map_flags(layer, flags["HOLDS_GATES"])
    set_flags = " | ".join(f"EL_FLAG_{name}" for name, is_set in flags.items() if is_set)
    return [
        f"EL_SIGNAL_{_SIGNALS[layer.rule.signal]}",
        f"EL_LEARNS_{layer.learned.upper()}",
        set_flags or "0U",
        str(layer.delta_max),
    ]


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


def checkpoint_bytes(spec: NetworkSpec, detector: DetectorSpec | None = None) -> int:
    """Return EL_CHECKPOINT_BYTES."""
    has = shape(spec)
    own = 0 if detector is None else of_detector.checkpoint_bytes(spec, detector)
    return 28 + has.learned * has.word_bytes + own


def checkpoint(
    learner: Learner, identity: int, learned: int, sequence: int = 0, detector: AnomalyDetector | None = None
) -> bytes:
    """Return the bytes that el_checkpoint_out writes for the state of a learner and a detector (el_checkpoint.h)."""
    spec, state = learner.spec, learner.state
    kind = "<i1" if shape(spec).word_bytes == 1 else "<i2"
    saved = learner.save()
    generator = int(state.arrays.generator[0]) if spec.stochastic else 0
    head = np.array([0x4B434C45, identity, sequence, learned, generator], "<u4").tobytes()
    head += np.array([saved["live_outputs"][0], saved["halvings"][0]], "<u2").tobytes()
    body = head + learned_words(learner).astype(kind).tobytes()
    if detector is not None:
        body += of_detector.checkpoint(spec, detector)
    return body + zlib.crc32(body).to_bytes(4, "little")
