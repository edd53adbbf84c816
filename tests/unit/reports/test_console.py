"""The console: width, wrapping, tables whose cells stay whole."""

from __future__ import annotations

import io

import pytest

from edgelearn.reports.console import (
    PIPE_WIDTH,
    make_console,
    next_steps,
    print_table,
    say,
    sparkline,
    verdict,
    written,
)

ROWS = [
    {"rule": "bp", "energy": "1.23 nJ", "n": 12345, "why": None},
    {"rule": "drtp", "energy": "-", "n": 1, "why": "a text of several words that wraps where the width ends"},
]


def console(width, **options):
    return make_console(file=io.StringIO(), width=width, **options)


def lines(screen):
    return screen.file.getvalue().splitlines()


def test_a_pipe_obeys_columns(monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    assert make_console(file=io.StringIO()).width == PIPE_WIDTH
    monkeypatch.setenv("COLUMNS", "63")
    assert make_console(file=io.StringIO()).width == 63


def test_numbers_are_on_the_right_and_nothing_trails():
    screen = console(120)
    print_table(screen, ROWS)
    assert lines(screen) == [
        "rule   energy       n  why",
        "bp    1.23 nJ  12,345  -",
        "drtp        -       1  a text of several words that wraps where the width ends",
    ]


@pytest.mark.parametrize("width", range(20, 90, 3))
def test_cells_stay_whole_at_every_width(width):
    wide = [{"name": f"row {k}"} | {f"column {c}": f"{c}.{k} nJ" for c in range(12)} for k in range(3)]
    for rows in (ROWS, wide):
        screen = console(max(width, 24))
        print_table(screen, rows)
        text = screen.file.getvalue()
        assert all(len(line) <= max(width, 24) and line == line.rstrip() for line in lines(screen))
        assert "…" not in text
        if rows is wide:
            assert all(f"{c}.{k} nJ" in text for c in range(12) for k in range(3))


def test_text_wraps_between_words_only():
    screen = console(30)
    say(
        screen,
        "note: a long note that does not fit into thirty columns",
        "",
        "  an/unbroken/path/that/is/longer/than/the/width",
    )
    assert lines(screen) == [
        "note: a long note that does",
        "  not fit into thirty columns",
        "",
        "  an/unbroken/path/that/is/longer/than/the/width",
    ]
    screen = console(20)
    written(screen, "a/long/path/of/a/report/with some blanks.json")
    assert lines(screen) == ["written: a/long/path/of/a/report/with some blanks.json"]


def test_verdicts_have_colours_on_a_terminal_only():
    plain, terminal = console(40), console(40, force_terminal=True, color_system="standard")
    for screen in (plain, terminal):
        verdict(screen, True, "follows")
        verdict(screen, False, "does not")
    assert plain.file.getvalue() == "follows\ndoes not\n"
    assert "\x1b[32mfollows" in terminal.file.getvalue()
    assert "31m" in terminal.file.getvalue()


def test_an_empty_table_says_so():
    screen = console(40)
    print_table(screen, [])
    assert lines(screen) == ["none"]


def test_the_last_rows_are_dimmed():
    screen = console(40, force_terminal=True, color_system="standard")
    print_table(screen, [{"a": 1}, {"a": 2}], dim=1)
    assert "\x1b[2m2" in screen.file.getvalue()


def test_a_sparkline_shares_many_values_out():
    assert sparkline([8, 4, 1]) == "█▅▂"
    assert sparkline([1.0] * 400, 10) == "█" * 10
    assert sparkline([]) == ""


def test_next_steps_break_between_commands_alone():
    commands = ("--plot run.svg", "edgelearn cost --run a-long-name", "edgelearn compare a-long-name OTHER")
    narrow, wide = console(60), console(120)
    next_steps(narrow, *commands)
    assert narrow.file.getvalue().splitlines() == [
        "next: --details | --plot run.svg",
        "  | edgelearn cost --run a-long-name",
        "  | edgelearn compare a-long-name OTHER",
    ]
    next_steps(wide, *commands, details=True)
    assert wide.file.getvalue() == f"next: {' | '.join(commands)}\n"
