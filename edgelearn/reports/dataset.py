"""The report of a run over a data set, as text."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from edgelearn.data.source import columns_line
from edgelearn.reports.console import print_table, say, sparkline
from edgelearn.reports.costs import energy_by_role, print_costs, print_sample_cost
from edgelearn.reports.numbers import print_errors
from edgelearn.reports.start import start_lines
from edgelearn.units import net_text

SATURATED = 0.001  # share of weight writes from which the default report says so
MANY = 0.01  # and from which it says what to do


def show(content: dict[str, Any], console: Console, speed: float | None = None, details: bool = False) -> None:
    """Print accuracy, costs and accesses of a run; `details` adds accesses by memory, layers and sources of costs.

    Parameters
    ----------
    content : of report.json
    speed : samples per second on this machine, None where it is not known
    """
    net, data, config = content["network"], content["data"], content["config"]
    sizes = net_text(net)
    head = f"{net['rule']} on {data['name']}, {sizes}: {net['word']}"
    if details:
        head += f", rounding {net['rounding']}, {net['input_bits']}-bit inputs, feedback {net['feedback']}"
    say(console, f"{head}, seed {config['seed']}", columns_line(content["columns"]), *layers_of(net))
    if "task" in content:
        print_errors(console, content, speed if details else None)
    else:
        _print_accuracy(console, content, speed, details)
    if details:
        _print_accesses(console, content)
        _print_layers(console, content)
        _print_storage(console, content)
        say(console, *notes_of(content), "")
        print_costs(console, content["cost"], details)
        return
    print_sample_cost(console, content["cost"])
    words = content["per_sample"]["words"].values()
    read, wrote = (sum(memory[side] for memory in words) for side in ("read", "written"))
    say(console, f"words per sample: {read:,.0f} read, {wrote:,.0f} written; {buffers_of(content)}")
    say(console, energy_by_role(content["cost"]), *notes_of(content))


def _print_accuracy(console: Console, content: dict[str, Any], speed: float | None, details: bool) -> None:
    result, data, config = content["result"], content["data"], content["config"]
    epochs = f"{config['epochs']} epochs of {data['train_samples']:,} samples"
    learned = epochs if config["epochs"] > 1 else f"{result['samples_learned']:,} samples learned"
    learned += f", {speed:,.0f} samples/s" if speed and details else ""
    if result["test_error_percent"] is None:
        say(console, f"no test samples; {learned}")
    else:
        accuracy = f"test accuracy {100 - result['test_error_percent']:.2f} %"
        say(
            console,
            f"{accuracy} ({data['test_samples']:,} samples; {learned}); most frequent class "
            f"{content['baseline_accuracy_percent']:.2f} %",
        )
    say(console, *start_lines(content, content["accuracy_percent"]))
    curve = result["online_error_percent"]
    if curve:
        say(console, f"error while learning  {sparkline(curve)}  {curve[0]:.1f} % -> {curve[-1]:.1f} %")
    console.print()


def layers_of(network: dict[str, Any]) -> list[str]:
    """Say in one line by which rule each layer learns and what it waits for; nothing where hidden layers are alike.

    Parameters
    ----------
    network : of a report
    """
    said = []
    for number, layer in enumerate(network["layers"], 1):
        if "learned" not in layer:
            return []
        words = {"all": "", "bias": ", biases only", "none": ", frozen"}[layer["learned"]]
        if "rule" not in layer:
            said.append(f"layer {number} (output): own error{words}")
        elif layer["learned"] == "none" and layer["rule"] == "shallow":
            said.append(f"layer {number}: frozen")
        else:
            said.append(f"layer {number}: {layer['rule']}{words}, locking {layer['locking']}")
    return ["; ".join(said)]


def buffers_of(content: dict[str, Any]) -> str:
    """Say what locking buffers."""
    locking = content["network"]["locking"]
    bits = sum(held["bits"] for held in content["buffers"])
    return f"{locking}-locking buffers: {bits:,} bits" if bits else "update-locking buffers: none"


def notes_of(content: dict[str, Any]) -> list[str]:
    """Return the notes of a run or stream, and those on saturated weights and accumulators."""
    notes = list(content.get("notes", ()))
    learned = content["counters"]["learning"]
    writes = [
        of_weights or of_biases
        for of_weights, of_biases in zip(learned["weight_write"], learned["bias_write"], strict=True)
    ]
    shares = {
        layer["layer"]: layer["saturations"] / max(written, 1)
        for layer, written in zip(content["layers"], writes, strict=True)
    }
    told = [f"{100 * share:.2g} % in layer {layer}" for layer, share in shares.items() if share >= SATURATED]
    if told:
        hint = "; try a larger --range-exponent or smaller rates" if max(shares.values()) >= MANY else ""
        notes.append(f"weight writes that saturate: {', '.join(told)}{hint}")
    overflows = {layer["layer"]: layer["overflows"] for layer in content["layers"] if layer["overflows"]}
    if overflows:
        notes.append(f"accumulator overflows: {', '.join(f'{n:,} in layer {layer}' for layer, n in overflows.items())}")
    return [f"note: {note}" for note in notes]


def _print_accesses(console: Console, content: dict[str, Any]) -> None:
    rows = [
        {"words per learned sample": memory, "read": f"{n['read']:,.1f}", "written": f"{n['written']:,.1f}"}
        for memory, n in content["per_sample"]["words"].items()
        if n["read"] or n["written"]
    ]
    print_table(console, rows)
    operations = content["per_sample"]["operations"].items()
    named = ", ".join(f"{name.replace('_', ' ')} {n:,.1f}" for name, n in operations if n)
    say(console, f"operations per learned sample: {named}", "")


def _print_layers(console: Console, content: dict[str, Any]) -> None:
    rows = [
        {
            "layer": row["layer"],
            "shape": row["shape"],
            "events/sample": f"{row['events_per_sample']:.1f}",
            "active": f"{row['active_neurons_per_sample']:.1f}" if row["learns"] else "frozen",
            "updates": f"{row['updates_percent']:.1f} %",
            "skipped neurons": f"{row['skipped_neurons_percent']:.1f} %" if row["learns"] else "",
            "saturations": row["saturations"] + row["step_saturations"],
        }
        for row in content["layers"]
    ]
    print_table(console, rows)
    console.print()
    print_formats(console, content["network"]["layers"])
    console.print()


def print_formats(console: Console, layers: list[dict[str, Any]]) -> None:
    """Print the effective exponents of two of each layer: those that were set, and those that were derived."""
    rows = [
        {
            "exponents of two": f"layer {k}",
            **({"rule": layer.get("rule", "-"), "locking": layer.get("locking", "-")} if "learned" in layer else {}),
            "learning rate": layer["rate_exponent"] if layer["learns"] else "-",
            "range of weights": layer["range_exponent"],
            "shift of sums": layer["sum_shift"],
            "shift of steps": layer["step_shift"] if layer["learns"] else "-",
            "bits of d": layer["delta_bits"] if layer["learns"] else "-",
            "activation": layer["activation"],
        }
        for k, layer in enumerate(layers, 1)
    ]
    print_table(console, rows)


def _print_storage(console: Console, content: dict[str, Any]) -> None:
    bits = sum(held["bits"] for held in content["held"])
    stored: dict[str, int] = {}
    for held in content["held"]:
        stored[held["role"]] = stored.get(held["role"], 0) + held["words"]
    say(console, f"stored: {', '.join(f'{n:,} {role} words' for role, n in stored.items())} = {bits / 8192:.1f} KiB")
    if not content["buffers"]:
        net = content["network"]
        say(console, f"{buffers_of(content)} ({net['rule']} has locking: {net['locking']})")
    for held in content["buffers"]:
        say(
            console,
            f"buffered, layer {held['layer']}: {held['words']:,} {held['role']} words of {held['word_bits']} bits "
            f"({held['reason']})",
        )
