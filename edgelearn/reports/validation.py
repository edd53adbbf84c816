"""Results of validation against a reference as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgelearn.reports.dataset import sparkline

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

ANGLES = ("equal_weights", "own_weights", "to_backprop_fixed", "to_backprop_float")  # in the order of the columns
INEXACT = ("overflows", "saturations", "step_saturations")  # counters of what did not fit


def show(content: dict[str, Any], console: Console) -> None:
    """Print how a run compares with its float twin."""
    from rich.table import Table

    c = content
    net, points, end = c["network"], c["points"], c["points"][-1]
    sizes = "-".join(str(n) for n in net["sizes"])
    console.print(
        f"{net['rule']} on {c['data']['name']}: {sizes}, {net['word']}, rounding {net['rounding']}, "
        f"seed {c['config']['seed']}, beside its float twin (torch, one thread)",
        soft_wrap=True,
    )
    for line in _verdict_lines(c["verdict"], end):
        console.print(line, soft_wrap=True)
    if len(points) > 2:
        for layer in range(len(end["layers"])):
            curve = [point["layers"][layer]["weights"]["relative_rms"] for point in points]
            if None not in curve and max(curve):
                console.print(
                    f"weights apart, layer {layer + 1}  {sparkline(curve)}  "
                    f"{_percent(curve[0])} -> {_percent(curve[-1])} of their rms"
                )
    console.print()
    table = Table(
        "layer", "shape", "weights apart", "signals apart: equal weights", "own weights", "to backprop: fixed",
        "float", box=None, pad_edge=False,
    )  # fmt: skip
    for row in end["layers"]:
        angles = [row["angle_signal"][name] for name in ANGLES]
        texts = ("" if angle is None else f"{angle:.1f} deg" for angle in angles)
        table.add_row(str(row["layer"]), row["shape"], _percent(row["weights"]["relative_rms"]), *texts)
    _print_right(console, table)
    table = Table(
        "lost to zero, layer", "signals", "gates", "steps", "of their size", "sums at rails", "activations",
        "overflows", "saturated", "cut", box=None, pad_edge=False,
    )  # fmt: skip
    for row in end["layers"]:
        gone, rails = row["vanished"], row["at_rails_percent"]
        shares = [gone[name] and gone[name]["percent"] for name in ("signals", "gates", "steps")]
        shares += [gone["steps"] and gone["steps"]["size_percent"], rails["sums"], rails["activations"]]
        texts = ("" if share is None else f"{share:.1f} %" for share in shares)
        table.add_row(str(row["layer"]), *texts, *(f"{row[name]:,}" for name in INEXACT))
    _print_right(console, table)
    for row in end["layers"]:
        if row["one_sample"] is not None:
            found = row["one_sample"]["weights"]
            console.print(
                f"one update, layer {row['layer']}: within {found['largest_lsb']:.2f} LSB of "
                f"{row['one_sample']['reference']} (rms {found['rms_lsb']:.2f}; rounding and limits alone "
                f"{found['rounding_largest_lsb']:.2f}, rms {found['rounding_rms_lsb']:.2f}); "
                f"largest step {found['float_largest_lsb']:.1f} LSB",
                soft_wrap=True,
            )


def show_spiking(content: dict[str, Any], console: Console) -> None:
    """Print how a spiking run compares with Brian2."""
    from rich.table import Table

    c = content
    totals = c["totals"]
    console.print(
        f"{c['network']['rule']} on {c['data']}, {'-'.join(str(n) for n in c['network']['sizes'])}: "
        f"{c['steps']:,} steps, compared {c['checkpoints']:,} times: spikes {totals['spikes']:,}, updates "
        f"{totals['synaptic_updates']:,}; weights cut {totals['saturations']:,} times, membranes "
        f"{totals['membrane_saturations']:,}, traces {totals['trace_saturations']:,}",
        soft_wrap=True,
    )
    for note in c["notes"]:
        console.print(f"note: {note}", soft_wrap=True)
    if c["difference"] is None:
        console.print("equal: every spike, membrane, current, trace, gate, modulator and weight of Brian2 (numpy)")
    else:
        console.print(f"different: {c['difference']['text']}", soft_wrap=True)
    table = Table("float beside fixed point", box=None, pad_edge=False)
    for title in ("rate", "float", "spike counts", "weights", "changes", "rms, words"):
        table.add_column(title, justify="right")
    for p, one in enumerate(c["float"], 1):
        table.add_row(
            f"population {p}",
            *(f"{one[name]:.4f}" for name in ("rate", "float_rate")),
            *(f"{one[name]:.3f}" for name in ("counts", "weights", "changes")),
            f"{one['rms']:.1f}",
        )
    console.print()
    console.print(table)
    console.print(
        "rate: spikes of a neuron in a step; spike counts of the neurons, weights and what was learned: as "
        "correlations. Spike for spike, float and fixed point part within a second of learning.",
        soft_wrap=True,
    )


def _verdict_lines(verdict: dict[str, Any], end: dict[str, Any]) -> list[str]:
    keys = ("accuracy_follows", "angles_follow", "signals_follow")
    missed = [key.partition("_")[0] for key in keys if not verdict[key]]
    lines = [f"does NOT follow its float twin in {' and '.join(missed)}" if missed else "follows its float twin"]
    for layer in verdict["silent_layers"]:
        lines.append(f"layer {layer} has no signal left in fixed point, for any of the samples compared; its twin has")
    gap, angle = verdict["gap_points"], verdict["largest_angle_difference"]
    if gap is not None:
        lines.append(
            f"accuracy {end['fixed_accuracy_percent']:.2f} % in fixed point, {end['float_accuracy_percent']:.2f} % in "
            f"float: {abs(gap):.2f} points apart (at most {verdict['gap_points_allowed']:.2g}); "
            f"{end['same_class_percent']:.1f} % of the test samples get the same class"
        )
    if angle is not None:
        lines.append(
            f"angles to backpropagation's signal: {angle:.1f} degrees apart at most "
            f"(less than {verdict['angle_difference_allowed']:g}), mean of samples; "
            f"{verdict['largest_angle_difference_pooled']:.1f} where these count by the size of their signals"
        )
    return lines


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"


def _print_right(console: Console, table: Table) -> None:
    """Print a table, all but its first column to the right, and an empty line."""
    for column in table.columns[1:]:
        column.justify = "right"
    console.print(table)
    console.print()
