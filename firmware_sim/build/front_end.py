"""Front end of a stream as C sources: settings and state as generated numbers, its RAM and flash to the byte."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from edgelearn.errors import UserError
from edgelearn.network.kernels import tables as t
from edgelearn.network.learner import Learner
from edgelearn.network.spec import NetworkSpec
from edgelearn.streaming.detector import AnomalyDetector, DetectorSpec
from edgelearn.streaming.front_end import UNSEEN, FrontEnd, FrontEndSpec
from firmware_sim.build.estimate import Field, learner_fields
from firmware_sim.build.estimate import constant_fields as constants_of_network
from firmware_sim.build.headers import IN_FLASH, array, checkpoint, checkpoint_bytes, headers
from firmware_sim.build.image import CSRC
from firmware_sim.build.units import Units

SOURCES = ("include/el_front.h", "include/el_stream.h", "src/el_front.c", "src/el_stream.c")
CONFIG, NUMBERS = "include/el_front_config.h", "include/el_front_numbers.h"
_C_UNSEEN = -32768
_ENCODERS = {"signed": "SIGNED", "levels": "LEVELS", "on-off": "ON_OFF", "threshold": "THRESHOLD", "delta": "DELTA"}
Saved = Mapping[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class StreamFront:
    """What stands in front of a network of a stream.

    Parameters
    ----------
    spec : settings of the front end
    units : what the numbers of the sensor stand for
    label_delay : rows that a label comes late
    adapt_rows : rows that move mean and deviation, 0 for all; least_deviation : see `FrontEnd`
    calibrate_rows : first rows, which do not reach the network; None without a detector
    state : state that the firmware starts from, as `FrontEnd.save` gives it; empty for that of a new front end
    """

    spec: FrontEndSpec
    units: Units
    label_delay: int = 0
    adapt_rows: int = 0
    least_deviation: int = 0
    state: Saved = field(default_factory=lambda: MappingProxyType({}))
    calibrate_rows: int | None = None

    @classmethod
    def of(
        cls, front_end: FrontEnd, units: Units, label_delay: int = 0, calibrate_rows: int | None = None
    ) -> StreamFront:
        """Return the front end with its present state."""
        saved = front_end.save()
        new = (saved["exponents"] == UNSEEN).all() and not saved["seen"].any() and not saved["place"][t.ROWS_SEEN]
        state: Saved = MappingProxyType({} if new else saved)
        adapt_rows, least = front_end.adapt_rows or 0, front_end.least_deviation
        return cls(front_end.spec, units, label_delay, adapt_rows, least, state, calibrate_rows)

    @property
    def is_wide(self) -> bool:
        """Whether crossings of a window are larger than any word, so that means need 64 bits."""
        return self.spec.features == "statistics" and (self.spec.window - 1) << 12 > 1 << 22

    @property
    def most_seen(self) -> int:
        """Rows with a value that are counted: more move mean and deviation by as much."""
        return max(1 << max(self.spec.time_constant - 1, 0), 1)

    @property
    def mean_bytes(self) -> int:
        return 8 if self.is_wide else 4

    @property
    def seen_bytes(self) -> int:
        return 1 if self.most_seen <= 255 else 2 if self.most_seen <= 65535 else 4

    @property
    def state_bytes(self) -> int:
        """Bytes of the state in a checkpoint, EL_FRONT_BYTES."""
        means = 3 if self.spec.encoder == "delta" else 2
        return 8 + self.spec.n_features * (means * self.mean_bytes + self.seen_bytes) + 2 * self.spec.n_channels


def front_fields(front: StreamFront) -> list[Field]:
    """Return the fields of el_front_end in their order, padding included."""
    spec, mean = front.spec, front.mean_bytes
    rows = [
        ("samples", "front end: state", 4, 1),
        ("rows", "front end: state", 4, 1),
        ("mean", "front end: statistics", mean, spec.n_features),
        ("deviation", "front end: statistics", mean, spec.n_features),
        ("sent", "front end: statistics", mean, spec.n_features * (spec.encoder == "delta")),
        ("exponent", "front end: state", 2, spec.n_channels),
        ("seen", "front end: statistics", front.seen_bytes, spec.n_features),
        ("ring", "front end: window", 4, spec.window * spec.n_channels),
        ("newest", "front end: state", 4, 1),
        ("until", "front end: state", 4, 1),
        ("ready", "front end: state", 1, 1),
        ("levels", "front end: levels", 1, spec.n_inputs),
    ]
    return _placed(rows, mean)


def stream_fields(network: NetworkSpec, front: StreamFront, detector: DetectorSpec | None = None) -> list[Field]:
    """Return the fields of el_stream in their order, padding included; their bytes add up to sizeof(el_stream)."""
    fields = list(learner_fields(network, detector))
    largest = front.mean_bytes if detector is None else 8
    at = sum(one.bytes for one in fields)
    inner = front_fields(front)
    at = _pad(fields, at, front.mean_bytes)
    fields += [Field(one.name, one.role, at + one.offset, one.bytes) for one in inner]
    at += sum(one.bytes for one in inner)
    if front.label_delay:
        at = _pad(fields, at, 4)
        fields.append(Field("waiting", "late labels", at, 8))
        n = front.label_delay * front.spec.n_inputs
        fields.append(Field("waiting levels", "late labels", at + 8, n))
        at += 8 + n
    _pad(fields, at, largest)
    return fields


def _placed(rows: list[tuple[str, str, int, int]], alignment: int) -> list[Field]:
    fields: list[Field] = []
    at = 0
    for name, role, size, count in rows:
        if count:
            at = _pad(fields, at, size)
            fields.append(Field(name, role, at, size * count))
            at += size * count
    _pad(fields, at, alignment)
    return fields


def _pad(fields: list[Field], at: int, alignment: int) -> int:
    aligned = -(-at // alignment) * alignment
    if aligned > at:
        fields.append(Field("(padding)", "padding", at, aligned - at))
    return aligned


def constant_fields(network: NetworkSpec, front: StreamFront) -> list[Field]:
    """Return the constant arrays of network and front end, in flash."""
    sizes = {"8": 1, "16": 2, "32": 4, "64": 8}
    own = [
        Field(f"EL_{name}", "front end", 0, sizes[kind.strip("uint_")] * len(values))
        for name, kind, values in _constants(front)
        if len(set(values)) > 1
    ]
    return [*constants_of_network(network), *own]


def _constants(front: StreamFront) -> list[tuple[str, str, list[int]]]:
    """Return name, type and values of the constants of each feature or channel; an array where they differ."""
    spec, units = front.spec, front.units
    rows: list[tuple[str, str, list[int]]] = []
    if units.has_offsets:
        rows.append(("OFFSET", "int32_t", list(units.offsets)))
    if units.has_decimals:
        rows.append(("DIVISOR", "uint32_t", [10**digits for digits in units.digits]))
    if spec.encoder == "threshold":
        n = spec.thresholds
        thresholds = [(2 * j * spec.top + n + 1) // (2 * n + 2) for j in range(1, n + 1)]
        rows.append(("THRESHOLD", "uint8_t", thresholds))
    if front.state:
        bits, state = 8 * front.mean_bytes, state_of(front, front.state)
        kinds = {"mean": f"int{bits}_t", "deviation": f"uint{bits}_t", "sent": f"int{bits}_t"}
        kinds |= {"exponent": "int16_t", "seen": f"uint{8 * front.seen_bytes}_t"}
        for name, kind in kinds.items():
            if name != "sent" or spec.encoder == "delta":
                rows.append((f"FRONT_{name.upper()}", kind, state[name].tolist()))
    return rows


def texts_of(learner: Learner, front: StreamFront, detector: DetectorSpec | None = None) -> tuple[int, dict[str, str]]:
    """Return the identity of network and front end, and the files that a stream has beside those of its network.

    Raises
    ------
    UserError
        "... inputs ... of the front end"
    """
    if learner.spec.sizes[0] != front.spec.n_inputs:
        raise UserError(
            f"a network of {learner.spec.sizes[0]} inputs does not fit {front.spec.n_inputs} levels of a row"
        )
    network, generated = headers(learner, detector)
    config, numbers = _config(front), _numbers(front)
    identity = zlib.crc32(f"{network}{config}{numbers.replace(IN_FLASH, '')}".encode())
    learner_config = generated["el_config.h"].replace(f"0x{network:08X}UL", f"0x{identity:08X}UL")
    head, end, _ = learner_config.rpartition("\n#endif")
    texts = {"include/el_config.h": f"{head}#define EL_STREAM 1 /* a front end is saved beside the network */\n{end}\n"}
    texts |= {name: (CSRC / name).read_text() for name in SOURCES}
    return identity, texts | {CONFIG: config, NUMBERS: numbers}


def _config(front: StreamFront) -> str:
    spec = front.spec
    numbers: dict[str, int | str] = {
        "CHANNELS": f"{spec.n_channels}U",
        "WINDOW": f"{spec.window}U",
        "STRIDE": f"{spec.stride}U",
        "WINDOW_FEATURES": f"EL_FEATURES_{spec.features.upper()}",
        "FEATURES": f"{spec.n_features}U",
        "TIME_CONSTANT": f"{spec.time_constant}U",
        "REACH": f"{spec.reach}U",
        "ENCODER": f"EL_ENCODER_{_ENCODERS[spec.encoder]}",
        "TOP": f"{spec.top}U",
        "INPUT_THRESHOLD": spec.input_threshold,
        "THRESHOLDS": f"{spec.thresholds}U",
        "DELTA_STEP": f"{spec.delta}U",
        "ADAPT_ROWS": f"{front.adapt_rows}UL",
        "LEAST_DEVIATION": f"{front.least_deviation}U",
        "LATE_BY": f"{front.label_delay}UL",
        "MOST_SEEN": front.most_seen,
        "WIDE_FEATURES": int(front.is_wide),
        "DECIMALS": int(front.units.has_decimals),
        "OFFSETS": int(front.units.has_offsets),
        "FRONT_TRAINED": int(bool(front.state)),
        **({} if front.calibrate_rows is None else {"CALIBRATE_ROWS": f"{front.calibrate_rows}UL"}),
        "FRONT_ROWS": f"{int(front.state['place'][t.ROWS_SEEN]) if front.state else 0}UL",
    }
    lines = [
        f"/* {spec.n_channels} channels, windows of {spec.window} every {spec.stride}, {spec.features}, {spec.encoder} "
        "encoder. */",
        "#ifndef EL_FRONT_CONFIG_H",
        "#define EL_FRONT_CONFIG_H",
        "",
        *(f"#define EL_{name} {number}" for name, number in numbers.items()),
        "",
        "#endif",
    ]
    return "\n".join(lines) + "\n"


def _numbers(front: StreamFront) -> str:
    parts = ["/* Included by el_front.c alone. */"]
    if front.is_wide and front.state:
        parts.append(_NOT_AVR)
    for name, kind, values in _constants(front):
        if len(set(values)) > 1:
            parts.append(array(kind, f"EL_{name}", values).rstrip())
            read = f"(({kind})EL_READ{kind.strip('uint_')}(EL_{name}[i]))"
        else:
            read = f"(({kind}){values[0]})"
        parts.append(f"#define EL_{name}_OF(i) {read}\n")
    return "\n".join(parts) + "\n"


_NOT_AVR = """#if defined(__AVR__)
#error "windows this long take constants of 64 bits, which AVR does not read from flash; give a shorter window"
#endif
"""


def state_of(front: StreamFront, saved: Saved) -> dict[str, np.ndarray]:
    """Return the state of a front end as the C core holds it: exponents of whole numbers, counts up to `most_seen`."""
    known = saved["exponents"] != UNSEEN
    exponents = np.where(known, saved["exponents"] + np.array(front.units.binary), _C_UNSEEN)
    seen = np.minimum(saved["seen"], front.most_seen)
    return {name: saved[name] for name in ("mean", "deviation", "sent")} | {"exponent": exponents, "seen": seen}


def stream_checkpoint(
    learner: Learner,
    front: StreamFront,
    saved: Saved,
    identity: int,
    learned: int,
    samples: int,
    sequence: int = 0,
    detector: AnomalyDetector | None = None,
) -> bytes:
    """Return the bytes that el_checkpoint_out writes for a learner and a front end.

    Parameters
    ----------
    saved : state of the front end, as `FrontEnd.save` gives it
    samples : taken since the start
    """
    state, wide = state_of(front, saved), "8" if front.is_wide else "4"
    body = checkpoint(learner, identity, learned, sequence, detector)[:-4]
    body += np.array([samples, min(int(saved["place"][t.ROWS_SEEN]), 2**32 - 1)], "<u4").tobytes()
    body += state["mean"].astype(f"<i{wide}").tobytes() + state["deviation"].astype(f"<u{wide}").tobytes()
    if front.spec.encoder == "delta":
        body += state["sent"].astype(f"<i{wide}").tobytes()
    body += state["exponent"].astype("<i2").tobytes() + state["seen"].astype(f"<u{front.seen_bytes}").tobytes()
    return body + zlib.crc32(body).to_bytes(4, "little")


def stream_checkpoint_bytes(network: NetworkSpec, front: StreamFront, detector: DetectorSpec | None = None) -> int:
    """Return EL_CHECKPOINT_BYTES of a stream."""
    return checkpoint_bytes(network, detector) + front.state_bytes
