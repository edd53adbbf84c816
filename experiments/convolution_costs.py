"""What convolution costs under each rule, and SPOON's overheads with a convolution in front of its dense layers.

    python experiments/convolution_costs.py           a minute; writes results/convolution_costs.json
    python experiments/convolution_costs.py rules     the tables of rules alone, in seconds

Energy, cycles, area and buffers of four networks on `engine-28nm` and a Cortex-M4, with the activity that was measured
in runs on MNIST (edgelearn/runs/activity_maps.csv); and the anchor of `experiments/silicon_anchors.py` for SPOON with
networks that have a convolution.
"""

from __future__ import annotations

import argparse
import json
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

from edgelearn import __version__
from edgelearn.config import RunConfig, make_config
from edgelearn.files import make_folder, write_text
from edgelearn.network.spec import design
from edgelearn.network.storage import buffers, footprint, line_buffers
from edgelearn.network.topology import parse_topology
from edgelearn.network.traffic import traffic
from edgelearn.runs.activity import assumed_activity
from edgelearn.runs.rates import spec_of
from experiments import silicon_anchors as anchors
from hw_models.compare.rules import cost_of_rule
from hw_models.engine.memory_map import accumulator_bits
from hw_models.engine.schedule import ASSUMED_SAMPLES, assume
from hw_models.front_end import front_end_cost
from hw_models.processor import find_processor

RESULTS = Path(__file__).parent / "results" / "convolution_costs.json"
NETS = {
    "conv16": "28x28x1-conv16x5x5-pool2-fc128-10",
    "SPOON-like": "28x28x1-conv10x5x5s2p0-fc128-10",
    "DRTP paper, MNIST": "28x28x1-conv32x5x5-pool2-fc1000-10",
    "DRTP paper, CIFAR-10": "32x32x3-conv64x3x3-pool2-conv256x3x3-pool2-fc1000-fc1000-10",
}
# kernels learn with feedback per element, regenerated; or they are frozen, and the rule teaches the dense layers
RULES = (
    ("bp", "learn"),
    ("dfa", "learn"),
    ("drtp", "learn"),
    ("dfa", "frozen"),
    ("drtp", "frozen"),
    ("shallow", "learn"),
)
PROCESSORS = ("engine-28nm", "cortex-m4")
# MACs and weights of the speech embedding of openWakeWord, a window of 96 features each; a head behind four windows.
FRONT_END, HEAD = (42_000_000, 326_808), (384, 64, 12)
SPOON_RANGES: anchors.Ranges = {
    "processor": ("event-driven-28nm",),
    "rule": ("drtp",),
    "net": (NETS["SPOON-like"], "28x28x1-conv10x5x5p0-pool2-fc128-10"),
    "bits": (4, 8),
    "lanes": (1, 4, 16, 64),
    "rounding": tuple(anchors.ROUNDINGS),
    "feedback": ("lfsr",),
    "clock_gating": (True, False),
    "input_density": (0.1, 0.3),
    "update_density": (0.1, 1.0),
    "kernels": ("learn", "frozen"),
    "dataflow": ("output", "event"),
}


def rule_rows(name: str, net: str) -> list[dict[str, Any]]:
    """Return a row per rule: a learned sample and an inference on each processor, and what waits in memory."""
    rows = []
    for rule, kernels in RULES:
        config = make_config({"net": net, "rule": rule, "kernels": kernels, "feedback": "lfsr"})
        assert isinstance(config, RunConfig)
        spec = spec_of(config, parse_topology(net))
        activity = assumed_activity(config, {}).counters(spec)
        row: dict[str, Any] = {"net": name, "rule": rule, "kernels": kernels}
        for processor in PROCESSORS:
            cost = cost_of_rule(spec, activity, find_processor(processor))
            inferred, learned = cost.inference, cost.training
            row[processor] = {
                "inference, uJ": inferred.energy_per_sample_pj / 1e6,
                "learning, uJ": learned.energy_per_sample_pj / 1e6,
                "inference, cycles": inferred.cycles_per_sample,
                "learning, cycles": learned.cycles_per_sample,
            }
            if "area_um2" in learned.prices:
                row[processor] |= {
                    "inference, mm2": inferred.total("area_um2") / 1e6,
                    "learning, mm2": learned.total("area_um2") / 1e6,
                }
        required = buffers(spec)
        row["buffers, bits"] = sum(block.bits for block in required)
        row["buffers of convolutions, bits"] = sum(
            block.bits for block in required if spec.layers[block.layer - 1].is_convolution and block.role != "delta"
        )
        row["accumulators, bits"] = accumulator_bits(spec)
        row["accumulators of all maps, bits"] = accumulator_bits(spec, all_maps=True)
        row["line buffers, words"] = sum(block.words for block in line_buffers(spec))
        row["inputs of convolutions, words"] = sum(layer.n_in for layer in spec.layers if layer.is_convolution)
        row["feedback if stored, bits"] = _stored_feedback(config, net)
        rows.append(row)
    return rows


def _stored_feedback(config: RunConfig, net: str) -> int:
    """Return the bits of feedback of the same network if it were stored as int8."""
    spec = spec_of(config.model_copy(update={"feedback": "int8"}), parse_topology(net))
    return sum(block.bits for block in footprint(spec) if block.role == "feedback")


def front_end_rows() -> list[dict[str, Any]]:
    """Return what learning a head costs on a Cortex-M4 beside one inference of the frozen network in front of it."""
    core = find_processor("cortex-m4")
    front = front_end_cost(*FRONT_END, core)
    assert front.energy_pj is not None
    rows = []
    for rule, learn in (("bp", "all"), ("dfa", "all"), ("drtp", "all"), ("local", "all"), ("bp", "last")):
        spec = design(HEAD, rule, input_bits=8, learn=learn)
        cost = cost_of_rule(spec, assume(spec), core)
        update_pj = cost.training.energy_per_sample_pj - cost.inference.energy_per_sample_pj
        rows.append(
            {
                "rule": rule,
                "learns": learn,
                "front end, mJ": front.energy_pj / 1e9,
                "head forward, uJ": cost.inference.energy_per_sample_pj / 1e6,
                "update, uJ": update_pj / 1e6,
                "update, % of the front end": 100 * update_pj / front.energy_pj,
                "memory, KiB": cost.training.total("memory_bits") / 8192,
                "words written at most": traffic(spec, assume(spec)).total("weight_write") / ASSUMED_SAMPLES,
            }
        )
    return rows


def absolute_rows() -> list[dict[str, Any]]:
    """Return SPOON's energy of a classification and area beside engines with its convolution, stochastic rounding."""
    energies, areas, waiting = [], [], []
    for net, bits, lanes, dataflow in product(SPOON_RANGES["net"], (4, 8), (1, 8, 16, 32), ("output", "event")):
        for density in (0.1, 0.3):
            setting = anchors.Setting(
                "event-driven-28nm", "drtp", net, bits, lanes, "one generator", "lfsr", True, density, 1.0, "learn",
                dataflow,
            )  # fmt: skip
            spec, engine, activity = setting.spec, setting.engine, setting.activity
            energies.append(engine.price(spec, activity, learning=False).energy_per_sample_pj / 1e3)
            learned = engine.price(spec, activity)
            areas.append(learned.total("area_um2") / 1e6)
            roles = learned.by_role("memory_bits")
            waiting.append((roles.get("buffers", 0.0) + roles["accumulators"]) / 8192)
    found = []
    for what, figure, ours in (
        ("energy per classification, nJ", "energy_per_classification", energies),
        ("area, mm2", "area", areas),
        ("buffers and accumulators of drtp, KiB", None, waiting),
    ):
        given = None if figure is None else anchors.published("SPOON", figure)
        values = sorted(ours)
        ends = [float(f"{value:.3g}") for value in (values[0], values[-1])]
        found.append({"figure": what, "SPOON": given or "-", "ours, middle": median(values), "ours, range": ends})
    return found


def _table(rows: list[dict[str, Any]]) -> None:
    engine, core = PROCESSORS
    print(
        "| net | rule | kernels | uJ | over inference | cycles | mm2 | buffers, KiB | Cortex-M4, mJ | over inference | "
        "million cycles | line buffer / map, words | accumulators: a map / all, KiB | feedback if stored, KiB |"
    )
    print("|" + "---|" * 14)
    for row in rows:
        one, other = row[engine], row[core]
        cells = [
            row["net"],
            row["rule"],
            row["kernels"] if row["rule"] != "shallow" else "frozen",
            f"{one['learning, uJ']:.3g}",
            f"{100 * (one['learning, uJ'] / one['inference, uJ'] - 1):+.0f} %",
            f"{one['learning, cycles']:,.0f}",
            f"{one['learning, mm2']:.3g}",
            f"{row['buffers, bits'] / 8192:.3g}",
            f"{other['learning, uJ'] / 1e3:.3g}",
            f"{100 * (other['learning, uJ'] / other['inference, uJ'] - 1):+.0f} %",
            f"{other['learning, cycles'] / 1e6:.3g}",
            f"{row['line buffers, words']:,} / {row['inputs of convolutions, words']:,}",
            f"{row['accumulators, bits'] / 8192:.2g} / {row['accumulators of all maps, bits'] / 8192:.3g}",
            f"{row['feedback if stored, bits'] / 8192:.3g}",
        ]
        print("| " + " | ".join(cells) + " |")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="?", choices=("rules",))
    rows = [row for name, net in NETS.items() for row in rule_rows(name, net)]
    _table(rows)
    fronts = front_end_rows()
    anchors.print_table(fronts)
    if parser.parse_args().what == "rules":
        return 0
    anchor = anchors.spoon(SPOON_RANGES, "SPOON with a convolution")
    anchors.print_table([{name: anchor[name] for name in ("anchor", "verdict", "reason")}])
    for key in ("definitions", "nearest"):
        anchors.print_table(anchor[key])
    absolute = absolute_rows()
    anchors.print_table(absolute)
    make_folder(RESULTS.parent)
    content = {
        "edgelearn": __version__,
        "rules": rows,
        "front_end": fronts,
        "absolute": absolute,
        "ranges": SPOON_RANGES,
        "spoon": anchor,
    }
    write_text(RESULTS, json.dumps(content, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
