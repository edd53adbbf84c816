"""`edgelearn.sweep`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgelearn.api.results import PICOJOULE, html_table
from edgelearn.api.settings import plain
from edgelearn.errors import UserError
from edgelearn.studies.analysis import ACCURACY, ENERGY, Group, groups_of
from edgelearn.studies.page import to_html
from edgelearn.studies.page_data import contents_of, open_study
from edgelearn.studies.plan import COMMAS_INSIDE, Plan
from edgelearn.studies.sweep import Outcome, SweepProgress
from edgelearn.studies.sweep import sweep as run_sweep
from edgelearn.studies.table import read_study

if TYPE_CHECKING:
    from pandas import DataFrame


class StudyResult:
    """Result of `edgelearn.sweep`, also of one that another process has written.

    Parameters
    ----------
    folder : path
        Folder of the study.
    outcome : Outcome, optional
        Counts of the sweep that has just run.
    """

    def __init__(self, folder: str | PathLike[str], outcome: Outcome | None = None) -> None:
        self.folder, self.outcome = Path(folder), outcome
        self._source = open_study(self.folder)
        self._groups = groups_of(self._source.frame, self._source.axes)

    @property
    def best(self) -> dict[str, Any]:
        """Settings of the axes with the highest accuracy, mean over seeds; empty where no cell has one."""
        group = self._best()
        return {} if group is None else dict(group.setting)

    @property
    def accuracy(self) -> float | None:
        """Accuracy of the best settings in percent, mean over seeds; None where no cell has one."""
        group = self._best()
        return None if group is None else group.mean(ACCURACY)

    @property
    def energy(self) -> dict[str, float]:
        """Energy per learned sample of the best settings in joules, mean over seeds, by processor."""
        group, frame = self._best(), self._source.frame
        names = [column for column in frame.columns if column.partition("@")[0] == ENERGY]
        means = {} if group is None else {name: group.mean(name) for name in names}
        return {name.partition("@")[2]: mean * PICOJOULE for name, mean in means.items() if mean is not None}

    def _best(self) -> Group | None:
        means = [(group.mean(ACCURACY), group) for group in self._groups]
        judged = [(mean, group) for mean, group in means if mean is not None]
        return max(judged, key=lambda one: one[0])[1] if judged else None

    def to_frame(self) -> DataFrame:
        """Return the table of the study, a row per cell, as table.parquet holds it."""
        found: DataFrame = read_study(self.folder).frame
        return found

    def report(self, path: str | PathLike[str] | None = None) -> Path:
        """Write the page of the study, as `edgelearn report` does; return its path.

        Parameters
        ----------
        path : .html file; default report.html in the folder of the study

        Raises
        ------
        UserError
            "... is not installed ...", "cannot write ..."
        """
        from edgelearn.files import write_text

        out = self.folder / "report.html" if path is None else Path(path)
        write_text(out, to_html(contents_of(self._source)))
        return out

    def _facts(self) -> dict[str, Any]:
        settings = ", ".join(f"{name} {value}" for name, value in self.best.items())
        found = "no accuracy yet" if self.accuracy is None else f"{self.accuracy:.2f} %: {settings or 'all cells'}"
        cells = f"{len(self._source.frame)} of {self._source.planned} in {self.folder}"
        return {"cells": cells, "axes": ", ".join(self._source.axes) or "none", "best": found}

    def __repr__(self) -> str:
        facts = self._facts()
        return f"study, cells {facts['cells']}; best {facts['best']}\n.best, .to_frame(), .report()"

    def _repr_html_(self) -> str:
        return html_table("edgelearn study", self._facts())


def sweep(
    *,
    out: str | PathLike[str] = "study",
    seeds: int | list[int] = 1,
    processors: str | list[str] = (),  # type: ignore[assignment]
    tune: bool | Mapping[str, Any] = False,
    kind: str = "run",
    question: str = "",
    jobs: int | None = None,
    overwrite: bool = False,
    extend: bool = False,
    retry: bool = False,
    on_progress: Callable[[SweepProgress], None] = lambda progress: None,
    **settings: Any,
) -> StudyResult:
    """Run a grid of configurations into one table, as `edgelearn sweep` does with the same settings.

    Parameters
    ----------
    out : path
        Folder of the study; the same call continues an interrupted sweep.
    seeds : int or list of int
        How many seeds per cell, from 0, or which.
    processors : list of str
        Processors to price every cell on; default that of the kind.
    tune : bool or dict
        Tune the learning rates of every group of cells first, on held-out samples; a dict is the table [tuning].
    kind : str
        "run", "stream" or "spiking".
    question : str
        Question that the study answers, in words.
    jobs : int, optional
        Parallel cells; default one per processor of this machine.
    overwrite, extend : bool
        Remove another study in `out`, or keep the cells of both.
    retry : bool
        Run failed cells again.
    on_progress : callable
        Called before the first cell of a stage and after each.
    **settings
        Settings of the kind: a value fixes a setting, a list makes an axis of the grid. Settings that are lists of
        names themselves, such as `classes`, take a list of lists as an axis.

    Returns
    -------
    StudyResult

    Raises
    ------
    UserError
        "setting ...", "... holds another study ...", "... is not installed ..."

    Example
    -------
    >>> import edgelearn as el
    >>> el.sweep(bits=[4, 8], rule=["drtp", "dfa"], seeds=3).best  # doctest: +SKIP
    """
    fixed: dict[str, Any] = {}
    axes: dict[str, list[Any]] = {}
    for name, value in settings.items():
        value = plain(value)
        nested = isinstance(value, list) and (name not in COMMAS_INSIDE or any(isinstance(one, list) for one in value))
        if nested and len(value) > 1:
            axes[name] = value
        else:
            fixed[name] = value[0] if nested and value else value
    given: dict[str, Any] = {"kind": kind, "seeds": plain(seeds), "settings": fixed, "axes": axes}
    given |= {"question": question} if question else {}
    given |= {"processors": [processors] if isinstance(processors, str) else list(processors)} if processors else {}
    given |= {"tuning": dict(tune) if isinstance(tune, Mapping) else {}} if tune or isinstance(tune, Mapping) else {}
    if extend and overwrite:
        raise UserError("extend keeps cells and overwrite removes them; give one of the two")
    processes = os.cpu_count() or 1 if jobs is None else jobs
    plan = Plan.of(given)
    outcome = run_sweep(
        plan, Path(out), jobs=processes, overwrite=overwrite, extend=extend, retry=retry, on_progress=on_progress
    )
    return StudyResult(out, outcome)
