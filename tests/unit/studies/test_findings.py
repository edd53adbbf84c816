"""Findings: numbers from the table in their places, and sentences that the table contradicts are refused."""

from __future__ import annotations

import pytest

from edgelearn.errors import UserError
from edgelearn.studies.analysis import Group
from edgelearn.studies.findings import edge_remark, read_findings
from edgelearn.studies.page import to_html, to_markdown
from edgelearn.studies.page_data import contents_of, open_study
from tests import study_factory


def group(rule, bits, values, energies=(1000.0, 1100.0, 1200.0)):
    rows = [
        {"cell": f"{rule}{bits}{seed}", "seed": seed, "accuracy_percent": value, "energy_pj@x": energy, "zero": 0}
        for seed, (value, energy) in enumerate(zip(values, energies, strict=True))
    ]
    return Group({"rule": rule, "bits": bits}, tuple(rows), ())


GROUPS = [
    group("dfa", 2, (90.0, 91.0, 92.0)),
    group("dfa", 8, (94.0, 95.2, 96.0), (2000.0, 2200.0, 2400.0)),
    group("drtp", 2, (88.0, 89.1, 90.0)),
    group("drtp", 8, (92.0, 92.9, 94.0)),
]


def findings(folder, text):
    (folder / "findings.toml").write_text(f"[[findings]]\n{text}\n", encoding="utf-8")
    return read_findings(folder, GROUPS)


def test_numbers_stand_in_their_places_and_name_their_rows(tmp_path):
    (one,) = findings(
        tmp_path,
        """text = "dfa reaches {here} at 2 bits, {lost} less than at 8, which takes {more} times its {energy}."
numbers.here = { where = { rule = "dfa", bits = 2 } }
numbers.lost = { where = { rule = "dfa", bits = 8 }, less = { bits = 2 } }
numbers.more = { where = { rule = "dfa", bits = 8 }, over = { bits = 2 }, column = "energy_pj@x" }
numbers.energy = { where = { rule = "dfa", bits = 2 }, column = "energy_pj@x" }""",
    )
    here, lost, more, energy = (part for part in one.parts if not isinstance(part, str))
    assert (here.value, here.n) == (91.0, 3)
    assert here.high == pytest.approx(91 + 4.30265 / 3**0.5)
    assert lost.value == pytest.approx((4.0 + 4.2 + 4.0) / 3)  # seed by seed, so that its interval is narrow
    assert lost.high - lost.value == pytest.approx(4.30265 * 0.1154701 / 3**0.5, rel=1e-5)
    assert (more.value, energy.value, energy.scale) == (2.0, 1100.0, 1000.0)
    assert one.text == (
        "dfa reaches 91.00 ± 2.48 % at 2 bits, 4.07 ± 0.29 points less than at 8, which takes 2.00 ± 0.00 times its "
        "1.100 ± 0.248 nJ."
    )
    assert [group.name for group in one.rests_on] == ["rule dfa, bits 2", "rule dfa, bits 8"]


def test_what_holds_is_checked_setting_by_setting(tmp_path):
    (one,) = findings(tmp_path, 'text = "dfa wins."\nholds = [{ where = { rule = "dfa" }, above = { rule = "drtp" } }]')
    assert len(one.rests_on) == 4
    (one,) = findings(
        tmp_path, 'text = "near"\nholds = [{ where = { rule = "dfa" }, near = { rule = "drtp" }, points = 3.0 }]'
    )
    assert one.text == "near"


def test_a_setting_that_is_left_out_is_none(tmp_path):
    rows = ({"cell": "a", "seed": 0, "accuracy_percent": 90.0},)
    groups = [Group({"residual_bits": None}, rows, ()), Group({"residual_bits": 4}, rows, ())]
    (tmp_path / "findings.toml").write_text(
        '[[findings]]\ntext = "{a}"\nnumbers.a = { where = { residual_bits = 4 }, less = { residual_bits = "none" } }\n'
    )
    (one,) = read_findings(tmp_path, groups)
    assert one.text == "0.00 points"


@pytest.mark.parametrize("text", ["findings = 3", "[[finding]]\ntext = 'x'", "findings = ['x']"])
def test_files_that_hold_no_findings_are_refused(tmp_path, text):
    (tmp_path / "findings.toml").write_text(text)
    with pytest.raises(UserError, match=r"give|is not known"):
        read_findings(tmp_path, GROUPS)


def test_no_findings_are_no_fault(tmp_path):
    assert read_findings(tmp_path, GROUPS) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('text = "drtp wins"\nholds = [{ where = { rule = "drtp" }, above = { rule = "dfa" } }]', "which is not above 0"),
        ('text = "x"\nholds = [{ where = { rule = "dfa" }, near = { rule = "drtp" } }]', "which is not within 1"),
        ('text = "x"\nholds = [{ where = { rule = "dfa" } }]', "holds needs above or near"),
        ('text = "{a}"\nnumbers.a = { where = { rule = "dfa" } }', "fits 2 settings; name all axes"),
        ('text = "{a}"\nnumbers.a = { where = { rule = "bp" } }', "fits no setting of the table"),
        ('text = "{a}"\nnumbers.a = { where = { rule = "dfa", bit = 2 } }', "axis 'bit' is not known"),
        ('text = "{a}"\nnumbers.a = { where = { rule = "dfa", bits = 2 }, column = "energy" }', "has no value of energy"),
        ('text = "{b}"\nnumbers.a = { where = { rule = "dfa", bits = 2 } }', "number 'a' has no place"),
        ('text = "{a} {b}"\nnumbers.a = { where = { rule = "dfa", bits = 2 } }', "number 'b' is not known"),
        ('text = "x"\nholds = [{ where = { rule = "dfa" }, near = { rule = "dfa" } }]', "is compared with itself"),
        ('text = "x"\nholds = [{ where = {}, above = { rule = "dfa" }, points = 1 }]', "points = 1 cannot be used"),
        ('text = "x"\nholds = [{ where = {}, near = { rule = "dfa" }, points = "1" }]', "points = '1' cannot be used"),
        ('text = "x"\nholds = { near = { rule = "dfa" } }', "holds = .* cannot be used; give a list"),
        ('text = "x"\nnumbers = 3', "numbers = 3 cannot be used"),
        ("text = 3", "text = 3 cannot be used; give a sentence"),
        ('text = "{a}"\nnumbers.a = { where = 3 }', "name settings by their axes, not 3"),
        ('text = "{a}"\nnumbers.a = { where = { rule = "dfa", bits = 2 }, less = "drtp" }', "by their axes, not 'drtp'"),
        ('text = "{a}"\nnumbers.a = { where = { rule = "dfa", bits = 2 }, less = { bits = 8 }, over = { bits = 8 } }', "give one of them"),
        ('text = "{a}"\nnumbers.a = { where = { rule = "dfa", bits = 2 }, column = "cell" }', "column 'cell' holds no numbers"),
        ('text = "{a}"\nnumbers.a = { where = { rule = "dfa", bits = 2 }, over = { bits = 8 }, column = "zero" }', "is 0, so that there is no ratio"),
        ('text = "nothing"', "rests on no rows"),
        ('txt = "nothing"', "key of a finding 'txt' is not known"),
        ("text = ", "cannot be read"),
    ],
)  # fmt: skip
def test_sentences_that_the_table_does_not_back_are_refused(tmp_path, text, said):
    with pytest.raises(UserError, match=said):
        findings(tmp_path, text)


def test_findings_are_on_the_page_with_the_rows_they_rest_on(tmp_path):
    folder = study_factory.write_study(
        tmp_path / "study", study_factory.rows(rules=("bp", "dfa"), bits=(4, 8), roundings=("residual",))
    )
    (folder / "findings.toml").write_text(
        """[[findings]]
text = "bp < {bp}, {less} from dfa."
numbers.bp = { where = { rule = "bp", bits = 4 } }
numbers.less = { where = { rule = "bp", bits = 4 }, less = { rule = "dfa" } }
""",
        encoding="utf-8",
    )
    contents = contents_of(open_study(folder))
    (finding,) = contents.findings
    frame = contents.source.frame
    mine = frame[(frame.rule == "bp") & (frame.bits == 4)].accuracy_percent
    assert finding.parts[1].value == pytest.approx(mine.mean())
    page, markdown = to_html(contents), to_markdown(contents)
    assert f'<li>bp &lt; <data value="{finding.parts[1].value}"' in page
    for name, accuracy in finding.rows:
        assert f"<li>{name}: {accuracy}</li>" in page
        assert f"    - rests on {name}: {accuracy}" in markdown
    assert finding.text.replace("<", "\\<") in markdown
    (folder / "findings.toml").write_text('[[findings]]\ntext = "{x}"\nnumbers.x = { where = { rule = "drtp" } }\n')
    with pytest.raises(UserError, match=r"finding 1 of .*fits no setting"):
        contents_of(open_study(folder))


def test_a_finding_on_rates_at_the_edge_says_so():
    groups = [Group({"rule": rule, "bits": bits}, (), ()) for rule in ("bp", "dfa") for bits in (2, 4)]
    tuning = {
        "groups": [
            {"settings": {"rule": "bp", "bits": 4}, "at_edge": ["hidden_rate"]},
            {"settings": {"rule": "dfa", "bits": 2}, "at_edge": []},
        ]
    }
    said = "rates at the edge of those tried, so that better ones may lie beyond: rule bp, bits 4 (hidden rate)"
    assert edge_remark(groups, tuning) == said
    assert edge_remark(groups[2:], tuning) == edge_remark(groups, None) == ""
