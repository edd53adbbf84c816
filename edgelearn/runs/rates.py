"""Rate networks in runs: specification from settings, facts of reports, records and prices in studies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from edgelearn.config import RateSettings, StreamConfig
from edgelearn.data.source import ColumnsUsed
from edgelearn.errors import UserError
from edgelearn.network.convolutions import CONVOLUTION_SETTINGS
from edgelearn.network.counters import EVENTS, OPERATIONS, Counters
from edgelearn.network.kernels.tables import CONVOLUTION_COUNTERS, counters_of
from edgelearn.network.layer import ConvLayer, Layer
from edgelearn.network.spec import NetworkSpec, design
from edgelearn.network.storage import buffers, footprint, learns_from_lines, line_buffers
from edgelearn.network.topology import Dense, Shape, Topology
from edgelearn.network.widths import WIDEST
from edgelearn.rules import find_rules
from edgelearn.runs.shapes import dry_topology, example_of
from hw_models.cost import Cost
from hw_models.processor import find_processor

DRY_NET = (8, 4, 2)  # any network shows whether rule, widths and roundings go together
RATES = ("hidden_rate", "output_rate")
COLUMNS = {  # of a study, and the counter of each
    "weight_reads": "weight_read",
    "weight_writes": "weight_write",
    "feedback_reads": "feedback_read",
    "activation_reads": "activation_read",
    "activation_writes": "activation_write",
    "error_reads": "error_read",
    "forward_macs": "forward_macs",
    "update_macs": "update_macs",
    "events": "input_events",
}
_OF_THE_NETWORK = (
    "rule", "bits", "rounding", "residual_bits", "input_bits", "activation", "output", "hidden_rate", "output_rate",
    "range_exponent", "event_threshold", "dead_zone", "accumulator_bits", "delta_bits", "seed", "update_gate", "margin",
    "learn", "local_dead_zone", *CONVOLUTION_SETTINGS,
)  # fmt: skip
_FIGURES = ("energy_pj", "latency_us", "cycles", "area_um2", "memory_bits", "power_uw")


def spec_of(
    config: RateSettings, sizes: Sequence[int] | str | Topology, imported: Mapping[str, Any] | None = None
) -> NetworkSpec:
    """Derive the network of a configuration for layer sizes or a topology, whatever the data.

    Parameters
    ----------
    imported : settings that the source of --start decides, see `edgelearn.runs.start.Start`
    """
    given: dict[str, Any] = {name: getattr(config, name) for name in _OF_THE_NETWORK}
    classifies = getattr(config, "task", "classify") == "classify"
    if classifies and config.net is None and not isinstance(sizes, str | Topology) and sizes[-1] == 1:
        # chosen by `n_outputs_for`; a softmax by default is none then
        given["output"] = "sigmoid"
    signed = getattr(config, "encoder", None) == "signed"
    given["hidden_inference"] = getattr(config, "hidden_inference", "full")  # a setting of runs alone
    given |= {"feedback_format": config.feedback, "signed_inputs": signed} | dict(imported or {})
    if isinstance(config, StreamConfig) and config.task == "anomaly":
        given |= {"task": "reconstruct", "update_gate": "normal" if config.learn_while == "normal" else "always"}
    elif not classifies:
        given["task"] = getattr(config, "task", "classify")
    return design(sizes, **given)


def spec_of_report(config: RateSettings, content: Mapping[str, Any]) -> NetworkSpec:
    """Derive the network of a report, or of anything that has its sizes or its topology, and its start."""
    network = content.get("network", content)
    return spec_of(config, network.get("topology") or network["sizes"], (content.get("start") or {}).get("network"))


def width_notes(config: RateSettings, spec: NetworkSpec, imported: Mapping[str, Any] | None = None) -> list[str]:
    """Return a note on a width of learning factors that narrows none."""
    if config.delta_bits == WIDEST:
        return []
    wide = spec_of(config.model_copy(update={"delta_bits": WIDEST}), net_of(spec), imported)
    if any(
        (a.delta_scale, a.delta_reach) != (b.delta_scale, b.delta_reach)
        # d stops at a word of fewer bits than its modulator, which is then narrowed
        or (not b.output and b.delta_reach == b.delta_max)
        for a, b in zip(spec.layers, wide.layers, strict=True)
    ):
        return []
    return [f"--delta-bits {config.delta_bits} narrows nothing: {spec.rule_name} needs {wide.delta_width} bits here"]


def check_sizes(
    sizes: Sequence[int],
    n_inputs: int,
    n_classes: int,
    name: str,
    inputs: str = "features",
    hint: str = "",
    topology: Topology | None = None,
    shape: Shape | None = None,
) -> None:
    """Compare layer sizes with data; one output tells two classes apart.

    Parameters
    ----------
    topology, shape : of a network with convolutions, and of the data where it is known, for the message

    Raises
    ------
    UserError
        "net ... does not fit ..."
    """
    outputs = (1, 2) if n_classes == 2 else (n_classes,)
    if sizes[0] != n_inputs or sizes[-1] not in outputs:
        topology = Topology(sizes[0], tuple(Dense(n) for n in sizes[1:])) if topology is None else topology
        example = example_of(topology, n_inputs, n_classes, shape)
        raise UserError(
            f"net '{topology}' does not fit {name}: {n_inputs} {inputs} and {n_classes} classes; "
            f"try --net {example}{hint}"
        )


def n_outputs_for(config: RateSettings, n_classes: int) -> int:
    """Return the outputs of a network whose shape follows from the data: one per class.

    Two classes take one output under a non-negative rule, whose modulators have the sign of the gradient with one
    output only (Lechner 2020, section 3), unless a softmax is asked for where it is not the default.
    """
    asked = config.output == "softmax" != type(config).model_fields["output"].default
    single = n_classes == 2 and find_rules(config.rule)[-1].non_negative and not asked
    return 1 if single else n_classes


def notes_on_outputs(config: RateSettings, spec: NetworkSpec) -> list[str]:
    """Return a note where one output was chosen for two classes."""
    if config.net is not None or config.start is not None or spec.n_outputs > 1:
        return []
    net = "-".join(map(str, (*spec.sizes[:-1], 2)))
    return [f"{spec.rule_name} takes one output for two classes, as in its paper; --net {net} gives two"]


FEW_ROWS = {"run": 4_000, "stream": 500}  # that are learned; docs/results.md, "Small tables"


def notes_on_inference(spec: NetworkSpec) -> list[str]:
    """Return what predictions with signs of hidden activations hold for."""
    if spec.hidden_inference == "full":
        return []
    return [
        "hidden activations of 1 bit in predictions of test samples and the price of inference; "
        "of 8 bits while learning"
    ]


def notes_on_rule(config: RateSettings, spec: NetworkSpec, rows: int) -> list[str]:
    """Return advice where the default rule has learned few rows of a user's own data."""
    from edgelearn.data.open_source import stream_names

    data = getattr(config, "data", None)
    default = type(config).model_fields["rule"].default
    if (
        config.rule != default
        or spec.is_mixed
        or len(spec.layers) == 1
        or data in stream_names()
        or not 0 < rows <= FEW_ROWS[config.kind]
    ):
        return []
    others = "dfa or local" if config.kind == "run" else "dfa"
    return [f"from few rows ({rows:,}) --rule {others} often learns more than {default}, the default"]


def notes_on_masks(spec: NetworkSpec) -> list[str]:
    """Return a note on rules that nothing learns by."""
    idle = [
        f"{row.name} of layer {k}"
        for k, (row, layer) in enumerate(zip(spec.named, spec.layers[:-1], strict=False), 1)
        if row.learns_hidden and not layer.rule.learns_hidden
    ]
    if not idle:
        return []
    return [f"rules and hidden rates have no effect in frozen layers: {', '.join(idle)}"]


def note_of(config: RateSettings, spec: NetworkSpec, columns: ColumnsUsed, classes: Sequence[str]) -> dict[str, Any]:
    """Return the note of weights.npz, from which network and front end can be built again."""
    return {
        "net": list(spec.sizes),
        **topology_as_dict(spec),
        "bits": config.bits,
        "kind": config.kind,
        "config": config.model_dump(mode="json"),
        "inputs": list(columns.inputs),
        "classes": list(classes),
        "relative": False,  # earlier versions subtracted offsets without keeping them
    } | ({"offsets": list(columns.offsets)} if columns.offsets else {})


def layer_rates(config: RateSettings) -> list[int]:
    """Return the rate exponent of each layer, of some network where the settings name none."""
    if config.feedback == "imported" and config.start is not None:  # whose words are not read here
        config = config.model_copy(update={"feedback": "int8"})
    spec = spec_of(config, DRY_NET if config.net is None else dry_topology(config))
    return [layer.rate for layer in spec.layers]


def network_as_dict(spec: NetworkSpec) -> dict[str, Any]:
    """Return the network of a report."""
    return {
        "sizes": list(spec.sizes),
        **topology_as_dict(spec),
        "rule": spec.rule_name,
        **({"learn": spec.learn} if spec.learn != "all" else {}),
        "source": "; ".join(dict.fromkeys(rule.source for rule in spec.named)),
        "locking": spec.locking.value,
        "weight_transport": any(rule.weight_transport for rule in spec.rules or spec.named),
        "word": str(max((layer.word for layer in spec.layers), key=lambda word: word.stored_bits)),
        "rounding": spec.rounding,
        "input_bits": spec.input_bits,
        "output": spec.output,
        "feedback": spec.feedback_format if spec.holds_feedback else "none",
        "layers": [
            {
                "range_exponent": layer.word.range_exponent,
                "rate_exponent": layer.rate,
                "activation": layer.activation,
                "sum_shift": layer.sum_shift,
                "step_shift": layer.step_shift,
                "signal_shift": layer.signal_shift,
                "delta_bits": layer.delta_bits,
                "learns": layer.learns,
            }
            | (_of_layer(spec, k) if spec.is_mixed else {})
            | _of_convolution(layer)
            for k, layer in enumerate(spec.layers)
        ],
    }


def net_of(spec: NetworkSpec) -> Sequence[int] | str:
    """Return what `spec_of` takes to derive the same network: sizes, or the topology of convolutions."""
    return spec.net if spec.is_convolutional else spec.sizes


def topology_as_dict(spec: NetworkSpec) -> dict[str, str]:
    """Return the topology of a network with convolutions, which its sizes do not say; nothing of others."""
    return {"topology": spec.net} if spec.is_convolutional else {}


def _of_convolution(layer: Layer) -> dict[str, Any]:
    """Return what a convolution has beside other layers."""
    if not isinstance(layer, ConvLayer):
        return {}
    window = layer.window
    return {
        "kernel": [window.kernel_height, window.kernel_width, window.channels, window.maps],
        "positions": [window.out_height, window.out_width],
        "elements": [window.pooled_height, window.pooled_width, window.maps],
        "feedback_kind": layer.feedback_kind,
        "teach": layer.teach,
    }


def _of_layer(spec: NetworkSpec, k: int) -> dict[str, Any]:
    """Return what tells the layers of a network with rules or masks per layer apart."""
    layer = spec.layers[k]
    found: dict[str, Any] = {"learned": layer.learned}
    if not layer.output:
        found |= {"rule": layer.rule.name, "locking": spec.locking_of(k).value}
    return found


def activity_as_dict(spec: NetworkSpec, learned: Counters, inferred: Counters) -> dict[str, Any]:
    """Return what a report says of counters and storage."""
    return {
        "per_sample": _per_sample(learned),
        "layers": _by_layer(spec, learned),
        "held": [asdict(block) | {"bits": block.bits} for block in footprint(spec)],
        "buffers": [asdict(block) | {"bits": block.bits} for block in buffers(spec)],
        **_line_buffers_as_dict(spec),
        "counters": {"learning": learned.as_dict(), "inference": inferred.as_dict()},
    }


def _line_buffers_as_dict(spec: NetworkSpec) -> dict[str, Any]:
    """Return what of its input each convolution needs at a time; nothing without convolutions."""
    if not spec.is_convolutional:
        return {}
    blocks = [asdict(block) | {"bits": block.bits} for block in line_buffers(spec)]
    return {"line_buffers": blocks, "learns_from_lines": learns_from_lines(spec)}


def _per_sample(learned: Counters) -> dict[str, Any]:
    def words(memory: str) -> dict[str, float]:
        names = {"read": f"{memory}_read", "written": f"{memory}_write"}
        none = {"label": "written", "feedback": "written"}.get(memory)  # never written while learning
        return {side: 0.0 if side == none else round(learned.per_sample(name), 4) for side, name in names.items()}

    return {
        "words": {memory: words(memory) for memory in learned.memories},
        "operations": {name: round(learned.per_sample(name), 4) for name in OPERATIONS},
    }


def shape_of(layer: Layer) -> str:
    """Return the shape of a layer, e.g. 784 x 500, or 28x28x1 * 16x5x5 = 14x14x16."""
    if not isinstance(layer, ConvLayer):
        return f"{layer.n_in} x {layer.n_out}"
    w = layer.window
    kernel, maps = f"{w.maps}x{w.kernel_height}x{w.kernel_width}", f"{w.pooled_height}x{w.pooled_width}x{w.maps}"
    return f"{w.height}x{w.width}x{w.channels} * {kernel} = {maps}"


def _by_layer(spec: NetworkSpec, learned: Counters) -> list[dict[str, Any]]:
    n = max(learned.n_samples, 1)
    rows = []
    for k, layer in enumerate(spec.layers):
        row: dict[str, Any] = {
            "layer": k + 1,
            "shape": shape_of(layer),
            "learns": layer.learns,
            "events_per_sample": round(int(learned["input_events"][k]) / n, 4),
            "active_neurons_per_sample": round(int(learned["active_neurons"][k]) / n, 4),
            "updates_percent": round(100 * int(learned["updates"][k]) / n, 4),
            "skipped_neurons_percent": round(100 * int(learned["skipped_neurons"][k]) / n / layer.n_gates, 4),
        }
        row |= {name: int(learned[name][k]) for name in EVENTS}
        rows.append(row)
    return rows


def learning_counters(table: Mapping[str, Sequence[int]]) -> Counters:
    """Return the counters that a report or a record holds by name."""
    return Counters(np.array([table[name] for name in counters_of(CONVOLUTION_COUNTERS[0] in table)]).T)


def record_of(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a study keeps of a report."""
    learned = content["counters"]["learning"]
    return {
        "accuracy_percent": content["accuracy_percent"],
        "samples_learned": content["result"].get("samples_learned"),
        "sizes": list(content["network"]["sizes"]),
        **({"topology": content["network"]["topology"]} if "topology" in content["network"] else {}),
        **({"start": _start_of_record(content["start"])} if "start" in content else {}),
        "stored_bits": sum(held["bits"] for held in content["held"]),
        "buffered_bits": sum(held["bits"] for held in content["buffers"]),
        "samples": {"learning": learned["samples"][0]},
        "counters": {"learning": learned},
    }


def _start_of_record(start: Mapping[str, Any]) -> dict[str, Any]:
    return {"network": start["network"], "sha256": start["origin"]["sha256"]}


def price_record(config: RateSettings, record: Mapping[str, Any], processor: str) -> tuple[Cost, Cost]:
    """Return the cost of a learned sample and of an inference, from the record of a study."""
    spec = spec_of_report(config, record)
    activity, found = learning_counters(record["counters"]["learning"]), find_processor(processor)
    return found.price(spec, activity), found.price(spec, activity, learning=False)


def compared(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the results of a report for a comparison of runs."""
    words, operations = content["per_sample"]["words"], content["per_sample"]["operations"]
    results = {f"{memory}_{side}": n for memory, sides in words.items() for side, n in sides.items()}
    results |= dict(operations)
    results |= {
        name: sum(layer[name] for layer in content["layers"])
        for name in ("saturations", "step_saturations", "overflows")
    }
    results["stored_bits"] = sum(held["bits"] for held in content["held"])
    results["buffered_bits"] = sum(held["bits"] for held in content["buffers"])
    rule = content["cost"]["rules"][0]
    for part in ("training", "inference"):
        results |= prices(part, rule[part])
    return results


def prices(part: str, figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return the prices of a part of a report, "training" or "inference", as plain numbers."""
    found = {}
    for figure in _FIGURES:
        value = figures.get(figure)
        if isinstance(value, dict):
            value = value["nominal"] if "nominal" in value else sum(value.values())
        if value is not None:
            found[f"{part}_{figure}"] = value
    return found
