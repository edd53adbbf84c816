"""A folder of results: its checkpoint, what may be continued there, and signals that are honoured between chunks."""

from __future__ import annotations

import hashlib
import itertools
import json
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from edgelearn.config import Settings, read_toml, validated
from edgelearn.errors import UserError
from edgelearn.files import make_folder, read_arrays, write_arrays, write_text

CHECKPOINT, CONFIG, REPORT, WEIGHTS = "checkpoint.npz", "config.toml", "report.json", "weights.npz"
CONTRACT = 1  # version of docs/arithmetic.md
CHECKPOINT_SECONDS = 2.0
INTERRUPTED = Path("edgelearn-interrupted")  # where a run without a folder leaves its checkpoint


class Noted(list[int]):
    """Signals that came; while `waiting` for the world outside, a signal raises at once."""

    waiting = False


@contextmanager
def noted_interrupts() -> Iterator[Noted]:
    """Note Ctrl-C and termination instead of raising anywhere, so that a checkpoint is always of one moment.

    A second signal raises at once. Off the main thread signals stay as they are.
    """
    noted = Noted()

    def note(number: int, frame: object) -> None:
        if noted or noted.waiting:
            raise KeyboardInterrupt
        noted.append(number)

    if threading.current_thread() is not threading.main_thread():
        yield noted
        return
    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a run; `folder` holds the checkpoint, or is None where too little had been learned."""

    def __init__(self, folder: Path | None) -> None:
        super().__init__()
        self.folder = folder


def digest(*arrays: np.ndarray) -> str:
    """Return what tells arrays from others, so that a run is not continued on changed data."""
    result = hashlib.sha256()
    for array in arrays:
        result.update(np.ascontiguousarray(array).data)
    return result.hexdigest()


def save_checkpoint(out: Path, config: Settings, arrays: dict[str, np.ndarray], note: dict[str, Any]) -> None:
    """Write everything an interrupted run needs to continue: arrays, and plain values in `note`."""
    note = {"config": config.model_dump(mode="json"), **note}
    write_arrays(out / CHECKPOINT, arrays, note | {"digest": _digest_of_checkpoint(arrays, note)})


def _digest_of_checkpoint(arrays: dict[str, np.ndarray], note: dict[str, Any]) -> str:
    """Return what tells a checkpoint as it was written from one that was changed."""
    text = json.dumps({key: value for key, value in note.items() if key != "digest"}, sort_keys=True)
    parts = [text, *(f"{name} {arrays[name].dtype} {arrays[name].shape}" for name in sorted(arrays))]
    return digest(*(np.frombuffer(part.encode(), np.uint8) for part in parts), *(arrays[n] for n in sorted(arrays)))


def leave(
    out: Path | None,
    config: Settings,
    arrays: Callable[[], dict[str, np.ndarray]],
    note: dict[str, Any],
    seconds: float,
) -> Path | None:
    """Write the checkpoint of an interrupted run; return its folder, or None where repeating is as quick."""
    if out is None:
        if seconds < CHECKPOINT_SECONDS:
            return None
        out = next(folder for folder in _interrupted_folders() if not folder.exists())
        make_folder(out)
        write_text(out / CONFIG, config.to_toml())
    save_checkpoint(out, config, arrays(), note)
    return out


def _interrupted_folders() -> Iterator[Path]:
    yield INTERRUPTED
    for number in itertools.count(2):
        yield INTERRUPTED.with_name(f"{INTERRUPTED.name}-{number}")


def write_results(out: Path, words: dict[str, np.ndarray], note: dict[str, Any], report: str) -> None:
    """Write weights and report of a run that has ended, and remove its checkpoint."""
    write_arrays(out / WEIGHTS, words, {"contract": CONTRACT} | note)
    write_text(out / REPORT, report)
    (out / CHECKPOINT).unlink(missing_ok=True)


def saved_settings(out: Path) -> dict[str, Any]:
    """Return the settings a folder was started with, empty for a folder without any."""
    return read_toml(out / CONFIG) if (out / CONFIG).exists() else {}


def finished(out: Path, config: Settings) -> dict[str, Any] | None:
    """Return the stored report of a run that has ended, if `out` holds one of this configuration."""
    if (out / CHECKPOINT).exists() or not (out / REPORT).exists():
        return None
    try:
        content: dict[str, Any] = json.loads((out / REPORT).read_text())
        if not _of_kind(config, content["config"]):
            return None
        stored = validated(type(config), content["config"])
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(f"{out / REPORT} cannot be read; start again with --overwrite") from None
    return content if stored == config else None


def prepare(
    out: Path, config: Settings, identity: dict[str, Any], resume: bool, overwrite: bool
) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
    """Check that the folder takes this run; return arrays and note of the checkpoint that is to be continued."""
    before = saved_settings(out)
    if not before and not overwrite and any((out / name).exists() for name in (REPORT, WEIGHTS, CHECKPOINT)):
        raise UserError(f"{out} holds results without their config.toml; give another --out, or --overwrite")
    if not _of_kind(config, before):
        if resume or not overwrite:
            raise UserError(f"{out} holds a run of another kind of network; give another --out, or --overwrite")
        for name in (REPORT, WEIGHTS, CHECKPOINT):
            (out / name).unlink(missing_ok=True)
        before = {}
    changed = differences(validated(type(config), before), config) if before else []
    if changed and (resume or not overwrite):
        given = ", ".join(changed)
        raise UserError(
            f"{out} holds a run of another configuration ({given}); "
            + ("resume with the same settings" if resume else "give another --out, or --overwrite")
        )
    if (out / CHECKPOINT).exists() and not resume and not overwrite:
        raise UserError(f"{out} holds an interrupted run; continue it with --resume, or start anew with --overwrite")
    checkpoint = _load(out, config, identity) if resume else None
    make_folder(out)
    if changed:  # results of other settings must not stand beside the new ones
        for name in (REPORT, WEIGHTS):
            (out / name).unlink(missing_ok=True)
    if not resume:
        (out / CHECKPOINT).unlink(missing_ok=True)
    write_text(out / CONFIG, config.to_toml())
    return checkpoint


def _of_kind(config: Settings, stored: dict[str, Any]) -> bool:
    """Return whether settings are of a network of the same kind, of rates or of spikes."""
    return not stored or bool(stored.get("spiking")) == hasattr(config, "spiking")


def _load(out: Path, config: Settings, identity: dict[str, Any]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    checkpoint = out / CHECKPOINT
    if not checkpoint.exists():
        raise UserError(f"{out} holds no checkpoint to resume; start it without --resume")
    arrays, note = read_arrays(checkpoint)
    if not isinstance(note, dict) or note.get("digest") != _digest_of_checkpoint(arrays, note):
        raise UserError(f"{checkpoint} is damaged; start again with --overwrite")
    changed = differences(validated(type(config), note["config"]), config)
    if changed:
        raise UserError(
            f"{checkpoint} is of another configuration ({', '.join(changed)}); resume with the same settings"
        )
    for key, value in identity.items():
        if note.get(key) != value:
            raise UserError(f"{checkpoint} was made with other {key}; start again with --overwrite")
    return arrays, note


def differences(before: Settings, after: Settings) -> list[str]:
    """Return 'key was ..., is ...' for each setting that differs."""
    old, new = before.model_dump(), after.model_dump()
    return [f"{key} was {old[key]}, is {new[key]}" for key in new if old[key] != new[key]]
