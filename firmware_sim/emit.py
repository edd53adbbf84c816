"""A folder to drop into a firmware project: sources, numbers, a self-test with the simulator's own results."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgelearn import __version__
from edgelearn.errors import UserError
from edgelearn.files import write_text
from edgelearn.learner import Learner
from firmware_sim.build import CSRC, write_sources
from firmware_sim.estimate import by_role, constant_fields, learner_fields, ram_bytes
from firmware_sim.numbers import CONTRACT, array
from firmware_sim.runners import checkpoint_bytes

SELFTEST_SAMPLES = 40
_TEST = ("el_selftest.c", "el_selftest.h", "main.c")


def emit(learner: Learner, folder: Path, levels: np.ndarray, labels: np.ndarray, overwrite: bool = False) -> list[Path]:
    """Write the package of a network, starting from the learner's present words; return the files.

    Parameters
    ----------
    folder : new or empty, unless `overwrite`
    levels : int[n, n_in]; labels : int[n]: samples of the self-test; the learner learns them

    Raises
    ------
    UserError
        "folder ... is not empty"
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())) and not overwrite:
        raise UserError(f"folder {folder} is not empty; give a new one, or --overwrite to replace its files")
    spec, state = learner.spec, learner.state
    identity = write_sources(learner, folder)
    (folder / "test").mkdir(exist_ok=True)
    for name in _TEST:
        write_text(folder / "test" / name, (CSRC / "package" / name).read_text())
    write_text(folder / "Makefile", (CSRC / "package" / "Makefile").read_text())
    levels, labels = levels[:SELFTEST_SAMPLES], labels[:SELFTEST_SAMPLES]
    predictions = learner.learn(levels, labels)
    words = [
        np.concatenate([state.weights(k), state.biases(k)[:, None]], axis=1).ravel()
        for k, layer in enumerate(spec.layers)
        if layer.learns
    ]
    numbers = [
        "/* Included by el_selftest.c alone. */",
        f"#define EL_SELFTEST_SAMPLES {len(levels)}U",
        f"#define EL_SELFTEST_HASH 0x{_hash(np.concatenate(words)):08X}UL",
        array("el_level", "EL_SELFTEST_LEVELS", levels.ravel()),
        array("uint16_t", "EL_SELFTEST_LABELS", labels),
        array("uint16_t", "EL_SELFTEST_PREDICTIONS", predictions),
    ]
    write_text(folder / "test" / "el_selftest_numbers.h", "\n".join(numbers))
    write_text(folder / "README.md", _readme(learner, identity, len(levels)))
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _hash(words: np.ndarray) -> int:
    """Return FNV-1a over 16-bit words."""
    value = 2166136261
    for word in words:
        value = (value ^ (int(word) & 0xFFFF)) * 16777619 % 2**32
    return value


def _readme(learner: Learner, identity: int, n_samples: int) -> str:
    spec = learner.spec
    word, (lowest, highest) = spec.layers[0].word, spec.input_range
    ram = by_role(learner_fields(spec))
    rows = [("RAM", role, n) for role, n in ram.items()]
    rows += [("flash", role, n) for role, n in by_role(constant_fields(spec)).items()]
    return (
        (CSRC / "package" / "README.md")
        .read_text()
        .format(
            sizes="-".join(str(size) for size in spec.sizes),
            rule=spec.rule.name,
            bits=word.bits,
            residual=word.residual_bits,
            rounding=spec.rounding,
            inputs=f"{spec.input_bits}-bit inputs" + (" with a sign" if spec.signed_inputs else ""),
            version=__version__,
            contract=CONTRACT,
            identity=f"{identity:08X}",
            ram=ram_bytes(spec),
            n_in=spec.sizes[0],
            lowest=lowest,
            highest=highest,
            meaning="" if spec.signed_inputs else f": round(value / largest * {highest})",
            memory="\n".join(f"| {memory}: {role} | {n:,} |" for memory, role, n in rows),
            samples=n_samples,
            checkpoint=checkpoint_bytes(spec),
        )
    )
