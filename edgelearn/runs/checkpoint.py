"""The folder of a run: checkpoints, resuming and replacing; signals handled between chunks."""

from __future__ import annotations

import hashlib
import itertools
import json
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from edgelearn.config import Settings, read_toml, validated
from edgelearn.errors import Terminated, UserError
from edgelearn.files import make_folder, parse_json, read_arrays, read_text, write_arrays, write_text

if TYPE_CHECKING:
    from edgelearn.runs.kind import Work

CHECKPOINT, CONFIG, REPORT, WEIGHTS = "checkpoint.npz", "config.toml", "report.json", "weights.npz"
FILES = (CHECKPOINT, CONFIG, REPORT, WEIGHTS)
OTHERS = {  # a file that other commands write -> what its folder holds
    "study.toml": "a study",
    "include/el_learner.h": "emitted firmware",
}
CHECKPOINT_SECONDS = 2.0
INTERRUPTED = Path("edgelearn-interrupted")  # checkpoint of an interrupted run without a folder


class Checkpoint(NamedTuple):
    """State of an interrupted run: arrays, and plain values in `note`."""

    arrays: dict[str, np.ndarray]
    note: dict[str, Any]


class ReportChanged(UserError):
    """The report in a folder is not the one that the run wrote."""


class PendingSignals(list[int]):
    """Received signals; while `waiting` for live input, a signal raises KeyboardInterrupt at once."""

    waiting = False


@contextmanager
def defer_signals() -> Iterator[PendingSignals]:
    """Collect SIGINT and SIGTERM instead of raising, so that checkpoints are consistent.

    A second signal raises at once. Outside the main thread signals are left alone.
    """
    pending = PendingSignals()

    def note(number: int, frame: object) -> None:
        pending.append(number)
        if len(pending) > 1 or pending.waiting:
            raise Terminated if number == signal.SIGTERM else KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield pending
        return
    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield pending
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Interrupted(KeyboardInterrupt):
    """A run was interrupted; `folder` holds its checkpoint, None if too little was done to be worth one."""

    def __init__(self, folder: Path | None, terminated: bool = False) -> None:
        super().__init__(folder, terminated)  # arguments, so that a worker can send it
        self.folder, self.terminated = folder, terminated


def with_checkpoints(
    work: Work, config: Settings, out: Path | None, signals: PendingSignals, resumed: bool = False
) -> Iterator[Any]:
    """Yield the chunks of a run; write a checkpoint between chunks every two seconds, and after a signal.

    Live input that is refused, for its columns for example, needs other settings, which no checkpoint takes: the
    checkpoint of a run that was not resumed is removed then.

    Raises
    ------
    Interrupted
        After a signal, when the checkpoint is written.
    """
    started_at = saved_at = time.monotonic()
    if work.live:
        saved_at -= CHECKPOINT_SECONDS  # the next chunk may take any time: save the first one at once
    chunks = work.chunks()
    while True:
        signals.waiting = work.live  # live input may never give another chunk
        try:
            chunk = next(chunks)
        except StopIteration:
            return
        except UserError:
            if out is not None and not resumed:
                forget_live(work, out)
            raise
        except KeyboardInterrupt as interrupt:
            folder = save_interrupted(work, config, out, time.monotonic() - started_at)
            raise Interrupted(folder, isinstance(interrupt, Terminated)) from None
        finally:
            signals.waiting = False
        yield chunk
        now = time.monotonic()
        if signals:
            raise Interrupted(save_interrupted(work, config, out, now - started_at), signals[0] == signal.SIGTERM)
        if out is not None and now - saved_at >= CHECKPOINT_SECONDS:
            save_checkpoint(work, config, out)
            saved_at = now


def forget_live(work: Work, out: Path) -> None:
    """Remove the checkpoint of live input that is refused."""
    if work.live:
        (out / CHECKPOINT).unlink(missing_ok=True)


def save_checkpoint(work: Work, config: Settings, out: Path) -> None:
    """Write the checkpoint of a run into its folder."""
    arrays = work.state()
    note = {"config": config.model_dump(mode="json"), **work.identity, **work.note()}
    write_arrays(out / CHECKPOINT, arrays, note | {"digest": _digest_of_checkpoint(arrays, note)})


def save_interrupted(work: Work, config: Settings, out: Path | None, seconds: float) -> Path | None:
    """Write the checkpoint of an interrupted run; return its folder, None where repeating the run is as quick."""
    if out is None:
        if seconds < CHECKPOINT_SECONDS:
            return None
        numbered = (INTERRUPTED.with_name(f"{INTERRUPTED.name}-{number}") for number in itertools.count(2))
        out = next(folder for folder in itertools.chain([INTERRUPTED], numbered) if _made(folder))
        write_text(out / CONFIG, config.to_toml())
    save_checkpoint(work, config, out)
    return out


def _made(folder: Path) -> bool:
    """Make a folder; return whether it is new."""
    try:
        folder.mkdir()
    except FileExistsError:
        return False
    except OSError:
        make_folder(folder)  # says why
    return True


def digest(*arrays: np.ndarray) -> str:
    """Return a digest of arrays, so that a run is not continued on changed data."""
    result = hashlib.sha256()
    for array in arrays:
        result.update(np.ascontiguousarray(array).data)
    return result.hexdigest()


def _digest_of_checkpoint(arrays: dict[str, np.ndarray], note: dict[str, Any]) -> str:
    """Return a digest of a checkpoint, so that a changed one is refused."""
    text = json.dumps({key: value for key, value in note.items() if key != "digest"}, sort_keys=True)
    parts = [text, *(f"{name} {arrays[name].dtype} {arrays[name].shape}" for name in sorted(arrays))]
    return digest(*(np.frombuffer(part.encode(), np.uint8) for part in parts), *(arrays[n] for n in sorted(arrays)))


def write_results(out: Path, contract: int, words: dict[str, np.ndarray], note: dict[str, Any], report: str) -> None:
    """Write weights and report of a run that has ended, and remove its checkpoint.

    The weights name the digest of the report, so that a report that was changed or is of another run is found out.
    """
    digest_of_report = hashlib.sha256(report.encode()).hexdigest()
    write_arrays(out / WEIGHTS, words, {"contract": contract, "report": digest_of_report} | note)
    write_text(out / REPORT, report)
    (out / CHECKPOINT).unlink(missing_ok=True)


def refuse_interrupted(out: Path, given: Path) -> None:
    """Refuse the folder of a run that was interrupted where a finished one is needed.

    Parameters
    ----------
    given : what the message names

    Raises
    ------
    UserError
        "... is of a run that was interrupted ..."
    """
    if (out / CHECKPOINT).is_file():
        raise UserError(f"{given} is of a run that was interrupted; finish it with --resume, as it was started")


def saved_settings(out: Path) -> dict[str, Any]:
    """Return the settings in the config.toml of a folder, empty without one."""
    return read_toml(out / CONFIG) if (out / CONFIG).exists() else {}


def finished(out: Path, config: Settings) -> dict[str, Any] | None:
    """Return the report of a finished run of this configuration in `out`, None without one."""
    stored = saved_settings(out)
    if (out / CHECKPOINT).exists() or not (out / REPORT).exists() or not stored or _differences(stored, config):
        return None
    if not (out / WEIGHTS).exists():
        raise UserError(f"{out} holds a report without its {WEIGHTS}; start again with --overwrite")
    try:
        content: dict[str, Any] = parse_json(text_of_report(out))
    except (OSError, ValueError) as error:
        if isinstance(error, UserError):
            raise UserError(f"{error}; start again with --overwrite") from None
        raise UserError(f"{out / REPORT} cannot be read; start again with --overwrite") from None
    source, origin = getattr(config, "start", None), (content.get("start") or {}).get("origin") or {}
    if source is not None and "sha256" in origin and sha256_of_start(source) not in (origin["sha256"], None):
        raise UserError(f"{source} was changed after the run in {out} started from it; start again with --overwrite")
    return content


def sha256_of_start(source: str) -> str | None:
    """Return the digest of the model file or of the weights in a results folder, None where there is no such file."""
    path = Path(source) / WEIGHTS if Path(source).is_dir() else Path(source)
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def text_of_report(out: Path) -> str:
    """Return the text of the report in a folder.

    Raises
    ------
    OSError, ValueError
        where it cannot be read
    ReportChanged
    """
    text = read_text(out / REPORT)
    if (out / WEIGHTS).exists():
        written = read_arrays(out / WEIGHTS)[1].get("report")  # weights of an earlier version have none
        if written is not None and written != hashlib.sha256(text.encode()).hexdigest():
            raise ReportChanged(f"{out / REPORT} was changed after the run, or is not of the {WEIGHTS} beside it")
    return text


def check_folder(out: Path, config: Settings, resume: bool, overwrite: bool) -> Checkpoint | None:
    """Check that a run may use a folder, without changing it; return the checkpoint to continue, None to start anew.

    Raises
    ------
    UserError
        "... holds ...", "... is damaged ...", "... is of another configuration ...", "... would replace ..."
    """
    _check_start(out, config)
    for name, what in OTHERS.items():
        if (out / name).exists():
            raise UserError(f"{out} holds {what}, which a run would mix with its own files; give another --out")
    before = saved_settings(out)
    if not before and not overwrite and any((out / name).exists() for name in (REPORT, WEIGHTS, CHECKPOINT)):
        raise UserError(f"{out} holds results without their config.toml; give another --out, or --overwrite")
    changed = _differences(before, config)
    if changed and (resume or not overwrite):
        remedy = "resume with the same settings" if resume else "give another --out, or --overwrite"
        if not _is_same_kind(before, config):
            raise UserError(f"{out} holds a run of another kind; {remedy}")
        raise UserError(f"{out} holds a run of another configuration ({', '.join(changed)}); {remedy}")
    if (out / CHECKPOINT).exists() and not resume and not overwrite:
        raise UserError(f"{out} holds an interrupted run; continue it with --resume, or start anew with --overwrite")
    if not resume or (before and not any((out / name).exists() for name in (CHECKPOINT, REPORT))):
        return None  # or killed before its first checkpoint: nothing is lost
    return _load(out, config)


def _check_start(out: Path, config: Settings) -> None:
    """Refuse a folder whose files a run would remove although it starts from them; other files there stay."""
    start = getattr(config, "start", None)
    if start is None:
        return
    source, folder = Path(start).resolve(), out.resolve()
    if source == folder or (source.parent == folder and source.name in FILES):
        raise UserError(f"results in {out} would replace those that --start {start} reads; give another --out")


def claim_folder(out: Path, config: Settings, resume: bool) -> None:
    """Prepare the folder of a run; results of before must not stand beside the new ones."""
    stale = [] if resume else [REPORT, WEIGHTS, CHECKPOINT]
    for name in stale:
        (out / name).unlink(missing_ok=True)
    write_text(out / CONFIG, config.to_toml())


def leave_folder(out: Path) -> None:
    """Leave nothing of a run that is refused after `claim_folder`; one with a checkpoint can be continued."""
    if not (out / CHECKPOINT).exists():
        (out / CONFIG).unlink(missing_ok=True)


def _load(out: Path, config: Settings) -> Checkpoint:
    path = out / CHECKPOINT
    if not path.exists():
        raise UserError(f"{out} holds no checkpoint to resume; start it without --resume")
    arrays, note = read_arrays(path)
    if not isinstance(note, dict) or note.get("digest") != _digest_of_checkpoint(arrays, note):
        raise UserError(f"{path} is damaged; start again with --overwrite")
    changed = _differences(note["config"], config)
    if changed:
        raise UserError(f"{path} is of another configuration ({', '.join(changed)}); resume with the same settings")
    return Checkpoint(arrays, note)


def check_identity(out: Path, checkpoint: Checkpoint, identity: Mapping[str, Any]) -> None:
    """Refuse a checkpoint that was made with other data or another contract."""
    for key, value in identity.items():
        if checkpoint.note.get(key) != value:
            raise UserError(f"{out / CHECKPOINT} was made with other {key}; start again with --overwrite")


def _is_same_kind(stored: Mapping[str, Any], config: Settings) -> bool:
    """Return whether stored settings belong to the class of `config`; every class has names of its own."""
    return set(stored) <= set(type(config).model_fields)


def _differences(stored: Mapping[str, Any], config: Settings) -> list[str]:
    """Return 'key was ..., is ...' for each setting that differs from stored ones; nothing where none are stored."""
    if not stored:
        return []
    if not _is_same_kind(stored, config):
        return ["kind"]
    old, new = validated(type(config), dict(stored)), config
    pairs = {key: (getattr(old, key), getattr(new, key)) for key in type(config).model_fields}
    return [f"{key} was {was}, is {now}" for key, (was, now) in pairs.items() if was != now]
