"""Results of runs as Python objects: headline numbers, tables, figures, folders and C."""

from __future__ import annotations

import html
import tempfile
from collections.abc import Iterable, Mapping
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgelearn.api.picture import Picture, picture
from edgelearn.config import Settings
from edgelearn.errors import UserError, install
from edgelearn.files import only_writer, remove_temporaries
from edgelearn.runs.checkpoint import FILES, check_folder, claim_folder, write_results
from edgelearn.runs.kind import Result, Work
from edgelearn.runs.rates import prices
from edgelearn.runs.registry import find_kind
from edgelearn.units import net_text, with_unit

if TYPE_CHECKING:
    from pandas import DataFrame

    from edgelearn.runs.spiking import SpikingOutcome

PICOJOULE = 1e-12


def frame(rows: Iterable[Mapping[str, Any]]) -> DataFrame:
    """Return rows as a pandas data frame.

    Raises
    ------
    UserError
        "pandas is not installed ..."
    """
    try:
        import pandas
    except ImportError:
        raise UserError(f"pandas is not installed, and data frames need it; {install('studies')}") from None
    return pandas.DataFrame(list(rows))


def html_table(title: str, facts: Mapping[str, Any]) -> str:
    """Return a small table of facts, a row each, as HTML."""
    rows = "".join(
        f"<tr><th style='text-align:left'>{html.escape(name)}</th><td>{html.escape(str(value))}</td></tr>"
        for name, value in facts.items()
    )
    return f"<table><caption style='text-align:left'>{html.escape(title)}</caption>{rows}</table>"


class RunResult(Result):
    """Result of `edgelearn.run` and `edgelearn.stream`.

    Attributes
    ----------
    content : dict
        The report, as report.json of the command holds it.
    config : Settings
        The settings of the run.
    out : Path or None
        Folder of the results, None where none was given.
    """

    config: Settings
    out: Path | None
    _work: Work | None
    _outcome: SpikingOutcome | None

    def __init__(
        self,
        content: dict[str, Any],
        config: Settings,
        out: Path | None = None,
        work: Work | None = None,
        outcome: SpikingOutcome | None = None,
    ) -> None:
        super().__init__(content)
        for name, value in (("config", config), ("out", out), ("_work", work), ("_outcome", outcome)):
            object.__setattr__(self, name, value)

    @property
    def accuracy(self) -> float | None:
        """Accuracy in percent: on test samples, of a stream before learning each row; None without classes."""
        found: float | None = self.content.get("accuracy_percent")
        return found

    @property
    def energy(self) -> float | None:
        """Energy per learned sample in joules, nominal constants; None where the processor has no energy."""
        found = self._prices("training").get("training_energy_pj")
        return None if found is None else found * PICOJOULE

    @property
    def inference_energy(self) -> float | None:
        """Energy per inference in joules on a chip that cannot learn; None where the processor has no energy."""
        found = self._prices("inference").get("inference_energy_pj")
        return None if found is None else found * PICOJOULE

    def _prices(self, part: str) -> dict[str, Any]:
        cost = self.content.get("cost") or {}
        of_part = (cost["rules"][0] if cost.get("rules") else cost).get(part)
        return prices(part, of_part) if of_part else {}

    def summary(self) -> dict[str, Any]:
        """Return the headline of the result as texts by name."""
        content, facts = self.content, dict[str, Any]()
        if "network" in content:
            facts["network"] = f"{content['network'].get('rule', self.config.kind)} on {self._data()}, {self._net()}"
        else:
            facts["run"] = find_kind(self.config.kind).title
        if self.accuracy is not None:
            facts["accuracy"] = f"{self.accuracy:.2f} % {find_kind(self.config.kind).accuracy}"
        cost = content.get("cost") or {}
        found = self._prices("training")
        if "training_energy_pj" in found:
            energy = with_unit(found["training_energy_pj"], "pJ")
            facts["energy"] = f"{energy} per learned sample on {cost.get('processor', self._processor())}"
        if "training_latency_us" in found:
            facts["time"] = f"{with_unit(found['training_latency_us'], 'us')} per learned sample"
        return facts

    def _data(self) -> str:
        data = self.content.get("data") or self.content.get("stream") or {}
        return str(data.get("name", getattr(self.config, "data", "")))

    def _processor(self) -> str:
        return str(getattr(self.config, "processor", ""))

    def _net(self) -> str:
        network = self.content["network"]
        word = network.get("word") or f"{network.get('bits', '')} bits"
        return f"{net_text(network)}, {word}"

    def to_frame(self) -> DataFrame:
        """Return settings and results in a pandas data frame of one row, so that results can be concatenated.

        Columns are the settings, then the results that `edgelearn compare` has.

        Raises
        ------
        UserError
            "pandas is not installed ..."
        """
        row = self.config.model_dump()
        studied = find_kind(self.config.kind).studied
        compared = {} if studied is None else studied.compared(self.content)
        return frame([row | {"accuracy_percent": self.accuracy} | compared])

    def plot(self, path: str | PathLike[str] | None = None) -> Picture:
        """Draw the result as `--plot` of the command does.

        Parameters
        ----------
        path : file to write too, .png, .svg or .pdf

        Returns
        -------
        Picture, which a notebook shows

        Raises
        ------
        UserError
            "matplotlib is not installed ...", "plot file ...", "... has no figure"
        """
        kind, task = self.config.kind, self.content.get("task", "classify")
        if kind == "stream" and task == "anomaly":
            from edgelearn.reports.plots.anomaly import plot_anomaly

            return picture(partial(plot_anomaly, self.content), path)
        if kind == "stream":
            from edgelearn.reports.plots.stream import plot_stream

            return picture(partial(plot_stream, self.content), path)
        if kind == "run" and task == "classify":
            from edgelearn.reports.plots.dataset import plot_run

            return picture(partial(plot_run, self.content), path)
        outcome = self._outcome
        if outcome is not None:
            return picture(outcome.plot, path)
        raise UserError(f"{find_kind(kind).title} of task {task} has no figure; look at .content")

    def save(self, folder: str | PathLike[str], overwrite: bool = False) -> Path:
        """Write report.json, config.toml and weights.npz, as `--out` of the command does; return the folder.

        Raises
        ------
        UserError
            "... holds another run ...", "... is in use ..."; "... was not run again ..." where `resume` found it
            finished
        """
        out, work = Path(folder), self._work
        if work is None:
            raise UserError(f"the finished run in {self.out} was not run again; its results are in {self.out}")
        with only_writer(out):
            remove_temporaries(out, FILES)
            check_folder(out, self.config, False, overwrite)
            claim_folder(out, self.config, False)
            write_results(out, find_kind(self.config.kind).contract, *work.words(), self.to_json())
        return out

    def to_c(
        self,
        folder: str | PathLike[str],
        *,
        overwrite: bool = False,
        prefix: str = "el",
        selftest: str | None = None,
        layout: str = "make",
    ) -> Path:
        """Write the learned network as C99 sources with a self-test, as `edgelearn firmware emit --run` does.

        Parameters
        ----------
        folder : new folder for sources, headers, README and Makefile
        overwrite : replace the files in `folder`
        prefix : beginning of names and files, for several networks in one firmware
        selftest : file of samples for the self-test in place of the data of the run
        layout : build system: make, cmake, arduino, platformio, zephyr or esp-idf

        Returns
        -------
        the folder

        Raises
        ------
        UserError
            "folder ... is not empty ...", "prefix ...", and why firmware cannot have this network
        """
        from firmware_sim.check.finished import emit_finished

        options = overwrite, prefix, layout, selftest
        if self.out is not None:
            emit_finished(self.out, Path(folder), *options)
            return Path(folder)
        with tempfile.TemporaryDirectory(prefix="edgelearn-") as saved:
            emit_finished(self.save(Path(saved) / "run"), Path(folder), *options)
        return Path(folder)

    def __repr__(self) -> str:
        first, *others = self.summary().values()
        if "accuracy" in self.summary():
            first, others = f"{first}: {others[0]}", others[1:]
        return f"{first}\n{', '.join([*others, '.to_frame(), .plot(), .to_c(folder)'])}"

    def _repr_html_(self) -> str:
        return html_table(f"edgelearn {self.config.kind}", self.summary())
