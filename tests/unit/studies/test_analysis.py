"""Means and intervals, fronts, smallest bits and paired differences, against numbers worked out by hand or by force."""

from __future__ import annotations

import itertools
import math
import random
import re
import statistics

import pytest

from edgelearn.errors import UserError
from edgelearn.studies.analysis import (
    Goal,
    Group,
    axes_of,
    goal,
    groups_of,
    interval,
    paired,
    pareto,
    plain,
    processors_of,
    rows_of,
    series_axis,
    settings_of,
    smallest_bits,
    worth,
)
from tests import study_factory

pandas = pytest.importorskip("pandas")
T_975 = {1: 12.706204736, 2: 4.302652730, 3: 3.182446305, 4: 2.776445105, 9: 2.262157163}  # of printed tables
ENERGY = "energy_pj@chip"


def frame_of(rows):
    return pandas.DataFrame(rows)


def group(accuracies, energy=None, failed=0, **setting):
    """Return a group with an accuracy a seed, and the same energy for all."""
    rows = [{"seed": k, "accuracy_percent": value, ENERGY: energy} for k, value in enumerate(accuracies)]
    failures = [{"seed": len(rows) + k, "status": "failed", "cell": "x", "error": "E: why"} for k in range(failed)]
    return Group(setting, tuple(row for row in rows if row["accuracy_percent"] is not None), tuple(failures))


@pytest.mark.parametrize("n", [2, 3, 4, 5, 10])
def test_the_interval_is_students(n):
    values = [random.Random(n * 100 + k).uniform(80, 90) for k in range(n)]
    found = interval(values)
    half = T_975[n - 1] * statistics.stdev(values) / math.sqrt(n)
    assert found.n == n
    assert found.mean == pytest.approx(statistics.mean(values))
    assert (found.low, found.high) == pytest.approx((found.mean - half, found.mean + half), rel=1e-9)


def test_one_seed_has_no_interval_and_equal_seeds_one_of_nothing():
    one = interval([93.5])
    assert (one.mean, one.low, one.high, one.n) == (93.5, None, None, 1)
    same = interval([87.7778] * 3)
    assert (same.mean, same.low, same.high) == (87.7778, 87.7778, 87.7778)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [(float("nan"), None), (None, None), (3.0, 3), (2.5, 2.5), (True, True), ("bp", "bp"), ((1, 2), "1, 2"), (-4, -4)],
)
def test_cells_become_plain_values(given, wanted):
    assert plain(given) == wanted
    assert type(plain(given)) is type(wanted)


def test_missing_values_of_every_type_are_none():
    frame = pandas.DataFrame(
        {
            "limit": pandas.array([1, None], dtype="Int64"),
            "strict": pandas.array([True, None], dtype="boolean"),
            "net": ["a", None],
            "accuracy_percent": [90.0, None],
        }
    )
    assert rows_of(frame) == [
        {"limit": 1, "strict": True, "net": "a", "accuracy_percent": 90},
        {"limit": None, "strict": None, "net": None, "accuracy_percent": None},
    ]


def test_columns_are_told_apart_by_their_place():
    frame = frame_of(study_factory.rows())
    assert settings_of(frame) == list(study_factory.SETTINGS)
    assert processors_of(frame) == list(study_factory.PROCESSORS)


def test_groups_differ_in_axes_and_hold_seeds():
    frame = frame_of(study_factory.rows())
    axes = axes_of(frame, ("rule", "bits", "rounding"))
    assert axes == ["rule", "bits", "rounding"]  # not the tuned rate, which follows from the bits
    groups = groups_of(frame, axes)
    assert len(groups) == 32
    assert sum(len(one.rows) + len(one.failed) for one in groups) == len(frame)
    assert groups[0].setting == {"rule": "bp", "bits": 2, "rounding": "residual"}
    assert [len(groups[0].rows), len(groups[0].failed)] == [4, 1]
    assert sorted(groups[0].by_seed("accuracy_percent")) == [0, 1, 2, 4]
    wanted = frame[(frame.rule == "bp") & (frame.bits == 2) & (frame.rounding == "residual")].accuracy_percent.mean()
    assert groups[0].mean("accuracy_percent") == pytest.approx(wanted)


def test_axes_of_one_value_are_none_and_settings_join_where_cells_would_be_one():
    frame = frame_of(study_factory.rows(rules=("bp",), bits=(4, 8), roundings=("residual",)))
    assert axes_of(frame, ("rule", "bits")) == ["bits"]
    assert axes_of(frame_of(study_factory.rows()), ("rule",)) == ["rule", "bits", "rounding"]
    alone = frame_of(study_factory.rows(rules=("bp",), bits=(4,), roundings=("residual",)))
    assert axes_of(alone, ()) == []
    (only,) = groups_of(alone, [])
    assert only.name == "the only setting"


def test_series_are_rules_or_what_is_no_width():
    assert series_axis(["bits", "rounding", "rule"]) == "rule"
    assert series_axis(["bits", "feedback"]) == "feedback"
    assert series_axis(["bits"]) is None


def test_the_front_is_that_of_trying_every_pair():
    for trial in range(200):
        random_of = random.Random(trial)
        groups = [group([random_of.randrange(6)], random_of.randrange(6), number=k) for k in range(9)]
        found = pareto(groups, (Goal("accuracy_percent", True), Goal(ENERGY, False)))
        points = [(g.mean("accuracy_percent"), g.mean(ENERGY)) for g in groups]
        wanted = {
            k for k, (a, e) in enumerate(points)
            if not any((b >= a and f <= e) and (b > a or f < e) for b, f in points)
        }  # fmt: skip
        assert set(found.members) == wanted
        accuracies = [points[k][0] for k in found.members]
        assert accuracies == sorted(accuracies)


def test_a_group_without_a_value_is_named_not_judged():
    groups = [group([90, 92], 5.0, name="a"), group([], failed=2, name="b"), group([99], None, name="c")]
    found = pareto(groups, (Goal("accuracy_percent", True), Goal(ENERGY, False)))
    assert (found.members, found.unplaced) == ((0,), (1, 2))


def test_directions_can_be_turned():
    columns = ["bits", "accuracy_percent", "samples_learned", ENERGY]
    assert goal(ENERGY, columns) == Goal(ENERGY, False)
    assert goal("accuracy_percent", columns).up
    assert not goal("bits:down", columns).up
    for text, said in [
        ("acuracy_percent", "column 'acuracy_percent' is not known; known: .* Did you mean 'accuracy_percent'"),
        ("bits", "column 'bits' has no better side of its own; give bits:up or bits:down"),
        ("samples_learned", "has no better side"),
        ("bits:left", "direction 'left' of bits is not known; known: down, up"),
    ]:
        with pytest.raises(UserError, match=said):
            goal(text, columns)


def test_the_smallest_bits_within_a_point_of_the_widest():
    groups = [group([accuracy], bits=bits, rule=rule) for rule, accuracies in
              {"bp": {2: 80, 4: 96.1, 8: 97}, "dfa": {2: 50, 4: 60, 8: 90}}.items() for bits, accuracy in accuracies.items()]  # fmt: skip
    bp, dfa = smallest_bits(groups, 1.0)
    assert (bp.setting, bp.bits, bp.reference, bp.reference_is) == ({"rule": "bp"}, 4, 97.0, "8 bits")
    assert bp.short is not None
    assert bp.short.mean == pytest.approx(0.9)
    assert dfa.bits == 8
    assert [one.bits for one in smallest_bits(groups, 20)] == [2, 8]
    assert [one.bits for one in smallest_bits(groups, 1.0, 96.5)] == [4, None]
    assert smallest_bits(groups, 1.0, 96.5)[1].found is None


def test_the_smallest_bits_say_what_speaks_against_them():
    groups = [group([value], bits=bits) for bits, value in [(2, 96.5), (4, 90.0), (6, 98.0), (8, 97.0)]]
    groups.append(group([], failed=2, bits=16))
    (found,) = smallest_bits(groups, 1.0)
    assert (found.bits, found.outside, found.failed, found.reference_is) == (2, (4,), (16,), "8 bits")
    (best,) = smallest_bits(groups, 1.0, "best")
    assert (best.bits, best.reference, best.reference_is) == (6, 98.0, "6 bits")
    (nothing,) = smallest_bits(groups[-1:], 1.0)
    assert (nothing.bits, nothing.reference, nothing.failed) == (None, None, (16,))
    with pytest.raises(UserError, match="reference 'float' is not known; known: a number in percent, best, widest"):
        smallest_bits(groups, 1.0, "float")
    with pytest.raises(UserError, match="the bits do not vary in this study"):
        smallest_bits([group([90], rule="bp")], 1.0)


def test_what_energy_buys_along_the_front():
    groups = [group([90, 91], 1000.0, name="a"), group([80, 81], 2000.0, name="b"), group([92, 95], 3000.0, name="c")]
    (step,) = worth(groups, ENERGY)
    assert (step.first, step.second) == (0, 2)
    assert (step.accuracy, step.energy_pj, step.points_per_nj) == pytest.approx((3.0, 2000.0, 1.5))
    assert step.paired is not None
    assert (step.paired.mean, step.paired.n) == (3.0, 2)


def test_differences_are_of_the_seeds_that_both_have():
    first = Group(
        {"rule": "bp", "bits": 4},
        tuple({"seed": s, "accuracy_percent": v} for s, v in [(0, 90.0), (1, 92.0), (2, 94.0)]),
        (),
    )
    second = Group(
        {"rule": "dfa", "bits": 4},
        tuple({"seed": s, "accuracy_percent": v} for s, v in [(1, 91.0), (2, 95.0)]),
        ({"seed": 0},),
    )
    (found,) = paired([first, second], "rule")
    assert (found.setting, found.first, found.second, found.only_one) == ({"bits": 4}, "bp", "dfa", (0,))
    assert found.difference is not None
    assert (found.difference.mean, found.difference.n) == (0.0, 2)
    half = T_975[1] * statistics.stdev([-1.0, 1.0]) / math.sqrt(2)
    assert found.difference.high == pytest.approx(half)
    assert found.percent == 0.0


def test_a_setting_that_is_left_out_is_typed_as_none():
    groups = [group([90, 91], residual_bits=None), group([92, 93], residual_bits=4)]
    (one,) = paired(groups, "residual_bits", baseline="none")
    assert (one.first, one.second) == (None, 4)
    with pytest.raises(UserError, match="has no value '8' in this study; it has none, 4"):
        paired(groups, "residual_bits", baseline="8")


def test_accuracies_just_within_the_points_are_within():
    assert 90.01 - 0.1 > 89.91  # in binary
    assert smallest_bits([group([89.91], bits=4), group([90.01], bits=8)], 0.1)[0].bits == 4


def test_pairs_are_all_or_against_a_baseline():
    frame = frame_of(study_factory.rows())
    groups = groups_of(frame, ["rule", "bits", "rounding"])
    every = paired(groups, "rule")
    assert len(every) == 8 * 6
    against = paired(groups, "bits", "saturations", "8")
    assert {(one.first, one.second) for one in against} == {(8, 2), (8, 4), (8, 6)}
    one = next(one for one in every if one.setting == {"bits": 2, "rounding": "residual"} and one.second == "dfa")
    table = frame[(frame.bits == 2) & (frame.rounding == "residual")].pivot(
        index="seed", columns="rule", values="accuracy_percent"
    )
    wanted = (table.dfa - table.bp).dropna()
    assert one.difference is not None
    assert one.difference.mean == pytest.approx(wanted.mean())
    assert one.only_one == (3,)  # the failed seed of bp
    for by, baseline, said in [
        ("rul", None, "axis 'rul' is not known; known: bits, rounding, rule. Did you mean 'rule'"),
        ("rule", "bpp", "rule has no value 'bpp' in this study; it has bp, dfa, drtp, shallow"),
    ]:
        with pytest.raises(UserError, match=re.escape(said)):
            paired(groups, by, baseline=baseline)
    with pytest.raises(UserError, match="nothing but the seed varies"):
        paired(groups_of(frame_of(study_factory.rows(rules=("bp",), bits=(4,), roundings=("residual",))), []), "rule")


def test_a_list_of_cells_need_not_be_a_grid():
    groups = [
        group([value], rule=rule, bits=bits) for rule, bits, value in [("bp", 4, 90), ("dfa", 4, 91), ("dfa", 8, 92)]
    ]
    assert [(one.setting["bits"], one.first, one.second) for one in paired(groups, "rule")] == [(4, "bp", "dfa")]
    assert len(list(itertools.chain(paired(groups, "bits")))) == 1


def test_a_weight_is_told_as_view_residual_and_stored_bits():
    row = {"status": "done", "seed": 0, "accuracy_percent": 90.0, "bits": 12, "rounding": "residual"}
    words = {residual: Group({}, ({**row, "residual_bits": residual},), ()).word for residual in (None, 0, 2)}
    assert words == {None: "12 + 4 = 16", 0: "12 + 0 = 12", 2: "12 + 2 = 14"}
    assert Group({"bits": 12}, ({**row, "residual_bits": 4},), ()).name == "view bits 12"
    assert Group({"bits": 12}, (row,), ()).name == "bits 12"  # as of spikes, whose weights have no residual bits
