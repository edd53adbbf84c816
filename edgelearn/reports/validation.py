"""Results of validation against a reference as text."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from edgelearn.reports.console import print_table, say, sparkline, verdict
from edgelearn.units import net_text, percent

# column -> key of an angle between signals
ANGLES = {
    "signals apart": "equal_weights",
    "own weights": "own_weights",
    "to bp, fixed": "to_backprop_fixed",
    "to bp, float": "to_backprop_float",
}
INEXACT = ("overflows", "saturations", "step_saturations")  # counters of what did not fit


def show(content: dict[str, Any], console: Console, details: bool = False) -> None:
    """Print how a run compares with its float twin; `details` adds where precision is lost and single updates."""
    c = content
    net, points, end = c["network"], c["points"], c["points"][-1]
    sizes = net_text(net)
    say(
        console,
        f"{net['rule']} on {c['data']['name']}, {sizes}: {net['word']}, rounding {net['rounding']}, "
        f"seed {c['config']['seed']}, beside its float twin (torch)",
        *(f"note: {note}" for note in c["notes"]),
    )
    _print_verdict(console, c["verdict"], end, details)
    if len(points) > 2:
        for layer in range(len(end["layers"])):
            curve = [point["layers"][layer]["weights"]["relative_rms"] for point in points]
            if None not in curve and max(curve):
                ends = f"{percent(curve[0], 1)} -> {percent(curve[-1], 1)} of their rms"
                say(console, f"weights apart, layer {layer + 1}  {sparkline(curve)}  {ends}")
    console.print()
    print_table(console, [_angles(row, details) for row in end["layers"]])
    if not details:
        return
    say(
        console,
        "signals apart: with equal weights, and with the own weights of both; to bp: from backpropagation's",
        "",
    )
    print_table(console, [_lost(row) for row in end["layers"]])
    console.print()
    for row in end["layers"]:
        if row["one_sample"] is not None:
            found = row["one_sample"]["weights"]
            say(
                console,
                f"one update, layer {row['layer']}: within {found['largest_lsb']:.2f} LSB of "
                f"{row['one_sample']['reference']} (rms {found['rms_lsb']:.2f}; rounding and limits alone "
                f"{found['rounding_largest_lsb']:.2f}, rms {found['rounding_rms_lsb']:.2f}); "
                f"largest step {found['float_largest_lsb']:.1f} LSB",
            )


def show_numbers(content: dict[str, Any], console: Console) -> None:
    """Print how a run without classes compares with its float twin."""
    c, v = content, content["verdict"]
    net = c["network"]
    say(
        console,
        f"{net['rule']} on {c['data']['name']}, {c['task']}, {net_text(net)}: {net['word']}, rounding "
        f"{net['rounding']}, seed {c['config']['seed']}, beside its float twin (torch)",
        *(f"note: {note}" for note in c["notes"]),
        "the run follows its float twin" if v["follows"] else "the run does not follow its float twin",
        f"RMSE apart {v['gap_rmse']:+.4f} (allowed {v['gap_rmse_allowed']:.4f}), correlation of outputs "
        f"{v['output_correlation']} (at least {v['output_correlation_allowed']}); 1.0 is the range of an output",
    )
    console.print()
    print_table(console, [{name.replace("_", " "): value for name, value in point.items()} for point in c["points"]])


def _angles(row: dict[str, Any], details: bool) -> dict[str, Any]:
    cells = {"layer": row["layer"]} | ({"shape": row["shape"]} if details else {})
    cells["weights apart"] = percent(row["weights"]["relative_rms"], 1)
    for title, key in ANGLES.items():
        angle = row["angle_signal"][key]
        cells[title] = None if angle is None else f"{angle:.1f} deg"
    return cells


def _lost(row: dict[str, Any]) -> dict[str, Any]:
    gone, rails = row["vanished"], row["at_rails_percent"]
    shares = {name: gone[name] and gone[name]["percent"] for name in ("signals", "gates", "steps")}
    shares["of their size"] = gone["steps"] and gone["steps"]["size_percent"]
    shares |= {"sums at rails": rails["sums"], "activations": rails["activations"]}
    cells = {"lost to zero, layer": row["layer"]}
    cells |= {title: None if share is None else f"{share:.1f} %" for title, share in shares.items()}
    return cells | {name.replace("_", " "): row[name] for name in INEXACT}


def show_spiking(content: dict[str, Any], console: Console, details: bool = False) -> None:
    """Print how a spiking run compares with Brian2; `details` adds the float network beside it."""
    c = content
    totals = c["totals"]
    say(
        console,
        f"{c['network']['rule']} on {c['data']}, {'-'.join(str(n) for n in c['network']['sizes'])}: "
        f"{c['steps']:,} steps, compared {c['checkpoints']:,} times: spikes {totals['spikes']:,}, updates "
        f"{totals['synaptic_updates']:,}",
        f"saturations: weights {totals['saturations']:,}, membranes {totals['membrane_saturations']:,}, traces "
        f"{totals['trace_saturations']:,}",
        *(f"note: {note}" for note in c["notes"]),
    )
    if c["difference"] is None:
        parts = "spike, membrane, current, trace, gate, modulator and weight"
        verdict(console, True, f"equal: every {parts} of Brian2 (numpy)")
    else:
        verdict(console, False, f"different: {c['difference']['text']}")
    if not details:
        return
    rows = []
    for p, one in enumerate(c["float"], 1):
        row = {"float beside fixed point": f"population {p}", "rate": f"{one['rate']:.4f}"}
        row["float"] = f"{one['float_rate']:.4f}"
        titles = {"spike counts": "counts", "weights": "weights", "changes": "changes"}
        row |= {title: f"{one[key]:.3f}" for title, key in titles.items()}
        rows.append(row | {"rms, words": f"{one['rms']:.1f}"})
    console.print()
    print_table(console, rows)
    say(
        console,
        "rate: spikes per neuron and step; spike counts of the neurons, weights and what was learned: as correlations. "
        "Spike for spike, float and fixed point part within a second of learning.",
    )


def _print_verdict(console: Console, found: dict[str, Any], end: dict[str, Any], details: bool) -> None:
    keys = ("accuracy_follows", "angles_follow", "signals_follow")
    missed = [key.partition("_")[0] for key in keys if not found[key]]
    follows = f"does NOT follow its float twin in {' and '.join(missed)}" if missed else "follows its float twin"
    verdict(console, not missed, follows)
    for layer in found["silent_layers"]:
        say(console, f"layer {layer} has no signal left in fixed point, for any sample compared; its twin has")
    gap, angle = found["gap_points"], found["largest_angle_difference"]
    if gap is not None:
        limit = f"at most {found['gap_points_allowed']:.2g}"
        if found.get("better_than_twin"):
            limit += " where the twin is better, and it is not: this rule's signal comes from labels alone"
        say(
            console,
            f"accuracy {end['fixed_accuracy_percent']:.2f} % in fixed point, {end['float_accuracy_percent']:.2f} % in "
            f"float: {abs(gap):.2f} points apart ({limit}); "
            f"{end['same_class_percent']:.1f} % of the test samples get the same class",
        )
    if angle is not None:
        pooled = found["largest_angle_difference_pooled"]
        say(
            console,
            f"angles to backpropagation's signal: {angle:.1f} degrees apart at most (less than "
            f"{found['angle_difference_allowed']:g}), mean of samples"
            + (f"; {pooled:.1f} where these count by the size of their signals" if details else ""),
        )
