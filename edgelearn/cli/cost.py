"""`edgelearn cost`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

from edgelearn.cli import options
from edgelearn.cli.options import flag
from edgelearn.errors import UserError

if TYPE_CHECKING:
    from hw_models.compare.rules import RuleCost


def cost(
    rule: Annotated[str, flag("Learning rules, divided by commas, or all.")] = "all",
    net: options.Net = None,
    bits: options.Bits = None,
    residual_bits: options.ResidualBits = None,
    rounding: options.Rounding = None,
    input_bits: options.InputBits = None,
    feedback: options.Feedback = None,
    processor: Annotated[
        str, flag("Processor (see `edgelearn processors list`) or a .toml file [engine-28nm].")
    ] = "engine-28nm",
    input_density: Annotated[Optional[float], flag("Fraction of inputs that are not zero, 0 to 1 [1].")] = None,
    hidden_density: Annotated[Optional[float], flag("Fraction of hidden activations that are not zero [1].")] = None,
    update_density: Annotated[Optional[float], flag("Fraction of hidden neurons that update [1].")] = None,
    error_density: Annotated[Optional[float], flag("Fraction of output errors that are not zero [1].")] = None,
    runs: Annotated[
        Optional[list[Path]], flag("Price this finished run's own activity; again for more runs.", "--run")
    ] = None,
    tornado: Annotated[bool, flag("Say which constant decides the order of the rules.", "--tornado")] = False,
    json: options.AsJson = False,
    csv: Annotated[bool, flag("Print as CSV.", "--csv")] = False,
    plot: Annotated[Optional[Path], flag("Draw energy and area by role: a .png or .svg file.")] = None,
    action_counts: Annotated[
        Optional[Path], flag("Write the accesses of one rule for Accelergy: action_counts.yaml.")
    ] = None,
    ert: Annotated[Optional[Path], flag("Price one rule's accesses with an Accelergy ERT.yaml.")] = None,
    ert_unit: Annotated[Optional[str], flag("Unit of the energies in the ERT: fJ, pJ or nJ [pJ].")] = None,
) -> None:
    """Price learning rules on a processor: energy, latency, power and area, without running anything."""
    flags = dict(locals())
    from edgelearn.config import RunConfig
    from hw_models.compare.ranking import ranking_as_dict
    from hw_models.compare.rules import as_dict

    for first, second in (("json", "csv"), ("csv", "tornado"), ("csv", "ert")):
        if flags[first] and flags[second]:
            raise UserError(f"--{first} and --{second} exclude each other; give one of them")
    if ert_unit is not None and ert is None:
        raise UserError("--ert-unit says how --ert is read; give --ert FILE too")
    for path in (plot, action_counts):
        if path is not None and not path.parent.is_dir():
            raise UserError(f"cannot write {path}: there is no folder {path.parent}; give a folder that can be written")
    given = {key: value for key, value in flags.items() if key in RunConfig.model_fields and value is not None}
    densities = {key: value for key, value in flags.items() if key.endswith("_density") and value is not None}
    costs, accuracies = _costs(rule, runs, processor, given, densities)
    content = as_dict(costs)
    if tornado:
        content["ranking"] = ranking_as_dict(costs)
    if action_counts is not None or ert is not None:
        if len(costs) != 1:
            raise UserError("--action-counts and --ert take one rule; give --rule drtp, for example")
        content["accelergy"] = _accelergy(costs[0], action_counts, ert, ert_unit or "pJ")
    if plot is not None:
        from edgelearn.reports.plots.costs import plot_costs

        plot_costs(costs, plot, accuracies)
    if json:
        import json as json_module

        sys.stdout.write(json_module.dumps(content, indent=1) + "\n")
    elif csv:
        from edgelearn.reports.costs import as_csv

        sys.stdout.write(as_csv(content))
    else:
        _print_costs(content, [path for path in (plot, action_counts) if path is not None])


def _costs(
    rule: str, runs: list[Path] | None, processor: str, given: dict[str, Any], densities: dict[str, float]
) -> tuple[list[RuleCost], dict[str, float]]:
    """Price finished runs, or rules on a network that nobody ran; return the costs, and the accuracies of runs."""
    from edgelearn.config import make_config
    from edgelearn.rules import RULES
    from edgelearn.runs.finished import assumed_costs, costs_of_runs

    if runs:
        fixed = sorted(set(given) - {"rule", "processor"}) + sorted(densities) + ["rule"] * (rule != "all")
        if fixed:
            raise UserError(f"--run brings its own settings; leave out --{fixed[0].replace('_', '-')}")
        priced = costs_of_runs(runs, processor)
        accuracies = {run.cost.name: run.accuracy for run in priced if run.accuracy is not None}
        return [run.cost for run in priced], accuracies
    names = list(RULES) if rule == "all" else [name.strip().lower() for name in rule.split(",")]
    for name in names:
        if names.count(name) > 1 or name == "all":
            raise UserError(f"--rule {rule} cannot be read; give each rule once, divided by commas, or all alone")
    return assumed_costs(make_config(given | {"rule": names[0]}), names, densities), {}


def _print_costs(content: dict[str, Any], written: list[Path]) -> None:
    from rich.console import Console

    from edgelearn.reports.costs import print_costs, print_ert, print_ranking

    console = Console(highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else 120)
    print_costs(console, content)
    if "ranking" in content:
        print_ranking(console, content["ranking"])
    if content.get("accelergy"):
        print_ert(console, content["accelergy"])
    for path in written:
        console.print(f"\nwritten: {path}", soft_wrap=True)


def _accelergy(rule: RuleCost, out: Path | None, ert: Path | None, unit: str) -> dict[str, Any]:
    """Write a rule's accesses, price them with an energy table, or both; return what there is to show."""
    from hw_models.compare.accelergy import actions, price_with, read_ert, write_action_counts

    counts = actions(rule.spec, rule.activity, rule.processor)
    shown: dict[str, Any] = {}
    if ert is not None:
        table, samples = read_ert(ert, unit), max(rule.activity.n_samples, 1)
        energies = price_with(table, counts)
        shown = {
            "table": str(table),
            "energy_pj": {f"{component} {action}": pj / samples for (component, action), pj in energies.items()},
        }
    if out is not None:
        write_action_counts(out, rule.spec, rule.activity, rule.processor)
    return shown
