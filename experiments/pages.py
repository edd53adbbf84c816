"""Tables of README.md and edgelearn/docs that are made from result files.

    python -m experiments.pages        writes every table anew from experiments/results; prints the pages that changed

Every `Shown` names a result file and a place in a page, and gives the lines or words that stand there.
`tests/completeness/test_pages.py` compares the pages with them, so that no number of a page differs from the result
file that was committed.
"""

from __future__ import annotations

import json
import re
import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from edgelearn.files import write_text
from edgelearn.studies.equal_accuracy_page import equal_accuracy_said, equal_accuracy_table
from edgelearn.studies.page_data import contents_of, open_study
from experiments import (
    accuracy_against_energy,
    advise_check,
    anomaly_board,
    anomaly_skab,
    branch_traces,
    convolution_bits,
    convolution_cifar,
    convolution_events,
    convolution_mnist,
    convolution_twin,
    cost_against_size,
    delta_bits,
    hidden_inference,
    local_equal_accuracy,
    local_errors,
    mixed_rules,
    personalisation,
    signed_target,
    small_tables,
    speed_tables,
    stream_table,
    why_8_bits,
)

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "experiments" / "results"
README, DOCS = "README.md", "edgelearn/docs/"
WHY_PAGE = f"{DOCS}why_8_bits.md"
Content = Any


@dataclass(frozen=True)
class Shown:
    """A table, or sentences, of a page.

    Parameters
    ----------
    result : file in experiments/results
    page : relative to the project
    table : lines of the Markdown table from the content of the file; it is the first after `after` with this head
    said : texts from the content that stand in the page, line breaks aside
    """

    result: str
    page: str
    table: Callable[[Content], Sequence[str]] | None = None
    after: str = ""
    said: Callable[[Content], Sequence[str]] | None = None

    @property
    def content(self) -> Content:
        return json.loads((RESULTS / self.result).read_text(encoding="utf-8"))


def place_of(text: str, lines: Sequence[str], after: str) -> tuple[int, int]:
    """Return where the table with the head of some lines begins and ends in a page.

    Raises
    ------
    LookupError
        "no table ..."
    """
    begin = text.find(after)
    found = re.compile(re.escape(lines[0]) + r"\n(?:\|.*\n?)*").search(text, max(begin, 0))
    if begin < 0 or found is None:
        raise LookupError(f"no table '{lines[0]}' after '{after}'")
    return found.span()


def table_of(rows: Sequence[Sequence[object]]) -> list[str]:
    """Return rows of cells as Markdown, the first of them as the head."""
    head, *others = rows
    return [_row(head), "|" + "---|" * len(head), *map(_row, others)]


def _row(cells: Sequence[object]) -> str:
    return re.sub(r" +", " ", f"| {' | '.join(map(str, cells))} |")


MNIST = {
    "bp, 10 epochs": "bp-8",
    "dfa, 10 epochs": "dfa-8",
    "fa, 10 epochs": "fa-8",
    "local, 10 epochs": "local-8",
    "local, 10 epochs, ternary readout from a shift register, none stored": "local-8-lfsr",
    "local, 10 epochs, dead zone of the readout 8": "local-8-readout-zone",
    "the same, ternary readout from a shift register": "local-8-lfsr-readout-zone",
    "mdfa, 10 epochs": "mdfa-8",
    "drtp, 10 epochs": "drtp-8",
    "drtp, 10 epochs, rates halved every 3": "drtp-8-halved",
    "sdfa, 10 epochs": "sdfa-8",
    "signed-target, 10 epochs": "signed-target-8",
    "signed-target, 10 epochs, rates of sdfa": "signed-target-8-rates-of-sdfa",
    "shallow, 10 epochs": "shallow-8",
    "drtp, 3 epochs": "drtp-8-3-epochs",
    "drtp, 3 epochs, 4-bit view": "drtp-4-3-epochs",
    "drtp, 3 epochs, 2-bit view": "drtp-2-3-epochs",
    "drtp, 3 epochs, 8 bits stored, stochastic rounding": "drtp-8-stochastic-3-epochs",
    "drtp, 3 epochs, 8 bits stored, nearest rounding": "drtp-8-nearest-3-epochs",
    "drtp, 3 epochs, ternary feedback from a shift register, none stored": "drtp-8-lfsr-3-epochs",
}


def mnist(content: Content) -> list[str]:
    head = ("8-bit view on 8 residual bits unless said", "test error", "weight words written per sample")
    rows = [(label, content["rows"][name]) for label, name in MNIST.items()]
    return table_of(
        [
            head,
            *((label, f"{row['mean']:.2f} %", f"{row['weights_written_per_sample']:,.0f}") for label, row in rows),
        ]
    )


def convolution_lines(net: str) -> Callable[[Content], list[str]]:
    return lambda content: convolution_mnist.table(content["rows"], net)


def mixed_rules_lines(data: str) -> Callable[[Content], list[str]]:
    return lambda content: mixed_rules.table([row for row in content["rows"] if row["data"] == data])


def delta_bits_lines(name: str) -> Callable[[Content], list[str]]:
    return lambda content: delta_bits.table(content["data"][name]["rows"])


def stream_lines(name: str) -> Callable[[Content], list[str]]:
    def lines(content: Content) -> list[str]:
        _, _, *table = stream_table.table(name, content["streams"][name])
        return [line for line in table if line]

    return lines


def stream_said(name: str) -> Callable[[Content], list[str]]:
    return lambda content: [stream_table.table(name, content["streams"][name])[0]]


STREAMS = {
    "watch": "watch, 7 exercises",
    "watch-late": "watch, labels 40 s late",
    "wisdm": "wisdm, 18 activities, people not seen before",
    "gas-drift": "gas-drift, 6 gases, 36 months",
    "elec2": "elec2, price up or down",
}


def streams_summary(content: Content) -> list[str]:
    lines: list[Sequence[object]] = [
        (
            "", "drtp", "local", "dfa", "bp", "best at 4 bits", "float twin", "the same, linear",
            "logistic regression (river)", "adaptive random forest (river)", "energy per row, dfa, Cortex-M4",
        )
    ]  # fmt: skip
    others = ("float twin, bp", "float twin, bp without hidden layer", "river logistic regression")
    for name, label in STREAMS.items():
        rows = content["streams"][name]
        wide = {row["name"]: row for row in rows if row.get("bits") == 8}
        best = max((row for row in rows if row.get("bits") == 4), key=lambda row: row["accuracy"])
        beside = {row["name"]: row["accuracy"] for row in rows if "bits" not in row}
        values = [wide[rule]["accuracy"] for rule in ("drtp", "local", "dfa", "bp")]
        values += [beside[other] for other in (*others, "river adaptive random forest")]
        shown = [f"{100 * value:.2f} %" for value in values]
        shown.insert(4, f"{100 * best['accuracy']:.2f} %, {best['name']}")
        lines.append((label, *shown, f"{wide['dfa']['energy_m4_uj']:.1f} uJ"))
    return table_of(lines)


def equal_accuracy(content: Content) -> list[str]:
    table = equal_accuracy_table(content)
    lines: list[Sequence[object]] = [
        [f"{column.title}{f', {column.unit}' if column.unit else ''}" for column in table.columns]
    ]
    for row in table.rows:
        cells = zip(row.cells, table.columns, strict=True)
        lines.append(["-" if cell is None else cell if isinstance(cell, str) else cell.text for cell, _ in cells])
    return table_of(lines)


def equal_accuracy_words(content: Content) -> list[str]:
    return [
        "".join(part if isinstance(part, str) else part.text for part in line) for line in equal_accuracy_said(content)
    ]


def rules_of_digits(content: Content) -> list[str]:
    """Return the energies of rules with their own widths, from the worked example of the cost model."""
    names = ("rule", "multiplier", "cycles", "inference, nJ", "learning, nJ", "overhead", "area, um2")
    lines: list[Sequence[object]] = [names]
    for row in content["energies"]:
        inference, learning = row["inference, nJ"], row["learning, nJ"]
        lines.append(
            (
                row["rule"], row["multiplier"], f"{row['cycles']:,.0f}", f"{inference:.2f}", f"{learning:.2f}",
                f"{100 * (learning / inference - 1):+.0f} %", f"{row['area, um2']:,}",
            )
        )  # fmt: skip
    return table_of(lines)


def gates(content: Content) -> list[str]:
    rows = [row for rule in ("dfa", "drtp") for row in content["rows"] if row["rule"] == rule]
    always = {(row["stream"], row["rule"]): row for row in rows if row["gate"] == "always"}
    lines: list[Sequence[object]] = [
        ("stream, gate", "updates skipped", "accuracy", "energy per row, 28 nm engine", "Cortex-M4")
    ]
    for row in rows:
        base = always[row["stream"], row["rule"]]
        engine, m4 = row["energy_nj"]["engine-28nm"], row["energy_nj"]["cortex-m4"] * 1e-3
        skipped, points, less = f"{row['skipped_percent']:.1f} %", "", ["", ""]
        if row is base:
            skipped = f"{row['skipped_percent']:.0f} %"
        else:
            points = f" ({100 * (row['accuracy'] - base['accuracy']):+.2f})"
            less = [f" ({100 * (row['energy_nj'][p] / base['energy_nj'][p] - 1):+.0f} %)" for p in base["energy_nj"]]
        accuracy = f"{100 * row['accuracy']:.2f} %{points}"
        name = f"{row['rule']}, {row['stream']}, {row['gate']}"
        lines.append((name, skipped, accuracy, f"{engine:.2f} nJ{less[0]}", f"{m4:.2f} uJ{less[1]}"))
    return table_of(lines)


def gates_of_dfa(content: Content) -> list[str]:
    head, rule, *rows = gates(content)
    kept = [row for row in rows if row.startswith("| dfa") and ("always" in row or "margin 32" in row)]
    return [head.replace("stream, gate", "stream, dfa"), rule, *(row.replace("| dfa, ", "| ") for row in kept)]


SPIKING_RULES = ("drtp", "dfa", "sdfa", "shallow")


def spiking_accuracy(content: Content) -> list[str]:
    def row(label: str, hidden: int, key: str) -> tuple[object, ...]:
        values = (content["networks"][f"{rule} {hidden}"][key] for rule in SPIKING_RULES)
        return (label, *(f"{mean(each):.3f}" for each in values))

    beside = "the rate network, same rule, 8 bits stored"
    return table_of(
        [
            ("digits, test accuracy", "drtp", "dfa", "sdfa", "hidden weights frozen"),
            row("64-64-10", 64, "accuracies"),
            row(beside, 64, "rate"),
            row("64-16-10", 16, "accuracies"),
            row(beside, 16, "rate"),
        ]
    )


def spiking_energy(content: Content) -> list[str]:
    nets = {"digits": "digits, 64-64-10", "nmnist-small": "N-MNIST, 1,000 samples of it, 2312-64-10"}
    cores = {"reckon-like": 5.3, "odin-like": 12.7, "loihi-like": 23.6}
    lines: list[Sequence[object]] = [
        ("test accuracy; uJ per learned sample (band)", "drtp", "dfa", "sdfa", "hidden weights frozen")
    ]
    for data, label in nets.items():
        rules = [content[data][rule] for rule in SPIKING_RULES]
        lines.append((label, *(f"{mean(rule['accuracies']):.3f}" for rule in rules)))
        for core, published in cores.items():
            energies = [rule["costs"][core]["training"]["energy_pj"] for rule in rules]
            lines.append((f"{core} ({published} pJ/SOP)", *map(_band, energies)))
    return table_of(lines)


def _band(energy: dict[str, float]) -> str:
    low, nominal, high = (f"{energy[end] * 1e-6:.3g}" for end in ("low", "nominal", "high"))
    return nominal if low == nominal == high else f"{nominal} ({low} to {high})"


def float_twin(content: Content) -> list[str]:
    head = (
        "row", "fixed point", "float", "gap of each seed", "angle to backprop, fixed", "float", "differ by at most",
        "a seed by", "pooled", "equal weights",
    )  # fmt: skip

    def marked(value: float, met: bool) -> str:
        return f"{value:.1f}" if met else f"**{value:.1f}**"

    lines: list[Sequence[object]] = [head]
    for name, row in content["rows"].items():
        end, apart, each = (row[k] for k in ("last_epoch_mean", "largest_angle_difference", "gap_points_each"))
        of_a_seed = row["largest_angle_difference_of_a_seed"]["angle_signal"]
        lines.append(
            (
                name,
                f"{end['fixed_accuracy_percent']:.2f} %",
                f"{end['float_accuracy_percent']:.2f} %",
                ", ".join(f"{gap:.2f}" for gap in each),
                f"{end['angle_signal_to_backprop_fixed']:.1f}",
                f"{end['angle_signal_to_backprop_float']:.1f}",
                marked(apart["angle_signal"], row["angle_met"]),
                marked(of_a_seed, row["angle_met"]),
                f"{apart['angle_signal_pooled']:.1f}",
                f"{end['angle_signal_equal_weights']:.1f}",
            )
        )
    return table_of(lines)


def brian_steps(content: Content) -> list[str]:
    lines: list[Sequence[object]] = [("target", "rule", "steps", "compared", "spikes", "updates", "differences")]
    for target, name in (("numpy", "numpy"), ("cpp", "C++ standalone")):
        for rule, one in content[target].items():
            compared = "at the end" if one["checkpoints"] == 1 else f"{one['checkpoints']:,} times"
            counts = (f"{one[key]:,}" for key in ("spikes", "synaptic_updates", "differences"))
            lines.append((name, rule, f"{one['steps']:,}", compared, *counts))
    return table_of(lines)


def brian_float(content: Content) -> list[str]:
    lines: list[Sequence[object]] = [
        (
            "after an epoch, means of three seeds", "test accuracy", "in float", "hidden rate", "in float",
            "hidden weights", "output weights",
        )
    ]  # fmt: skip
    for rule, runs in content["float"].items():
        values = [mean(run[key] for run in runs) for key in ("accuracy", "float_accuracy")]
        values += [mean(run["populations"][0][key] for run in runs) for key in ("rate", "float_rate")]
        values += [mean(run["populations"][k]["weights"] for run in runs) for k in (0, 1)]
        lines.append((rule, *(f"{value:.3f}" for value in values)))
    return table_of(lines)


def branch_means(content: Content) -> list[str]:
    lines = branch_traces.tables(content["traces"], content["predictors"])
    return lines[: lines.index("")]


def branch_xor(content: Content) -> list[str]:
    by_coins = content["wrong_answers_percent"]
    names = [
        "gshare", "perceptron", "piecewise", "hashed", "tage", "mdfa, a row each", "dfa, a row each",
        "mdfa, a row each, q + 1 outcomes", "mdfa, 64 rows, shared", "dfa, 64 rows, shared", "mdfa of 32 KB",
    ]  # fmt: skip
    lines: list[Sequence[object]] = [("wrong answers, %", *(f"q = {coins}" for coins in by_coins))]
    for name in names:
        found = (sorted(row[name]) for row in by_coins.values())
        cells = (f"{f[0]:.2f}" if f[0] == f[-1] else f"{f[0]:.2f} to {f[-1]:.2f}" for f in found)
        lines.append((name, *cells))
    return table_of(lines)


def branch_beyond_said(content: Content) -> list[str]:
    named = next(k for k, row in enumerate(content["results"]) if "(named `tage+mdfa`)" in row["predictor"])
    four, one, dfa, bp, frozen = (f"{row['held_out_mpki']:.4f}" for row in content["results"][named:])
    return [
        f"{four} with four hidden units, {one} with one",
        f"{frozen} with a frozen hidden layer; dfa {dfa} and bp {bp} are as good as mdfa",
    ]


def drtp_table1(content: Content) -> list[str]:
    rules = ("bp", "fa", "dfa", "drtp", "shallow")
    checks = {check["what"]: check for check in content["checks"]}
    lines: list[Sequence[object]] = [("", *rules)]
    for network, net in (("FC1-500", "784-500-10"), ("FC1-1000", "784-1000-10")):
        found = [checks[f"test error of {rule} on {network}, %"] for rule in rules]
        lines.append((f"{net}, paper", *(f"{float(check['paper'].split()[0]):.2f}" for check in found)))
        lines.append((f"{net}, here", *(f"{check['ours']:.2f}" for check in found)))
    return table_of(lines)


def firmware_cases(content: Content) -> list[str]:
    rules: dict[str, list[Any]] = {}
    for name, case in content["cases"].items():
        rules.setdefault(name.split()[0], []).append(case)
    lines = []
    for rule, cases in rules.items():
        updates = sum(case[part] for case in cases for part in ("updates", "updates at limits"))
        lines.append(f"{rule}: {sum(case['equal'] for case in cases)} of {len(cases)} cases equal, {updates:,} updates")
    return lines


def firmware_said(content: Content) -> list[str]:
    return [
        f"{words} per rule"
        for words in sorted({line.split(": ")[1].split(" equal")[0] for line in firmware_cases(content)})
    ]


def accuracy_said(content: Content) -> list[str]:
    first, second = (
        next(row for row in content["rows"] if (row["rule"], row["hidden"]) == key)
        for key in (("bp", 20), ("drtp", 100))
    )
    return [
        f"({first['accuracy_percent']:.2f} against {second['accuracy_percent']:.2f} %) at "
        f"{first['energy_nj']['nominal']:.1f} against {second['energy_nj']['nominal']:.1f} nJ"
    ]


def equal_accuracy_of_drtp(content: Content) -> list[str]:
    row = next(one for one in content["rules"] if one["rule"] == "drtp")
    ratio = row["energy_over_baseline"]
    half = ratio["high"] - ratio["mean"]
    return [
        f"drtp takes {ratio['mean']:.2f} ± {half:.2f} times the energy of bp until {content['accuracy_percent']:.2f} %"
    ]


def steps_said(content: Content) -> list[str]:
    steps = cost_against_size.steps(content["rows"])
    explained = sum(step["explained"] for step in steps)
    return [f"{explained} of {len(steps)} steps are explained"]


def small_said(content: Content) -> list[str]:
    run, stream = (
        [small_tables.ahead(row) for row in content["rows"] if row["kind"] == kind and few(row["rows"])]
        for kind, few in (("run", lambda rows: rows >= 500), ("stream", lambda rows: rows <= 500))
    )
    dfa, local = ([row[rule] for row in run] for rule in ("dfa", "local"))
    of_stream = [row["dfa"] for row in stream]
    return [
        f"ten epochs of 500 rows and more dfa is {mean(dfa):.1f} points ahead of drtp in the mean of {len(dfa)} tables "
        f"({min(dfa):+.1f} to {max(dfa):+.1f}) and local {mean(local):.1f}",
        f"one pass over up to 500 rows dfa is {mean(of_stream):.1f} points ahead in the mean of {len(of_stream)} "
        f"({min(of_stream):+.1f} to {max(of_stream):+.1f})",
    ]


def local_equal_accuracy_said(content: Content) -> list[str]:
    found = {(row["processor"], row["rule"]): row for row in content["rows"] if row["accuracy_percent"] == 96}
    (engine, m4), dfa = (found[name, "local"] for name in ("engine-28nm", "cortex-m4")), found["engine-28nm", "dfa"]

    def times(row: Content, key: str) -> str:
        return f"{row[key]['mean']:.2f} ± {row[key]['high'] - row[key]['mean']:.2f} times"

    return [
        f"until 96 % local takes {times(engine, 'energy_over')} the energy of dfa on engine-28nm, "
        f"{times(engine, 'cycles_over')} the cycles and {engine['area_um2'] - dfa['area_um2']:+,} um2, and on a "
        f"Cortex-M4 {times(m4, 'energy_over')} the energy"
    ]


RESULTS_PAGE, USERS_PAGE = f"{DOCS}results.md", f"{DOCS}personalisation.md"
PAGES = [
    Shown(
        "accuracy_against_energy.json",
        RESULTS_PAGE,
        lambda content: accuracy_against_energy.table(content["rows"]).splitlines(),
    ),
    Shown("accuracy_against_energy.json", README, said=accuracy_said),
    Shown("advise_check.json", f"{DOCS}advise.md", advise_check.table),
    Shown("anomaly_skab.json", f"{DOCS}anomaly.md", anomaly_skab.table, said=anomaly_skab.sentences),
    Shown("anomaly_skab.json", f"{DOCS}anomaly.md", anomaly_skab.twin_table),
    Shown("anomaly_board.json", f"{DOCS}anomaly.md", anomaly_board.table),
    Shown("signed_target.json", RESULTS_PAGE, lambda content: signed_target.table(content["rows"]).splitlines()),
    Shown("mnist_accuracy.json", RESULTS_PAGE, mnist),
    Shown("local_errors.json", RESULTS_PAGE, lambda content: local_errors.range_table(content["range"])),
    Shown("local_errors.json", RESULTS_PAGE, lambda content: local_errors.front_table(content["front"])),
    *(
        Shown("convolution_mnist.json", RESULTS_PAGE, convolution_lines(net), f"{net}")
        for net in convolution_mnist.EPOCHS
    ),
    Shown("convolution_bits.json", RESULTS_PAGE, lambda content: convolution_bits.table(content["rows"])),
    Shown("convolution_cifar.json", RESULTS_PAGE, lambda content: convolution_cifar.table(content["rows"])),
    Shown("convolution_events.json", RESULTS_PAGE, lambda content: convolution_events.table(content["rows"])),
    Shown("convolution_events.json", RESULTS_PAGE, lambda content: convolution_events.fits(content["rows"])),
    Shown("mixed_rules.json", f"{DOCS}runs.md", mixed_rules_lines("mnist"), "MNIST, 784-200-200-10"),
    Shown("mixed_rules.json", f"{DOCS}runs.md", mixed_rules_lines("digits"), "Digits, 64-64-64-10"),
    Shown("small_tables.json", RESULTS_PAGE, lambda content: small_tables.table_of(content["rows"]), said=small_said),
    Shown("hidden_inference.json", RESULTS_PAGE, lambda content: hidden_inference.table(content["rows"])),
    Shown(
        "local_equal_accuracy.json",
        RESULTS_PAGE,
        lambda content: local_equal_accuracy.table(content["rows"]),
        said=local_equal_accuracy_said,
    ),
    *(Shown("delta_bits.json", RESULTS_PAGE, delta_bits_lines(name), f"**{name}**") for name in delta_bits.DATA),
    *(
        Shown("stream_table.json", RESULTS_PAGE, stream_lines(name), f"**{name}**", stream_said(name))
        for name in stream_table.TASKS
        if name != "drift"
    ),
    Shown("stream_table.json", RESULTS_PAGE, streams_summary),
    Shown("stream_gating.json", RESULTS_PAGE, gates),
    Shown("stream_gating.json", f"{DOCS}streams.md", gates_of_dfa),
    Shown("equal_accuracy.json", RESULTS_PAGE, equal_accuracy, said=equal_accuracy_words),
    Shown("equal_accuracy.json", README, said=equal_accuracy_of_drtp),
    Shown("cost_worked_example.json", RESULTS_PAGE, rules_of_digits),
    Shown("spiking_digits.json", RESULTS_PAGE, spiking_accuracy),
    Shown("spiking_energy.json", RESULTS_PAGE, spiking_energy),
    Shown("reproduce/drtp-table1.json", RESULTS_PAGE, drtp_table1, "## Table 1 of the DRTP paper"),
    Shown(
        "reproduce/drtp-table1.json",
        README,
        said=lambda content: [
            f"{content['checks'][3]['ours']:.2f} % error, {content['checks'][3]['paper'].split()[0]} % in the paper"
        ],
    ),
    Shown("speed.json", RESULTS_PAGE, lambda content: table_of(speed_tables.drtp(content)), "## Speed"),
    Shown("speed.json", RESULTS_PAGE, lambda content: table_of(speed_tables.other_networks(content)), "## Speed"),
    Shown(
        "speed.json",
        RESULTS_PAGE,
        lambda content: table_of(speed_tables.streams(content)),
        "## Speed",
        speed_tables.streams_said,
    ),
    Shown("speed.json", RESULTS_PAGE, lambda content: table_of(speed_tables.one_sample(content)), "## Speed"),
    Shown("speed.json", RESULTS_PAGE, lambda content: table_of(speed_tables.convolutions(content)), "## Speed"),
    Shown("speed.json", RESULTS_PAGE, lambda content: table_of(speed_tables.starts(content)), "## Speed"),
    Shown(
        "speed.json",
        RESULTS_PAGE,
        lambda content: table_of(speed_tables.branches(content)),
        "## Speed",
    ),
    Shown("speed.json", RESULTS_PAGE, lambda content: table_of(speed_tables.machines(content)), "## Speed"),
    Shown("speed.json", README, said=speed_tables.readme_said),
    Shown(
        "cost_against_size.json",
        RESULTS_PAGE,
        lambda content: table_of(speed_tables.cost_against_size(content)),
        said=steps_said,
    ),
    Shown("fixed_point_against_float.json", f"{DOCS}validation.md", float_twin),
    Shown(
        "convolution_twin.json",
        f"{DOCS}validation.md",
        lambda content: convolution_twin.table(content["rows"]).splitlines(),
        said=convolution_twin.said,
    ),
    Shown(
        "fixed_point_against_float.json",
        README,
        said=lambda content: [
            "{fixed_accuracy_percent:.2f} % against {float_accuracy_percent:.2f} %".format(
                **content["rows"]["dfa"]["last_epoch_mean"]
            )
        ],
    ),
    Shown("spiking_brian2.json", f"{DOCS}spiking.md", brian_steps),
    Shown("spiking_brian2.json", f"{DOCS}spiking.md", brian_float),
    Shown(
        "spiking_brian2.json",
        README,
        said=lambda content: [
            f"{max(one['differences'] for one in content['numpy'].values())} differences in "
            f"{content['numpy']['drtp']['steps']:,} steps"
        ],
    ),
    Shown("branch_traces.json", f"{DOCS}branch.md", branch_means),
    Shown("branch_xor.json", f"{DOCS}branch.md", branch_xor),
    Shown("branch_beyond.json", f"{DOCS}branch.md", said=branch_beyond_said),
    *(
        Shown("personalisation.json", USERS_PAGE, lambda content, table=table: table(content["speakers"]), said=texts)
        for table, texts in (
            (personalisation.speakers_table, personalisation.said),
            (personalisation.costs_table, None),
            (personalisation.users_table, None),
            (personalisation.gates_table, personalisation.gates_said),
        )
    ),
    Shown(
        "personalisation.json", USERS_PAGE, lambda content: personalisation.new_classes_table(content["new_classes"])
    ),
    Shown(
        "personalisation.json",
        USERS_PAGE,
        lambda content: personalisation.drift_table(content["drift"]),
        said=personalisation.drift_said,
    ),
    Shown("why_8_bits.json", WHY_PAGE, lambda content: why_8_bits.table_of_steps(content["rows"]).splitlines()),
    Shown(
        "why_8_bits.json",
        WHY_PAGE,
        lambda content: why_8_bits.table_of_roundings(content["rows"]).splitlines(),
        said=why_8_bits.said,
    ),
    Shown("firmware_matrix.json", f"{DOCS}firmware.md", said=firmware_cases),
    Shown("firmware_matrix.json", README, said=firmware_said),
]
# Result files without a table in README.md or edgelearn/docs, and the test that compares the page they belong to.
ELSEWHERE = {
    "branch_elec2.json": "docs/branch.md, rows chosen by hand; test_pages.py looks for their accuracies",
    "converted_front_end.json": "docs/pretrained.md, section on --convert",
    "convolution_costs.json": "docs/convolution.md, section Costs, and hw_models/docs/anchors.md",
    "cost_model_validation.json": "hw_models/docs/cost_model.md, tests/unit/hw_models",
    "firmware_convolutions.json": "hw_models/processors, tests/unit/hw_models",
    "firmware_instructions.json": "hw_models/processors, tests/unit/hw_models",
    "paper_claims.json": "hw_models/docs/anchors.md, tests/reproduction/test_paper_claims.py",
    "ranking_flips.json": "hw_models/docs/cost_model.md",
    "silicon_anchors.json": "hw_models/docs/anchors.md, tests/reproduction/test_silicon_anchors.py",
    "silicon_anchors_mnist.json": "hw_models/docs/anchors.md",
}


def write_findings() -> None:
    """Write the findings of committed studies anew, as the list below the paragraph with the name of each."""
    path = ROOT / f"{DOCS}studies.md"
    before = text = path.read_text(encoding="utf-8")
    for folder in sorted(path.parent for path in (ROOT / "experiments" / "studies").glob("*/findings.toml")):
        findings = contents_of(open_study(folder)).findings
        lines = (textwrap.fill(finding.text, 120, initial_indent="- ", subsequent_indent="  ") for finding in findings)
        found = re.search(rf"\(`{folder.name}`[^#]*?\n\n((?:[- ] .*\n)+)", text)
        assert found is not None, f"{path} has no list of findings of {folder.name}"
        text = text[: found.start(1)] + "\n".join(lines) + "\n" + text[found.end(1) :]
    if text != before:
        write_text(path, text)
        print(f"written: {path.relative_to(ROOT)}")


def main() -> int:
    """Write every table anew; return 1 where a page has no place for one."""
    missing = 0
    write_findings()
    for page in dict.fromkeys(shown.page for shown in PAGES):
        path = ROOT / page
        before = text = path.read_text(encoding="utf-8")
        for shown in (shown for shown in PAGES if shown.page == page and shown.table is not None):
            assert shown.table is not None
            lines = shown.table(shown.content)
            try:
                begin, end = place_of(text, lines, shown.after)
            except LookupError as error:
                print(f"{page}: {error}", file=sys.stderr)
                missing += 1
                continue
            text = text[:begin] + "\n".join(lines) + "\n" + text[end:]
        if text != before:
            write_text(path, text)
            print(f"written: {page}")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
