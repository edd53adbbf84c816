"""`edgelearn.cost` and `edgelearn.processors`."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgelearn.api.fields import PRICED
from edgelearn.api.picture import Picture, picture
from edgelearn.api.results import PICOJOULE, RunResult, frame, html_table
from edgelearn.api.settings import plain_settings, takes_settings
from edgelearn.config import RunConfig, check_effect, make_config
from edgelearn.errors import UserError, unknown
from edgelearn.rules.catalog import rules_listed
from edgelearn.runs.activity import assumed_activity
from edgelearn.runs.finished import assumed_costs, costs_of_runs
from edgelearn.runs.shapes import check_kernels
from edgelearn.units import net_text, with_unit
from hw_models.compare.ranking import ranking_as_dict, verdict_as_dict
from hw_models.compare.relative import relative_as_dict
from hw_models.compare.rules import RuleCost, as_dict
from hw_models.processor import find_processor, names

if TYPE_CHECKING:
    from pandas import DataFrame

MOST_NAMES = 8  # of a listing, in its repr
_Rules = str | Sequence[str]


class Costs:
    """Prices of rules on one processor.

    Attributes
    ----------
    content : dict
        Plain data, as `edgelearn cost --json` prints it.
    """

    def __init__(self, content: dict[str, Any], costs: list[RuleCost], accuracies: Mapping[str, float]) -> None:
        self.content, self._costs, self._accuracies = content, costs, dict(accuracies)

    @property
    def energy(self) -> dict[str, float | None]:
        """Energy per learned sample in joules by rule; None where the processor has no energy."""
        return {rule["name"]: _nominal(rule["training"].get("energy_pj")) for rule in self.content["rules"]}

    @property
    def accuracy(self) -> dict[str, float]:
        """Accuracy in percent of the finished runs that were priced, by name; empty without runs."""
        return dict(self._accuracies)

    def to_frame(self) -> DataFrame:
        """Return a pandas data frame with a row per rule and figure, as `edgelearn cost --csv` prints it.

        Raises
        ------
        UserError
            "pandas is not installed ..."
        """
        import csv

        from edgelearn.reports.costs import as_csv

        rows = [dict(row) for row in csv.DictReader(io.StringIO(as_csv(self.content)))]
        for row in rows:
            for name in ("nominal", "low", "high"):
                row[name] = float(row[name]) if row[name] else None
        return frame(rows)

    def plot(self, path: str | PathLike[str] | None = None) -> Picture:
        """Draw costs by role with their bands, as `edgelearn cost --plot` does.

        Parameters
        ----------
        path : file to write too, .png, .svg or .pdf

        Returns
        -------
        Picture, which a notebook shows

        Raises
        ------
        UserError
            "matplotlib is not installed ...", "plot file ..."
        """
        from edgelearn.reports.plots.costs import plot_costs

        return picture(partial(plot_costs, self._costs, accuracies=self._accuracies), path)

    def _rows(self) -> dict[str, str]:
        figure = "energy_pj" if "energy_pj" in self.content["rules"][0]["training"] else "cycles"
        unit = "pJ" if figure == "energy_pj" else "cycles"
        return {
            rule["name"]: f"{with_unit(rule['training'][figure]['nominal'], unit)} per learned sample, "
            f"{with_unit(rule['inference'][figure]['nominal'], unit)} per inference"
            for rule in self.content["rules"]
        }

    def _title(self) -> str:
        return f"{net_text(self.content['rules'][0]['network'])} on {self.content['processor']}"

    def __repr__(self) -> str:
        rows = [f"{name} {text.partition(' per ')[0]}" for name, text in self._rows().items()]
        more = f", and {len(rows) - MOST_NAMES} more" if len(rows) > MOST_NAMES else ""
        return (
            f"{self._title()}, per learned sample: {', '.join(rows[:MOST_NAMES])}{more}\n.energy, .to_frame(), .plot()"
        )

    def _repr_html_(self) -> str:
        return html_table(self._title(), self._rows())


def _nominal(band: Mapping[str, Any] | None) -> float | None:
    return None if band is None else band["nominal"] * PICOJOULE


@takes_settings(RunConfig, only=PRICED)
def cost(
    rule: _Rules = "all",
    *,
    runs: Sequence[RunResult | str | PathLike[str]] | RunResult | None = None,
    dense: bool = False,
    input_density: float | None = None,
    hidden_density: float | None = None,
    update_density: float | None = None,
    error_density: float | None = None,
    against: str | None = None,
    tornado: bool = False,
    **settings: Any,
) -> Costs:
    """Price learning rules on a processor without running them, as `edgelearn cost` does.

    Parameters
    ----------
    rule : str or list of str
        Rules, or "all"; "dfa+drtp" is one network.
    runs : results or folders of finished runs, optional
        What is priced in place of rules: their networks and their measured activity.
    dense : bool
        Everything active, in place of a measured profile.
    input_density, hidden_density, update_density, error_density : float, optional
        Fractions, 0 to 1, of nonzero inputs, nonzero hidden activations, updating hidden neurons, nonzero errors.
    against : str, optional
        Rule, or name of a run, that the others are compared with.
    tornado : bool
        Rank the constants that decide the order of the rules, in `content["ranking"]`.

    Returns
    -------
    Costs
        Energies in pJ, times in us, areas in um2, memories in bits.

    Raises
    ------
    UserError
        "rule ... is not known ...", "setting ...", and why a network cannot be priced on the processor

    Example
    -------
    >>> import edgelearn as el
    >>> prices = el.cost(["bp", "drtp"], net="784-500-10")
    >>> prices.energy["drtp"] < prices.energy["bp"]
    True
    """
    for key in settings:
        if key not in PRICED:
            raise unknown("setting", key, PRICED)
    given = plain_settings(RunConfig, settings)
    densities = {
        "input_density": input_density,
        "hidden_density": hidden_density,
        "update_density": update_density,
        "error_density": error_density,
    }
    with ExitStack() as stack:
        folders = None if runs is None else list(_folders(runs, stack))
        text = rule if isinstance(rule, str) else ",".join(rule)
        found = {name: value for name, value in densities.items() if value is not None}
        costs, accuracies, content = priced(text, folders, given, found, dense, against)
    if tornado:
        content["ranking"] = ranking_as_dict(costs)
    return Costs(content, costs, accuracies)


def _folders(
    runs: Sequence[RunResult | str | PathLike[str]] | RunResult | str | PathLike[str], stack: ExitStack
) -> Iterator[Path]:
    """Give the folder of each run; one that has none is saved in one that goes with `stack`."""
    several = [runs] if isinstance(runs, RunResult | str | PathLike) else runs
    for number, run in enumerate(several, 1):
        if isinstance(run, RunResult) and run.out is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="edgelearn-"))
            yield run.save(Path(folder) / f"run {number}")
        else:
            yield run.out if isinstance(run, RunResult) and run.out is not None else Path(run)  # type: ignore[arg-type]


def priced(
    rule: str,
    runs: list[Path] | None,
    given: dict[str, Any],
    densities: dict[str, float],
    dense: bool,
    against: str | None,
) -> tuple[list[RuleCost], dict[str, float], dict[str, Any]]:
    """Price finished runs, or rules on a network that nobody ran.

    Parameters
    ----------
    rule : names divided by commas, or "all"

    Returns
    -------
    costs, accuracies of runs in percent, and both as plain data: what `edgelearn cost --json` prints

    Raises
    ------
    UserError
        "--run brings its own settings ..." and those of settings, rules and processors
    """
    if against is not None and not runs:  # a rule, in any case of letters as --rule
        against = against.strip().lower()
    costs, accuracies, assumed, facts = _costs(rule, runs, given, densities, dense, against)
    content = as_dict(costs)
    if assumed is not None:
        content["activity"] = assumed
    if facts:
        content["runs"] = facts
    content["verdict"] = verdict_as_dict(costs, "energy_pj" if "energy_pj" in costs[0].training.prices else "cycles")
    if against is not None:
        content["against"] = relative_as_dict(costs, against)
    return costs, accuracies, content


def _costs(
    rule: str,
    runs: list[Path] | None,
    given: dict[str, Any],
    densities: dict[str, float],
    dense: bool,
    against: str | None,
) -> tuple[list[RuleCost], dict[str, float], dict[str, Any] | None, list[dict[str, Any]]]:
    """Return costs, accuracies of runs, assumptions on the activity of networks without a run, and facts of runs."""
    if runs:
        fixed = sorted(set(given) - {"processor"}) + sorted(densities) + ["dense"] * dense + ["rule"] * (rule != "all")
        if fixed:
            raise UserError(f"--run brings its own settings; leave out --{fixed[0].replace('_', '-')}")
        found = costs_of_runs(runs, given.get("processor", RunConfig().processor))
        accuracies = {run.cost.name: run.accuracy for run in found if run.accuracy is not None}
        return [run.cost for run in found], accuracies, None, [run.as_dict() for run in found]
    several = rules_listed(rule)
    if against is not None and against not in several:
        several.append(against)
    configs = [make_config(given | {"rule": name}) for name in several]
    if len(configs) == 1:  # of several rules, some may read what others do not
        check_effect(configs[0], given, {})
        check_kernels(configs[0], set(given) - {"kernel_bias"})  # biases may be learned before
    activity = assumed_activity(configs[0], densities, dense)
    return assumed_costs(configs[0], several, activity), {}, activity.as_dict(several), []


class Processors(Sequence[dict[str, str]]):
    """The processors that runs are priced on: a row with name, kind and description each."""

    def __init__(self, rows: Sequence[dict[str, str]]) -> None:
        self._rows = list(rows)

    def __getitem__(self, place: Any) -> Any:
        return self._rows[place]

    def __len__(self) -> int:
        return len(self._rows)

    def to_frame(self) -> DataFrame:
        """Return the rows as a pandas data frame.

        Raises
        ------
        UserError
            "pandas is not installed ..."
        """
        return frame(self._rows)

    def __repr__(self) -> str:
        shown = ", ".join(row["name"] for row in self._rows)
        return f"{len(self)} processors: {shown}\n[0]['what'], .to_frame()"

    def _repr_html_(self) -> str:
        return html_table("processors", {row["name"]: row["what"] for row in self._rows})


def processors() -> Processors:
    """Return the processors that runs are priced on, as `edgelearn processors list` has them.

    Returns
    -------
    Processors, a sequence of rows with "name", "kind" and "what"

    Example
    -------
    >>> import edgelearn as el
    >>> "engine-28nm" in [row["name"] for row in el.processors()]
    True
    """
    found = [find_processor(name) for name in names()]
    return Processors([{"name": one.name, "kind": one.kind, "what": one.summary} for one in found])
