"""Source package of an anomaly detector on a stream: front end, network, detector, sampling loop, self-test."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgelearn import __version__
from edgelearn.files import only_writer, write_text
from edgelearn.network.kernels import detector_tables as d
from edgelearn.network.learner import Learner
from edgelearn.streaming.detector import DetectorSpec
from firmware_sim.build.emit import check_folder, hash_of, summary
from firmware_sim.build.emit_stream import STACK_OF_STREAMS, Recording, channel_rows, units_text
from firmware_sim.build.estimate import by_role
from firmware_sim.build.front_end import StreamFront, constant_fields, stream_checkpoint_bytes, stream_fields, texts_of
from firmware_sim.build.headers import CONTRACT, array, learned_word, taught_by
from firmware_sim.build.image import CSRC, GENERATED, PREFIX, core_of, renamed, write_sources
from firmware_sim.build.layouts import Package, find_layout, lay_out
from firmware_sim.build.units import NO_VALUE

_PACKAGE = {
    "test/el_selftest.c": "el_selftest_watch.c",
    "test/el_selftest.h": "el_selftest_stream.h",
    "test/main.c": "main_stream.c",
    "example/main.c": "sampling_loop_watch.c",
    "Makefile": "Makefile_stream",
}
_LEARNED = {"normal": "where there is no alarm", "always": "always", "never": "never"}


@dataclass(frozen=True, eq=False)
class Watched:
    """First samples of a recording from a new start, and what the simulator finds.

    Parameters
    ----------
    numbers : int32[n, n_channels]; levels : int[rows, n_in]; found : int64[rows, ROW_COLUMNS]
    words : int64, learned words behind the last row
    """

    numbers: np.ndarray
    levels: np.ndarray
    found: np.ndarray
    words: np.ndarray


def emit_watch(
    learner: Learner,
    front: StreamFront,
    detector: DetectorSpec,
    recording: Recording,
    watched: Watched,
    state: bytes,
    folder: Path,
    overwrite: bool = False,
    prefix: str = PREFIX,
    layout: str = "make",
) -> list[Path]:
    """Write the package of a detector that starts anew; return the files.

    Parameters
    ----------
    learner : with its initial words; front : of a new front end
    state : checkpoint at the end of the recording

    Raises
    ------
    UserError
        as `firmware_sim.build.emit.emit`
    """
    find_layout(layout)
    check_folder(folder, prefix, overwrite)
    identity, texts = texts_of(learner, front, detector)
    texts |= {name: (CSRC / "package" / file).read_text() for name, file in _PACKAGE.items()}
    texts["test/el_selftest_numbers.h"] = _selftest(watched)
    texts["include/el_state.h"] = _state(state)
    rows = channel_rows(front, recording)
    with only_writer(folder):
        write_sources(learner, folder, prefix, detector)
        readme = _readme(learner, front, detector, recording, identity, watched, prefix)
        own = {"README.md": readme, "channels.csv": "channel,unit of a number,offset,lowest,highest\n" + rows}
        for name, text in ({name: renamed(text, prefix) for name, text in texts.items()} | own).items():
            path = folder / renamed(name, prefix)
            path.parent.mkdir(exist_ok=True)
            write_text(path, text)
        names = {*core_of(learner, detector), *GENERATED, *texts, *own}
        written = sorted(folder / renamed(name, prefix) for name in names)
        return lay_out(folder, written, layout, Package(prefix, summary(learner.spec), "stream"))


def _selftest(watched: Watched) -> str:
    found = watched.found
    scores = np.stack([found[:, d.ROW_SCORE], found[:, d.ROW_ALARM]], axis=1).ravel()
    numbers = [
        "/* Included by el_selftest.c alone. */",
        f"#define EL_SELFTEST_SAMPLES {len(watched.numbers)}U",
        f"#define EL_SELFTEST_ROWS {len(watched.levels)}U",
        f"#define EL_SELFTEST_LEVELS 0x{hash_of(watched.levels.ravel() & 0xFF):08X}UL",
        f"#define EL_SELFTEST_SCORES 0x{_hash_of_long(scores):08X}UL",
        f"#define EL_SELFTEST_WORDS 0x{hash_of(watched.words):08X}UL",
        array("int32_t", "EL_SELFTEST_NUMBERS", watched.numbers.ravel(), place="").replace(
            str(NO_VALUE), "EL_NO_VALUE"
        ),
    ]
    return "\n".join(numbers)


def _hash_of_long(values: np.ndarray) -> int:
    """Return FNV-1a over words of 32 bits, each at once."""
    value = 2166136261
    for one in values:
        value = (value ^ (int(one) & 0xFFFFFFFF)) * 16777619 % 2**32
    return value


def _state(state: bytes) -> str:
    lines = [
        "/* The state at the end of the recording: el_checkpoint_in(&stream, EL_STATE) in place of el_stream_init. */",
        "#ifndef EL_STATE_H",
        "#define EL_STATE_H",
        "",
        "#include <stdint.h>",
        "",
        array("uint8_t", "EL_STATE", np.frombuffer(state, np.uint8), place=""),
        "#endif",
    ]
    return "\n".join(lines) + "\n"


def _readme(
    learner: Learner,
    front: StreamFront,
    detector: DetectorSpec,
    recording: Recording,
    identity: int,
    watched: Watched,
    prefix: str,
) -> str:
    network, spec, word = learner.spec, front.spec, learned_word(learner.spec)
    fields = stream_fields(network, front, detector)
    rows = [("RAM", role, n) for role, n in by_role(fields).items()]
    rows += [("flash", role, n) for role, n in by_role(constant_fields(network, front)).items()]
    return renamed((CSRC / "package" / "README_watch.md").read_text(), prefix).format(
        name=recording.name,
        sizes=network.net,
        rule=taught_by(network),
        bits=word.bits,
        residual=word.residual_bits,
        rounding=network.rounding,
        n_channels=spec.n_channels,
        rate="" if recording.rate_hz is None else f" at {recording.rate_hz:g} Hz",
        windows=f"windows of {spec.window} samples every {spec.stride}" if spec.window > 1 else "a row a sample",
        features=spec.features,
        encoder=spec.encoder,
        input_bits=spec.input_bits,
        version=__version__,
        contract=CONTRACT,
        identity=f"{identity:08X}",
        data=recording.data,
        calibrate=front.calibrate_rows,
        train=detector.train_rows,
        threshold=detector.threshold_rows,
        learned_while=_LEARNED[detector.learn_while],
        run=recording.run,
        ram=sum(one.bytes for one in fields),
        units=units_text(front, recording),
        memory="\n".join(f"| {memory}: {role} | {n:,} |" for memory, role, n in rows),
        stack=STACK_OF_STREAMS,
        selftest_samples=len(watched.numbers),
        selftest_rows=len(watched.levels),
        checkpoint=stream_checkpoint_bytes(network, front, detector),
    )
