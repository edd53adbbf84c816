"""Every number of the page against the table, worked out again from it; user's text stays text; the file stands alone."""

from __future__ import annotations

import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from edgelearn.errors import UserError
from edgelearn.studies.formatting import rounded, scale_for, shown
from edgelearn.studies.page import to_html, to_markdown
from edgelearn.studies.page_data import Source, contents_of, open_study, with_fewer
from edgelearn.studies.plots import no_tex
from tests import study_factory

pandas = pytest.importorskip("pandas")
pytest.importorskip("bokeh")
T_975 = {2: 12.706204736, 3: 4.302652730, 4: 3.182446305, 5: 2.776445105}  # by number of seeds
AXES = ("rule", "bits", "rounding")
NASTY = 'Does <b>"4 bits" & $$\\frac{a}{b}$$</b> | do </script><script>alert(1)</script>?'


class Page(HTMLParser):
    """What a page holds: tables with raw values, numbers in sentences, plots, text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tables: dict[str, list[dict]] = {}
        self.columns: dict[str, list[dict]] = {}
        self.numbers: list[dict] = []
        self.items: dict[str, dict] = {}
        self.summary: list[str] = []
        self.tags: list[tuple[str, dict]] = []
        self.text = ""
        self._table = self._cell = self._number = self._item = self._said = None
        self._script = False
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.append((tag, given))
        if tag == "table":
            self._table = given["data-table"]
            self.tables[self._table], self.columns[self._table] = [], []
        elif tag == "th":
            self.columns[self._table].append(given)
        elif tag == "tr" and self._table and self.columns[self._table]:
            self.tables[self._table].append({"about": given, "cells": []})
        elif tag == "td":
            self._cell = {**given, "text": ""}
            self.tables[self._table][-1]["cells"].append(self._cell)
        elif tag == "data":
            self._number = {**given, "text": ""}
            self.numbers.append(self._number)
        elif tag == "ul" and given.get("class") == "summary":
            self._said = True
        elif tag == "li" and self._said:
            self.summary.append("")
        elif tag == "script":
            self._script, self._item = True, given.get("data-item")
            if self._item is not None:
                self._item = f"{given['data-plot']}:{self._item}"
                self.items[self._item] = ""

    def handle_endtag(self, tag):
        if tag == "td":
            self._cell = None
        elif tag == "table":
            self._table = None
        elif tag == "data":
            self._number = None
        elif tag == "ul":
            self._said = None
        elif tag == "script":
            if self._item is not None:
                self.items[self._item] = json.loads(self.items[self._item])
            self._item, self._script = None, False

    def handle_data(self, data):
        if self._item is not None:
            self.items[self._item] += data
        if self._script:
            return
        self.text += data
        for place in (self._cell, self._number):
            if place is not None:
                place["text"] += data
        if self._said and self._number is None and self.summary:
            self.summary[-1] += data

    def rows(self, table):
        """Return rows as cells by column."""
        names = [column["data-column"] for column in self.columns[table]]
        return [(row["about"], dict(zip(names, row["cells"], strict=True))) for row in self.tables[table]]


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    return study_factory.write_study(tmp_path_factory.mktemp("made"), about=study_factory.plan(NASTY))


@pytest.fixture(scope="module")
def frame(study):
    return pandas.read_parquet(study / "table.parquet")


@pytest.fixture(scope="module")
def html(study) -> str:
    return to_html(contents_of(open_study(study)))


@pytest.fixture(scope="module")
def page(html) -> Page:
    return Page(html)


def cells_of(frame, given):
    """Return the done rows of a group named by the cells of its axes."""
    found = frame[frame.status == "done"]
    for axis in AXES:
        found = found[found[axis].astype(str) == given[axis]["text"].strip()]
    return found


def check_shown(cell, scale):
    """Check that what is seen is the raw value in its unit, and half the interval that of low and high."""
    parts = re.findall(r"-?[\d,]+(?:\.\d+)?", cell["text"])
    value = float(cell.get("data-value", cell.get("value")))
    decimals = len(parts[0].partition(".")[2])
    assert abs(float(parts[0].replace(",", "")) - value / scale) <= 0.5000001 * 10**-decimals, cell
    if "(" in cell["text"]:  # the interval of an accuracy, cut at 0 and 100 %
        low, high = max(float(cell["data-low"]), 0.0), min(float(cell["data-high"]), 100.0)
        assert (low, high) != (float(cell["data-low"]), float(cell["data-high"])), cell
        assert [float(part) for part in parts[1:]] == pytest.approx([low, high], abs=0.5000001 * 10**-decimals), cell
        return
    if len(parts) > 1:
        half = (float(cell["data-high"]) - float(cell["data-low"])) / 2 / scale
        assert abs(float(parts[1].replace(",", "")) - half) <= 0.5000001 * 10**-decimals, cell
    assert len(parts) <= 2


def check_interval(cell, values):
    """Check mean and interval of a cell against values of the table."""
    values = [float(value) for value in values if not math.isnan(value)]
    mean = sum(values) / len(values)
    assert float(cell["data-value"]) == pytest.approx(mean, rel=1e-12, abs=1e-12)
    assert int(cell["data-n"]) == len(values)
    if len(values) > 1:
        spread = math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))
        half = T_975[len(values)] * spread / math.sqrt(len(values))
        ends = (float(cell["data-low"]), float(cell["data-high"]))
        assert ends == pytest.approx((mean - half, mean + half), rel=1e-8, abs=1e-8)


def test_every_mean_and_interval_is_that_of_the_table(page, frame):
    rows = page.rows("groups")
    assert len(rows) == 32
    scales = {column["data-column"]: float(column["data-scale"]) for column in page.columns["groups"]}
    measured = [name for name in scales if name in frame.columns and name not in AXES]
    assert set(measured) >= {"accuracy_percent", "stored_bits", "energy_pj@engine-28nm", "energy_pj@cortex-m4"}
    for _, cells in rows:
        mine = cells_of(frame, cells)
        for name in measured:
            check_interval(cells[name], mine[name])
            check_shown(cells[name], scales[name])
        assert int(cells["n"]["data-value"]) == len(mine)
        assert int(cells["failed"]["data-value"]) == 5 - len(mine)


def test_every_cell_is_that_of_the_table(page, frame):
    rows = page.rows("cells")
    assert [about["data-cell"] for about, _ in rows] == list(frame.cell)
    by_cell = frame.set_index("cell")
    scales = {column["data-column"]: float(column["data-scale"]) for column in page.columns["cells"]}
    assert set(scales) >= set(frame.columns[frame.columns.get_loc("accuracy_percent") :]) - {"area_um2@cortex-m4"}
    for about, cells in rows:
        row = by_cell.loc[about["data-cell"]]
        for name, cell in cells.items():
            if "data-value" in cell:
                assert float(cell["data-value"]) == row[name]
                check_shown(cell, scales[name])
            else:
                wanted = row[name]
                assert cell["text"] == (wanted if isinstance(wanted, str) else "\N{EN DASH}")


def test_what_energy_buys_is_that_of_the_table(page, frame):
    for processor in study_factory.PROCESSORS:
        energy = f"energy_pj@{processor}"
        scales = {column["data-column"]: float(column["data-scale"]) for column in page.columns[f"front@{processor}"]}
        before = None
        rows = page.rows(f"front@{processor}")
        assert len(rows) > 3
        for _, cells in rows:
            mine = cells_of(frame, cells)
            check_interval(cells["accuracy_percent"], mine.accuracy_percent)
            check_interval(cells[energy], mine[energy])
            if before is not None:
                gain, cost = (mine[c].mean() - before[c].mean() for c in ("accuracy_percent", energy))
                assert float(cells["gain"]["data-value"]) == pytest.approx(gain, abs=1e-9)
                assert float(cells["cost"]["data-value"]) == pytest.approx(cost)
                assert float(cells["points_per_nj"]["data-value"]) == pytest.approx(1000 * gain / cost)
                assert gain > 0
                assert cost > 0
            for name, cell in cells.items():
                if "data-value" in cell:
                    check_shown(cell, scales[name])
            before = mine
        means = frame[frame.status == "done"].groupby(list(AXES))[["accuracy_percent", energy]].mean()
        beaten = [((means.accuracy_percent > a) & (means[energy] <= e)).any() for a, e in means.to_numpy()]
        assert len(rows) == len(means) - sum(beaten)


def test_the_smallest_bits_and_the_differences_are_those_of_the_table(page, frame):
    done = frame[frame.status == "done"]
    rows = page.rows("bits")
    assert len(rows) == 8
    for _, cells in rows:
        mine = done[(done.rule == cells["rule"]["text"]) & (done.rounding == cells["rounding"]["text"])]
        means = mine.groupby("bits").accuracy_percent.mean()
        assert float(cells["reference"]["data-value"]) == pytest.approx(means[8])
        assert int(cells["smallest_bits"]["data-value"]) == means[means >= means[8] - 1].index.min()
        check_interval(
            cells["accuracy_percent"], mine[mine.bits == int(cells["smallest_bits"]["text"])].accuracy_percent
        )
    rows = page.rows("differences")
    assert len(rows) == 8 * 6
    for _, cells in rows:
        mine = done[(done.bits == int(cells["bits"]["text"])) & (done.rounding == cells["rounding"]["text"])]
        table = mine.pivot(index="seed", columns="rule", values="accuracy_percent")
        check_interval(cells["difference"], (table[cells["second"]["text"]] - table[cells["first"]["text"]]).dropna())
        check_shown(cells["difference"], 1.0)


def test_the_sentences_hold_no_number_of_their_own(page, frame):
    """Numbers in sentences carry their raw value; beside them only names of settings hold digits."""
    done = frame[frame.status == "done"]
    means = done.groupby(list(AXES)).mean(numeric_only=True)
    counted = {"done": 159, "planned": 160, "failed": 1, "groups": 32, "placed": 32, "seeds": 5}
    order = {
        k: tuple(row[:3])
        for k, row in enumerate(means.reindex(done[list(AXES)].drop_duplicates()).reset_index().to_numpy())
    }
    assert len(page.numbers) > 20
    for number in page.numbers:
        check_shown(number, float(number["data-scale"]))
        what, _, index = number["data-about"].partition(" ")
        if what in counted:
            assert int(number["value"]) == counted[what]
        elif index.isdigit():
            assert float(number["value"]) == pytest.approx(means.loc[order[int(index)], what])
        elif what == "accuracy_percent":
            best = means.accuracy_percent.idxmax()
            mine = done[(done.rule == best[0]) & (done.bits == best[1]) & (done.rounding == best[2])].accuracy_percent
            half = T_975[5] * mine.std() / math.sqrt(5)
            assert min(abs(float(number["value"]) - end) for end in (mine.mean() - half, mine.mean() + half)) < 1e-6
        else:
            assert what in ("smallest_bits", "rivals", "front"), number
    for said in page.summary:
        left = re.sub(r"bits \d+|engine-28nm|cortex-m4|95 %|8 view bits|1 point", "", said)
        assert not re.search(r"\d", left), said


def sources(item):
    """Return the columns of each data source of a plot."""
    found = []

    def look(value):
        if isinstance(value, dict):
            if value.get("name") == "ColumnDataSource":
                found.append(dict(value["attributes"]["data"]["entries"]))
            for part in value.values():
                look(part)
        elif isinstance(value, list):
            for part in value:
                look(part)

    look(item)
    return found


def test_the_points_of_every_plot_are_those_of_the_table(page, frame):
    done = frame[frame.status == "done"]
    groups = [cells_of(frame, cells) for _, cells in page.rows("groups")]
    assert len(page.items) == 2 * 5 - 1 + 2 * 2 + 4  # the microcontroller has no area
    costs = {
        "energy": "energy_pj",
        "inference energy": "inference_energy_pj",
        "latency": "latency_us",
        "area": "area_um2",
        "memory": "memory_bits",
    }
    for name, item in page.items.items():
        kind, _, choices = name.partition(":")
        points = 0
        for data in sources(item):
            if kind == "cost" and "group" in data:
                processor, _, what = choices.partition("|")
                for k, group in enumerate(data["group"]):
                    mine, points = groups[group], points + 1
                    assert data["y"][k] == pytest.approx(mine.accuracy_percent.mean())
                    assert data["raw"][k] == pytest.approx(mine[f"{costs[what]}@{processor}"].mean())
                    half = T_975[len(mine)] * mine.accuracy_percent.std() / math.sqrt(len(mine))
                    assert (data["low"][k], data["high"][k]) == pytest.approx(
                        (data["y"][k] - half, data["y"][k] + half)
                    )
            elif kind == "width" and "failed" in data:
                quantity, _, rounding = choices.partition("|")
                rule = data["name"][0].split(",")[0].removeprefix("rule ")
                for x, y in zip(data["x"], data["y"], strict=True):
                    mine, points = (
                        done[(done.rule == rule) & (done.bits == x) & (done.rounding == rounding)],
                        points + 1,
                    )
                    wanted = 100 - mine.accuracy_percent.mean() if quantity == "error" else mine.saturations.mean()
                    assert y == pytest.approx(wanted)
            elif kind == "access" and "setting" in data:
                for k, label in enumerate(data["name"]):
                    rule, rounding = label.split(" · ")
                    mine, points = (
                        done[(done.rule == rule) & (done.rounding == rounding) & (done.bits == int(choices))],
                        points + 1,
                    )
                    for part in ("weight_reads", "weight_writes", "activation_reads", "error_reads"):
                        assert data[part][k] == pytest.approx(mine[part].mean())
        assert points == {"cost": 32, "width": 16, "access": 8}[kind], name


def test_the_file_stands_alone_and_is_small(html, page):
    assert len(html.encode()) < 3_000_000
    for tag, given in page.tags:
        for name in ("src", "href", "srcset", "action", "poster"):
            assert given.get(name, "data:,").startswith("data:"), (tag, given)
    policy = next(given["content"] for tag, given in page.tags if given.get("http-equiv") == "Content-Security-Policy")
    assert "default-src 'none'" in policy
    assert "http" not in policy
    assert "/tmp" not in page.text


def test_the_same_study_gives_the_same_bytes(study, html):
    assert to_html(contents_of(open_study(study))) == html


def test_what_a_user_wrote_stays_text(page):
    assert NASTY in page.text
    assert study_factory.FAILURE in page.text
    assert not any(tag == "b" and "4 bits" in str(given) for tag, given in page.tags)
    assert sum(tag == "script" for tag, _ in page.tags) == len(page.items) + 2
    assert not any(sign in no_tex("$$x$$ \\(x\\) \\[x\\]") for sign in ("$$", "\\(", "\\["))


def test_a_failed_cell_is_listed_with_its_reason(page):
    ((about, cells),) = page.rows("failed")
    assert about["data-cell"] in {row["cell"] for row in study_factory.rows() if row["status"] == "failed"}
    assert [cells[name]["text"] for name in (*AXES, "seed")] == ["bp", "2", "residual", "3"]
    assert cells["error"]["text"] == study_factory.FAILURE


def source_of(rows, varied=AXES, **more):
    return Source("made", "", "run", varied, len(rows), pandas.DataFrame(rows), 'kind = "run"\n', **more)


def test_one_seed_has_no_interval_and_the_page_says_so():
    rows = study_factory.rows(rules=("bp", "dfa"), bits=(4, 8), roundings=("residual",), seeds=(7,), failing=())
    page = Page(to_html(contents_of(source_of(rows))))
    assert "Settings with one seed only, and so without an interval: 4." in page.text
    for _, cells in page.rows("groups"):
        assert "data-low" not in cells["accuracy_percent"]
        assert "±" not in cells["accuracy_percent"]["text"]


def test_a_study_in_which_all_failed_still_has_a_page():
    cells = [("bp", 4, "residual", 0), ("bp", 4, "residual", 1)]
    rows = study_factory.rows(rules=("bp",), bits=(4,), roundings=("residual",), seeds=(0, 1), failing=tuple(cells))
    contents = contents_of(source_of(rows))
    page = Page(to_html(contents))
    assert "0 of 2 cells are done, 2 failed" in page.text
    assert "No cell has an accuracy." in page.text
    assert len(page.tables["failed"]) == 2
    assert page.items == {}
    assert "Cells that failed" in to_markdown(contents)


@pytest.mark.parametrize(
    "rows",
    [
        study_factory.rows(rules=("bp",), bits=(4,), roundings=("residual",)),
        study_factory.rows(rules=("bp",), bits=(2, 8), roundings=("residual",)),
        study_factory.rows(rules=("bp", "dfa"), bits=(8,), roundings=("residual",), processors=()),
        study_factory.rows(rules=("bp",), bits=(2,), roundings=("residual", "stochastic"), processors=("a|b",)),
    ],
    ids=["one setting", "bits only", "no processor", "roundings"],
)
def test_pages_of_other_shapes_are_made(rows):
    contents = contents_of(source_of(rows))
    page = Page(to_html(contents))
    assert len(page.tables["groups"]) == len(contents.groups)
    assert to_markdown(contents).count("\n| ") >= len(contents.groups)


def test_the_caution_of_bits_that_fall_out_again_is_said():
    rows = study_factory.rows(rules=("bp",), bits=(2, 4, 8), roundings=("residual",), failing=())
    for row in rows:
        row["accuracy_percent"] = {2: 96.5, 4: 90.0, 8: 97.0}[row["bits"]]
    text = Page(to_html(contents_of(source_of(rows)))).text
    assert "Smallest view bits within 1 point of 8 view bits of the same setting: 2 (but not 4)." in text
    text = Page(to_html(contents_of(source_of(rows), 0.2, 98.0))).text
    assert "Smallest view bits within 0.2 points of 98.00 %: none." in text


def test_how_rates_were_chosen_is_told():
    rows = study_factory.rows(rules=("bp",), bits=(4, 8), roundings=("residual",))
    contents = contents_of(source_of(rows, tuning=study_factory.tuning()))
    page = Page(to_html(contents))
    (_, won), (_, none) = page.rows("tuning")
    assert [won[name]["text"] for name in ("rule", "bits", "hidden_rate", "output_rate", "tried")] == [
        "bp",
        "4",
        "-5",
        "-3",
        "3",
    ]
    assert (won["accuracy_percent"]["data-value"], won["accuracy_percent"]["text"]) == ("91.75", "91.75")
    assert won["rungs"]["text"] == "3 at epochs 1, limit 300; 2 at epochs 3"
    assert [none[name]["text"] for name in ("hidden_rate", "accuracy_percent", "at_edge")] == ["\N{EN DASH}"] * 2 + [
        "hidden rate"
    ]
    for text in (page.text, to_markdown(contents)):
        assert (
            "with seed 0: candidates were judged on 20 % of the training samples that they do not learn; of each rung the best 34 %"
            in text
        )


@pytest.mark.parametrize("limit", ["page_data.MOST_CELLS_SHOWN", "page.MOST_BYTES"])
def test_more_cells_than_a_page_holds_are_left_to_the_table(monkeypatch, limit):
    monkeypatch.setattr(f"edgelearn.studies.{limit}", 100)
    contents = contents_of(source_of(study_factory.rows(rules=("bp",), bits=(4, 8), roundings=("residual",))))
    page = Page(to_html(contents))
    assert "cells" not in page.tables
    assert "are more than a page holds; table.csv has them all." in page.text


def test_more_settings_than_a_page_holds_are_those_on_fronts_and_the_best(monkeypatch):
    source = source_of(study_factory.rows(seeds=(0, 1), processors=("engine-28nm",)))
    whole = contents_of(source)
    monkeypatch.setattr("edgelearn.studies.page_data.MOST_ROWS_SHOWN", 7)
    monkeypatch.setattr("edgelearn.studies.page_data.MOST_SAID", 3)
    monkeypatch.setattr("edgelearn.studies.plots.MOST_PANELS", 1)
    contents = contents_of(source)
    fewer = with_fewer(whole, 7)
    assert fewer.shown == contents.shown
    assert fewer.tables["groups"] == contents.tables["groups"]
    assert all(len(table.rows) <= 7 for table in fewer.tables.values())
    groups, page = contents.groups, Page(to_html(contents))
    assert len(groups) == 32
    fronts = [table.rows[-1].group for key, table in contents.tables.items() if key.startswith("front@")]
    best = max(range(32), key=lambda index: groups[index].mean("accuracy_percent"))
    kept = [int(about["data-group"]) for about, _ in page.rows("groups")]
    assert len(kept) == 7
    assert {best, *fronts} <= set(kept)
    assert kept == sorted(kept)
    text = (
        "7 of 32 rows; those on a front of accuracy and energy, then the most accurate ones. table.csv has all cells."
    )
    assert text in page.text
    assert "7 of 32 settings are drawn" in page.text
    assert "1 of 2 combinations of the other settings" in page.text
    assert re.search(r"of the same setting: \d for \d settings", " ".join(page.text.split()))
    for name, item in page.items.items():
        if name.startswith("cost:"):
            assert sum(len(data["group"]) for data in sources(item) if "group" in data) <= 7
        if name.startswith("access:"):
            assert sum(len(data["setting"]) for data in sources(item) if "setting" in data) <= 7
    assert len(page.rows("bits")) == 7
    assert text in to_markdown(contents).replace("\\", "")


def test_markdown_has_the_same_tables(study, page):
    text = to_markdown(contents_of(open_study(study)))
    assert text.startswith('# Does \\<b\\>"4 bits" &amp;')
    lines = [line for line in text.splitlines() if line.startswith("| bp | 2 | residual")]
    (_, cells), *_ = page.rows("groups")
    for name in ("accuracy_percent", "energy_pj@cortex-m4"):
        assert f" {' '.join(cells[name]['text'].split())} " in lines[0]
    assert "edgelearn sweep --config study.toml --out OTHER" in text
    assert "<script>" not in text.replace("\\<script\\>", "").split("    question =")[0]


def test_values_are_shown_in_four_digits():
    assert [shown("energy_pj@x", value, 1000.0) for value in (3587.88, 0.0, 12.0, 4e9)] == [
        "3.588",
        "0",
        "0.01200",
        "4,000,000",
    ]
    assert [rounded(value, 2) for value in (-0.001, 0.0, -0.5, 1234.5)] == ["0.00", "0.00", "-0.50", "1,234.50"]
    assert scale_for("accuracy_percent", [97.0]) == (1.0, "%")
    assert scale_for("stored_bits", [100, 20_000]) == (8192.0, "KiB")
    assert scale_for("energy_pj@x", []) == (1.0, "pJ")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "table.parquet").unlink(), "holds no study; give the folder"),
        (
            lambda folder: (folder / "table.parquet").write_bytes((folder / "table.parquet").read_bytes()[:900]),
            "is damaged",
        ),
        (lambda folder: (folder / "tuning.json").write_text('{"groups": ['), "tuning.json is damaged"),
        (lambda folder: (folder / "tuning.json").write_text('{"groups": [{"settings": 3}]}'), "tuning.json is damaged"),
        (lambda folder: (folder / "study.toml").write_text("question = "), "cannot be read"),
        (lambda folder: study_factory.write_study(folder, []), "holds no cells yet"),
        (
            lambda folder: pandas.DataFrame({"cell": ["x"]}).to_parquet(folder / "table.parquet"),
            "has no column 'status'",
        ),
    ],
    ids=["no table", "half a table", "half a tuning", "other tuning", "half a plan", "no rows", "other columns"],
)
def test_spoilt_folders_are_refused_in_one_line(tmp_path, spoil, said):
    folder = study_factory.write_study(
        tmp_path / "study", study_factory.rows(rules=("bp",), bits=(4, 8), roundings=("residual",))
    )
    spoil(folder)
    with pytest.raises(UserError, match=said) as caught:
        open_study(folder)
    assert "\n" not in str(caught.value)
