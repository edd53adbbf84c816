"""Columns of texts that are named as features: an input per value, the same in every format and command."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest

from edgelearn.config import StreamConfig, validated
from edgelearn.data import open_dataset
from edgelearn.data.columns import Roles
from edgelearn.data.lines import LineSource
from edgelearn.data.open_source import open_source
from edgelearn.errors import UserError
from edgelearn.runs.stream import run as stream

MODES = ["on", "sit_down", "off", "", "on", "NA", "sit_down"] * 12
ROLES = Roles(features=("mode", "ax"))
TITLES = ("mode=off", "mode=on", "mode=sit_down", "ax")


def lines_of(modes, mark=","):
    rows = [(f"{np.sin(k):.3f}", mode, "ab"[k % 2]) for k, mode in enumerate(modes)]
    return [mark.join(row) + "\n" for row in (("ax", "mode", "label"), *rows)]


def one_hot(modes, known=("off", "on", "sit_down")):
    """The inputs of values, by hand."""
    return np.array([[np.nan] * len(known) if mode in ("", "NA") else [mode == one for one in known] for mode in modes])


def read(source):
    return np.concatenate([block.x for block in source.blocks()])


def test_every_value_of_a_named_column_is_an_input(tmp_path):
    expected = np.column_stack([one_hot(MODES), np.sin(np.arange(len(MODES))).round(3)]).astype(np.float32)
    texts = {"own.csv": "".join(lines_of(MODES)), "own.tsv": "".join(lines_of(MODES, "\t"))}
    texts["own.jsonl"] = "".join(
        json.dumps({"ax": float(x), "mode": mode or None, "label": label}) + "\n"
        for x, mode, label in (line.strip().split(",") for line in lines_of(MODES)[1:])
    )
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        source = open_source(str(tmp_path / name), roles=ROLES)
        assert source.channels == source.columns_used.inputs == TITLES
        assert np.array_equal(read(source), expected, equal_nan=True)
        if name != "own.jsonl":
            data = open_dataset(tmp_path / name, roles=ROLES, test_fraction=0)
            assert data.columns.inputs == TITLES
            assert np.array_equal(np.sort(data.train_x, axis=0), np.sort(expected, axis=0), equal_nan=True)
    assert "mode" not in open_source(str(tmp_path / "own.csv")).channels  # unless it is named


def test_files_of_a_folder_have_the_values_of_all(tmp_path):
    parts = (["on", "off", ""], ["broken", "on"])
    for name, modes in zip("ab", parts, strict=True):
        (tmp_path / f"{name}.csv").write_text("".join(lines_of([*modes, *modes])))
    source = open_source(str(tmp_path), roles=ROLES)
    assert source.channels == ("mode=broken", "mode=off", "mode=on", "ax")
    every = [mode for modes in parts for mode in [*modes, *modes]]
    assert np.array_equal(read(source)[:, :3], one_hot(every, ("broken", "off", "on")), equal_nan=True)


def live(text, **options):
    return LineSource(io.StringIO(text), name="-", source="standard input", live=True, roles=ROLES, **options)


@pytest.mark.parametrize("n", [3, 70])
def test_live_values_are_those_of_the_first_lines(n):
    modes = ["", *MODES[: n - 1], "broken", "on", "broken"] if n > 64 else ["", *MODES[: n - 1]]
    source = live("".join(lines_of(modes)))
    known = ("off", "on", "sit_down") if n > 64 else ("on", "sit_down")
    assert source.channels == (*(f"mode={one}" for one in known), "ax")
    assert np.array_equal(read(source)[:, :-1], one_hot(modes, known), equal_nan=True)
    later = ["values of mode that came later make no event, the first is 'broken'"] if n > 64 else []
    shown = f"values of mode are those of the first {min(n + 1, 64)} lines: {', '.join(known)}"
    assert source.notes == [shown, *later]


def test_live_values_are_kept():
    lines = lines_of(MODES)
    whole = read(live("".join(lines)))
    first = live("".join(lines[:70]))
    begun = read(first)
    second = live("".join(lines[70:]))
    second.restore(first.state())
    assert second.channels == TITLES
    assert np.array_equal(np.concatenate([begun, read(second)]), whole, equal_nan=True)


def test_a_stream_of_categories_is_learned(tmp_path):
    modes = [("on", "off")[k // 3 % 2] for k in range(300)]
    rows = [f"{mode},{('up', 'down')[mode == 'on']}\n" for mode in modes]
    (tmp_path / "own.csv").write_text("mode,label\n" + "".join(rows))
    config = validated(StreamConfig, {"data": str(tmp_path / "own.csv"), "features": "mode", "hidden": "0"})
    content = stream(config).content
    assert content["columns"]["inputs"] == ["mode=off", "mode=on"]
    assert content["accuracy_percent"] > 95


def test_names_are_no_categories(tmp_path):
    (tmp_path / "own.csv").write_text("".join(lines_of([f"file {k}" for k in range(80)])))
    for read_any in (open_source, open_dataset):
        with pytest.raises(UserError, match=r"'mode' has more than 64 different texts, such as 'file 0'; give --fea"):
            read_any(str(tmp_path / "own.csv"), roles=ROLES)


def test_values_of_lines_that_cannot_be_used_are_no_inputs(tmp_path):
    text = "".join(lines_of(MODES)) + "x,broken,a\n"
    (tmp_path / "own.csv").write_text(text)
    source = open_source(str(tmp_path / "own.csv"), roles=ROLES)
    assert (source.channels, source.rejects.counts) == (TITLES, {"not a number": 1})
