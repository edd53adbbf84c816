"""Folder of test vectors: parameters, tables, words and values per sample as text, with a checker and example benches.

The format is that of edgelearn/docs/rtl_vectors.md, which goes with the folder.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

import edgelearn
from edgelearn import __version__
from edgelearn.errors import UserError
from edgelearn.files import only_writer, write_text
from edgelearn.network.activations import find_activation, output_table
from edgelearn.network.layer import Layer
from edgelearn.network.learner import Learner
from edgelearn.network.spec import CONTRACT, NetworkSpec
from edgelearn.rules.rule import Feedback, Signal
from hw_models.rtl.vectors_headers import headers
from hw_models.rtl.vectors_trace import Tracer, Values, forms_delta, key_bytes

FORMAT = 1  # of the folder
PACKAGE = Path(__file__).parent / "vectors_package"
PAGE = Path(edgelearn.__file__).parent / "docs" / "rtl_vectors.md"
SUMS = "SHA256SUMS"
MOST_BYTES = 512 * 2**20
SIGNALS = {
    Signal.NONE: "none",
    Signal.TARGET: "target",
    Signal.SIGNED_TARGET: "signed target",
    Signal.ERROR: "error",
    Signal.SIGN_ERROR: "sign",
    Signal.LOCAL_ERROR: "local error",
    Signal.DELTA: "delta",
}
FEEDBACKS = {
    Feedback.NONE: "none",
    Feedback.DIRECT: "direct",
    Feedback.LAYERWISE: "layer by layer",
    Feedback.TRANSPOSE: "transposed",
}


@dataclass
class Column:
    """Words of one file.

    Parameters
    ----------
    bits, signed : of a word
    per : lines per sample, or None where values are of the network or come as they are learned
    lines : text so far
    """

    bits: int
    signed: bool
    per: int | None = None
    lines: list[str] = field(default_factory=list)

    def add(self, values: np.ndarray) -> None:
        mask, digits = (1 << self.bits) - 1, -(-self.bits // 4)
        self.lines += [f"{value & mask:0{digits}x}\n" for value in values.ravel().tolist()]


Columns = dict[str, Column]


@dataclass(frozen=True)
class Written:
    """What was written: files, their bytes together, and how many of the samples were learned."""

    files: int
    n_bytes: int
    samples: int
    learned: int


def refuse(spec: NetworkSpec) -> None:
    """Refuse networks that vectors do not describe.

    Raises
    ------
    UserError
        "vectors of a network with ..."
    """
    why = None
    if spec.is_convolutional:
        why = "convolutions are not there yet; give a --net of dense layers, e.g. 64-32-10"
    elif spec.is_graded:
        why = f"graded targets (task {spec.task}) are not there yet; give data with classes"
    elif spec.hidden_inference != "full":
        why = "signs at inference would show nothing, as every sample has a label; leave out --hidden-inference"
    if why:
        raise UserError(f"vectors of a network with {why}")


def write_vectors(
    learner: Learner,
    folder: Path,
    levels: np.ndarray,
    labels: np.ndarray,
    data: str,
    words_every: int = 1,
    overwrite: bool = False,
    on_progress: Callable[[int], None] = lambda done: None,
) -> Written:
    """Learn samples and write all values as a folder of test vectors.

    Parameters
    ----------
    learner : with the words to start from; it learns
    folder : new or empty, unless `overwrite`
    levels : int[n, n_in]; labels : int[n]
    data : name of the data, for the description
    words_every : samples between two states of all words; 0 for the first and last state alone

    Raises
    ------
    UserError
        "vectors of a network with ...", "vectors of ... samples take ...", "folder ... is not empty"
    """
    spec = learner.spec
    refuse(spec)
    columns = _columns(spec, words_every)
    _check_size(spec, columns, len(levels), words_every)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())) and not overwrite:
        raise UserError(f"folder {folder} is not empty; give a new one, or --overwrite to replace its files")
    for name, what in (("config.toml", "a run"), ("study.toml", "a study")):
        if (folder / name).exists():
            raise UserError(f"folder {folder} holds {what}; give another one")
    with only_writer(folder):
        tracer = Tracer(learner)
        description = _description(tracer, len(levels), data, words_every)
        _fill(tracer, columns, levels, labels, words_every, on_progress)
        description["files"] = {
            path: {"bits": one.bits, "signed": one.signed, "lines": len(one.lines)} for path, one in columns.items()
        }
        texts = {path: "".join(one.lines) for path, one in columns.items()}
        texts["vectors.json"] = json.dumps(description, indent=1) + "\n"
        texts |= headers(description)
        texts |= {path.name: path.read_text() for path in sorted(PACKAGE.iterdir()) if path.is_file()}
        texts["FORMAT.md"] = re.sub(r"\[([^]]+)\]\([^)]+\)", r"\1", PAGE.read_text())  # links lead out of the folder
        sums = {path: hashlib.sha256(text.encode()).hexdigest() for path, text in texts.items()}
        texts[SUMS] = "".join(f"{sums[path]}  {path}\n" for path in sorted(sums))
        _remove_earlier(folder, texts)
        for path, text in texts.items():
            (folder / path).parent.mkdir(exist_ok=True)
            write_text(folder / path, text, durable=False)
    learned = columns["status.hex"].lines.count("1\n")
    return Written(len(texts), sum(len(text.encode()) for text in texts.values()), len(levels), learned)


def _remove_earlier(folder: Path, texts: dict[str, str]) -> None:
    """Remove files of earlier vectors that the new ones do not have."""
    if not (folder / SUMS).is_file():
        return
    for line in (folder / SUMS).read_text().splitlines():
        path = PurePosixPath(line[66:])
        if not path.is_absolute() and ".." not in path.parts and str(path) not in texts:
            (folder / path).unlink(missing_ok=True)


def _stored_bits(layer: Layer) -> tuple[int, int]:
    """Return the bits of a stored weight and of a stored bias."""
    return layer.weight_word.stored_bits, layer.word.stored_bits


def _columns(spec: NetworkSpec, words_every: int) -> Columns:
    """Return the files of a network, empty."""
    class_bits = max((spec.n_classes - 1).bit_length(), 1)
    found = {
        "inputs.hex": Column(spec.input_bits, spec.signed_inputs, spec.sizes[0]),
        "labels.hex": Column(class_bits, False, 1),
        "class.hex": Column(class_bits, False, 1),
        "status.hex": Column(1, False, 1),
    }
    if spec.stochastic:
        found["generator.hex"] = Column(32, False, 1)
        found["tables/key.hex"] = Column(8, False)
    if len(spec.layers) > 1:
        found |= {"tables/activation.hex": Column(8, True), "tables/gate.hex": Column(7, False)}
    if spec.output == "sigmoid":
        found["tables/sigmoid.hex"] = Column(8, False)
    else:
        found["tables/exponential.hex"] = Column(16, False)
    for k, layer in enumerate(spec.layers):
        of_layer = _columns_of_layer(spec, k, layer, words_every)
        found |= {f"layer{k + 1}/{name}.hex": column for name, column in of_layer.items()}
    return found


def _columns_of_layer(spec: NetworkSpec, k: int, layer: Layer, words_every: int) -> Columns:
    weight_bits, bias_bits = _stored_bits(layer)
    n, error = layer.n_out, Column(spec.layers[-1].delta_bits, True, spec.n_outputs)
    found: Columns = {}
    for when in ("start", "end"):
        found |= {f"weights_{when}": Column(weight_bits, True), f"biases_{when}": Column(bias_bits, True)}
    if words_every and layer.learned == "all":
        found["weights"] = Column(weight_bits, True)
    if words_every and layer.learns:
        found["biases"] = Column(bias_bits, True)
    found |= {"z": Column(32, True, n), "q": Column(8, True, n)}
    if layer.output:
        found |= {"p": Column(8, False, n), "e": error}
    else:
        found |= {"y": Column(8, True, n), "g": Column(7, False, n)}
    if forms_delta(layer):
        if layer.rule.stores_feedback:
            found["feedback"] = Column(8, True)
        if spec.regenerates(k):
            found["lfsr_start"] = Column(16, False)
        if layer.rule.reads_out:
            c = spec.n_outputs
            found |= {"local_z": Column(32, True, c), "local_q": Column(8, True, c)}
            found |= {"local_p": Column(8, False, c), "local_e": Column(error.bits, True, c)}
        found |= {"sum": Column(32, True, n), "m": Column(layer.modulator_bits, True, n)}
        found["d"] = Column(layer.delta_bits, True, n)
    if layer.learns:
        most = n * ((layer.fan_in if layer.learned == "all" else 0) + 1)
        found |= {"step": Column(bias_bits, True), "step_count": Column(most.bit_length(), False, 1)}
        if spec.stochastic:
            found["generator"] = Column(32, False, 1)
    return found


def _check_size(spec: NetworkSpec, columns: Columns, n: int, words_every: int) -> None:
    """Refuse a folder beyond any use; steps count as if no input and no d were zero."""
    n_bytes = 0
    for path, column in columns.items():
        lines = n * (column.per or 0)
        if column.per is None and path.startswith("layer"):
            layer, stem = spec.layers[int(path[5 : path.index("/")]) - 1], Path(path).stem
            states = n // words_every if words_every else 0
            times = {"step": n, "weights": states, "biases": states}.get(stem, 1)
            lines = times * (layer.n_out if "biases" in stem else layer.n_out * (layer.fan_in + 1))
        n_bytes += lines * (-(-column.bits // 4) + 1)
    if n_bytes > MOST_BYTES:
        fewer = "fewer --samples, or --words 0" if words_every else "fewer --samples, or a smaller --net"
        raise UserError(
            f"vectors of {n:,} samples take up to {n_bytes / 2**20:,.0f} MiB, and {MOST_BYTES / 2**20:,.0f} are the "
            f"most; give {fewer}"
        )


def _description(tracer: Tracer, n: int, data: str, words_every: int) -> dict[str, Any]:
    """Return the content of vectors.json without the list of files."""
    spec = tracer.spec
    network = {
        "net": spec.net,
        "rule": spec.rule_name,
        "learn": spec.learn,
        "rounding": spec.rounding,
        "input_bits": spec.input_bits,
        "signed_inputs": spec.signed_inputs,
        "activation": spec.layers[0].activation if len(spec.layers) > 1 else "none",
        "output": spec.output,
        "feedback_format": spec.feedback_format if spec.holds_feedback else "none",
        "event_threshold": spec.event_threshold,
        "dead_zone": spec.dead_zone,
        "local_dead_zone": spec.readout_dead_zone,
        "accumulator_bits": spec.accumulator_bits,
        "update_gate": spec.update_gate,
        "margin": spec.margin,
        "halvings": tracer.halvings,
        "seed": spec.seed,
    }
    return {
        "format": FORMAT,
        "contract": CONTRACT,
        "edgelearn": __version__,
        "data": data,
        "samples": n,
        "words_every": words_every,
        "network": network,
        "update_order": [k + 1 for k in tracer.order],
        "layers": [_described_layer(tracer, k) for k in range(len(spec.layers))],
    }


def _described_layer(tracer: Tracer, k: int) -> dict[str, Any]:
    spec, layer = tracer.spec, tracer.layers[k]
    weight_bits, bias_bits = _stored_bits(layer)
    found: dict[str, Any] = {
        "inputs": layer.n_in,
        "outputs": layer.n_out,
        "learned": layer.learned,
        "view_bits": layer.word.bits,
        "weight_bits": weight_bits,
        "bias_bits": bias_bits,
        "weight_min": layer.min_weight,
        "bias_level": layer.input_one,
        "sum_shift": layer.sum_shift,
        "step_shift": tracer.step_shift(k),
    }
    if layer.output:
        return found | {"error_bits": layer.delta_bits, "error_shift": layer.signal_shift}
    found |= {"signal": SIGNALS[layer.rule.signal], "feedback": FEEDBACKS[layer.rule.feedback]}
    if forms_delta(layer):
        found["feedback_rows"] = spec.feedback_rows(k)
        found |= {"signal_shift": layer.signal_shift, "modulator_bits": layer.modulator_bits}
        found["delta_bits"] = layer.delta_bits
    if layer.rule.reads_out:
        found["readout_shift"] = layer.readout_shift(spec.output)
    return found


def _fill(
    tracer: Tracer,
    columns: Columns,
    levels: np.ndarray,
    labels: np.ndarray,
    words_every: int,
    on_progress: Callable[[int], None],
) -> None:
    """Learn the samples and add their values to the files."""
    _fill_constants(tracer, columns)
    _add_words(tracer, columns, "_start")
    for i, (row, label) in enumerate(zip(levels, labels, strict=True)):
        values: Values = tracer.learn(row, int(label)) | {"labels": np.array([label])}
        for stem, words in values.items():
            if f"{stem}.hex" in columns:
                columns[f"{stem}.hex"].add(words)
        if words_every and (i + 1) % words_every == 0:
            _add_words(tracer, columns, "")
        on_progress(i + 1)
    _add_words(tracer, columns, "_end")
    if "generator.hex" in columns:
        columns["generator.hex"].add(np.array([tracer.generator]))


def _add_words(tracer: Tracer, columns: Columns, suffix: str) -> None:
    for k, words in enumerate(tracer.words):
        for stem, values in (("weights", words.weights), ("biases", words.biases)):
            if f"layer{k + 1}/{stem}{suffix}.hex" in columns:
                columns[f"layer{k + 1}/{stem}{suffix}.hex"].add(values)


def _fill_constants(tracer: Tracer, columns: Columns) -> None:
    """Add tables and feedback; tables of q are addressed by q in two's complement."""
    spec = tracer.spec
    by_address = np.roll(np.arange(256), 128)
    constants = {
        "tables/sigmoid.hex": output_table()[:256][by_address],
        "tables/exponential.hex": output_table()[256:],
        "tables/key.hex": key_bytes(max(spec.sizes[1:])),
    }
    if len(spec.layers) > 1:
        y, g = find_activation(spec.layers[0].activation).table()
        constants |= {"tables/activation.hex": y[by_address], "tables/gate.hex": g[by_address]}
    for k in range(len(spec.layers) - 1):
        if (name := f"layer{k + 1}/feedback.hex") in columns:
            constants[name] = tracer.feedback(k)
        if (name := f"layer{k + 1}/lfsr_start.hex") in columns:
            rows = np.arange(1, spec.feedback_rows(k) + 1)
            constants[name] = 1 + (rows * 40503 + (k + 1) * 10007 + spec.seed) % 65535
    for path, values in constants.items():
        if path in columns:
            columns[path].add(values)
