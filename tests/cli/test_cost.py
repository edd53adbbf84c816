"""What a user types to price rules: tables, files, exit codes, one-line errors."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

import edgelearn as edgelearn_package
from edgelearn.reports.structures import range_text
from edgelearn.rules import RULES
from hw_models.cost import ROLES
from tests.cli.runner import QUICK, edgelearn


def test_all_rules_are_priced_without_a_run(tmp_path):
    result = edgelearn(
        "cost",
        "--rule",
        "all",
        "--net",
        "784-500-10",
        "--bits",
        "8",
        "--processor",
        "engine-28nm",
        "--details",
        cwd=tmp_path,
    )
    assert result.returncode == 0
    assert not result.stderr
    assert list(tmp_path.iterdir()) == []
    lines = result.stdout.splitlines()
    for rule in RULES:
        assert any(line.startswith(f"{rule} ") for line in lines), rule
    for text in (
        "inference only",
        "Nangate45",
        "CACTI 7",
        "28 nm, 0.9 V",
        "random generator",
        "residuals",
        "layer 1 may update",
    ):
        assert text in result.stdout
    assert (
        edgelearn("cost", "--net", "784-500-10", "--details", cwd=tmp_path).stdout == result.stdout
    )  # the same bytes, by default


def test_json_has_every_figure_with_its_band_and_role(tmp_path):
    result = edgelearn("cost", "--rule", "drtp,bp", "--json", "--rounding", "stochastic", cwd=tmp_path)
    content = json.loads(result.stdout)
    assert [rule["rule"] for rule in content["rules"]] == ["drtp", "bp"]
    assert content["processor"] == "engine-28nm"
    assert all(constant["source"] and constant["low"] <= 1 <= constant["high"] for constant in content["constants"])
    for rule in content["rules"]:
        for part in ("inference", "training"):
            for figure in ("energy_pj", "cycles", "area_um2", "leakage_uw", "memory_bits"):
                band = rule[part][figure]
                assert band["low"] <= band["nominal"] <= band["high"]
                assert sum(band["by_role"].values()) == pytest.approx(band["nominal"], rel=1e-4)
        assert rule["training"]["energy_pj"]["nominal"] - rule["inference"]["energy_pj"]["nominal"] == pytest.approx(
            rule["update_energy_pj"], rel=1e-3
        )
        assert set(rule["overhead_percent"]) == {"area", "memory", "power", "energy", "cycles"}
    drtp, bp = content["rules"]
    assert [layer["waiting_bits"] for layer in drtp["layers"]] == [0, 0]
    assert bp["layers"][0]["pipeline_depth"] == 3
    assert bp["layers"][0]["may_update_after_cycles"] > drtp["layers"][0]["may_update_after_cycles"]


def test_activity_is_measured_unless_told_otherwise(tmp_path):
    def priced(*arguments: str) -> dict:
        return json.loads(edgelearn("cost", *arguments, "--rule", "drtp", "--json", cwd=tmp_path).stdout)

    ran = json.loads(edgelearn("run", "--json", cwd=tmp_path).stdout)["cost"]["rules"][0]
    content = priced()
    assert content["activity"]["command"] == "edgelearn run --rule RULE"
    for part in ("inference", "training"):
        energies = [rule[part]["energy_pj"]["nominal"] for rule in (ran, content["rules"][0])]
        assert energies[0] == pytest.approx(energies[1], rel=0.002)
    sparse = priced("--input-density", "0.25")["rules"][0]
    assert sparse["activity"] == content["rules"][0]["activity"] | {"inputs": 0.25}
    assert set(priced("--dense")["rules"][0]["activity"].values()) == {1.0}
    assert priced("--dense", "--error-density", "0.5")["rules"][0]["activity"]["errors"] == 0.5
    text = " ".join(edgelearn("cost", "--net", "784-500-10", "--update-density", "0.5", cwd=tmp_path).stdout.split())
    assert "activity: --update-density 0.5; the rest measured in `edgelearn run --rule RULE --data mnist --net" in text
    assert "(mnist, nearest number of inputs, as a ratio)" in text
    assert "measured with the default number formats" in " ".join(
        edgelearn("cost", "--bits", "4", cwd=tmp_path).stdout.split()
    )


def test_rules_are_compared_with_one(tmp_path):
    result = edgelearn("cost", "--rule", "drtp", "--against", "bp", cwd=tmp_path)  # bp is priced too
    assert result.returncode == 0
    assert "\nagainst bp " in result.stdout
    assert "over structures: difference in energy over all engines" in " ".join(result.stdout.split())
    assert "no constant within its band changes the order" in " ".join(result.stdout.split())
    content = json.loads(edgelearn("cost", "--rule", "drtp,dfa", "--against", "bp", "--json", cwd=tmp_path).stdout)
    assert list(content["against"]["rules"]) == ["drtp", "dfa"]
    assert content["verdict"]["cheapest"] == "drtp"
    energy = content["against"]["rules"]["drtp"]["energy"]
    figures = {rule["name"]: rule["training"]["energy_pj"]["nominal"] for rule in content["rules"]}
    assert energy["nominal"] == pytest.approx(100 * (figures["drtp"] / figures["bp"] - 1), rel=1e-3)
    assert energy["low"] < energy["nominal"] < energy["high"] < 0
    found = json.loads(
        edgelearn("cost", "--rule", "drtp,dfa", "--against", "bp", "--structures", "--json", cwd=tmp_path).stdout
    )
    over = found["against"]["energy_over_structures"]
    assert list(over) == ["drtp", "dfa"]
    assert all(
        over[name]["low"] <= found["against"]["rules"][name]["energy"]["nominal"] <= over[name]["high"] for name in over
    )
    upper = edgelearn("cost", "--rule", "drtp,bp", "--against", "BP", cwd=tmp_path)
    assert upper.returncode == 0, upper.stderr
    assert "\nagainst bp " in upper.stdout
    table = edgelearn("cost", "--rule", "drtp,dfa", "--against", "bp", "--csv", cwd=tmp_path).stdout
    row = next(row for row in csv.DictReader(io.StringIO(table)) if row["of"] == "against bp")
    assert {side: float(row[side]) for side in ("low", "nominal", "high")} == energy


def test_csv_has_one_row_a_figure(tmp_path):
    result = edgelearn("cost", "--rule", "drtp", "--csv", cwd=tmp_path)
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    whole = next(
        row for row in rows if row["of"] == "training" and row["figure"] == "energy_pj" and row["role"] == "all"
    )
    parts = [row for row in rows if row["of"] == "training" and row["figure"] == "energy_pj" and row["role"] in ROLES]
    assert sum(float(row["nominal"]) for row in parts) == pytest.approx(float(whole["nominal"]), rel=1e-4)
    assert {row["figure"] for row in rows if row["of"] == "overhead"} >= {
        "area_percent",
        "power_percent",
        "energy_percent",
    }


def test_a_run_is_priced_with_its_own_activity(tmp_path):
    assert edgelearn("run", *QUICK, "--rule", "dfa", "--dead-zone", "20", "--out", "a", cwd=tmp_path).returncode == 0
    assert edgelearn("run", *QUICK, "--rule", "drtp", "--out", "b", cwd=tmp_path).returncode == 0
    report = json.loads((tmp_path / "a/report.json").read_text())
    assert report["cost"]["processor"] == "engine-28nm"
    assert 0 < report["cost"]["rules"][0]["activity"]["errors"] < 1
    result = edgelearn("cost", "--run", "a", "--run", "b", "--json", cwd=tmp_path)
    content = json.loads(result.stdout)
    assert content["rules"][0] == report["cost"]["rules"][0]
    assert [rule["rule"] for rule in content["rules"]] == ["dfa", "drtp"]
    dense = json.loads(
        edgelearn("cost", "--rule", "dfa", "--net", "64-16-10", "--dense", "--json", cwd=tmp_path).stdout
    )
    assert (
        dense["rules"][0]["training"]["energy_pj"]["nominal"] > content["rules"][0]["training"]["energy_pj"]["nominal"]
    )


def test_run_prints_the_cost_of_its_processor(tmp_path):
    result = edgelearn("run", *QUICK, "--processor", "cortex-m4", "--details", cwd=tmp_path)
    assert result.returncode == 0
    assert "cost on cortex-m4" in result.stdout
    assert "energy by role" in result.stdout


def test_a_copied_processor_can_be_edited(tmp_path):
    shown = edgelearn("processors", "show", "engine-45nm", "--toml", cwd=tmp_path).stdout
    (tmp_path / "mine.toml").write_text(shown.replace("lanes = 1", "lanes = 8").replace('"engine-45nm"', '"mine"'))
    result = edgelearn("cost", "--processor", "mine.toml", "--rule", "bp,drtp", "--tornado", "--details", cwd=tmp_path)
    assert result.returncode == 0
    assert "cost on mine" in result.stdout
    assert "8 lanes" in result.stdout
    assert "cheapest first: drtp < bp" in result.stdout
    assert "mine.toml" in edgelearn("processors", "show", "mine.toml", cwd=tmp_path).stdout


def test_processors_are_listed(tmp_path):
    result = edgelearn("processors", "list", cwd=tmp_path)
    for name in ("engine-28nm", "cortex-m4", "loihi-like"):
        assert name in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("cost", "--rule", "drpt"), f"rule 'drpt' is not known; known: {', '.join(sorted(RULES))}. Did you mean 'drtp'?"),
        (("cost", "--net", "10"), "net '10' cannot be read"),
        (("cost", "--bits", "99"), "99"),
        (("cost", "--processor", "engine"), "processor 'engine' is not known; known: cortex-m0"),
        (("cost", "--processor", "none.toml"), "processor file none.toml cannot be read: No such file or directory"),
        (("cost", "--update-density", "1.5"), "--update-density 1.5 is not allowed; give a fraction from 0 to 1"),
        (("cost", "--input-density", "nan"), "--input-density nan is not allowed"),
        (("cost", "--json", "--csv"), "--json and --csv exclude each other"),
        (("cost", "--run", "nowhere"), "nowhere holds no report of a finished run"),
        (("cost", "--run", "nowhere", "--bits", "4"), "--run brings its own settings; leave out --bits"),
        (("cost", "--run", "nowhere", "--input-density", "0.5"), "--run brings its own settings; leave out --input-density"),
        (("cost", "--run", "nowhere", "--dense"), "--run brings its own settings; leave out --dense"),
        (("cost", "--against", "bq"), "rule 'bq' is not known; known: "),
        (("cost", "--rule", "bp", "--against", "bp"), "--against bp needs another rule beside it; give --rule all"),
        (("cost", "--rule", "dfa+drtp,DFA + drtp"), "cannot be read; give each rule once"),
        (("cost", "--rule", "dfa,dfa"), "--rule dfa,dfa cannot be read; give each rule once"),
        (("cost", "--rule", "all,dfa"), "--rule all,dfa cannot be read; give each rule once, divided by commas, or all alone"),
        (("cost", "--csv", "--tornado"), "--csv and --tornado exclude each other"),
        (("cost", "--ert-unit", "nJ"), "--ert-unit says how --ert is read"),
        (("cost", "--lanes", "4"), "No such option: --lanes"),
        (("processors", "show", "engine-27nm"), "processor 'engine-27nm' is not known"),
        (("run", *QUICK, "--processor", "engine-27nm"), "processor 'engine-27nm' is not known"),
    ],
)  # fmt: skip
def test_mistakes_give_one_line_and_code_2(tmp_path, arguments, message):
    result = edgelearn(*arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert not result.stdout


@pytest.mark.parametrize(
    "content", ["", '{"config": {}}', "[]", '{"config": {"rule": "drtp"}, "network": {"sizes": [4]']
)
def test_a_report_that_is_none_is_refused(tmp_path, content):
    (tmp_path / "report.json").write_text(content)
    result = edgelearn("cost", "--run", ".", cwd=tmp_path)
    assert result.returncode == 2
    assert "report.json holds no report of a finished run" in result.stderr


def test_bad_processor_files_are_refused_before_anything_runs(tmp_path):
    shown = edgelearn("processors", "show", "engine-28nm", "--toml", cwd=tmp_path).stdout
    (tmp_path / "bad.toml").write_text(shown.replace('"200 MHz"', '"200 megahertz"'))
    (tmp_path / "small.toml").write_text(shown.replace('kind = "sram"', 'kind = "sram"\ncapacity = "1 KiB"', 1))
    for command in (("cost",), ("run", *QUICK, "--out", "results")):
        result = edgelearn(*command, "--processor", "bad.toml", cwd=tmp_path)
        assert result.returncode == 2
        assert (
            "bad.toml: key 'clock': '200 megahertz' is not a frequency; write a number and one of Hz, kHz"
            in result.stderr
        )
        result = edgelearn(*command, "--processor", "small.toml", cwd=tmp_path)
        assert result.returncode == 2
        assert "does not fit engine-28nm: memories.weights holds 8192 bits and needs" in result.stderr
    assert not (tmp_path / "results").exists()


def test_accesses_go_to_accelergy_and_come_back_priced(tmp_path):
    result = edgelearn("cost", "--rule", "bp", "--action-counts", "counts.yaml", cwd=tmp_path)
    assert result.returncode == 0
    assert "written: counts.yaml" in result.stdout
    text = (tmp_path / "counts.yaml").read_text()
    names = [line.split("name: ")[1] for line in text.splitlines() if "- name: edgelearn" in line]
    actions = [
        line.split("name: ")[1]
        for line in text.splitlines()
        if "name: " in line and "edgelearn" not in line.split("name: ")[1]
    ]
    entries = "".join(
        f"    - name: {name}\n      actions:\n"
        + "".join(f"        - {{name: {a}, arguments: null, energy: 0.5}}\n" for a in set(actions))
        for name in names
    )
    (tmp_path / "ERT.yaml").write_text(f"ERT:\n  version: 0.3\n  tables:\n{entries}")
    result = edgelearn("cost", "--rule", "bp", "--ert", "ERT.yaml", "--ert-unit", "nJ", cwd=tmp_path)
    assert result.returncode == 0
    assert "ERT.yaml (version 0.3, energies read in nJ)" in result.stdout
    assert "edgelearn.mac mac_random" in result.stdout
    result = edgelearn("cost", "--ert", "ERT.yaml", cwd=tmp_path)
    assert result.returncode == 2
    assert "--action-counts and --ert take one rule" in result.stderr
    (tmp_path / "ERT.yaml").write_text("ERT:\n  version: 7\n  tables: []\n")
    result = edgelearn("cost", "--rule", "bp", "--ert", "ERT.yaml", cwd=tmp_path)
    assert result.returncode == 2
    assert "ERT.yaml" in result.stderr
    assert result.stderr.count("\n") == 1


def test_plots_are_written_whole(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed: pip install 'edgelearn[plot]'")
    result = edgelearn("cost", "--rule", "drtp,bp", "--plot", "costs.svg", cwd=tmp_path)
    assert result.returncode == 0
    assert (tmp_path / "costs.svg").read_text().rstrip().endswith("</svg>")
    result = edgelearn("cost", "--rule", "drtp,bp", "--tornado", "--plot", "tornado.svg", cwd=tmp_path)
    assert result.returncode == 0
    text = (tmp_path / "tornado.svg").read_text()
    assert "against drtp" in text
    assert "at its high end" in text
    result = edgelearn("cost", "--rule", "drtp", "--plot", "costs.bmp", cwd=tmp_path)
    assert result.returncode == 2
    assert ".svg" in result.stderr
    assert not (tmp_path / "costs.bmp").exists()
    result = edgelearn("cost", "--rule", "drtp", "--plot", "no/such/folder.svg", cwd=tmp_path)
    assert result.returncode == 2
    assert "cannot write" in result.stderr


def test_runs_of_one_rule_are_told_apart(tmp_path):
    for folder, net in (("a", "64-16-10"), ("b", "64-20-10")):
        arguments = ("--net", net, "--epochs", "1", "--limit", "200", "--out", folder)
        assert edgelearn("run", *arguments, cwd=tmp_path).returncode == 0
    result = edgelearn("cost", "--run", "a", "--run", "b", cwd=tmp_path)
    assert "inference, drtp a" in result.stdout
    assert "inference, drtp b" in result.stdout
    assert "drtp a: 64-16-10" in result.stdout
    assert "drtp b: 64-20-10" in result.stdout
    assert "drtp b: rule drtp, all layers learn" in result.stdout
    assert result.stdout.splitlines()[-1] == "next: --details | --tornado | --against 'drtp a' | --plot cost.svg"
    rows = list(
        csv.DictReader(io.StringIO(edgelearn("cost", "--run", "a", "--run", "b", "--csv", cwd=tmp_path).stdout))
    )
    keys = [(row["name"], row["of"], row["figure"], row["role"]) for row in rows]
    assert len(set(keys)) == len(keys)
    assert {row["net"] for row in rows} == {"64-16-10", "64-20-10"}
    result = edgelearn("cost", "--run", "a", "--run", "a", cwd=tmp_path)
    assert result.returncode == 2
    assert "two runs are called 'drtp a'" in result.stderr


def test_an_edited_report_is_refused(tmp_path):
    assert edgelearn("run", *QUICK, "--out", "a", cwd=tmp_path).returncode == 0
    whole = (tmp_path / "a/report.json").read_text()
    samples = json.loads(whole)["result"]["samples_learned"]

    def refused(change) -> str:
        content = json.loads(whole)
        change(content)
        (tmp_path / "report.json").write_text(json.dumps(content))
        result = edgelearn("cost", "--run", "report.json", cwd=tmp_path)
        assert result.returncode == 2
        assert result.stderr.count("\n") == 1
        return result.stderr

    counters = lambda content: content["counters"]["learning"]  # noqa: E731
    assert "counter 'input_events' cannot be -5" in refused(lambda c: counters(c).update(input_events=[-5, 1]))
    assert f"counter 'input_events' cannot be {64 * samples + 1}" in refused(
        lambda c: counters(c).update(input_events=[64 * samples + 1, 1])
    )
    assert "counter 'samples' cannot be 0" in refused(lambda c: counters(c).update(samples=[0, 0]))
    assert "no whole numbers" in refused(lambda c: counters(c).update(updates=[1.5, 2]))
    assert "of contract 99, this program of 1" in refused(lambda c: c.update(contract=99))
    assert "holds no report" in refused(lambda c: c["result"].update(test_error_percent="x"))
    assert "cannot be priced" in refused(lambda c: c["network"].update(sizes=[64, 16, 16, 10]))


def test_the_ranking_is_data_too(tmp_path):
    result = edgelearn(
        "cost", "--rule", "drtp,bp,dfa,mdfa", "--dense", "--tornado", "--json", "--rounding", "stochastic", cwd=tmp_path
    )
    ranked = json.loads(result.stdout)["ranking"]
    assert ranked["cycles"]["order"] == "drtp < dfa = mdfa < bp"
    assert {swing["constant"] for swing in ranked["energy_pj"]["swings"]["drtp"]} >= {"SRAM energy", "logic energy"}


def test_brackets_in_names_are_names(tmp_path):
    shown = edgelearn("processors", "show", "engine-28nm", "--toml", cwd=tmp_path).stdout
    (tmp_path / "mine.toml").write_text(shown.replace('"engine-28nm"', '"a[/red][b]"'))
    result = edgelearn("cost", "--rule", "drtp,bp", "--processor", "mine.toml", cwd=tmp_path)
    assert result.returncode == 0
    assert "cost on a[/red][b]:" in result.stdout
    result = edgelearn("run", *QUICK, "--out", "x[/y][v2]", cwd=tmp_path)
    assert result.returncode == 0
    assert "written: x[/y][v2]/report.json" in result.stdout


def test_what_a_processor_does_not_change_is_no_overhead(tmp_path):
    assert edgelearn("run", *QUICK, "--rule", "dfa", "--out", "a", cwd=tmp_path).returncode == 0
    content = json.loads(edgelearn("cost", "--run", "a", "--processor", "cortex-m4", "--json", cwd=tmp_path).stdout)
    assert content["rules"][0]["overhead_percent"]["power"] == {"low": 0.0, "nominal": 0.0, "high": 0.0}


def test_ranges_over_structures_are_one_line_and_with_the_flag_tables(tmp_path):
    command = ("cost", "--rule", "drtp,dfa", "--net", "64-32-10")
    short, long = edgelearn(*command, cwd=tmp_path), edgelearn(*command, "--structures", cwd=tmp_path)
    content = json.loads(edgelearn(*command, "--structures", "--json", cwd=tmp_path).stdout)["structures"]
    assert content["engines"] >= 64
    held = {rule["name"]: rule["energy_overhead_percent"] for rule in content["rules"]}
    for done in (short, long):
        assert f"{content['engines']} engines (--structures)" in " ".join(done.stdout.split())
        for name in ("drtp", "dfa"):
            line = next(line for line in done.stdout.splitlines() if line.startswith(f"{name} "))
            assert f" {range_text(held[name])} " in line
    assert "dfa over drtp" in long.stdout
    assert "dfa over drtp" not in short.stdout
    assert "structures" not in json.loads(edgelearn(*command, "--json", cwd=tmp_path).stdout)
    alone = edgelearn("cost", "--rule", "drtp", "--net", "64-32-10", cwd=tmp_path)
    assert f"over structures: {range_text(held['drtp'])}" in " ".join(alone.stdout.split())


def test_structures_are_of_engines_alone(tmp_path):
    done = edgelearn("cost", "--rule", "drtp", "--processor", "cortex-m4", "--structures", cwd=tmp_path)
    assert done.returncode == 2
    assert "processor cortex-m4 is no engine but a microcontroller" in done.stderr
    assert "over structures" not in edgelearn("cost", "--rule", "drtp", "--processor", "cortex-m4", cwd=tmp_path).stdout
    assert edgelearn("cost", "--structures", "--csv", cwd=tmp_path).returncode == 2


def test_the_page_of_results_shows_what_the_command_prints(tmp_path):
    page = (Path(edgelearn_package.__file__).parent / "docs/results.md").read_text()
    _, command, _, shown, *_ = page.split("## Cost of learning", 1)[1].split("```")
    printed = edgelearn(*command.removeprefix("sh").split()[1:], cwd=tmp_path).stdout
    assert printed.split("\nnext: ")[0].split() == shown.removeprefix("text").split("\nnext: ")[0].split()
