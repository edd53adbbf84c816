"""Figures: whole files, the same bytes twice, what is drawn, and what is refused."""

from __future__ import annotations

import struct
import sys
import xml.etree.ElementTree as ET
import zlib
from dataclasses import replace
from itertools import combinations

import pytest

from edgelearn.errors import UserError
from edgelearn.network.spec import design
from edgelearn.reports.plots.costs import COLOURS, plot_costs
from edgelearn.reports.plots.tornado import plot_tornado
from hw_models.compare.relative import swings_over
from hw_models.compare.rules import cost_of_rule
from hw_models.cost import ROLES
from hw_models.engine.schedule import assume
from hw_models.processor import find_processor
from tests.tools import in_turn, missing

RULES = ("shallow", "drtp", "sdfa", "dfa", "mdfa", "fa", "bp")
ACCURACIES = {"shallow": 91.8, "drtp": 95.6, "sdfa": 96.9, "dfa": 97.6, "mdfa": 97.5, "fa": 97.55, "bp": 97.6}


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


def costs(rules=RULES, processor="engine-28nm", sizes=(20, 12, 8, 4)):
    priced = []
    for rule in rules:
        spec = design(sizes, rule)
        activity = assume(spec, input_density=0.5, hidden_density=0.75, update_density=0.5)
        priced.append(cost_of_rule(spec, activity, find_processor(processor)))
    return priced


def check_png(content):
    """Walk all chunks to the last one, with their checksums."""
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    place, kinds = 8, []
    while place < len(content):
        (size,) = struct.unpack(">I", content[place : place + 4])
        kind = content[place + 4 : place + 8]
        body = content[place + 4 : place + 8 + size]
        assert struct.unpack(">I", content[place + 8 + size : place + 12 + size]) == (zlib.crc32(body),)
        kinds.append(kind)
        place += 12 + size
    assert kinds[0] == b"IHDR"
    assert kinds[-1] == b"IEND"
    assert b"tIME" not in kinds


@pytest.mark.parametrize(
    ("suffix", "accuracies"), [(".png", ACCURACIES), (".svg", ACCURACIES), (".svg", None), (".PNG", None)]
)
def test_files_are_whole_and_the_same_twice(tmp_path, suffix, accuracies):
    a, b = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    for path in (a, b):
        plot_costs(costs(), path, accuracies)
    content = a.read_bytes()
    assert content == b.read_bytes()
    assert len(list(tmp_path.iterdir())) == 2
    if suffix == ".svg":
        assert ET.fromstring(content).tag == "{http://www.w3.org/2000/svg}svg"
        assert b"<dc:date>" not in content
    else:
        check_png(content)


def test_every_role_has_its_own_colour():
    assert set(COLOURS) == set(ROLES)
    assert len(set(COLOURS.values())) == len(ROLES)


SIZES = {"pJ": 1, "nJ": 1e3, "µJ": 1e6, "µm²": 1, "mm²": 1e6}


@pytest.mark.parametrize("sizes", [(5, 4, 3), (20, 12, 8, 4), (784, 500, 10)])
def test_bars_are_the_figures_of_the_costs_in_a_fitting_unit(tmp_path, drawn, sizes):
    priced = costs(sizes=sizes)
    plot_costs(priced, tmp_path / "a.png")
    for ax, name, title in zip(
        drawn[0].axes, ("energy_pj", "area_um2"), ("Energy per trained sample", "Area"), strict=True
    ):
        shown, unit = ax.get_title("left").removesuffix(")").split(" (")
        assert shown == title
        heights = dict.fromkeys(range(len(priced)), 0.0)
        for bar in ax.patches:
            heights[round(bar.get_x() + bar.get_width() / 2)] += bar.get_height()
        for x, cost in enumerate(priced):
            per = cost.training.samples if name == "energy_pj" else 1
            assert heights[x] * SIZES[unit] == pytest.approx(cost.training.total(name) / per)
        assert max(heights.values()) >= 1
        assert max(heights.values()) < 1e3 or name == "area_um2"
        assert [label.get_text() for label in ax.get_xticklabels()] == list(RULES)
        assert ax.get_ylim()[1] > max(line.get_ydata().max() for line in ax.lines)  # whiskers end inside
    net = "-".join(map(str, sizes))
    assert (
        drawn[0]._suptitle.get_text().replace("\n", " ")
        == f"engine-28nm (logic energy of nangate45), net {net}, 8 bits"
    )


def test_cycles_and_memory_where_nothing_else_is_priced(tmp_path, drawn):
    priced = costs(processor="cortex-m0")
    assert "energy_pj" not in priced[0].training.prices
    plot_costs(priced, tmp_path / "a.png", {"bp": 90.0})
    titles = [ax.get_title("left") for ax in drawn[0].axes]
    assert titles[0].startswith("Cycles per trained sample (")
    assert titles[1].startswith("Memory (")
    assert drawn[0].axes[2].get_xlabel().startswith("cycles per trained sample (")


@pytest.mark.parametrize(
    ("accuracies", "processor"),
    in_turn(
        [ACCURACIES, dict.fromkeys(RULES, 97.0), {"dfa": 0.0}, dict.fromkeys(RULES, 100.0)],
        ["engine-28nm", "loihi-like"],
    ),
)
def test_names_cover_neither_each_other_nor_points(tmp_path, drawn, accuracies, processor):
    from matplotlib.text import Text

    plot_costs(costs(processor=processor), tmp_path / "a.png", accuracies)
    figure = drawn[0]
    ax = figure.axes[2]
    renderer = figure.canvas.get_renderer()
    names = [text for text in ax.texts if text.get_text()]
    assert sorted(name for text in names for name in text.get_text().split(", ")) == sorted(accuracies)
    boxes = [Text.get_window_extent(text, renderer) for text in names]
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
    points = ax.transData.transform(ax.lines[0].get_xydata())
    assert not any(box.contains(*point) for box in boxes for point in points)
    legend, title = figure.legends[0].get_window_extent(), figure._suptitle.get_window_extent()
    assert not legend.overlaps(title)
    frame = ax.get_window_extent()
    assert all(frame.contains(box.x0, box.y0) and frame.contains(box.x1, box.y1) for box in boxes)


def test_the_users_style_is_left_alone_and_has_no_say(tmp_path):
    import matplotlib

    plot_costs(costs(), tmp_path / "a.svg")
    with matplotlib.rc_context({"font.size": 30, "svg.hashsalt": "other"}):
        plot_costs(costs(), tmp_path / "b.svg")
        assert matplotlib.rcParams["font.size"] == 30
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


@pytest.mark.parametrize(
    ("name", "rules", "accuracies", "text"),
    [
        ("a.gif", RULES, None, r"plot file .*a.gif must end in .png, .svg or .pdf"),
        ("a", RULES, None, r"plot file .*a must end in .png, .svg or .pdf"),
        ("a.png", (), None, "no costs to plot; give at least one rule"),
        ("a.png", ("bp", "dfa"), {"drtp": 90}, r"rule 'drtp' is not known; known: bp, dfa"),
        ("a.png", ("bp",), {"bp": 101}, "accuracy of bp is 101; give percent, 0 to 100"),
        ("a.png", ("bp",), {"bp": float("nan")}, "accuracy of bp is nan; give percent, 0 to 100"),
        ("missing/a.png", ("bp",), None, "cannot write .*there is no folder"),
    ],
)
def test_mistakes_are_refused_and_leave_no_file(tmp_path, name, rules, accuracies, text):
    with pytest.raises(UserError, match=text):
        plot_costs(costs(rules), tmp_path / name, accuracies)
    assert list(tmp_path.iterdir()) == []


def test_without_matplotlib_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(UserError, match=r'matplotlib is not installed .* pip install "matplotlib>='):
        plot_costs(costs(["bp"]), tmp_path / "a.png")


def bars_of(ax, labelled=None):
    """Ends of the bars of a panel by name of its row; panels of one row have their names at the first."""
    names = [label.get_text() for label in (labelled or ax).get_yticklabels()]
    found = {}
    for bar in ax.patches:
        row = names[round(bar.get_y() + bar.get_height() / 2)]
        found.setdefault(row, set()).add(round(bar.get_x() + bar.get_width(), 6))
    return found


def test_a_tornado_shows_the_swing_of_every_constant(tmp_path, drawn):
    priced = costs(("bp", "drtp", "dfa"))
    plot_tornado(priced, tmp_path / "a.png", "bp")
    check_png((tmp_path / "a.png").read_bytes())
    axes = [ax for ax in drawn[-1].axes if ax.axison]
    assert [ax.get_title(loc="left").split(" ")[0] for ax in axes] == ["drtp", "dfa"]
    for ax, cost in zip(axes, priced[1:], strict=True):
        nominal, swings = swings_over(cost.training, priced[0].training, "energy_pj")
        bars = bars_of(ax, axes[0])
        assert len(bars) >= 3
        for swing in swings:
            if swing.constant.name in bars:
                assert bars[swing.constant.name] == {round(swing.at_low, 6), round(swing.at_high, 6)}
        low, high = ax.get_xlim()
        assert low < nominal < high
    plot_tornado(priced, tmp_path / "b.png", "bp")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_tornado_of_one_rule_has_its_energy_and_area(tmp_path, drawn):
    (cost,) = costs(("drtp",))
    plot_tornado([cost], tmp_path / "a.svg", "drtp")
    titles = [ax.get_title(loc="left") for ax in drawn[-1].axes]
    assert [title.split()[0] for title in titles] == ["Energy", "Area"]
    assert "SRAM area" in bars_of(drawn[-1].axes[1])
    assert "SRAM area" not in bars_of(drawn[-1].axes[0])
    plot_tornado(costs(("drtp", "bp"), "rv32-ibex"), tmp_path / "b.svg", "drtp")
    assert "cycles per learned sample against drtp" in drawn[-1].get_suptitle().replace("\n", " ")


def test_a_tornado_without_bands_is_refused(tmp_path):
    (cost,) = costs(("drtp",), "loihi-like")
    flat = replace(cost, training=replace(cost.training, constants=()))
    with pytest.raises(UserError, match="no constant of loihi-like has a band"):
        plot_tornado([flat], tmp_path / "a.svg", "drtp")
    assert not list(tmp_path.iterdir())
