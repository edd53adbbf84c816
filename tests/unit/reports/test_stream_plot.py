"""Figures of streams: whole files, the same bytes twice, what is drawn where, and what is refused."""

from __future__ import annotations

import copy
import json
import sys
import warnings
import xml.etree.ElementTree as ET
from functools import cache
from itertools import combinations

import numpy as np
import pytest

from edgelearn.config import StreamConfig
from edgelearn.data.sensor import DriftingSensor
from edgelearn.errors import UserError
from edgelearn.reports.plots.figure import COLOURS
from edgelearn.reports.plots.stream import MOST_RUNS, plot_stream, plot_streams
from edgelearn.runs.kind import Result
from edgelearn.runs.stream import StreamWork
from tests.tools import missing


@pytest.fixture(autouse=True)
def _matplotlib():
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        missing('matplotlib is not installed: pip install "edgelearn[plot]"')


@pytest.fixture
def drawn(monkeypatch):
    """Figures that were written, in order."""
    from matplotlib.figure import Figure

    figures = []
    save = Figure.savefig

    def keep(figure, *arguments, **options):
        figures.append(figure)
        return save(figure, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", keep)
    return figures


@cache
def _learned(kind, n, settings):
    source = DriftingSensor(kind, n, n_channels=3, n_classes=3)
    run = StreamWork(
        StreamConfig(**({"hidden": "4", "encoder": "on-off", "input_bits": 4, "accuracy_window": 40} | dict(settings))),
        source,
    )
    for block in source.blocks():
        run.take(block)
    return Result(run.content()).to_json()


def learned(kind="abrupt", n=600, **settings):
    return json.loads(_learned(kind, n, tuple(sorted(settings.items()))))


def panel(figure, label):
    """Return the panel with a label on its vertical axis."""
    (found,) = [ax for ax in figure.axes if ax.get_ylabel().replace("\n", " ").startswith(label)]
    return found


def heights(ax, run=0):
    """Return values and edges of the curve of a run."""
    from matplotlib.patches import StepPatch

    curves = [patch for patch in ax.patches if isinstance(patch, StepPatch)]
    values, edges, _ = curves[run].get_data()
    return np.asarray(values), np.asarray(edges)


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


@pytest.mark.parametrize("suffix", [".png", ".svg", ".SVG"])
def test_files_are_whole_and_the_same_twice(tmp_path, suffix):
    import matplotlib

    content = learned(detector="none")
    before = copy.deepcopy(content)
    plot_stream(content, tmp_path / f"a{suffix}")
    with matplotlib.rc_context({"font.size": 30, "svg.hashsalt": "other"}):
        plot_stream(content, tmp_path / f"b{suffix}")
        assert matplotlib.rcParams["font.size"] == 30
    written = (tmp_path / f"a{suffix}").read_bytes()
    assert written == (tmp_path / f"b{suffix}").read_bytes()
    assert content == before
    assert len(list(tmp_path.iterdir())) == 2
    if suffix == ".png":
        assert written.startswith(b"\x89PNG\r\n\x1a\n")
        assert written.endswith(b"IEND\xaeB`\x82")
    else:
        assert ET.fromstring(written).tag == "{http://www.w3.org/2000/svg}svg"
        assert b"<dc:date>" not in written


@pytest.mark.parametrize("n", [3, *(pytest.param(n, marks=pytest.mark.slow) for n in (7, 600)), 601, 1399])
def test_curves_are_the_means_of_their_rows(tmp_path, drawn, n):
    content = learned("none", n, update_gate="error", processor="cortex-m4")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plot_stream(content, tmp_path / "a.png")
    result, device = content["result"], content["device"]
    unit = {"nJ": 1e3, "uJ": 1e6}[panel(drawn[0], "energy").get_ylabel()[-3:-1]]
    for label, mean in (
        ("accuracy", 100 * result["accuracy"]),
        ("events", content["front_end"]["events_per_row"]),
        ("rows learned", content["learning"]["learned_percent"]),
        ("energy", device["energy_per_row_pj"] / unit),
    ):
        ax = panel(drawn[0], label)
        values, edges = heights(ax)
        assert np.average(values, weights=np.diff(edges)) == pytest.approx(mean, rel=1e-4)
        assert ax.get_ylim()[0] <= values.min()
        assert values.max() < ax.get_ylim()[1]
        assert (edges[0], edges[-1]) == pytest.approx((0, n / 50))
        assert len(values) <= max(n // 20, 10)
        assert ax.get_xlim() == pytest.approx((0, n / 50))
    assert drawn[0].axes[-1].get_xlabel() == "time (s)"
    assert legend(drawn[0])[0] == f"drtp, mean {100 * result['accuracy']:.1f} %"
    assert f"majority class {100 * result['majority_accuracy']:.1f} %" in legend(drawn[0])
    baselines = {round(line.get_ydata()[0], 4) for line in panel(drawn[0], "accuracy").lines}
    assert {round(100 * result["majority_accuracy"], 4), round(100 * result["no_change_accuracy"], 4)} == baselines


@pytest.mark.parametrize(
    ("rate", "label", "end"),
    [("50 Hz", "time (s)", 12.0), ("1 Hz", "time (minutes)", 10.0), ("0.04 Hz", "time (hours)", 25 / 6), ("0.001 Hz", "time (days)", 600 / 86.4)],
)  # fmt: skip
def test_time_has_a_fitting_unit(tmp_path, drawn, rate, label, end):
    plot_stream(learned(sample_rate=rate), tmp_path / "a.png")
    assert drawn[0].axes[-1].get_xlabel() == label
    assert drawn[0].axes[-1].get_xlim()[1] == pytest.approx(end)


def test_samples_where_there_is_no_time(tmp_path, drawn):
    content = learned()
    curve = content["result"]["curve"]
    for times in ([None] * len(curve["time"]), [3.0] * len(curve["time"])):
        content["stream"]["rate_hz"] = None
        curve["time"] = times
        plot_stream(content, tmp_path / "a.png")
        assert drawn[-1].axes[-1].get_xlabel() == "sample"
        assert drawn[-1].axes[-1].get_xlim() == (0, 600)


def test_time_stamps_without_a_rate_place_drifts_between_bins(tmp_path, drawn):
    content = learned()
    content["stream"]["rate_hz"] = None
    curve = content["result"]["curve"]
    curve["time"] = [begin**2 / 1e4 for begin in curve["begin"]]
    plot_stream(content, tmp_path / "a.png")
    lines = drawn[0].axes[-1].collections[0].get_segments()
    assert [segment[0][0] for segment in lines] == pytest.approx([4, 16], rel=0.02)


def test_drifts_are_lines_through_all_panels_with_their_samples(tmp_path, drawn):
    content = learned()
    plot_stream(content, tmp_path / "a.png")
    for ax in drawn[0].axes:
        assert [segment[0][0] for segment in ax.collections[0].get_segments()] == pytest.approx([4.0, 8.0])
    assert [text.get_text() for text in drawn[0].axes[0].texts] == ["sample 200", "sample 400"]
    assert "2 known drifts" in legend(drawn[0])


def test_what_was_detected_and_recovered_is_above_the_accuracy(tmp_path, drawn):
    content = learned(n=1200)
    drifts = content["drift"]["recovery"]["drifts"]
    rows = {"scored": 400, "before": 0.9}
    drifts[0].update(rows, recovery_samples=100)
    drifts[1].update(rows, recovery_samples=None)
    content["drift"]["detector"].update(kind="adwin", n_detections=3, detections=[50, 450, 900])
    plot_stream(content, tmp_path / "a.png")
    lanes = drawn[0].axes[0]
    assert [label.get_text() for label in lanes.get_yticklabels()] == ["adwin: 3", "recovery"]
    assert lanes.lines[0].get_xdata() == pytest.approx([1.0, 9.0, 18.0])
    bars = [(bar.get_x(), bar.get_x() + bar.get_width(), bar.get_facecolor()) for bar in lanes.patches]
    assert bars[0][:2] == pytest.approx((8.0, 10.0))
    assert bars[1][:2] == pytest.approx((16.0, 24.0))
    assert bars[0][2] != bars[1][2] == (1, 1, 1, 1)
    assert {"drift detected", "until recovered", "not recovered"} <= set(legend(drawn[0]))

    drifts[0].update(recovery_samples=0)  # it cost nothing
    drifts[1].update(before=None)  # nobody knows
    plot_stream(content, tmp_path / "a.png")
    assert not drawn[1].axes[0].patches
    assert "not recovered" not in legend(drawn[1])


def test_many_drifts_are_pale_and_without_names(tmp_path, drawn):
    content = learned("none", 1000)
    content["stream"]["drift_points"] = list(range(20, 1000, 20))
    plot_stream(content, tmp_path / "a.png")
    ax = drawn[0].axes[0]
    assert "49 known drifts" in legend(drawn[0])
    assert not ax.texts
    lines = ax.collections[0]
    assert lines.get_linewidth()[0] <= 0.5
    assert lines.get_color()[0][:3].min() > 0.7
    width = ax.get_window_extent().width * 72 / drawn[0].dpi
    assert len(lines.get_segments()) * lines.get_linewidth()[0] < 0.1 * width


def test_drifts_after_the_end_are_not_drawn(tmp_path, drawn):
    content = learned("none")
    content["stream"]["drift_points"] = [300, 600, 900]
    plot_stream(content, tmp_path / "a.png")
    assert len(drawn[0].axes[0].collections[0].get_segments()) == 1
    assert "known drift" in legend(drawn[0])


def test_warm_up_is_shaded_until_the_first_score(tmp_path, drawn):
    plot_stream(learned(warm_up=90), tmp_path / "a.png")
    shade = (
        panel(drawn[0], "accuracy")
        .patches[-1]
        .get_extents()
        .transformed(panel(drawn[0], "accuracy").transData.inverted())
    )
    assert (shade.x0, shade.x1) == pytest.approx((0, 1.8), abs=0.02)
    assert "warm-up, not scored" in legend(drawn[0])
    plot_stream(learned(warm_up=5000), tmp_path / "a.png")
    assert "drtp, not scored" in legend(drawn[1])
    assert "no row was scored" in [text.get_text() for text in panel(drawn[1], "accuracy").texts]


def test_gaps_where_nothing_was_scored(tmp_path, drawn):
    content = learned()
    curve = content["result"]["curve"]
    half = len(curve["scored"]) // 2
    curve["scored"][:half] = curve["errors"][:half] = [0] * half
    plot_stream(content, tmp_path / "a.png")
    values, _ = heights(panel(drawn[0], "accuracy"))
    assert np.isnan(values[: len(values) // 2]).all()
    assert not np.isnan(values[len(values) // 2 :]).any()


def test_panels_without_values_are_left_out(tmp_path, drawn):
    content = learned(processor="cortex-m0")
    plot_stream(content, tmp_path / "a.png")
    labels = {ax.get_ylabel().replace("\n", " ") for ax in drawn[0].axes}
    assert labels == {"", "accuracy (%)", "events per row", "rows learned (%)"}
    content["result"]["curve"]["sums"]["dropped"] = [0] * len(content["result"]["curve"]["begin"])
    plot_stream(content, tmp_path / "a.png")
    assert len(drawn[1].axes) == len(drawn[0].axes)


def test_dropped_rows_have_a_panel_and_take_no_energy(tmp_path, drawn):
    content = learned("none", processor="cortex-m4", sample_rate="100 kHz")
    assert content["device"]["dropped"] > 0
    curve = content["result"]["curve"]
    curve["sums"]["dropped"] = [n - m for n, m in zip(curve["samples"], curve["scored"], strict=True)]
    plot_stream(content, tmp_path / "a.png")
    values, edges = heights(panel(drawn[0], "rows dropped"))
    assert np.average(values, weights=np.diff(edges)) == pytest.approx(100 * content["device"]["dropped"] / 600)
    values, _ = heights(panel(drawn[0], "energy"))
    assert values.mean() == pytest.approx(content["device"]["energy_per_row_pj"] / 1e3, rel=0.1)


def test_runs_over_each_other_have_their_own_lines(tmp_path, drawn):
    rules = ("drtp", "dfa", "shallow")
    contents = {rule: learned(rule=rule) for rule in rules}
    contents["m0"] = learned(processor="cortex-m0")
    plot_streams(contents, tmp_path / "a.png")
    ax = panel(drawn[0], "accuracy")
    for k, (name, content) in enumerate(contents.items()):
        values, _ = heights(ax, k)
        assert values.mean() == pytest.approx(100 * content["result"]["accuracy"], rel=1e-4)
        assert legend(drawn[0])[k] == f"{name}, mean {100 * content['result']['accuracy']:.1f} %"
    assert np.isnan(heights(panel(drawn[0], "energy"), 3)[0]).all()
    assert [label.get_text() for label in drawn[0].axes[0].get_yticklabels()] == [
        f"recovery {name}" for name in contents
    ]
    plot_streams({"slow": learned(), "fast": learned(sample_rate="100 Hz")}, tmp_path / "a.png")
    assert drawn[1].axes[-1].get_xlabel() == "sample"


@pytest.mark.parametrize("n_runs", [1, 3, MOST_RUNS])
def test_texts_do_not_cover_each_other(tmp_path, drawn, n_runs):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    content = learned(sample_rate="1 kHz", processor="cortex-m4", warm_up=20)
    content["stream"]["name"] = "a sensor with a name of many words " * 3
    plot_streams({f"run {k}": content for k in range(n_runs)}, tmp_path / "a.png")
    figure = drawn[0]
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [figure._suptitle.get_window_extent(renderer), figure.legends[0].get_window_extent(renderer)]
    boxes += [ax.yaxis.label.get_window_extent(renderer) for ax in figure.axes if ax.get_ylabel()]
    for ax in figure.axes:
        low, high = sorted(ax.get_ylim())
        shown = [label for y, label in zip(ax.get_yticks(), ax.get_yticklabels(), strict=True) if low <= y <= high]
        boxes += [label.get_window_extent(renderer) for label in shown]
    boxes += [text.get_window_extent(renderer) for text in figure.axes[0].texts]
    boxes.append(figure.axes[-1].xaxis.label.get_window_extent(renderer))
    inside = figure.bbox.padded(1)
    assert all(
        inside.x0 <= box.x0 and box.x1 <= inside.x1 and inside.y0 <= box.y0 and box.y1 <= inside.y1 for box in boxes
    )
    assert not [pair for pair in combinations(boxes, 2) if pair[0].padded(-1).overlaps(pair[1].padded(-1))]


def test_colours_differ():
    assert len(set(COLOURS)) == len(COLOURS)


@pytest.mark.parametrize(
    ("name", "change", "text"),
    [
        ("a.gif", {}, "plot file .*a.gif must end in .png, .svg or .pdf"),
        ("a", {}, "plot file .*a must end in .png, .svg or .pdf"),
        ("a.png", {"rows": 0}, "run drtp has no rows to plot; give a stream longer than its window"),
        ("missing/a.png", {}, "cannot write .*there is no folder .*missing"),
    ],
)
def test_mistakes_are_refused_and_leave_no_file(tmp_path, name, change, text):
    content = learned()
    content["stream"].update(change)
    with pytest.raises(UserError, match=text):
        plot_stream(content, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("contents", "text"),
    [
        ({}, "no runs to plot; give 1 to 14"),
        (dict.fromkeys(map(str, range(MOST_RUNS + 1))), "15 runs are too many; give 1 to 14"),
        (
            {"a": {}, "b": {"n": 599}},
            "runs a and b are of different streams .samples 600 and 599.; plot each by itself",
        ),
        ({"a": {}, "b": {"kind": "none"}}, "runs a and b are of different streams .name sensor-abrupt and sensor-none"),
    ],
)
def test_runs_that_do_not_go_together_are_refused(tmp_path, contents, text):
    made = {name: learned(**settings) if settings is not None else None for name, settings in contents.items()}
    with pytest.raises(UserError, match=text):
        plot_streams(made, tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


def test_without_matplotlib_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(UserError, match=r'matplotlib is not installed .* pip install "matplotlib>='):
        plot_stream(learned(), tmp_path / "a.png")
