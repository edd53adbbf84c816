"""`edgelearn cost`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

from edgelearn.api.fields import PRICED
from edgelearn.cli.flags import OUTPUT, Details, Flag, Given, Json, Plot, command
from edgelearn.cli.shared import print_json
from edgelearn.errors import UserError

if TYPE_CHECKING:
    from hw_models.compare.rules import RuleCost


ACTIVITY, ACCELERGY = "Activity", "Accelergy"


@command(
    "RunConfig",
    only=PRICED,
    example="edgelearn cost --rule bp,drtp --net 784-500-10 --plot cost.svg",
)
def cost(
    given: Given,
    rule: Annotated[
        str, Flag("Learning rules, separated by commas, or all; dfa+drtp is one network.", "Learning")
    ] = "all",
    dense: Annotated[bool, Flag("Everything active, in place of a measured profile.", ACTIVITY)] = False,
    input_density: Annotated[
        Optional[float], Flag("Fraction of nonzero inputs, 0 to 1 [as measured].", ACTIVITY)
    ] = None,
    hidden_density: Annotated[
        Optional[float], Flag("Fraction of nonzero hidden activations, 0 to 1 [as measured].", ACTIVITY)
    ] = None,
    update_density: Annotated[
        Optional[float], Flag("Fraction of hidden neurons that update, 0 to 1 [as measured].", ACTIVITY)
    ] = None,
    error_density: Annotated[
        Optional[float], Flag("Fraction of nonzero output errors, 0 to 1 [as measured].", ACTIVITY)
    ] = None,
    runs: Annotated[
        Optional[list[Path]], Flag("Finished run whose activity is priced; repeatable.", ACTIVITY, "--run")
    ] = None,
    against: Annotated[
        Optional[str],
        Flag("Rule, or name of a run, that others are compared with, e.g. bp; --plot draws the differences.", OUTPUT),
    ] = None,
    tornado: Annotated[
        bool, Flag("Rank the constants that decide the order of the rules; with --plot, draw them.", OUTPUT)
    ] = False,
    structures: Annotated[
        bool, Flag("Print the ranges over a set of engines: lanes, memories, widths, tables.", OUTPUT)
    ] = False,
    csv: Annotated[bool, Flag("Print as CSV.", OUTPUT)] = False,
    plot: Plot = None,
    details: Details = False,
    json: Json = False,
    action_counts: Annotated[
        Optional[Path], Flag("File for the access counts of one rule, action_counts.yaml.", ACCELERGY)
    ] = None,
    ert: Annotated[Optional[Path], Flag("Energy reference table to price one rule with.", ACCELERGY)] = None,
    ert_unit: Annotated[
        Optional[str],
        Flag("Energy unit of the table: {hw_models.compare.accelergy:UNIT_NAMES} [pJ].", ACCELERGY),
    ] = None,
    ert_map: Annotated[
        Optional[list[str]],
        Flag("Name in the tables, as in weights=system.weights_sram or mac=system.mac:compute; repeatable.", ACCELERGY),
    ] = None,
    art: Annotated[Optional[Path], Flag("Area reference table to take areas from.", ACCELERGY)] = None,
    architecture: Annotated[
        Optional[Path], Flag("File for an architecture of the same components, architecture.yaml.", ACCELERGY)
    ] = None,
) -> None:
    """Price learning rules on a processor without running them: energy, latency, power and area."""
    flags = dict(locals())
    from edgelearn.api.pricing import priced
    from hw_models.compare.ranking import ranking_as_dict
    from hw_models.compare.relative import relative_over_structures

    for first, second in (("json", "csv"), ("csv", "tornado"), ("csv", "structures"), ("csv", "ert")):
        if flags[first] and flags[second]:
            raise UserError(f"--{first} and --{second} exclude each other; give one of them")
    if ert_unit is not None and ert is None:
        raise UserError("--ert-unit says how --ert is read; give --ert FILE too")
    if ert_map and ert is None and art is None:
        raise UserError("--ert-map names components of --ert or --art; give one of them too")
    for path in (plot, action_counts, architecture):
        if path is not None and not path.parent.is_dir():
            raise UserError(f"cannot write {path}: there is no folder {path.parent}; give a folder that can be written")
    densities = {key: value for key, value in flags.items() if key.endswith("_density") and value is not None}
    costs, accuracies, content = priced(rule, runs, given, densities, dense, against)
    if "against" in content:
        against = content["against"]["base"]
    if tornado:
        content["ranking"] = ranking_as_dict(costs)
    if structures or (not json and not csv and costs[0].processor.kind == "engine"):
        content["structures"] = _structures(costs)
        if against is not None:
            content["against"]["energy_over_structures"] = relative_over_structures(content["structures"], against)
    if any(path is not None for path in (action_counts, ert, art, architecture)):
        if len(costs) != 1:
            raise UserError(
                "--action-counts and --ert take one rule, as --art and --architecture do; give --rule drtp, for example"
            )
        content["accelergy"] = _accelergy(
            costs[0], action_counts, ert, ert_unit or "pJ", ert_map or [], art, architecture
        )
    if plot is not None and tornado:
        from edgelearn.reports.plots.tornado import plot_tornado

        cheapest = content["verdict"]["cheapest"] if content["verdict"] else costs[0].name
        plot_tornado(costs, plot, against or cheapest)
    elif plot is not None and against is not None:
        from edgelearn.reports.plots.relative import plot_relative

        plot_relative(costs, plot, against, content.get("activity", {}).get("text", ""))
    elif plot is not None:
        from edgelearn.reports.plots.costs import plot_costs

        plot_costs(costs, plot, accuracies)
    if json:
        print_json(content)
    elif csv:
        from edgelearn.reports.costs import as_csv

        sys.stdout.write(as_csv(content))
    else:
        paths = [path for path in (plot, action_counts, architecture) if path is not None]
        _print_costs(content, paths, details, structures)


def _structures(costs: list[RuleCost]) -> dict[str, Any]:
    """Return the ranges of the same counts over a set of engines."""
    from hw_models.compare.structures import structures, structures_as_dict

    specs = {cost.name: cost.spec for cost in costs}
    return structures_as_dict(structures(specs, {cost.name: cost.activity for cost in costs}, costs[0].processor))


def _print_costs(content: dict[str, Any], paths: list[Path], details: bool, structures: bool) -> None:
    from edgelearn.reports.console import make_console, next_steps, written
    from edgelearn.reports.costs import print_costs, print_ert, print_ranking
    from edgelearn.reports.structures import print_structures

    console = make_console()
    print_costs(console, content, details)
    if structures:
        console.print()
        print_structures(console, content["structures"], content["processor"])
    if "ranking" in content:
        print_ranking(console, content["ranking"])
    if content.get("accelergy"):
        print_ert(console, content["accelergy"])
    written(console, *paths)
    names, runs = [run["name"] for run in content.get("runs", ())], [] if "runs" in content else ["--run DIR"]
    against = [f"--against {shlex.quote(names[0])}"] if len(names) > 1 else [] if names else ["--against bp"]
    against = [] if "against" in content else against
    next_steps(console, "--tornado", *against, "--plot cost.svg", *runs, details=details)


def _accelergy(
    rule: RuleCost,
    out: Path | None,
    ert: Path | None,
    unit: str,
    named: list[str],
    art: Path | None,
    architecture: Path | None,
) -> dict[str, Any]:
    """Write a rule's accesses and components, price them with tables of Accelergy; return the figures to show."""
    from hw_models.compare.accelergy import (
        actions,
        area_with,
        price_with,
        read_art,
        read_ert,
        read_names,
        write_action_counts,
        write_architecture,
    )

    names = read_names(named, rule.processor)

    counts = actions(rule.spec, rule.activity, rule.processor)
    shown: dict[str, Any] = {}
    if ert is not None:
        table, samples = read_ert(ert, unit), max(rule.activity.n_samples, 1)
        notes: list[str] = []
        energies = price_with(table, counts, names, notes)
        shown = {
            "table": str(table),
            **({"notes": notes} if notes else {}),
            "energy_pj": {f"{component} {action}": pj / samples for (component, action), pj in energies.items()},
        }
    if art is not None:
        shown["area_table"], shown["area_um2"] = art.name, area_with(read_art(art), rule.processor, names, rule.spec)
    if out is not None:
        write_action_counts(out, rule.spec, rule.activity, rule.processor)
    if architecture is not None:
        write_architecture(architecture, rule.spec, rule.processor)
    return shown
