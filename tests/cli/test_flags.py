"""Flags, help, errors and the page of settings against the fields that they are made from."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest

import edgelearn
from edgelearn import cli, config
from edgelearn.cli import settings_page
from edgelearn.cli.flags import Given, Group, build, command
from edgelearn.errors import UserError

FROZEN = (Path(__file__).parent / "flags.txt").read_text().splitlines()


def commands(node=None, path=""):
    """Return every command, groups included, by what is typed after `edgelearn`."""
    node = cli.root() if node is None else node
    found = {path: node}
    if isinstance(node, Group):
        for name in node.list_commands(None):
            found |= commands(node.get_command(None, name), f"{path} {name}".strip())
    return found


COMMANDS = commands()


def help_of(name, width, monkeypatch, every=True):
    """Return what --help-all prints, or --help: the same where a command has few flags."""
    monkeypatch.setenv("COLUMNS", str(width))
    path = ["edgelearn", *name.split()]
    context = None
    for part, node in zip(path, [COMMANDS[" ".join(path[1 : k + 1])] for k in range(len(path))], strict=True):
        context = node.context_class(node, info_name=part, parent=context, **node.context_settings)
    if every:
        context.meta["edgelearn.help_all"] = True
    return context.get_help()


def test_flags_keep_their_names_types_and_off_forms():
    found = []
    for path, node in COMMANDS.items():
        for one in node.params:
            flag = "/".join((*one.opts, *one.secondary_opts)) if one.param_type_name == "option" else one.name.upper()
            switch = " switch" if getattr(one, "is_flag", False) and not one.secondary_opts else ""
            required = " required" if one.required else ""
            found.append(f"{path or 'edgelearn'}: {flag} {one.bare_type()}{required}{switch}")
    assert not set(FROZEN) - set(found)


@pytest.mark.parametrize("name", ["run", "stream", "sweep", "validate", "firmware emit", "firmware verify"])
def test_commands_that_take_rates_take_what_convolutions_have(name):
    flags = {flag for one in COMMANDS[name].params for flag in one.opts}
    assert {"--hidden-rate", "--input-shape", "--kernels", "--kernel-rate", "--kernel-bias"} <= flags
    assert {"--feedback-kind", "--teach"} <= flags


def test_a_switch_that_takes_a_value_in_a_sweep_says_so(monkeypatch):
    text = " ".join(help_of("sweep", 200, monkeypatch).split())
    assert "--kernel-bias Biases of kernels, which make empty background active: true, false." in text
    assert text.count(": true, false.") == 2  # --convert
    assert "background active." in " ".join(help_of("run", 200, monkeypatch).split())


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_grouped_fits_the_terminal_and_ends_with_an_example(name, monkeypatch):
    node = COMMANDS[name]
    for width in (80, 120):
        text = help_of(name, width, monkeypatch)
        assert max(map(len, text.splitlines())) <= width
        assert text == re.sub(r" +$", "", text, flags=re.M), "trailing blanks"
    headings = re.findall(r"^(\S[^:\n]*):$", text, flags=re.M)
    assert len(set(headings)) == len(headings), "a panel twice"
    assert not re.search(r"<\w+>|\bTEXT\b|\bINTEGER\b", text), "types"
    assert not re.search(r"\{[\w.]*:?\w*:", text), "a table of choices that is not put in"
    for one in node.params:
        flag = one.opts[0] if one.param_type_name == "option" else one.metavar
        assert len(re.findall(rf"^  {re.escape(flag)}(?=[/ \n])", text, flags=re.M)) == 1, flag
    if isinstance(node, Group):
        return
    example = help_of(name, 80, monkeypatch).splitlines()[-1].removeprefix("  Example: ")
    program, *typed = shlex.split(example)
    assert [program, *typed[: len(name.split())]] == ["edgelearn", *name.split()]
    node.make_context(name, typed[len(name.split()) :])  # every flag of it is known


@pytest.mark.parametrize("name", COMMANDS)
def test_the_short_help_fits_a_terminal_and_names_every_flag(name, monkeypatch):
    text = help_of(name, 80, monkeypatch, every=False)
    assert len(text.splitlines()) < 60
    assert max(map(len, text.splitlines())) <= 80
    for one in COMMANDS[name].params:
        flag = one.opts[0] if one.param_type_name == "option" else one.metavar
        assert re.search(rf"(^  |: |, |    ){re.escape(flag)}(?=[/ ,\n])", text, flags=re.M), flag
    assert text.splitlines()[-1] == help_of(name, 80, monkeypatch).splitlines()[-1], "the example"


def test_a_long_help_explains_some_flags_and_the_whole_one_all(capsys):
    assert cli.main(["run", "--help"]) == 0
    text = capsys.readouterr().out
    assert "  --rule       Learning rule" in text
    assert re.search(r"^  Sparsity: --event-threshold, --dead-zone,", text, flags=re.M)
    assert "  Example: edgelearn run" in text
    assert cli.main(["run", "--help-all"]) == 0
    assert "  --dead-zone        Largest output error treated as zero" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("edgelearn st", ["stream", "study"]),
        ("edgelearn firmware em", ["emit"]),
        ("edgelearn run --dead", ["--dead-zone"]),
    ],
)
def test_the_shell_completes_commands_and_flags(typed, completed):
    variables = {"_EDGELEARN_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" "))}
    done = subprocess.run(
        [sys.executable, "-m", "edgelearn"], env=os.environ | variables, capture_output=True, text=True
    )
    assert (done.stdout.split(), done.stderr) == (completed, "")


def test_the_version_is_that_of_the_package(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"edgelearn {edgelearn.__version__}\n"


def test_commands_of_the_main_page_are_in_order(monkeypatch):
    text = help_of("", 80, monkeypatch)
    places = [text.index(f"\n  {name} ") for name in COMMANDS[""].list_commands(None)]
    assert places == sorted(places)
    assert " ".join(COMMANDS[""].list_commands(None)) == (
        "run stream predict branch personalise cost advise processors sweep study compare report validate reproduce firmware rtl data "
        "model rules bench"
    )


def test_the_main_page_imports_nothing_heavy():
    code = (
        "import sys; from edgelearn.cli import main; main(['--help']); "
        "sys.exit(', '.join({'numpy', 'numba', 'pydantic', 'sklearn', 'rich'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_group_without_a_command_prints_its_help(capsys):
    for typed in ([], ["firmware"]):
        assert cli.main(typed) == 2
        text = capsys.readouterr()
        assert text.out.startswith("Usage: edgelearn")
        assert text.err == ""


@pytest.mark.parametrize("kind", [config.RunConfig, config.SpikingConfig, config.StreamConfig, config.BranchSettings])
def test_every_setting_says_what_it_is(kind):
    for name, one in kind.declared().items():
        assert one.help, name
        assert not one.help.endswith("."), name
        assert one.default_text or one.default in (True, False), f"{name} does not say what None means"
        if one.allowed.startswith("one of ") and one.default is not None:
            assert str(one.default) in one.allowed.removeprefix("one of ").split(", "), name


def test_the_page_of_settings_is_that_of_the_fields():
    assert settings_page.PAGE.read_text() == settings_page.page(), "run python -m edgelearn.cli.settings_page"


class Toy(config.Settings):
    """One new setting: its field is all that a command line, a file, an error and a page need."""

    kind = "toy"
    wait: int = config.setting(3, "Wait before the answer (seconds)", config.LEARNING, ge=1, le=9)
    mood: Literal["calm", "sour"] | None = config.setting(None, "Mood [by wait]", config.LEARNING)


@command("Toy", example="edgelearn toy --wait 4")
def toy(given: Given) -> None:
    """Answer."""
    seen.append(config.validated(Toy, given))


seen: list[Toy] = []


def test_a_new_setting_is_a_flag_a_key_a_help_and_an_error(monkeypatch, tmp_path):
    monkeypatch.setattr(config, "Toy", Toy, raising=False)
    made = build(toy, "toy")
    made.main(["--wait", "4", "--mood", "sour"], standalone_mode=False)
    assert seen.pop() == Toy(wait=4, mood="sour")
    (tmp_path / "toy.toml").write_text("wait = 5\n")
    assert config.validated(Toy, config.read_toml(tmp_path / "toy.toml")).wait == 5
    assert Toy(wait=5).to_toml() == "wait = 5\n"
    text = made.get_help(made.context_class(made, info_name="toy"))
    assert "Learning:\n  --wait  Wait before the answer (seconds), 1 to 9 [3]." in text
    assert "  --mood  Mood: calm, sour [by wait]." in text
    for given, reason in (
        ({"wait": 0}, "setting 'wait' = 0 is not allowed; give a whole number, 1 to 9 (--wait)"),
        ({"wait": "4"}, "setting 'wait' = '4' is not allowed; give a whole number, 1 to 9 (--wait)"),
        ({"mood": "shy"}, "setting 'mood' = 'shy' is not allowed; give one of calm, sour (--mood)"),
        ({"wiat": 1}, "setting 'wiat' is not known; known: mood, wait. Did you mean 'wait'?"),
    ):
        with pytest.raises(UserError) as error:
            config.validated(Toy, given)
        assert str(error.value) == reason
