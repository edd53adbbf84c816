"""Source package for a firmware project: C core, generated headers, self-test against the simulator."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from edgelearn import __version__
from edgelearn.errors import UserError
from edgelearn.files import only_writer, write_text
from edgelearn.network.graded import RECONSTRUCT
from edgelearn.network.layer import ConvLayer
from edgelearn.network.learner import Learner
from edgelearn.network.spec import NetworkSpec
from firmware_sim.build import features as front
from firmware_sim.build.estimate import by_role, constant_fields, learner_fields, ram_bytes
from firmware_sim.build.features import Features
from firmware_sim.build.headers import CONTRACT, array, checkpoint_bytes, learned_word, learned_words, shape, taught_by
from firmware_sim.build.image import (
    CONVOLUTION,
    CSRC,
    DETECTOR,
    GENERATED,
    GRADED,
    PREFIX,
    core_of,
    renamed,
    write_sources,
)
from firmware_sim.build.layouts import Package, find_layout, lay_out
from firmware_sim.build.levels import Tensor, section, selftest_inputs, texts_of
from firmware_sim.build.maps import STACK_OF_MAPS

SELFTEST_SAMPLES = 40
_PARTS = {
    CONVOLUTION: "convolutions",
    GRADED: "targets that are numbers",
    DETECTOR: "the anomaly detector",
}
_PREFIX = re.compile("[a-z][a-z0-9_]{0,23}")
_TEST = ("el_selftest.c", "el_selftest.h", "main.c")


def emit(
    learner: Learner,
    folder: Path,
    levels: np.ndarray,
    labels: np.ndarray,
    ranges: tuple[np.ndarray, np.ndarray] | None = None,
    overwrite: bool = False,
    prefix: str = PREFIX,
    tensor: Tensor | Features | None = None,
    layout: str = "make",
) -> list[Path]:
    """Write the package of a network, starting from the learner's present words; return the files.

    Parameters
    ----------
    folder : new or empty, unless `overwrite`
    levels : int[n, n_in]; labels : int[n]: samples of the self-test; the learner learns them. Of graded targets labels
        are their words, int16[n, n_out]
    ranges : low and high of each input, of which levels are parts, if known
    prefix : of names, guards and files, in place of el; two networks in one firmware need two
    tensor : of the model that the levels come from, or its frozen layers, in place of `ranges`; values are those of
        the samples

    layout : a name of `LAYOUTS`

    Raises
    ------
    UserError
        "prefix '...' ...", "layout '...' is not known",
        "folder ... is not empty", "folder ... holds a run", "... is in use by another command",
        "values of tensor ... are outside ..."
    """
    shape(learner.spec)  # refused before anything is written
    find_layout(layout)
    check_folder(folder, prefix, overwrite)
    of_tensor: dict[str, str] = {}
    if tensor is not None:
        of_tensor = front.texts_of(tensor) | front.selftest_of() if isinstance(tensor, Features) else texts_of(tensor)
    with only_writer(folder):
        written = _written(learner, folder, levels, labels, ranges, prefix, tensor, of_tensor)
        return lay_out(folder, written, layout, Package(prefix, summary(learner.spec)))


def check_folder(folder: Path, prefix: str, overwrite: bool) -> None:
    """Refuse a folder that sources cannot be written to, and a prefix that begins no name in C."""
    if not _PREFIX.fullmatch(prefix):
        raise UserError(
            f"prefix '{prefix[:60]}' begins no name in C; give a letter and up to 23 letters, digits and _, lower case"
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())) and not overwrite:
        raise UserError(f"folder {folder} is not empty; give a new one, or --overwrite to replace its files")
    for name, what in (("config.toml", "a run"), ("study.toml", "a study")):
        if (folder / name).exists():
            raise UserError(f"folder {folder} holds {what}; give another one")


def summary(spec: NetworkSpec) -> str:
    """Return shape, rule and width of a network in a few words."""
    return f"{spec.net}, rule {taught_by(spec)}, {learned_word(spec).bits}-bit weights"


def _written(
    learner: Learner,
    folder: Path,
    levels: np.ndarray,
    labels: np.ndarray,
    ranges: tuple[np.ndarray, np.ndarray] | None,
    prefix: str,
    tensor: Tensor | Features | None,
    of_tensor: dict[str, str],
) -> list[Path]:
    identity = write_sources(learner, folder, prefix)
    (folder / "test").mkdir(exist_ok=True)
    spec = learner.spec
    texts = {f"test/{name}": (CSRC / "package" / name).read_text() for name in _TEST}
    if spec.is_graded:
        texts["test/el_selftest.c"] = (CSRC / "package" / "el_selftest_graded.c").read_text()
    texts["Makefile"] = (CSRC / "package" / "Makefile").read_text()
    texts["README.md"] = _readme(learner, identity, len(levels[:SELFTEST_SAMPLES]), ranges)
    if tensor is not None:
        texts["README.md"] += (
            front.section(tensor) if isinstance(tensor, Features) else section(tensor, learner.spec.sizes[0])
        )
        texts |= of_tensor
    if ranges is not None:
        rows = zip(*(np.broadcast_to(side, learner.spec.sizes[0]) for side in ranges), strict=True)
        texts["ranges.csv"] = "low,high\n" + "".join(f"{float(low):.9g},{float(high):.9g}\n" for low, high in rows)
    levels, labels = levels[:SELFTEST_SAMPLES], labels[:SELFTEST_SAMPLES]
    results = _learned(learner, levels, labels)
    numbers = [
        "/* Included by el_selftest.c alone. */",
        f"#define EL_SELFTEST_SAMPLES {len(levels)}U",
        f"#define EL_SELFTEST_HASH 0x{hash_of(learned_words(learner)):08X}UL",
        array("el_pixel", "EL_SELFTEST_PIXELS", tensor.values[: len(levels)].ravel(), place="")
        if isinstance(tensor, Features)
        else selftest_inputs(tensor, levels),
        *results,
    ]
    texts["test/el_selftest_numbers.h"] = "\n".join(numbers)
    for name, text in texts.items():
        (folder / name).parent.mkdir(exist_ok=True)
        write_text(folder / renamed(name, prefix), renamed(text, prefix))
    return sorted(folder / renamed(name, prefix) for name in (*core_of(learner), *GENERATED, *texts))


def _learned(learner: Learner, levels: np.ndarray, labels: np.ndarray) -> list[str]:
    """Learn the samples of the self-test; return their labels or targets, and what the network said, as C arrays."""
    spec = learner.spec
    if not spec.is_graded:
        predictions = learner.learn(levels, labels)
        return [
            array("uint16_t", "EL_SELFTEST_LABELS", labels, place=""),
            array("uint16_t", "EL_SELFTEST_PREDICTIONS", predictions, place=""),
        ]
    reconstructs = spec.task == RECONSTRUCT
    outputs = learner.learn_targets(levels, None if reconstructs else labels)
    targets = [] if reconstructs else [array("int16_t", "EL_SELFTEST_TARGETS", labels.ravel(), place="")]
    return [*targets, array("int16_t", "EL_SELFTEST_OUTPUTS", outputs.ravel(), place="")]


def hash_of(words: np.ndarray) -> int:
    """Return FNV-1a over words of up to 16 bits."""
    value = 2166136261
    for word in words:
        value = (value ^ (int(word) & 0xFFFF)) * 16777619 % 2**32
    return value


def _order(spec: NetworkSpec) -> str:
    """Return the order of the inputs of a map."""
    first = spec.layers[0]
    if not isinstance(first, ConvLayer):
        return ""
    window = first.window
    return (
        f"\nThey are a map of {window.height} rows, {window.width} columns and {window.channels} channels: input "
        f"(row * {window.width} + column) * {window.channels} + channel."
    )


def _use_of(spec: NetworkSpec) -> dict[str, str]:
    """Return how a network is called, and what to call without a label or targets."""
    if not spec.is_graded:
        return {
            "more": ", `el_score`",
            "call": "uint16_t predicted = el_learn(&net, levels, label);   /* the class predicted before learning */",
            "unknown": "Without a label call `el_predict`.",
        }
    one, taught = spec.target_max, "" if spec.task == RECONSTRUCT else ", targets"
    told = "The targets are the levels." if spec.task == RECONSTRUCT else f"`targets` are {spec.n_outputs} such words."
    return {
        "more": "",
        "call": f"el_learn(&net, levels{taught});           /* net.output[c]: the output from before, {one} is 1.0 */",
        "unknown": f"{told} To learn nothing call `el_predict`.",
    }


def _readme(learner: Learner, identity: int, n_samples: int, ranges: tuple[np.ndarray, np.ndarray] | None) -> str:
    spec = learner.spec
    word, (lowest, highest) = learned_word(spec), spec.input_range
    ram = by_role(learner_fields(spec))
    meaning = ""
    if ranges is not None:
        low, high = (np.unique(side) for side in ranges)
        same = len(low) == len(high) == 1
        low_name, high_name = (f"{low[0]:g}", f"{high[0]:g}") if same else ("low", "high")
        step = f"floor((value - {low_name}) / ({high_name} - {low_name}) * {highest + 1})"
        meaning = f": {step}, cut to {lowest} and {highest}" + ("" if same else ", low and high from `ranges.csv`")
    rows = [("RAM", role, n) for role, n in ram.items()]
    rows += [("flash", role, n) for role, n in by_role(constant_fields(spec)).items()]
    return (
        (CSRC / "package" / "README.md")
        .read_text()
        .format(
            sizes=spec.net,
            rule=taught_by(spec),
            bits=word.bits,
            residual=word.residual_bits,
            rounding=spec.rounding,
            inputs=f"{spec.input_bits}-bit inputs" + (" with a sign" if spec.signed_inputs else ""),
            version=__version__,
            contract=CONTRACT,
            identity=f"{identity:08X}",
            ram=ram_bytes(spec),
            n_in=spec.sizes[0],
            stack=STACK_OF_MAPS if spec.is_convolutional else 400,
            parts="".join(f"\n| `{name}` | {what} |" for name, what in _PARTS.items() if name in core_of(learner)),
            order=_order(spec),
            **_use_of(spec),
            lowest=lowest,
            highest=highest,
            meaning=meaning,
            memory="\n".join(f"| {memory}: {role} | {n:,} |" for memory, role, n in rows),
            samples=n_samples,
            checkpoint=checkpoint_bytes(spec),
        )
    )
