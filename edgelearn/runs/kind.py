"""One concept of a run: a `Kind` opens settings as `Work`, and `drive` takes that work to its `Result`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from edgelearn.config import Settings
from edgelearn.errors import UserError
from edgelearn.files import only_writer, remove_temporaries
from edgelearn.runs.checkpoint import (
    FILES,
    Checkpoint,
    check_folder,
    check_identity,
    claim_folder,
    defer_signals,
    finished,
    forget_live,
    leave_folder,
    with_checkpoints,
    write_results,
)

if TYPE_CHECKING:
    from hw_models.cost import Cost


class Progress(NamedTuple):
    """Units done, all units (None if unknown), and a short text such as "accuracy 91.2 %"."""

    done: int
    total: int | None
    text: str = ""


@dataclass(frozen=True)
class Result:
    """The result of a run. Deterministic: no timestamps, no host information.

    Parameters
    ----------
    content : plain data, as report.json holds it
    """

    content: dict[str, Any]

    def to_json(self) -> str:
        """Return the text of report.json."""
        return json.dumps(self.content, indent=1, sort_keys=True) + "\n"


class Work(Protocol):
    """A run between its settings and its result, in chunks after which it can be saved."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """Return what has to be equal to continue a checkpoint: contract and digests of the data."""
        ...

    @property
    def live(self) -> bool:
        """Return whether chunks come from live input, which cannot be read again."""
        ...

    def chunks(self) -> Iterator[Any]:
        """Yield the chunks that are left."""
        ...

    def advance(self, chunk: Any) -> None:
        """Process one chunk."""
        ...

    def progress(self) -> Progress: ...

    def state(self) -> dict[str, np.ndarray]:
        """Return all arrays of a checkpoint."""
        ...

    def note(self) -> dict[str, Any]:
        """Return all plain values of a checkpoint, as JSON holds them."""
        ...

    def restore(self, arrays: dict[str, np.ndarray], note: dict[str, Any]) -> None:
        """Continue from `state` and `note`; called before `chunks`."""
        ...

    def content(self) -> dict[str, Any]:
        """Return what report.json holds, with `accuracy_percent`."""
        ...

    def words(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Return the arrays of weights.npz and its note."""
        ...


@dataclass(frozen=True)
class Studied:
    """Functions and names of a kind of run that studies need.

    Parameters
    ----------
    rates : settings that tuning chooses, of hidden layers and of the output layer
    layer_rates : rate of each layer of a configuration; raises UserError where no network can have these settings
    count_samples : number of training samples of a configuration
    data_names : names of data that a configuration may give, beside files
    find_processor : processor by name or file; raises UserError where it cannot price this kind
    record : from a report
    price : cost of a learned sample and of an inference, from a configuration, its record and the name of a processor
    compared : results of a report by name, for a comparison of runs
    counters : column of a table -> counter of a record
    not_columns : settings that do not affect a cell: it is priced afterwards
    open : in place of that of `Kind`, to share data between cells
    """

    rates: tuple[str, str]
    layer_rates: Callable[[Any], list[int]]
    count_samples: Callable[[Any], int]
    data_names: Callable[[], Sequence[str]]
    find_processor: Callable[[str], Any]
    record: Callable[[Mapping[str, Any]], dict[str, Any]]
    price: Callable[[Any, Mapping[str, Any], str], tuple[Cost | None, Cost | None]]
    compared: Callable[[Mapping[str, Any]], dict[str, Any]]
    counters: Mapping[str, str]
    not_columns: tuple[str, ...] = ("processor",)
    open: Callable[[Any, Checkpoint | None], Work] | None = None


@dataclass(frozen=True)
class Kind:
    """A kind of run.

    Parameters
    ----------
    settings : their class, whose `kind` is the name
    title : for messages, with its article: "a stream"
    contract : version of its arithmetic
    open : from a configuration and the checkpoint to continue, if any, to work
    show : prints a report on a console
    accuracy : where `accuracy_percent` is measured
    studied : None where studies have no cells of this kind
    """

    settings: type[Settings]
    title: str
    contract: int
    open: Callable[[Any, Checkpoint | None], Work]
    show: Callable[..., None]
    accuracy: str = "on test samples"
    studied: Studied | None = None


def drive(
    kind: Kind,
    config: Settings,
    out: Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    on_progress: Callable[[Any], None] = lambda work: None,
    open: Callable[[Any, Checkpoint | None], Work] | None = None,
) -> Result:
    """Take a run from its settings to its result.

    Parameters
    ----------
    out : folder for report.json, config.toml, weights.npz and checkpoint.npz, which is written every two seconds
    resume : continue from the checkpoint in `out`, bit-identically, or from the start where a run was killed before its
        first one; a finished run is not run again
    overwrite : replace the results of another configuration in `out`
    on_progress : called with the work after every chunk
    open : in place of that of the kind

    Raises
    ------
    UserError
        For anything the user can mend, also where another command has `out` in use.
    Interrupted
        After Ctrl-C or SIGTERM, when the checkpoint is written.
    """
    if out is None:
        return _driven(kind, config, on_progress, open or kind.open)
    with only_writer(out):
        remove_temporaries(out, FILES)
        content = finished(out, config) if resume else None
        if content is not None:
            return Result(content)
        return _driven(kind, config, on_progress, open or kind.open, out, resume, overwrite)


def _driven(
    kind: Kind,
    config: Settings,
    on_progress: Callable[[Any], None],
    open: Callable[[Any, Checkpoint | None], Work],
    out: Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
) -> Result:
    checkpoint = check_folder(out, config, resume, overwrite) if out is not None else None
    resume = checkpoint is not None
    work = open(config, checkpoint)
    if out is not None and checkpoint is not None:
        check_identity(out, checkpoint, work.identity)
        work.restore(*checkpoint)
    with defer_signals() as signals:
        if out is not None:
            claim_folder(out, config, resume)
        try:
            for chunk in with_checkpoints(work, config, out, signals, resume):
                try:
                    work.advance(chunk)
                except UserError:
                    if out is not None and not resume:
                        forget_live(work, out)
                    raise
                on_progress(work)
            result = Result(work.content())
        except UserError:
            if out is not None:
                leave_folder(out)
            raise
        if out is not None:
            write_results(out, kind.contract, *work.words(), result.to_json())
    return result


def accuracy_percent(result: Mapping[str, Any]) -> float | None:
    """Return the accuracy of the part `result` of a report, None where nothing was tested or scored."""
    if "accuracy" in result:
        return percent(result["accuracy"])
    error = result.get("test_error_percent")
    return None if error is None else round(100 - error, 4)


def percent(share: float | None) -> float | None:
    """Return a share in percent, with the digits that reports have."""
    return None if share is None else round(100 * share, 4)
