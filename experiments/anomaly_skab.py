"""Anomalies of a water loop (SKAB): every rule in 8 and 4 bits beside known methods and published results.

    python -m experiments.anomaly_skab             about two minutes on one core
    python -m experiments.anomaly_skab --rows dfa  rows of one rule or method only; nothing is written

Protocol of SKAB's table of outlier detection: each of the 34 files is learned from its first 400 rows, all others are
its test rows, and F1, false alarm rate and missing alarm rate are of the test rows of all files together. `SETTING`
was chosen on the 16 files of valve1 alone, and so was the threshold of every baseline (`THRESHOLDS`: highest F1 with
at most 30 % false alarms); rows say what they give on the other files. Rows pass once and none is stored. The area
under ROC is of the smoothed scores of the test rows over the median of the threshold rows of their file, and is
measured with the float twin of the same network on the same input levels, too; also for the NAB series of a machine's
temperature and for a record of heart beats. Writes experiments/results/anomaly_skab.json and a figure.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from edgelearn import __version__
from edgelearn.data.open_source import open_source
from edgelearn.files import write_text
from edgelearn.network.kernels import detector_tables as d
from edgelearn.network.learner import Learner, steps_of
from edgelearn.network.spec import NetworkSpec, design
from edgelearn.references.anomaly_scores import BASELINES
from edgelearn.rules import RULES
from edgelearn.streaming.detector import AnomalyDetector, DetectorSpec
from edgelearn.streaming.front_end import ONE_WORD, FrontEnd, FrontEndSpec

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "experiments" / "results" / "anomaly_skab.json"
FIGURE = ROOT / "edgelearn" / "docs" / "figures" / "anomaly_skab.svg"
LEARNED = 400  # rows of a file
SEEDS = (1, 2, 3)
FEEDBACKS = ("int8", "lfsr")
TWIN_RULES = ("bp", "dfa", "drtp")
MORE_SEEDS = {"machine temperature": 24, "ECG": 24}  # few anomalies: differences change by 0.03 from seed to seed
BITS = (8, 4)
CHOSEN_ON = "valve1"
MOST_FALSE_ALARMS = 30.0  # percent, of the thresholds of baselines on the files that they are chosen on
GROUPS = ("all", "chosen_on", "others")
SMOOTHINGS = (2, 3, 4, 5)
THRESHOLDS = [
    *(
        (s, "quantile", q, f)
        for s in SMOOTHINGS
        for q in (0.9, 0.95, 0.99, 1.0)
        for f in (1.25, 1.5, 1.75, 2, 2.5, 3, 4)
    ),
    *((s, "deviation", 0.0, k) for s in SMOOTHINGS for k in (3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0, 16.0)),
]
# F1, false and missing alarms in percent, of SKAB 0.9: github.com/waico/SKAB, "Outlier detection".
PUBLISHED = {
    "Conv-AE": (0.78, 13.6, 28.0),
    "MSET": (0.78, 39.7, 14.1),
    "T-squared + Q (PCA)": (0.76, 26.6, 24.9),
    "LSTM-AE": (0.74, 30.0, 25.9),
    "T-squared": (0.66, 19.2, 42.6),
    "Vanilla AE": (0.39, 2.6, 75.2),
    "Isolation forest": (0.29, 2.6, 82.9),
}


class Setting(NamedTuple):
    """One detector for all rules and files."""

    window: int
    reach: int
    hidden: int
    hidden_rate: int
    output_rate: int
    calibrate: int
    train: int
    learned: int  # rows of all phases before "detect"
    score: str = "squared"
    smoothing: int = 4
    quantile: int = 10_000
    factor: int = 32
    range_exponent: int | None = 0
    time_constant: int = 10


SETTING = Setting(2, 24, 12, -4, -4, 250, 70, LEARNED)


# Looked at by the area under ROC on the same data: 12 rows per hour want long means, beats none.
MACHINE: dict[str, Any] = {"window": 1, "calibrate": 1000, "train": 600, "learned": 2000, "hidden": 2, "smoothing": 6}
BEATS: dict[str, Any] = {"window": 1, "calibrate": 50, "train": 350, "learned": 500, "hidden": 16, "reach": 12} | {
    "smoothing": 0, "hidden_rate": -3, "output_rate": -3
}  # fmt: skip


class File(NamedTuple):
    """A recording: its group, values float64[n, channels], labels bool[n]."""

    group: str
    x: np.ndarray
    y: np.ndarray
    levels: dict[Setting, tuple[np.ndarray, np.ndarray]]


class Judged(NamedTuple):
    """Test rows of one file: scores over the median of the threshold rows, alarms and labels."""

    scores: np.ndarray
    alarms: np.ndarray
    y: np.ndarray


def read(name: str, groups: Iterable[str] = ("",)) -> list[File]:
    """Read the recordings of a stream, each group by its subjects."""
    files = []
    for group in groups:
        blocks = list(open_source(name, subjects=group or None).blocks())
        x, y = np.concatenate([block.x for block in blocks]), np.concatenate([block.y for block in blocks])
        files.append(File(group.partition("/")[0], x.astype(np.float64), y > 0, {}))
    return files


def skab() -> list[File]:
    counts = {"valve1": range(16), "valve2": range(4), "other": range(1, 15)}
    return read("skab", [f"{group}/{number}" for group, numbers in counts.items() for number in numbers])


def levels_of(file: File, setting: Setting) -> tuple[np.ndarray, np.ndarray]:
    """Return the input levels of windows and the row that ends each; statistics are those of the learned rows."""
    if setting in file.levels:
        return file.levels[setting]
    spec = FrontEndSpec(
        file.x.shape[1], window=setting.window, reach=setting.reach, input_bits=8, time_constant=setting.time_constant
    )
    front_end = FrontEnd(spec, setting.learned - setting.window + 1, ONE_WORD)
    rows = front_end.rows(file.x.astype(np.float32), np.zeros(len(file.x), np.int64))
    file.levels[setting] = rows.levels, rows.ends
    return file.levels[setting]


def network(n_in: int, setting: Setting, rule: str, bits: int, feedback: str, seed: int) -> NetworkSpec:
    return design(
        (n_in, setting.hidden, n_in),
        rule,
        bits=bits,
        input_bits=8,
        signed_inputs=True,
        task="reconstruct",
        output="linear",
        feedback_format=feedback,
        hidden_rate=setting.hidden_rate,
        output_rate=setting.output_rate,
        range_exponent=setting.range_exponent,
        seed=seed,
    )


def phases(setting: Setting, ends: np.ndarray) -> tuple[DetectorSpec, int]:
    """Return the detector, and the number of its first test row among those behind calibration."""
    first = int(np.searchsorted(ends, setting.learned)) - setting.calibrate
    spec = DetectorSpec(
        setting.train,
        first - setting.train,
        score=setting.score,
        smoothing=setting.smoothing,
        quantile=setting.quantile,
        factor=setting.factor,
    )
    return spec, first


def judge(spec: DetectorSpec, rows: np.ndarray, first: int, y: np.ndarray) -> Judged:
    smoothed = rows[:, d.ROW_SMOOTHED] / 256
    usual = max(float(np.median(smoothed[spec.train_rows : first])), 1e-9)
    return Judged(smoothed[first:] / usual, rows[first:, d.ROW_ALARM] > 0, y)


def integers(file: File, setting: Setting, rule: str, bits: int, feedback: str, seed: int) -> Judged:
    """Judge a file by the integer network."""
    levels, ends = levels_of(file, setting)
    spec, first = phases(setting, ends)
    levels, y = np.ascontiguousarray(levels[setting.calibrate :]), file.y[ends[setting.calibrate :]]
    arrays = AnomalyDetector(spec).arrays(len(levels))
    learner = Learner(network(levels.shape[1], setting, rule, bits, feedback, seed))
    learner.run_steps(levels, steps_of(np.zeros(len(levels), np.int64)), detector=arrays)
    return judge(spec, arrays.rows, first, y[first:])


def floats(file: File, setting: Setting, rule: str, seed: int) -> Judged:
    """Judge a file by the float twin of the network, on the same levels."""
    from edgelearn.references.graded_twin import float_twin

    levels, ends = levels_of(file, setting)
    spec, first = phases(setting, ends)
    levels, y = np.ascontiguousarray(levels[setting.calibrate :]), file.y[ends[setting.calibrate :]]
    twin = network(levels.shape[1], setting, rule, 8, FEEDBACKS[0], seed)
    learned = np.arange(len(levels)) < setting.train
    scores = float_twin(twin, levels, learned=learned, squared=setting.score == "squared").scores
    rows = AnomalyDetector(spec).take(np.rint(scores).astype(np.int64))
    return judge(spec, rows, first, y[first:])


def measures(files: Iterable[Judged]) -> dict[str, float]:
    """Return F1, rates of false and missing alarms in percent, and the area under ROC, of all test rows together."""
    from sklearn.metrics import roc_auc_score

    found = list(files)
    alarms, y = np.concatenate([one.alarms for one in found]), np.concatenate([one.y for one in found])
    hits, false, missed = (int(np.count_nonzero(one)) for one in (alarms & y, alarms & ~y, ~alarms & y))
    return {
        "f1": 2 * hits / max(1, 2 * hits + false + missed),
        "far": 100 * false / max(1, int(np.count_nonzero(~y))),
        "mar": 100 * missed / max(1, int(np.count_nonzero(y))),
        "auc": float(roc_auc_score(y, np.concatenate([one.scores for one in found]))),
    }


def roc_curve(files: Iterable[Judged]) -> dict[str, list[float]]:
    """Return shares of false and true alarms over all thresholds, at 51 shares of false ones."""
    from sklearn.metrics import roc_curve as curve

    found = list(files)
    false, true, _ = curve(np.concatenate([one.y for one in found]), np.concatenate([one.scores for one in found]))
    places = np.linspace(0, 1, 51)
    return {"false": places.round(3).tolist(), "true": np.interp(places, false, true).round(4).tolist()}


def by_group(files: list[File], score: Callable[[File, int], Judged], seeds: Iterable[int]) -> dict[str, Any]:
    """Return means of the measures over seeds: of all files, of those chosen on, and of the others."""
    runs: dict[str, list[dict[str, float]]] = {"all": [], "chosen_on": [], "others": []}
    for seed in seeds:
        judged = [score(file, seed) for file in files]
        runs["all"].append(measures(judged))
        for key, is_there in (("chosen_on", True), ("others", False)):
            runs[key].append(
                measures(j for j, f in zip(judged, files, strict=True) if (f.group == CHOSEN_ON) == is_there)
            )
    return {
        group: {key: round(float(np.mean([one[key] for one in found])), 4) for key in found[0]}
        for group, found in runs.items()
    } | {"f1_seeds": [round(one["f1"], 4) for one in runs["all"]]}


def with_threshold(scores: np.ndarray, file: File, train: int, choice: tuple[int, str, float, float]) -> Judged:
    """Judge the scores of a baseline: smoothed and with the thresholds of the detector, in floating point."""
    from scipy.signal import lfilter

    smoothing, kind, quantile, factor = choice
    weight = 2.0**-smoothing
    smoothed = lfilter([weight], [1, weight - 1], scores, zi=[scores[0] * (1 - weight)])[0]
    usual = smoothed[train:LEARNED]
    limit = np.quantile(usual, quantile) * factor
    if kind == "deviation":
        limit = usual.mean() + factor * np.abs(usual - usual.mean()).mean()
    scale = max(float(np.median(usual)), 1e-9)
    return Judged(smoothed[LEARNED:] / scale, smoothed[LEARNED:] > limit, file.y[LEARNED:])


def baseline(files: list[File], score: Callable[..., np.ndarray], seed: int = SEEDS[0]) -> dict[str, Any]:
    """Return the measures of a baseline, with the threshold that is best on the files to choose on."""
    train = SETTING.calibrate + SETTING.train
    scores = [score(file.x, train, seed) for file in files]
    chosen = [(one, file) for one, file in zip(scores, files, strict=True) if file.group == CHOSEN_ON]
    tried = {c: measures(with_threshold(one, file, train, c) for one, file in chosen) for c in THRESHOLDS}
    allowed = {c: m for c, m in tried.items() if m["far"] <= MOST_FALSE_ALARMS} or tried
    choice = max(allowed, key=lambda c: allowed[c]["f1"])
    of = dict(zip(map(id, files), scores, strict=True))
    found = by_group(files, lambda file, seed: with_threshold(of[id(file)], file, train, choice), SEEDS[:1])
    curve = roc_curve(with_threshold(of[id(file)], file, train, choice) for file in files)
    return found | {"threshold": list(choice), "roc": curve}


def rules() -> list[str]:
    """Name the rules that learn graded targets."""
    names = []
    for name in RULES:
        try:
            network(16, SETTING, name, 8, FEEDBACKS[0], 1)
        except Exception:  # a rule of classes or of another backend
            continue
        names.append(name)
    return names


def twin_rows(files: dict[str, tuple[list[File], Setting]], names: Iterable[str]) -> dict[str, Any]:
    """Return areas under ROC of integers and float twin, means over seeds."""
    rows: dict[str, Any] = {}
    for data, (recordings, setting) in files.items():
        for rule in names:
            whole, twin = [], []
            for seed in range(1, MORE_SEEDS.get(data, len(SEEDS)) + 1):
                whole.append(measures(integers(f, setting, rule, 8, FEEDBACKS[0], seed) for f in recordings)["auc"])
                twin.append(measures(floats(f, setting, rule, seed) for f in recordings)["auc"])
            rows[f"{data}, {rule}"] = {
                "integer": round(float(np.mean(whole)), 4),
                "float": round(float(np.mean(twin)), 4),
                "median_difference": round(float(np.median(np.subtract(whole, twin))), 4),
                "seeds": len(whole),
                "standard_error": round(float(np.std(np.subtract(whole, twin), ddof=1) / np.sqrt(len(whole))), 4),
            }
            print(f"{data}, {rule}", rows[f"{data}, {rule}"], flush=True)
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", nargs="*", help="rules or methods to measure")
    parser.add_argument("--no-twin", action="store_true", help="leave the float twin out")
    given = parser.parse_args()
    begin = time.process_time()
    files = skab()
    content: dict[str, Any] = {"edgelearn": __version__, "setting": SETTING._asdict(), "seeds": len(SEEDS)}
    content["published"] = {name: dict(zip(("f1", "far", "mar"), row, strict=True)) for name, row in PUBLISHED.items()}
    content["rows"], content["baselines"] = {}, {}
    for rule in rules():
        if given.rows and rule not in given.rows:
            continue
        for bits in BITS:
            for feedback in FEEDBACKS if RULES[rule].stores_feedback else FEEDBACKS[:1]:
                row = by_group(files, lambda f, s, r=rule, b=bits, k=feedback: integers(f, SETTING, r, b, k, s), SEEDS)
                if rule in TWIN_RULES and bits == BITS[0] and feedback == FEEDBACKS[0]:
                    row["roc"] = roc_curve(integers(file, SETTING, rule, bits, feedback, SEEDS[0]) for file in files)
                content["rows"][f"{rule}, {bits} bits, {feedback}"] = row
                print(f"{rule:12} {bits} bits {feedback:5}", said(row), flush=True)
    for method in BASELINES:
        if given.rows and method.name not in given.rows:
            continue
        row = baseline(files, method.score)
        content["baselines"][method.name] = row
        print(f"{method.name:26}", said(row), row["threshold"], flush=True)
    if not given.no_twin:
        temperature = SETTING._replace(**MACHINE)
        beats = SETTING._replace(**BEATS)
        others = {
            "SKAB": (files, SETTING),
            "machine temperature": (read("nab-machine-temperature"), temperature),
            "ECG": (read("ecg-anomaly"), beats),
        }
        content["float_twin"] = twin_rows(
            others, [r for r in ("bp", "dfa", "drtp") if not given.rows or r in given.rows]
        )
    if not given.rows:
        write_text(RESULTS, json.dumps(content, indent=1) + "\n")
        draw(content, FIGURE)
        print("\n".join(table(content)))
    print(f"{time.process_time() - begin:.0f} s of CPU time")
    return 0


def said(row: dict[str, Any]) -> str:
    return " | ".join(
        f"{group} F1 {m['f1']:.3f} FAR {m['far']:.1f} MAR {m['mar']:.1f} AUC {m['auc']:.3f}"
        for group, m in row.items()
        if group in GROUPS
    )


def table(content: dict[str, Any]) -> list[str]:
    """Return the Markdown table: own rows, baselines of this script, published rows."""
    lines = [
        "| SKAB, 34 files | F1 | false alarms, % | missing alarms, % | area under ROC | F1 on valve2, other |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in [*content["rows"].items(), *((f"{n} (this script)", r) for n, r in content["baselines"].items())]:
        m = row["all"]
        figures = (
            f"{m['f1']:.3f}",
            f"{m['far']:.1f}",
            f"{m['mar']:.1f}",
            f"{m['auc']:.3f}",
            f"{row['others']['f1']:.3f}",
        )
        lines.append(f"| {name} | " + " | ".join(figures) + " |")
    for name, m in sorted(content["published"].items(), key=lambda one: -one[1]["f1"]):
        lines.append(f"| {name} (published) | {m['f1']:.2f} | {m['far']:.1f} | {m['mar']:.1f} | | |")
    return lines


def sentences(content: dict[str, Any]) -> list[str]:
    """Return what the page says of the best rows."""
    said_rows = []
    for bits in BITS:
        rows = {name: row for name, row in content["rows"].items() if f"{bits} bits" in name}
        name = max(rows, key=lambda one: rows[one]["all"]["f1"])
        every, others = rows[name]["all"], rows[name]["others"]
        said_rows.append(
            f"The best row of {bits} bits ({name}) has F1 {every['f1']:.3f} at {every['far']:.1f} % false alarms on "
            f"all files, and {others['f1']:.3f} at {others['far']:.1f} % on valve2 and other."
        )
    simple = content["baselines"]["z-score"]["all"]
    return [
        *said_rows,
        f"A z-score of the learned rows, without any network, has {simple['f1']:.3f} at {simple['far']:.1f} %.",
    ]


def twin_table(content: dict[str, Any]) -> list[str]:
    """Return the Markdown table of areas under ROC beside the float twin."""
    lines = [
        "| area under ROC | seeds | 8 bits | float twin | difference, standard error | median |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in content["float_twin"].items():
        difference = row["integer"] - row["float"]
        lines.append(
            f"| {name} | {row['seeds']} | {row['integer']:.3f} | {row['float']:.3f} | {difference:+.3f}, "
            f"{row['standard_error']:.3f} | {row['median_difference']:+.3f} |"
        )
    return lines


def draw(content: dict[str, Any], path: Path) -> None:
    """Draw F1 against false alarms, and ROC curves of single seeds."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "anomaly_skab"
    import matplotlib.pyplot as plt

    figure, (axes, curves) = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
    kinds = (
        ("8 bits", [r["all"] for n, r in content["rows"].items() if "8 bits" in n], "o"),
        ("4 bits", [r["all"] for n, r in content["rows"].items() if "4 bits" in n], "s"),
        ("methods in this script", [r["all"] for r in content["baselines"].values()], "^"),
        ("published", list(content["published"].values()), "x"),
    )
    for label, rows, marker in kinds:
        axes.scatter([one["far"] for one in rows], [one["f1"] for one in rows], marker=marker, label=label)
    for name, one in [*((n, r["all"]) for n, r in content["baselines"].items()), *content["published"].items()]:
        axes.annotate(name, (one["far"], one["f1"]), xytext=(4, 4), textcoords="offset points", fontsize=7)
    axes.set_xlabel("false alarms (%)")
    axes.set_ylabel("F1")
    axes.legend(fontsize=8, loc="lower right")
    for name, row in [*content["rows"].items(), *content["baselines"].items()]:
        if "roc" in row:
            curves.plot(row["roc"]["false"], row["roc"]["true"], label=name, linewidth=1)
    curves.set_xlabel("share of normal rows with alarm")
    curves.set_ylabel("share of anomalous rows with alarm")
    curves.legend(fontsize=7, loc="lower right")
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    raise SystemExit(main())
