"""What a user types to look at a study, and the page as a browser sees it: plots, sorting, hovering, no requests."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from edgelearn.cli import main
from tests import study_factory
from tests.cli.runner import QUICK, edgelearn
from tests.tools import require_chromium

pandas = pytest.importorskip("pandas")


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    return study_factory.write_study(tmp_path_factory.mktemp("made") / "study")


@pytest.fixture(scope="module")
def page(study) -> Path:
    from edgelearn.studies.page import to_html
    from edgelearn.studies.page_data import contents_of, open_study

    (study / "report.html").write_text(to_html(contents_of(open_study(study))), encoding="utf-8")
    return study / "report.html"


@pytest.fixture(scope="module")
def frame(study):
    return pandas.read_parquet(study / "table.parquet")


def run(folder, *arguments):
    done = edgelearn(*arguments, cwd=folder, TERM="dumb")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_show_says_means_smallest_bits_and_failures(study, frame):
    text = run(study.parent, "study", "show", "study", "--details")
    assert "159 of 160 cells are done, 1 failed, listed below" in text
    assert "Smallest bits within 1 point" in text
    assert "Cells that failed" in text
    assert "a weight saturated" in text
    content = json.loads(
        run(study.parent, "study", "show", "study", "--json", "--reference", "best", "--within", "0.5")
    )
    assert (content["cells"], content["axes"]) == ({"planned": 160, "ended": 160}, ["rule", "bits", "rounding"])
    group = content["groups"][1]
    mine = frame[(frame.rule == "bp") & (frame.bits == 2) & (frame.rounding == "stochastic")]
    assert group["setting"] == {"rule": "bp", "bits": 2, "rounding": "stochastic"}
    assert group["measures"]["accuracy_percent"]["mean"] == pytest.approx(mine.accuracy_percent.mean())
    assert group["measures"]["energy_pj@cortex-m4"]["mean"] == pytest.approx(mine["energy_pj@cortex-m4"].mean())
    assert [one["seed"] for one in content["failed"]] == [3]
    assert len(content["smallest_bits"]) == 8


def test_compare_gives_paired_differences(study, frame):
    text = run(study.parent, "study", "compare", "study", "--by", "rounding", "--column", "energy_pj@cortex-m4")
    assert text.startswith("energy, second less first over common seeds")
    content = json.loads(run(study.parent, "study", "compare", "study", "--baseline", "bp", "--json"))
    assert (content["by"], content["column"], len(content["differences"])) == ("rule", "accuracy_percent", 24)
    one = content["differences"][0]
    table = frame[(frame.bits == 2) & (frame.rounding == "residual")].pivot(
        index="seed", columns="rule", values="accuracy_percent"
    )
    assert one["difference"]["mean"] == pytest.approx((table[one["second"]] - table.bp).mean())
    assert one["seeds_left_out"] == [3]


def test_pareto_gives_a_front_for_each_processor(study):
    text = run(study.parent, "study", "pareto", "study")
    assert text.count("front of accuracy_percent up, energy_pj@") == 2
    fronts = json.loads(
        run(study.parent, "study", "pareto", "study", "--json", "--columns", "accuracy_percent,bits:down")
    )
    assert [one["processor"] for one in fronts] == [None]
    assert {group["setting"]["bits"] for group in fronts[0]["front"]} == {2, 4, 6, 8}
    (front,) = json.loads(run(study.parent, "study", "pareto", "study", "--json", "--processor", "cortex-m4"))
    assert len(front["steps"]) == len(front["front"]) - 1
    costs = [group["measures"]["energy_pj@cortex-m4"]["mean"] for group in front["front"]]
    assert costs == sorted(costs)


def test_report_writes_the_same_bytes_in_every_process(study, page, tmp_path):
    text = run(study.parent, "report", "study", "--out", str(tmp_path / "own.html"))
    assert text == f"written: {tmp_path / 'own.html'}\n"
    assert (tmp_path / "own.html").read_bytes() == page.read_bytes()
    run(study.parent, "report", "study", "--markdown")
    assert (study / "report.md").read_text(encoding="utf-8").startswith("# How few bits are enough for each rule?\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("study", "show", "nowhere"), "nowhere holds no study; give the folder that `edgelearn sweep --out` wrote"),
        (("report", "nowhere"), "nowhere holds no study; give the folder that `edgelearn sweep --out` wrote"),
        (("report", "study", "--out", "."), "cannot write .: it is a folder; give a file"),
        (("report", "study", "--out", "no/where.html"), "cannot write no/where.html"),
        (("report", "study", "--within", "-1"), "--within -1 cannot be used; give percentage points from 0 to 100"),
        (("study", "show", "study", "--reference", "float"), "--reference 'float' cannot be used; give widest, best, or an accuracy"),
        (("study", "compare", "study", "--by", "net"), "axis 'net' is not known; known: bits, rounding, rule"),
        (("study", "compare", "study", "--baseline", "x"), "rule has no value 'x' in this study; it has bp, dfa, drtp, shallow"),
        (("study", "compare", "study", "--column", "energy_pj"), "column 'energy_pj' is of a processor; give one of energy_pj@engine-28nm"),
        (("study", "pareto", "study", "--columns", "accuracy_percent"), "a front needs two different columns or more"),
        (("study", "pareto", "study", "--columns", "accuracy_percent,rule:up"), "column 'rule' holds no numbers"),
        (("study", "pareto", "study", "--processor", "cortex"), "processor 'cortex' is not known; known: cortex-m4, engine-28nm. Did you"),
        (("compare", "study"), "one run has nothing to be compared with; give two runs or more"),
        (("compare", "study", "nowhere"), "study is a study of many runs; look at it with `edgelearn study show study`"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)  # fmt: skip
def test_mistakes_are_told_in_one_line(study, arguments, said, capsys, monkeypatch):
    monkeypatch.chdir(study.parent)
    assert main(list(arguments)) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.startswith("edgelearn: ")
    assert told.count("\n") == 1


def test_runs_are_compared(tmp_path):
    for name, more in {"one": (), "two": ("--rule", "dfa", "--bits", "4")}.items():
        run(tmp_path, "run", *QUICK, *more, "--out", name)
    text = run(tmp_path, "compare", "one", "two")
    assert "settings that differ" in text
    assert [line.split() for line in text.splitlines() if line.startswith("--rule")] == [["--rule", "drtp", "dfa"]]
    assert "points" in next(line for line in text.splitlines() if line.startswith("accuracy, %"))
    assert "\nenergy per learned sample, nJ " in text
    assert "_" not in text.replace("settings_that", "")
    content = json.loads(run(tmp_path, "compare", "one", "two", "--json"))
    assert content["settings_that_differ"] == {"bits": [8, 4], "rule": ["drtp", "dfa"]}
    assert "samples learned" in run(tmp_path, "compare", "one", "two", "--all")


# in a browser

WIDTHS = {"phone": (390, 844), "desk": (1400, 1000)}
POINT = """() => {
  const view = Bokeh.index.roots.find((root) => root.model.type === "Figure");
  view.el.scrollIntoView({ block: "center" });
  const renderer = view.model.renderers.find((one) => one.glyph && one.glyph.type === "Scatter");
  const data = renderer.data_source, box = view.canvas_view.el.getBoundingClientRect();
  return { x: box.left + view.frame.x_scale.compute(data.get("x")[0]), y: box.top + view.frame.y_scale.compute(data.get("y")[0]),
           name: data.get("name")[0], accuracy: data.get("accuracy")[0], cost: data.get("cost")[0] };
}"""
TOLD = """() => {
  let text = "";
  const look = (root) => { for (const part of root.querySelectorAll("*")) {
    if (part.classList.contains("bk-Tooltip")) text += (part.shadowRoot || part).textContent;
    if (part.shadowRoot) look(part.shadowRoot); } };
  look(document);
  return text;
}"""
COLOURS = """() => Bokeh.index.roots.filter((root) => root.model.type === "Figure").map((root) => {
  const canvas = root.canvas_view.primary.canvas, data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  return new Set(new Uint32Array(data.buffer)).size;
})"""


@pytest.fixture(scope="module")
def browser():
    path = require_chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser, page, request):
    """Open the page at a width; no message, no error and no request may come while the test goes on."""
    width = getattr(request, "param", "desk")
    size = dict(zip(("width", "height"), WIDTHS[width], strict=True))
    context = browser.new_context(viewport=size, has_touch=width == "phone", is_mobile=width == "phone", offline=True)
    tab, wrong, asked = context.new_page(), [], []
    tab.on("console", lambda message: wrong.append(message.text) if message.type != "log" else None)
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("dialog", lambda dialog: wrong.append(dialog.message))
    tab.on("request", lambda one: asked.append(one.url))
    tab.goto(page.as_uri())
    tab.wait_for_function("Bokeh.index.roots.filter((root) => root.model.type === 'Figure').length === 3")
    tab.wait_for_timeout(300)
    yield tab
    if folder := os.environ.get("EDGELEARN_SCREENSHOTS"):
        tab.screenshot(path=f"{folder}/{request.node.name}.png", full_page=True)
    assert wrong == []
    assert [url for url in asked if not url.startswith(("data:", "blob:"))] == [page.as_uri()]
    context.close()


def values(tab, table, column):
    """Return a column as it stands: raw values, or texts."""
    return tab.evaluate(
        """([table, column]) => { const part = document.getElementById(`table-${table}`);
        const index = [...part.tHead.rows[0].cells].findIndex((cell) => cell.dataset.column === column);
        return [...part.tBodies[0].rows].map((row) => row.cells[index].dataset.value ?? row.cells[index].textContent); }""",
        [table, column],
    )


@pytest.mark.parametrize("opened", ["phone", "desk"], indirect=True)
def test_plots_appear_and_nothing_is_wider_than_the_screen(opened):
    assert min(opened.evaluate(COLOURS)) > 20  # not blank
    assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for place in opened.locator(".plot").all():
        box = place.bounding_box()
        assert box["height"] > 300
        assert box["x"] >= 0
    sizes = opened.evaluate(
        "[...document.querySelectorAll('p, td, th, li, dd, select')].map((part) => parseFloat(getComputedStyle(part).fontSize))"
    )
    assert min(sizes) >= 13


def test_tables_are_sorted_by_raw_value(opened):
    for column in ("accuracy_percent", "energy_pj@engine-28nm", "bits"):
        head = opened.locator(f'#table-groups th[data-column="{column}"]')
        before = [float(value) for value in values(opened, "groups", column)]
        head.locator("button").click()
        assert head.get_attribute("aria-sort") == "ascending"
        assert [float(value) for value in values(opened, "groups", column)] == sorted(before)
        head.locator("button").press("Enter")
        assert head.get_attribute("aria-sort") == "descending"
        assert [float(value) for value in values(opened, "groups", column)] == sorted(before, reverse=True)
    opened.locator('#table-groups th[data-column="rule"] button').click()
    assert values(opened, "groups", "rule") == sorted(values(opened, "groups", "rule"))
    assert opened.locator("#table-groups th[aria-sort]").count() == 1
    opened.locator("#all summary").click()
    opened.locator('#table-cells th[data-column="accuracy_percent"] button').click()
    cells = values(opened, "cells", "accuracy_percent")
    assert cells[-1] == "\N{EN DASH}"  # what is missing is last
    assert [float(value) for value in cells[:-1]] == sorted(float(value) for value in cells[:-1])


def test_hovering_tells_of_a_point(opened):
    point = opened.evaluate(POINT)
    assert opened.evaluate(TOLD) == ""
    opened.mouse.move(point["x"] - 40, point["y"] - 40)
    opened.mouse.move(point["x"], point["y"])
    opened.wait_for_function(f"({TOLD})() !== ''")
    told = opened.evaluate(TOLD)
    for part in (point["name"], point["accuracy"], point["cost"], "latency", "seeds", "on the front"):
        assert part in told


@pytest.mark.parametrize("opened", ["phone"], indirect=True)
def test_a_finger_is_told_of_a_point_too(opened):
    point = opened.evaluate(POINT)
    opened.touchscreen.tap(point["x"], point["y"])
    opened.wait_for_function(f"({TOLD})().includes({json.dumps(point['name'])})")
    assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_processor_is_chosen_for_tables_and_plots_alike(opened, frame):
    for at, processor in ((0, "cortex-m4"), (-1, "engine-28nm"), (0, "cortex-m4")):
        opened.locator('select[data-choice="processor"]').nth(0 if at == 0 else 1).select_option(processor)
        assert set(
            opened.locator('select[data-choice="processor"]').evaluate_all("all => all.map((one) => one.value)")
        ) == {processor}
        seen = opened.locator("#table-groups th:visible").evaluate_all("all => all.map((one) => one.dataset.column)")
        assert {name.split("@")[1] for name in seen if "@" in name} == {processor}
        assert opened.locator("section.front:visible").get_attribute("data-processor") == processor
    raw = opened.evaluate("""() => { const place = document.querySelector('.plot[data-plot="cost"]');
      const seen = [...place.children].filter((child) => !child.hidden).map((child) => child.id);
      const view = Bokeh.index.roots.filter((root) => root.model.type === "Figure" && seen.some((id) => document.getElementById(id).contains(root.el)));
      return view.map((one) => one.model.renderers.filter((part) => part.glyph.type === "Scatter").flatMap((part) => [...part.data_source.get("raw")])); }""")
    means = frame[frame.status == "done"].groupby(["rule", "bits", "rounding"])["energy_pj@cortex-m4"].mean()
    assert len(raw) == 1
    assert sorted(raw[0]) == pytest.approx(sorted(means))
    opened.locator('#cost select[data-choice="against"]').select_option("area")
    assert opened.locator("#cost .nothing").is_visible()  # a microcontroller has no area
    for choice in ("saturations", "error"):
        opened.locator('#width select[data-choice="show"]').select_option(choice)
    assert opened.locator("#width .shown").count() == 2
    assert opened.locator("#width .shown:visible").count() == 1
