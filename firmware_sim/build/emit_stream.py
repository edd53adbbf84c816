"""Source package of a stream: front end, network, names, sampling loop, self-test from the recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgelearn import __version__
from edgelearn.files import only_writer, write_text
from edgelearn.network.kernels import tables as t
from edgelearn.network.learner import Learner
from edgelearn.streaming.front_end import FrontEnd
from firmware_sim.build.emit import check_folder, hash_of, summary
from firmware_sim.build.estimate import by_role
from firmware_sim.build.front_end import StreamFront, constant_fields, stream_checkpoint_bytes, stream_fields, texts_of
from firmware_sim.build.headers import CONTRACT, array, learned_word, learned_words, shape, taught_by
from firmware_sim.build.image import CSRC, GENERATED, PREFIX, core_of, renamed, write_sources
from firmware_sim.build.layouts import Package, find_layout, lay_out
from firmware_sim.build.maps import STACK_OF_MAPS
from firmware_sim.build.units import NO_VALUE, numbers_of

SELFTEST_ROWS, SELFTEST_NUMBERS = 40, 20_000
STACK_OF_STREAMS = 640  # bytes that a step was measured to use at most, and a little more
_PACKAGE = {
    "test/el_selftest.c": "el_selftest_stream.c",
    "test/el_selftest.h": "el_selftest_stream.h",
    "test/main.c": "main_stream.c",
    "example/main.c": "sampling_loop.c",
    "Makefile": "Makefile_stream",
}


@dataclass(frozen=True, eq=False)
class Recording:
    """First samples of a recording, and what its report says.

    Parameters
    ----------
    name, data, run : of the network, of the file, and of the results folder
    x : float32[n, n_channels]; segment, labels : int64[n], -1 for no label
    low, high : numbers of each channel in the whole recording, int64[n_channels]
    channels, classes : names
    rate_hz : samples a second, None where unknown
    rows, accuracy : of the report; budget : power to learn with, as given
    """

    name: str
    data: str
    run: str
    x: np.ndarray
    segment: np.ndarray
    labels: np.ndarray
    low: np.ndarray
    high: np.ndarray
    channels: Sequence[str]
    classes: Sequence[str]
    rate_hz: float | None
    rows: int
    accuracy: float | None
    budget: str | None = None


def emit_stream(
    learner: Learner,
    front_end: FrontEnd,
    front: StreamFront,
    recording: Recording,
    folder: Path,
    overwrite: bool = False,
    prefix: str = PREFIX,
    layout: str = "make",
) -> list[Path]:
    """Write the package of a stream, starting from the present words and statistics; return the files.

    Parameters
    ----------
    learner, front_end : of the end of the stream; they take the samples of the self-test
    front : of `front_end`

    Raises
    ------
    UserError
        as `firmware_sim.build.emit.emit`
    """
    shape(learner.spec)
    find_layout(layout)
    check_folder(folder, prefix, overwrite)
    identity, texts = texts_of(learner, front)
    texts |= {name: (CSRC / "package" / file).read_text() for name, file in _PACKAGE.items()}
    with only_writer(folder):
        write_sources(learner, folder, prefix)
        test, n_samples, n_rows = _selftest(learner, front_end, front, recording)
        texts["test/el_selftest_numbers.h"] = test
        named = _names(front, recording, learner.spec.n_classes)
        named["README.md"] = "", _readme(learner, front, recording, identity, (n_samples, n_rows), prefix)
        names = {*core_of(learner), *GENERATED, *texts, *named}
        for name, text in (texts | {name: head for name, (head, _) in named.items()}).items():
            path = folder / renamed(name, prefix)
            path.parent.mkdir(exist_ok=True)
            write_text(path, renamed(text, prefix) + named.get(name, ("", ""))[1])  # names are the user's own
        written = sorted(folder / renamed(name, prefix) for name in names)
        return lay_out(folder, written, layout, Package(prefix, summary(learner.spec), "stream"))


def _names(front: StreamFront, recording: Recording, n_classes: int) -> dict[str, tuple[str, str]]:
    """Return files of names by name: their text, and what follows it and is no name of the core."""
    classes = [*recording.classes, *map(str, range(len(recording.classes), n_classes))]
    header = [
        "/* Names of classes and channels. */",
        "#ifndef EL_NAMES_H",
        "#define EL_NAMES_H",
        "",
        '#include "el_front.h"',
        "",
        "#ifdef __cplusplus",
        'extern "C" {',
        "#endif",
        "extern const char *const el_class_names[EL_CLASSES];",
        "extern const char *const el_channel_names[EL_CHANNELS];",
        "#ifdef __cplusplus",
        "}",
        "#endif",
        "",
        "#endif",
    ]
    head = '#include "el_names.h"\n\nconst char *const el_channel_names[EL_CHANNELS] = {\n'
    middle = "const char *const el_class_names[EL_CLASSES] = {\n"
    source = f"{_c_strings(recording.channels)}}};\n"
    return {
        "include/el_names.h": ("\n".join(header) + "\n", ""),
        "src/el_channel_names.c": (head, source),
        "src/el_class_names.c": (f'#include "el_names.h"\n\n{middle}', f"{_c_strings(classes)}}};\n"),
        "channels.csv": ("channel,unit of a number,offset,lowest,highest\n", channel_rows(front, recording)),
    }


def _c_strings(names: Sequence[str]) -> str:
    """Return lines of string constants of C, in UTF-8."""

    def quoted(name: str) -> str:
        plain = (chr(b) if 32 <= b < 127 and chr(b) not in '"\\?' else f"\\{b:03o}" for b in name.encode())
        return f'    "{"".join(plain)}",\n'

    return "".join(map(quoted, names))


def _selftest(learner: Learner, front_end: FrontEnd, front: StreamFront, recording: Recording) -> tuple[str, int, int]:
    """Return the numbers of the self-test, its samples and its rows."""
    n = min(len(recording.x), max(SELFTEST_NUMBERS // front.spec.n_channels, 1))
    segment = recording.segment[:n]
    front_end.state.place[t.SEGMENT] = segment[0] if n else 0  # windows begin anew, as they do on a board
    front_end.state.place[t.IN_SEGMENT] = 0
    kept = front_end.save()
    ends = front_end.rows(recording.x[:n], segment).ends[:SELFTEST_ROWS]
    n = int(ends[-1]) + 1 if len(ends) else 0
    front_end.restore(kept)
    rows = front_end.rows(recording.x[:n], segment[:n])
    late, own = front.label_delay, recording.labels[rows.ends]
    labels = np.concatenate([np.full(min(late, len(own)), -1), own[: max(len(own) - late, 0)]])
    steps = []
    for row, label in enumerate(labels):
        steps.append((row, t.NO_LABEL if late else label, t.PREDICT))
        if late and label >= 0:
            steps.append((row - late, label, t.LEARN_LATE))
    made = np.array(steps, np.int64).reshape(-1, 3)
    outcome = learner.run_steps(rows.levels, made)
    predictions = outcome.predictions[made[:, t.KIND] == t.PREDICT]
    numbers = [
        "/* Included by el_selftest.c alone. */",
        f"#define EL_SELFTEST_SAMPLES {n}U",
        f"#define EL_SELFTEST_ROWS {len(labels)}U",
        f"#define EL_SELFTEST_LEVELS 0x{hash_of(rows.levels.view(np.uint8).ravel()):08X}UL",
        f"#define EL_SELFTEST_WORDS 0x{hash_of(learned_words(learner)):08X}UL",
        array("int32_t", "EL_SELFTEST_NUMBERS", numbers_of(recording.x[:n], front.units).ravel(), place="").replace(
            str(NO_VALUE), "EL_NO_VALUE"
        ),
        array("uint8_t", "EL_SELFTEST_BEGINS", np.diff(segment[:n], prepend=segment[:1]) != 0, place=""),
        array("uint16_t", "EL_SELFTEST_LABELS", np.where(labels < 0, 0xFFFF, labels), place=""),
        array("uint16_t", "EL_SELFTEST_PREDICTIONS", predictions, place=""),
    ]
    return "\n".join(numbers), n, len(labels)


def _readme(
    learner: Learner, front: StreamFront, recording: Recording, identity: int, selftest: tuple[int, int], prefix: str
) -> str:
    network, spec, word = learner.spec, front.spec, learned_word(learner.spec)
    fields = stream_fields(network, front)
    rows = [("RAM", role, n) for role, n in by_role(fields).items()]
    rows += [("flash", role, n) for role, n in by_role(constant_fields(network, front)).items()]
    late = front.label_delay
    whose = f"the row {late} rows before the one that ended" if late else "the row that ended"
    budget = (
        f"\nThe stream learned with {recording.budget}: give `EL_NO_LABEL` where your board has no energy to learn."
        if recording.budget
        else ""
    )
    windows = f"windows of {spec.window} samples every {spec.stride}" if spec.window > 1 else "a row a sample"
    classes = [*recording.classes, *map(str, range(len(recording.classes), network.n_classes))]
    template = renamed((CSRC / "package" / "README_stream.md").read_text(), prefix)
    return template.format(
        name=recording.name,
        sizes=network.net,
        rule=taught_by(network),
        bits=word.bits,
        residual=word.residual_bits,
        rounding=network.rounding,
        n_channels=spec.n_channels,
        rate="" if recording.rate_hz is None else f" at {recording.rate_hz:g} Hz",
        windows=windows,
        features=spec.features,
        encoder=spec.encoder,
        input_bits=spec.input_bits,
        version=__version__,
        contract=CONTRACT,
        identity=f"{identity:08X}",
        data=recording.data,
        rows=f"{recording.rows:,}",
        accuracy="unknown" if recording.accuracy is None else f"{100 * recording.accuracy:.2f} %",
        run=recording.run,
        ram=sum(one.bytes for one in fields),
        units=units_text(front, recording),
        labels=f"`label` is the class of {whose},",
        budget=renamed(budget, prefix),
        classes="\n".join(f"| {k} | {name} |" for k, name in enumerate(classes)),
        memory="\n".join(f"| {memory}: {role} | {n:,} |" for memory, role, n in rows),
        stack=STACK_OF_MAPS + STACK_OF_STREAMS if network.is_convolutional else STACK_OF_STREAMS,
        selftest_samples=selftest[0],
        selftest_rows=selftest[1],
        checkpoint=stream_checkpoint_bytes(network, front),
        lost=", and rows that waited for their labels are not learned" if late else "",
    )


def units_text(front: StreamFront, recording: Recording) -> str:
    """Return what the numbers of the channels count."""
    units, listed = front.units, []
    for c, name in enumerate(recording.channels):
        if units.binary[c]:
            rest = "" if units.exact[c] else ", the odd one of the two that a value lies between"
            listed.append(f"`{name}` counts {units[c]}{rest}")
        elif units.digits[c]:
            listed.append(f"`{name}` counts {units[c]} of the unit of the recording")
    if not listed:
        return "A number is the value of the recording."
    others = len(recording.channels) - len(listed)
    more = "; of other channels a number is the value of the recording" if others else ""
    return "; ".join(listed) + more + "."


def channel_rows(front: StreamFront, recording: Recording) -> str:
    """Return the lines of channels.csv behind its header."""
    names = ('"' + name.replace('"', '""') + '"' for name in recording.channels)
    rows = zip(names, range(len(recording.channels)), recording.low, recording.high, strict=True)
    return "".join(
        f"{name},{front.units[c].replace(',', '')},{front.units.offsets[c]},{low},{high}\n"
        for name, c, low, high in rows
    )
