"""RAM and flash of the C core in closed form, field by field."""

from __future__ import annotations

from dataclasses import dataclass

from edgelearn.network.spec import NetworkSpec
from edgelearn.streaming.detector import DetectorSpec
from firmware_sim.build import detector as of_detector
from firmware_sim.build.headers import feedback_bits, per_layer, reads_out, shape, taught, teaches_hidden

# Bytes of el_layer: two words, five half-words, four bytes, padded; where layers differ, a word, a half-word and three
# bytes more; in networks with convolutions, twelve half-words and nine bytes more.
_LAYER_BYTES, _VARIED_BYTES, _CONVOLUTION_BYTES = 24, 32, 68


@dataclass(frozen=True)
class Field:
    """A stretch of memory.

    Parameters
    ----------
    name : of the C struct's field or of the constant array
    role : weights, state, buffers, padding (RAM); initial words, frozen weights, feedback, tables (flash)
    offset : from the start of the learner; 0 for constants
    """

    name: str
    role: str
    offset: int
    bytes: int


def learner_fields(spec: NetworkSpec, detector: DetectorSpec | None = None) -> list[Field]:
    """Return the fields of el_learner in their order, padding included; their bytes add up to sizeof(el_learner)."""
    has = shape(spec)
    index, word, maps = has.index_bytes, has.word_bytes, has.maps
    graded, judged = int(spec.is_graded), int(detector is not None)
    outputs, readouts = has.outputs, has.outputs * reads_out(spec)
    rows = (
        *(() if detector is None else of_detector.fields(spec, detector)),
        ("learned", "state", 4, 1),
        ("generator", "state", 4, int(has.stochastic)),
        ("live", "state", 2, 1),
        ("halvings", "state", 2, 1),
        ("words", "weights", word, has.learned),
        ("sum", "buffers", 4, maps.sums if maps else 0),
        ("error", "buffers", has.factor_bytes, has.outputs),
        ("delta", "buffers", has.factor_bytes, has.deltas),
        ("map_delta", "buffers", has.factor_bytes, maps.deltas if maps else 0),
        ("lfsr", "buffers", 2, has.lfsr_lanes),
        ("target", "buffers", 2, outputs * graded),
        ("output", "buffers", 2, outputs * graded),
        ("readout", "buffers", 2, readouts * graded),
        ("score", "buffers", 4, judged),
        ("phase", "buffers", 1, judged),
        ("event", "buffers", index, has.widest_input),
        ("error_at", "buffers", index, has.outputs),
        ("delta_at", "buffers", index, has.deltas),
        ("activation", "buffers", 1, has.activations),
        ("gate", "buffers", 1, has.gates),
        ("winner", "buffers", 1, maps.winners if maps else 0),
        ("tap", "buffers", 1, maps.taps if maps else 0),
        ("output", "buffers", 1, outputs * (1 - graded)),
        ("readout", "buffers", 1, readouts * (1 - graded)),
    )
    fields: list[Field] = []
    at = 0
    largest = 4
    for name, role, size, count in rows:
        if name == "learned":  # a detector is a structure of its own
            at = _pad(fields, at, largest)
        if count:
            largest = max(largest, size)
            at = _pad(fields, at, size)
            fields.append(Field(name, role, at, size * count))
            at += size * count
    _pad(fields, at, largest)
    return fields


def _pad(fields: list[Field], at: int, alignment: int) -> int:
    aligned = -(-at // alignment) * alignment
    if aligned > at:
        fields.append(Field("(padding)", "padding", at, aligned - at))
    return aligned


def ram_bytes(spec: NetworkSpec, detector: DetectorSpec | None = None) -> int:
    """Return sizeof(el_learner), which is .data + .bss of an image with one learner."""
    return sum(field.bytes for field in learner_fields(spec, detector))


def constant_fields(spec: NetworkSpec) -> list[Field]:
    """Return the constant arrays of the core, in flash."""
    has, bits = shape(spec), feedback_bits(spec)[0]
    entries = 0
    if bits:
        entries = sum(spec.feedback_rows(k) * spec.feedback_columns(k) for k in taught(spec))
    layer_bytes = _CONVOLUTION_BYTES if has.maps else _VARIED_BYTES if per_layer(spec) else _LAYER_BYTES
    rows = [
        ("EL_LAYER", "tables", layer_bytes * len(spec.layers)),
        ("EL_INITIAL", "initial words", has.word_bytes * has.learned),
        ("EL_FROZEN", "frozen weights", has.frozen_bytes * has.frozen),
        ("EL_FEEDBACK_WORDS", "feedback", -(-entries * bits // 8)),
        ("EL_ACTIVATION", "tables", 256 if len(spec.layers) > 1 else 0),
        ("EL_GATE_OF", "tables", 256 if teaches_hidden(spec) else 0),
        ("EL_EXPONENTIAL", "tables", 512 if spec.output == "softmax" else 0),
        ("EL_SIGMOID", "tables", 256 if spec.output == "sigmoid" else 0),
    ]
    return [Field(name, role, 0, size) for name, role, size in rows if size]


def by_role(fields: list[Field]) -> dict[str, int]:
    """Return bytes by role, in the order of first mention."""
    roles: dict[str, int] = {}
    for field in fields:
        roles[field.role] = roles.get(field.role, 0) + field.bytes
    return roles
