"""Figures of studies, of runs side by side and of rules relative to one: what they show, sizes, texts, refusals."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest

from edgelearn.errors import UserError
from edgelearn.studies import figure
from edgelearn.studies.figure import SMALL, plot_study
from edgelearn.studies.page_data import open_study
from tests.cli.runner import edgelearn
from tests.study_factory import rows, write_study
from tests.tools import missing

RESIDUAL = ("rounding=residual",)


@pytest.fixture(autouse=True)
def _matplotlib():
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        missing("matplotlib is not installed: pip install matplotlib")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return open_study(write_study(tmp_path_factory.mktemp("study") / "study"))


@pytest.fixture
def drawn(monkeypatch):
    """Figures that were written, in order."""
    from matplotlib.figure import Figure

    figures, save = [], Figure.savefig

    def keep(figure, *arguments, **options):
        figures.append(figure)
        return save(figure, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", keep)
    return figures


def texts_of(made):
    """Return the texts that are seen, with their boxes in points."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text

    made.draw_without_rendering()  # places of labels are those of the last drawing, which had the dots of the file
    renderer = FigureCanvasAgg(made).get_renderer()
    found = []
    for text in made.findobj(lambda one: isinstance(one, Text)):
        box = Text.get_window_extent(text, renderer)
        if text.get_text().strip() and text.get_visible() and box.width > 0:
            found.append((text, box))
    return found


def assert_readable(drawn_figure):
    """No text is small, outside of the figure, or on another one."""
    seen = texts_of(drawn_figure)
    ticks = {
        id(one)
        for ax in drawn_figure.axes
        for axis in (ax.xaxis, ax.yaxis)
        for one in axis.get_ticklabels(which="both")
    }
    shown = []
    for text, box in seen:
        assert text.get_fontsize() >= SMALL, text.get_text()
        inside = drawn_figure.bbox.padded(1.5)
        if id(text) in ticks and not (inside.x0 <= box.x0 and box.x1 <= inside.x1):
            continue  # of a tick beyond the limits
        assert inside.x0 <= box.x0, text.get_text()
        assert box.x1 <= inside.x1, text.get_text()
        if id(text) not in ticks:
            shown.append((text, box))
    for (first, a), (second, b) in combinations(shown, 2):
        assert not a.padded(-0.5).overlaps(b.padded(-0.5)), (first.get_text(), second.get_text())


@pytest.mark.parametrize("width", [3.5, 7.0])
@pytest.mark.parametrize(("x", "y"), [("bits", "error"), ("energy", "accuracy"), ("energy", "error")])
def test_a_figure_is_readable_in_a_column_and_on_a_page(study, tmp_path, drawn, x, y, width):
    path = tmp_path / "figure.pdf"
    found = plot_study(study, path, x, y, RESIDUAL, width, "engine-28nm")
    assert path.read_bytes().startswith(b"%PDF")
    assert found.lines == ("bp", "dfa", "drtp", "shallow")
    assert (found.points, found.left_out) == (16, ())
    (made,) = drawn
    assert made.get_size_inches()[0] == width
    assert_readable(made)
    texts = {text.get_text() for text, _ in texts_of(made)}
    assert {"bp", "dfa", "drtp", "shallow"} <= texts
    assert ("rounding residual" in texts) == (x == "bits")


def test_lines_show_the_means_and_intervals_of_the_table(study, tmp_path, drawn):
    plot_study(study, tmp_path / "figure.svg", "bits", "error", RESIDUAL)
    (ax,) = drawn[0].axes
    (line,) = [one for one in ax.containers if one[0].get_color() == "#D55E00"]
    cells = [row for row in rows() if row["rule"] == "dfa" and row["rounding"] == "residual" and row["bits"] == 4]
    mean = 100 - sum(row["accuracy_percent"] for row in cells) / len(cells)
    at = list(line[0].get_xdata()).index(4)
    assert line[0].get_ydata()[at] == pytest.approx(mean)
    low, high = sorted(point[1] for point in line[2][0].get_segments()[at])
    assert low < mean < high
    assert high - mean == pytest.approx(mean - low)


def test_lines_of_one_rule_share_its_colour_and_differ_in_their_marks(study, tmp_path, drawn):
    found = plot_study(study, tmp_path / "figure.svg", "bits")
    assert len(found.lines) == 8
    assert "dfa, stochastic" in found.lines
    lines = [container[0] for container in drawn[0].axes[0].containers]
    assert len({line.get_color() for line in lines}) == 4
    assert len({(line.get_color(), line.get_fillstyle()) for line in lines}) == 8
    assert_readable(drawn[0])


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_the_same_study_gives_the_same_bytes(study, tmp_path, suffix):
    for name in "ab":
        plot_study(study, tmp_path / f"{name}.{suffix}", "bits", "error", RESIDUAL, 3.5)
    assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()


def test_settings_without_a_value_are_left_out_and_named(tmp_path, drawn):
    failing = tuple(("bp", 2, "residual", seed) for seed in range(5))
    source = open_study(write_study(tmp_path / "study", rows(failing=failing)))
    found = plot_study(source, tmp_path / "figure.png", "bits", "error", RESIDUAL)
    assert found.points == 15
    (left_out,) = found.left_out
    assert left_out == "rule bp, view bits 2, rounding residual"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"x": "bitz"}, "column 'bitz' is not known.*Did you mean 'bits'"),
        ({"x": "rule"}, "column 'rule' holds no numbers; give one of bits"),
        ({"x": "energy"}, "several processors; give --processor, one of engine-28nm, cortex-m4"),
        ({"y": "bits"}, "--y bits is a setting; give a measure"),
        ({"where": ("rounding",)}, "write NAME=VALUE"),
        ({"where": ("roundin=residual",)}, "axis 'roundin' is not known"),
        ({"where": ("rounding=residua",)}, "rounding 'residua' is not known"),
        ({"width": 30.0}, "give 2 to 12 inches"),
        ({"processor": "engine"}, "processor 'engine' is not known"),
        ({"x": "energy", "y": "area", "processor": "cortex-m4"}, "cortex-m4 prices no area in this study"),
    ],
)
def test_what_cannot_be_drawn_is_refused(study, tmp_path, options, said):
    path = tmp_path / "figure.svg"
    with pytest.raises(UserError, match=said):
        plot_study(study, path, **options)
    assert not path.exists()


def test_more_lines_than_can_be_told_apart_are_refused(study, tmp_path, monkeypatch):
    monkeypatch.setattr(figure, "MOST_LINES", 7)
    with pytest.raises(UserError, match=r"8 lines are more than a figure can tell apart .* with rule, rounding"):
        plot_study(study, tmp_path / "figure.svg")


def test_the_command_says_what_is_drawn(study, tmp_path):
    write_study(tmp_path / "study")
    asked = ("study", "plot", "study", "--x", "bits", "--where", "rounding=residual", "--out")
    done = edgelearn(*asked, "fig.pdf", "--width", "3.5", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["16 settings in 4 lines: bp; dfa; drtp; shallow", "written: fig.pdf"]
    done = edgelearn(*asked, "fig.gif", cwd=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "must end in .png, .svg or .pdf" in done.stderr


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for rule in ("bp", "drtp"):
        flags = ("--net", "64-8-10", "--limit", "100", "--epochs", "3", "--out", rule)
        assert edgelearn("run", "--rule", rule, *flags, cwd=folder).returncode == 0
    return folder


def test_runs_side_by_side_over_samples_and_energy(finished, drawn):
    done = edgelearn("compare", "bp", "drtp", "--plot", "runs.svg", cwd=finished)
    assert (done.returncode, done.stderr) == (0, "")
    assert "written: runs.svg" in done.stdout
    (made,) = drawn
    left, right = made.axes
    for ax in (left, right):
        lines = [line for line in ax.lines if line.get_color() in ("#000000", "#0072B2") and len(line.get_xdata()) == 3]
        assert len([line for line in lines if line.get_marker() not in ("None", None, "")]) == 2
    assert {"bp", "drtp"} <= {text.get_text() for text, _ in texts_of(made)}
    assert_readable(made)


def test_runs_without_curves_are_refused(finished):
    flags = ("--limit", "600", "--out", "watched", "--overwrite")
    assert edgelearn("stream", *flags, cwd=finished).returncode == 0
    done = edgelearn("compare", "bp", "watched", "--plot", "no.svg", cwd=finished)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "watched has no test error by epoch to draw" in done.stderr
    assert not Path(finished, "no.svg").exists()


@pytest.mark.parametrize(
    ("processor", "base", "panels"), [("engine-28nm", "bp", 3), ("cortex-m4", "drtp", 2), ("engine-45nm", "shallow", 3)]
)
def test_costs_relative_to_a_rule(tmp_path, drawn, processor, base, panels):
    flags = ("--rule", "bp,dfa,drtp,shallow", "--net", "64-32-10", "--processor", processor, "--against", base)
    done = edgelearn("cost", *flags, "--plot", "cost.svg", "--json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    (made,) = drawn
    assert len(made.axes) == panels
    assert_readable(made)
    import json

    wanted = json.loads(done.stdout)["against"]["rules"]
    bars = [bar.get_width() for bar in made.axes[0].patches]
    assert bars == pytest.approx([found["energy"]["nominal"] for found in wanted.values()])
    whiskers = [segment for one in made.axes[0].containers if len(one) == 3 for segment in one[2][0].get_segments()]
    bands = [found["energy"] for found in wanted.values() if found["energy"]["high"] - found["energy"]["low"] > 5e-4]
    for band in bands:
        ends = [sorted(segment[:, 0]) for segment in whiskers]
        assert any(end == pytest.approx([band["low"], band["high"]]) for end in ends)
    assert any("band of the difference" in text.get_text().replace("\n", " ") for text, _ in texts_of(made))
