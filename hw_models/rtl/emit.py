"""The engine of a network as files: fixed Verilog, a header of constants, memories and tables as hex."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from edgelearn.errors import UserError
from edgelearn.files import only_writer, write_text
from edgelearn.network.activations import find_activation, output_table
from edgelearn.network.kernels import tables as t
from edgelearn.network.learner import Learner
from edgelearn.network.spec import CONTRACT, NetworkSpec
from edgelearn.network.state import lfsr_start
from hw_models.rtl.package import readme
from hw_models.rtl.parameters import Parameters, refuse

VERILOG = Path(__file__).parent / "verilog"
BENCH = Path(__file__).parent / "bench"
HEADER = "el_config.vh"
Q = np.arange(256, dtype=np.int64)  # addresses of tables: q in two's complement


def emit(learner: Learner, folder: Path, halves: bool = False) -> list[Path]:
    """Write the engine of a learner with its present words; return the files, in a fixed order.

    Parameters
    ----------
    learner : of a network that the engine computes
    folder : exists; files of the same names are replaced
    halves : whether the engine takes halvings of the rate while it runs; else those of the learner stay

    Raises
    ------
    UserError
        "the engine in Verilog has no ..."
    """
    files = contents(learner, halves)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="ascii", newline="\n")
    return [folder / name for name in files]


def write(learner: Learner, folder: Path, overwrite: bool = False) -> list[Path]:
    """Write the engine of a learner and a README with its memory map into a new folder; return the files.

    Raises
    ------
    UserError
        "the engine in Verilog has no ...", "folder ... is not empty", "folder ... holds a run"
    """
    refuse(learner.spec)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())) and not overwrite:
        raise UserError(f"folder {folder} is not empty; give a new one, or --overwrite to replace its files")
    for name, what in (("config.toml", "a run"), ("study.toml", "a study")):
        if (folder / name).exists():
            raise UserError(f"folder {folder} holds {what}; give another one")
    with only_writer(folder):
        written = emit(learner, folder)
        write_text(folder / "README.md", readme(Parameters(learner.spec)))
    return [*written, folder / "README.md"]


def notes_of(spec: NetworkSpec) -> list[str]:
    """Return what the engine of a network does in another way than the network says."""
    parameters = Parameters(spec)
    if spec.feedback_format == "lfsr" and parameters.n_feedback:
        return [f"the engine stores the feedback of the shift registers: {parameters.n_feedback} words of 8 bits"]
    return []


def contents(learner: Learner, halves: bool = False) -> dict[str, str]:
    """Return the text of each file by name."""
    halvings = 0 if halves else int(learner.state.net[t.HALVINGS])
    parameters = Parameters(learner.spec, halves, halvings)
    files = {path.name: path.read_text(encoding="ascii") for path in sorted(VERILOG.glob("*.v"))}
    files |= {path.name: path.read_text(encoding="ascii") for path in sorted(BENCH.iterdir()) if path.is_file()}
    files[HEADER] = header(learner, parameters)
    return files | hex_files(learner, parameters)


def header(learner: Learner, parameters: Parameters) -> str:
    """Return the constants as `localparam`, included by the engine and its top."""
    spec = learner.spec
    seed = int(learner.state.arrays.generator[0])
    lines = [
        f"// {spec.rule_name}, {spec.net}, contract {CONTRACT}: constants of this network, generated",
        "/* verilator lint_off UNUSED */",
        *(f"localparam {name} = {value};" for name, value in parameters.scalars().items()),
        f"localparam [31:0] SEED = 32'h{seed:08x};",
    ]
    for name, (bits, entries) in parameters.vectors().items():
        parts = ", ".join(_literal(value, bits) for value in reversed(entries))
        lines.append(f"localparam [{bits * len(entries) - 1}:0] {name} = {{{parts}}};")
    return "\n".join([*lines, "/* verilator lint_on UNUSED */", ""])


def _literal(value: int, bits: int) -> str:
    return f"{bits}'d{value % (1 << bits)}"


def hex_files(learner: Learner, parameters: Parameters) -> dict[str, str]:
    """Return memories and tables by file name."""
    spec = learner.spec
    view, residual = split_words(stored_words(learner, parameters), parameters)
    hidden = next((layer for layer in spec.layers if not layer.output), None)
    y, g = find_activation("tanh" if hidden is None else hidden.activation).table()
    y = np.where(np.abs(y) <= spec.event_threshold, 0, y)
    index = (Q + 128) % 256  # tables of the simulator begin with q = -128
    outputs = output_table()
    files = {
        "view.hex": hex_lines(view, parameters.view_bits),
        "activation.hex": hex_lines((y[index] % 256 << 7) | g[index], 15),
        "output.hex": hex_lines(outputs[index], 8),
        "exponential.hex": hex_lines(outputs[256:], 16),
        "key.hex": hex_lines(((np.arange(1, parameters.n_keys + 1) * 0x9E3779B1) % 2**32) >> 24, 8),
    }
    if parameters.residual_bits:
        files["residual.hex"] = hex_lines(residual, parameters.residual_bits)
    if parameters.regenerates:
        rows = range(1 << parameters.label_bits)
        places = ((row, k + 1) for k in range(len(spec.layers)) for row in rows)
        files["lfsr.hex"] = hex_lines([lfsr_start(row, k, spec.seed) for row, k in places], 16)
    if parameters.n_feedback:
        files["feedback.hex"] = hex_lines(feedback_words(learner, parameters), 8)
    return files


def hex_lines(words: Iterable[int] | np.ndarray, bits: int) -> str:
    """Return words in two's complement, one a line, in the fewest hex digits that hold `bits`."""
    digits, mask = -(-bits // 4), (1 << bits) - 1
    return "".join(f"{int(word) & mask:0{digits}x}\n" for word in words)


def stored_words(learner: Learner, parameters: Parameters) -> np.ndarray:
    """Return all words as they lie in memory, int64[n_words]; frozen ones have zeros for residual bits."""
    return in_memory(learner.words(), parameters)


def in_memory(words: Mapping[str, np.ndarray], parameters: Parameters) -> np.ndarray:
    """Return words named as `Learner.words` names them, as they lie in memory: neuron by neuron, the bias last."""
    parts = []
    for k, layer in enumerate(parameters.spec.layers):
        weights = words[f"layer{k + 1}_weights"].astype(np.int64)
        biases = words[f"layer{k + 1}_biases"].astype(np.int64)[:, None]
        more = parameters.residual_bits
        weights = weights << (more - layer.weight_word.residual_bits)
        biases = biases << (more - layer.word.residual_bits)
        parts.append(np.concatenate([weights, biases], axis=1).ravel())
    return np.concatenate(parts)


def split_words(words: np.ndarray, parameters: Parameters) -> tuple[np.ndarray, np.ndarray]:
    """Return views and residuals of stored words."""
    return words >> parameters.residual_bits, words & ((1 << parameters.residual_bits) - 1)


def feedback_words(learner: Learner, parameters: Parameters) -> np.ndarray:
    """Return the feedback as it lies in memory: of each neuron, the words of its lanes, or of
    each lane of a readout, those of its neurons; int64[n_feedback]."""
    words = learner.words()
    by_lane = parameters.rule.reads_out
    parts = [
        (words[f"layer{k + 1}_feedback"] if by_lane else words[f"layer{k + 1}_feedback"].T).astype(np.int64).ravel()
        for k, n in enumerate(parameters.feedback_strides)
        if n
    ]
    return np.concatenate(parts)
