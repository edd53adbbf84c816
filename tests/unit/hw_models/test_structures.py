"""Rules over a set of engines: the ranges hold every engine, priced by itself."""

from __future__ import annotations

import io
import json
import time
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgelearn.errors import UserError
from edgelearn.network.spec import design
from edgelearn.reports.console import make_console
from edgelearn.reports.costs import verdict_text
from edgelearn.reports.structures import print_structures, range_text, turned_pairs
from edgelearn.rules import RULES
from hw_models.compare.relative import relative_over_structures
from hw_models.compare.rules import cost_of_rule
from hw_models.compare.structures import (
    Structure,
    difference_range,
    overhead_range,
    structures,
    structures_as_dict,
)
from hw_models.engine.schedule import assume
from hw_models.processor import Engine, find_processor, path_of, read

TWO = ("drtp", "dfa")


def network(rule: str):
    spec = design((64, 32, 10), rule=rule)
    return spec, assume(spec, 0.5, update_density=0.8)


@cache
def priced(processor: str = "engine-28nm", rules: tuple[str, ...] = TWO) -> tuple[Structure, ...]:
    made = {rule: network(rule) for rule in rules}
    return tuple(
        structures(
            {rule: spec for rule, (spec, _) in made.items()},
            {rule: activity for rule, (_, activity) in made.items()},
            find_processor(processor),
        )
    )


def test_enough_engines_in_little_time():
    started = time.process_time()
    found = priced.__wrapped__(rules=tuple(RULES))
    assert time.process_time() - started < 5
    assert len(found) >= 64
    assert len({tuple(structure.choices.items()) for structure in found}) == len(found)
    assert found[0].engine == find_processor("engine-28nm")


@settings(max_examples=150)
@given(data=st.data())
def test_every_engine_priced_by_itself_lies_in_the_ranges(data):
    """An engine is made anew from the choices that are printed, and priced as `edgelearn cost` does."""
    processor = data.draw(st.sampled_from(["engine-28nm", "event-driven-28nm"]))
    found = priced(processor)
    shown = json.loads(json.dumps(structures_as_dict(found)))
    choice = {name: data.draw(st.sampled_from(options)) for name, options in shown["choices"].items()}
    engine = made(processor, choice)
    costs = {rule: cost_of_rule(*network(rule), engine) for rule in TWO}
    for rule in shown["rules"]:
        cost = costs[rule["name"]]
        for figure in ("energy", "area"):
            held = rule[f"{figure}_overhead_percent"]
            assert held["low"] - 1e-3 <= cost.overhead(figure) <= held["high"] + 1e-3
        low, high = rule["energy_pj"]
        assert low * (1 - 1e-5) <= cost.training.energy_per_sample_pj <= high * (1 + 1e-5)
    (pair,) = shown["pairs"]
    ratio = costs[pair["dearer"]].training.energy_per_sample_pj / costs[pair["cheaper"]].training.energy_per_sample_pj
    assert pair["energy_percent"]["low"] - 1e-3 <= 100 * (ratio - 1) <= pair["energy_percent"]["high"] + 1e-3


def made(processor: str, choice: dict[str, str]) -> Engine:
    """Return an engine from the words of its choices, through a file's fields."""
    content = find_processor(processor).model_dump(exclude_none=True)
    content |= {"lanes": int(choice["lanes"]), "clock_gating": choice["clock gating"] == "yes"}
    content |= {"logic": choice["logic table"]}
    if choice["d width"] != "as needed":
        content["delta_bits"] = int(choice["d width"].split()[0])
    roles = ["weight", "residual", "feedback", "activation", "gate", "delta"]
    apart = [*([role] for role in roles[:4]), roles[4:]]
    content["memories"] = {
        f"m{i}": {"kind": "sram", "cell": choice["SRAM cell"], "holds": holds}
        for i, holds in enumerate(apart if choice["memories"] == "apart" else [roles])
    }
    return Engine.model_validate(content)


def test_extremes_are_those_of_the_engines_that_are_named():
    found = priced()
    for held, value in (
        (overhead_range(found, "dfa"), lambda s: s.overhead("dfa", "energy_pj")),
        (overhead_range(found, "drtp", "area_um2"), lambda s: s.overhead("drtp", "area_um2")),
        (difference_range(found, "dfa", "drtp"), lambda s: s.difference("dfa", "drtp", "energy_pj")),
    ):
        values = {tuple(structure.choices.values()): value(structure) for structure in found}
        assert held.low == min(values.values()) == values[tuple(held.low_at.values())]
        assert held.high == max(values.values()) == values[tuple(held.high_at.values())]
        assert held.base == value(found[0])
        for ends in (held.low_at, held.high_at):  # each change that is named is needed for the extreme
            for choice, option in ends.items():
                back = values[tuple((dict(ends) | {choice: found[0].choices[choice]}).values())]
                assert option == found[0].choices[choice] or back != values[tuple(ends.values())]
        widths = [max(of.values()) - min(of.values()) for of in held.swings.values()]
        assert widths == sorted(widths, reverse=True)
        assert widths[0] > 0
        for choice, of in held.swings.items():
            for option, percent in of.items():
                assert percent == values[tuple((found[0].choices | {choice: option}).values())]


def test_memories_that_cannot_be_chosen_are_kept(tmp_path):
    text = path_of("engine-28nm").read_text()
    text = text.replace(
        'kind = "sram"\ncell = "itrs-lstp"\nholds = ["gate", "delta"]', 'kind = "registers"\nholds = ["gate", "delta"]'
    )
    (tmp_path / "mine.toml").write_text(text.replace("lanes = 1", "lanes = 4"))
    engine = read(tmp_path / "mine.toml")
    spec, activity = network("dfa")
    found = structures({"dfa": spec}, {"dfa": activity}, engine)
    assert set(found[0].choices) == {"lanes", "clock gating", "d width", "logic table"}
    assert {structure.choices["lanes"] for structure in found} == {"1", "4", "8", "32"}
    assert all(structure.engine.memories == engine.memories for structure in found)
    for structure in found:  # the clock of registers counts with tables of arithmetic alone, too
        alone = structure.engine.price(spec, activity)
        assert structure.training["dfa"]["energy_pj"] == pytest.approx(alone.energy_per_sample_pj)


def test_only_engines_have_a_structure():
    spec, activity = network("dfa")
    with pytest.raises(UserError, match="processor cortex-m4 is no engine but a microcontroller"):
        structures({"dfa": spec}, {"dfa": activity}, find_processor("cortex-m4"))


def test_what_is_printed_names_ranges_extremes_and_what_decides():
    content = structures_as_dict(priced())
    console = make_console(file=io.StringIO(), width=160)
    print_structures(console, content, "engine-28nm")
    text = " ".join(console.file.getvalue().split())
    for rule in content["rules"]:
        assert range_text(rule["energy_overhead_percent"]) in text
        assert range_text(rule["area_overhead_percent"]) in text
    (pair,) = content["pairs"]
    assert range_text(pair["energy_percent"]) in text
    assert "dfa over drtp" in text
    assert "energy overhead lowest with" in text
    base, area = content["base"], {rule["name"]: rule["area_overhead_percent"]["high_at"] for rule in content["rules"]}
    assert area["dfa"]["SRAM cell"] == "itrs-hp" != base["SRAM cell"]  # which alone does not move it
    assert "itrs-hp" in text.split("area overhead highest with ")[1].split("energy of learning")[0]
    assert "the order is the same in all" in text
    alone = make_console(file=io.StringIO(), width=160)
    print_structures(alone, structures_as_dict(priced(rules=("drtp",))), "engine-28nm")
    assert "over drtp" not in alone.file.getvalue()


def test_differences_to_one_rule_are_those_of_the_engines():
    found = priced(rules=("drtp", "dfa", "bp"))
    content = structures_as_dict(found)
    relative = relative_over_structures(content, "dfa")
    assert set(relative) == {"drtp", "bp"}
    for name, over in relative.items():
        exact = difference_range(found, name, "dfa")
        assert over == {"low": pytest.approx(exact.low, rel=1e-4), "high": pytest.approx(exact.high, rel=1e-4)}


def test_the_verdict_says_whether_the_order_is_the_same_on_all_engines():
    content = structures_as_dict(priced(rules=("drtp", "dfa", "bp")))
    verdict = {
        "figure": "energy_pj",
        "left_out": [],
        "cheapest": "drtp",
        "next": "dfa",
        "next_over_cheapest_percent": {"low": 5.0, "nominal": 10.0, "high": 12.0},
        "decided_by": "SRAM energy",
        "flips": [],
    }
    assert turned_pairs(content) == [("dfa", "bp")]
    text = verdict_text(verdict, content)
    assert text.endswith(f"; on some of {content['engines']} engines (--structures) dfa and bp change places")
    certain = verdict_text(verdict, content | {"pairs": []})
    assert certain.endswith(f"changes the order, and it is the same on all {content['engines']} engines (--structures)")
    assert turned_pairs(content, left_out=["bp"]) == []
