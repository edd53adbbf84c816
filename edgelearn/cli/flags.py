"""Commands made from settings: a flag's name, type, limits and help come from a field of a settings class."""

from __future__ import annotations

import inspect
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, fields, is_dataclass
from importlib import import_module
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Optional, TypeVar, get_args, get_type_hints

import typer
from typer.core import TyperCommand, TyperGroup

from edgelearn.errors import UserError, ended_by

if TYPE_CHECKING:
    from edgelearn.config import Declared

WIDEST = 120  # columns of a help text on a wide terminal
MOST = 24  # flags that --help explains one by one; a command with more explains some, and all with --help-all
SOME = {  # besides those of the example
    *("source", "run", "data", "sample_rate", "epochs", "rule", "net", "hidden", "bits", "window", "window_features"),
    *("task", "spiking", "processor", "processors", "seeds", "out", "plot", "against", "structures", "tune", "target"),
    *("ram", "flash", "users", "samples", "accuracy", "jobs", "selftest"),
}
OUTPUT = "Run and output"
Given = dict[str, Any]  # settings that were typed, by field
_Function = TypeVar("_Function", bound=Callable[..., Any])


class Flag(NamedTuple):
    """A flag: its help, its panel, and its name where it is not that of the parameter.

    The help names in brackets what None means; any other default is added.
    """

    text: str
    panel: str = "Options"
    name: str = ""


Config = Annotated[Optional[Path], Flag("TOML file of settings; flags take precedence.", OUTPUT)]
Details = Annotated[bool, Flag("Print the full report.", OUTPUT)]
Json = Annotated[bool, Flag("Print as JSON.", OUTPUT)]
Plot = Annotated[Optional[Path], Flag("Write a figure, .png, .svg or .pdf.", OUTPUT)]


@dataclass(frozen=True)
class Output:
    """Flags of commands whose results go to a folder and can be continued from it."""

    config: Config = None
    out: Annotated[Optional[Path], Flag("Folder for report.json, config.toml and results.", OUTPUT)] = None
    resume: Annotated[bool, Flag("Continue the interrupted run in --out.", OUTPUT)] = False
    overwrite: Annotated[bool, Flag("Replace another run in --out.", OUTPUT)] = False
    plot: Plot = None
    details: Details = False
    json: Json = False


@dataclass(frozen=True)
class _Spec:
    """What `command` says of a function."""

    kinds: tuple[str, ...]
    only: tuple[str, ...]
    without: tuple[str, ...]
    as_text: bool
    example: str


_SPECS: dict[Callable[..., Any], _Spec] = {}


def command(
    *kinds: str, only: Sequence[str] = (), without: Sequence[str] = (), as_text: bool = False, example: str
) -> Callable[[_Function], _Function]:
    """Make a function a command.

    Its parameter `given` stands for the flags of settings, a parameter whose type is a dataclass for its fields.

    Parameters
    ----------
    kinds : settings classes of `edgelearn.config`, by name: a name imports nothing
    only, without : settings to take, and to leave out
    as_text : values stay as they are typed, for several of them
    example : command line that ends the help
    """

    def mark(function: _Function) -> _Function:
        _SPECS[function] = _Spec(kinds, tuple(only), tuple(without), as_text, example)
        return function

    return mark


def declared_in(kinds: Sequence[str]) -> dict[str, list[tuple[str, Declared]]]:
    """Return the settings of some classes by name: the kind and the declaration of each class that has it."""
    from edgelearn import config

    found: dict[str, list[tuple[str, Declared]]] = {}
    for name in kinds:
        settings = getattr(config, name)
        for key, declared in settings.declared().items():
            found.setdefault(key, []).append((settings.kind, declared))
    return dict(sorted(found.items(), key=lambda item: config.PANELS.index(item[1][0][1].panel)))


def help_of(declared: Sequence[tuple[str, Declared]]) -> str:
    """Return the help of a setting: meaning and limits of the first class, the defaults of all in brackets."""
    first = declared[0][1]
    defaults = [first.default_text]
    defaults += [f"{kind}: {one.default_text}" for kind, one in declared[1:] if one.default_text != defaults[0]]
    text = "; ".join(default for default in defaults if default)
    return f"{first.text} [{text}]." if text else f"{first.text}."


def _flag_of(name: str, declared: Sequence[tuple[str, Declared]], as_text: bool) -> inspect.Parameter:
    first = declared[0][1]
    kind = first.type if first.type in (int, float, bool) and not as_text else str
    names = f"{first.flag}/--no-{first.flag[2:]}" if kind is bool and not first.switch else first.flag
    text = help_of(declared)
    if first.type is bool and as_text:
        text = f"{text.removesuffix('.')}: true, false."
    flag = Flag(text, first.panel, names)
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[Optional[kind], flag]
    )


def _expanded(parameter: inspect.Parameter, spec: _Spec) -> Iterator[inspect.Parameter]:
    """Give the flags that a parameter of a command's function stands for."""
    if parameter.name == "given":
        for name, declared in declared_in(spec.kinds).items():
            if name not in spec.without and (not spec.only or name in spec.only):
                yield _flag_of(name, declared, spec.as_text)
    elif is_dataclass(parameter.annotation):
        hints = get_type_hints(parameter.annotation, include_extras=True)
        for field in fields(parameter.annotation):
            yield parameter.replace(name=field.name, default=field.default, annotation=hints[field.name])
    else:
        yield parameter


def _kind_of(parameter: inspect.Parameter) -> Any:
    """Return the type of a flag's value."""
    kind = get_args(parameter.annotation)[0]
    return next((one for one in get_args(kind) if one is not NoneType), kind)


def _for_typer(parameter: inspect.Parameter) -> inspect.Parameter:
    kind, flag = get_args(parameter.annotation)
    if isinstance(flag, Flag):
        name, text = flag.name or "--" + parameter.name.replace("_", "-"), flag.text
        if parameter.default not in (None, False, parameter.empty):
            default = f"{parameter.default:g}" if isinstance(parameter.default, float) else parameter.default
            text = f"{text.removesuffix('.')} [{default}]."
        flag = typer.Option(name, help=text, show_default=False, rich_help_panel=flag.panel)
    return parameter.replace(kind=parameter.KEYWORD_ONLY, annotation=Annotated[kind, flag])


_NUMBERS = {
    int: (re.compile(r"[+-]?[0-9]{1,4000}"), "a whole number"),
    float: (re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"), "a number"),
}


def _numbers_of(flags: Iterable[inspect.Parameter], declared: Mapping[str, Any]) -> dict[str, tuple[type, str]]:
    """Return type and allowed values of each flag of a number."""
    found = {}
    for one in flags:
        if (kind := _kind_of(one)) in _NUMBERS:
            found[one.name] = kind, declared[one.name][0][1].allowed if one.name in declared else _NUMBERS[kind][1]
    return found


def build(function: Callable[..., Any], name: str) -> Any:
    """Return the command of a function that `command` marks."""
    spec = _SPECS[function]
    own = inspect.signature(function, eval_str=True).parameters.values()
    flags = {parameter.name: list(_expanded(parameter, spec)) for parameter in own}

    def call(**typed: Any) -> Any:
        arguments: dict[str, Any] = {}
        for parameter in own:
            part = {one.name: typed[one.name] for one in flags[parameter.name]}
            if parameter.name == "given":
                arguments["given"] = {key: value for key, value in part.items() if value is not None}
            elif is_dataclass(parameter.annotation):
                arguments[parameter.name] = parameter.annotation(**part)  # type: ignore[operator]
            else:
                arguments |= part
        return function(**arguments)

    call.__doc__ = function.__doc__
    typed_flags = [_for_typer(one) for part in flags.values() for one in part]
    if len(typed_flags) > MOST:
        typed_flags.append(_HELP_ALL)
    call.__signature__ = inspect.Signature(typed_flags)  # type: ignore[attr-defined]
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    context = {"max_content_width": WIDEST}
    app.command(name, cls=_Command, epilog=f"Example: {spec.example}", context_settings=context)(call)
    made: Any = typer.main.get_command(app)
    made.paths = {one.name for part in flags.values() for one in part if "Path" in str(one.annotation)}
    made.numbers = _numbers_of(
        (one for part in flags.values() for one in part), declared_in(spec.kinds) if spec.kinds else {}
    )
    return made


def _explain_all(context: typer.Context, value: bool) -> None:
    if value:
        context.meta[_ALL] = True
        typer.echo(context.get_help())
        raise typer.Exit()


_ALL = "edgelearn.help_all"
_HELP_ALL = inspect.Parameter(
    "help_all",
    inspect.Parameter.KEYWORD_ONLY,
    default=False,
    annotation=Annotated[
        bool,
        typer.Option(
            "--help-all", help="Explain every flag.", is_eager=True, callback=_explain_all, rich_help_panel=OUTPUT
        ),
    ],
)


class _Command(TyperCommand):
    """A command whose help has a line per flag, under the headings of the settings and without types."""

    numbers: Mapping[str, tuple[type, str]] = {}
    paths: Set[str] = frozenset()

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Refuse what click would take: a number it words on its own, a flag given twice, a flag without effect."""
        texts, _, order = self.make_parser(ctx).parse_args(args=list(args))
        given: Any
        for given, times in Counter(order).items():
            name = "/".join((*given.opts, *given.secondary_opts))
            single = given.param_type_name == "option" and not given.multiple
            if times > 1 and single and (given.secondary_opts or not given.is_flag):
                raise UserError(f"{name} is given {times} times; give it once")
            kind, allowed = self.numbers.get(given.name, (str, ""))
            text = texts.get(given.name)
            parts = text if isinstance(text, list | tuple) else [text]
            if given.name in self.paths and "" in parts:
                raise UserError(f"{name} is empty; leave it out, or name a file or folder")  # a variable that is unset
            if kind in _NUMBERS and isinstance(text, str) and not _NUMBERS[kind][0].fullmatch(text):
                raise UserError(f"{name} {text if text.strip() else repr(text)} is not allowed; give {allowed}")
        names = {one.name for one in order}
        for machine in ("json", "csv", "toml"):
            if machine in names and "details" in names:
                raise UserError(f"--details is of the printed report; leave it out with --{machine}")
        return super().parse_args(ctx, args)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        if _ALL in ctx.meta or all(one.name != _HELP_ALL.name for one in self.params):
            for heading, flags in panels_of(self, ctx).items():
                with formatter.section(heading):
                    formatter.write_dl(flags)
            return
        panels = panels_of(
            self, ctx, SOME | {one.name for one in self.params if set(one.opts) & set(str(self.epilog).split())}
        )
        with formatter.section("Most used"):
            formatter.write_dl([(flag, text) for flags in panels.values() for flag, text in flags if text])
        with formatter.section("Further flags, explained by --help-all"):
            for heading, flags in panels.items():
                if names := ", ".join(flag.split("/")[0] for flag, text in flags if not text):
                    formatter.write(_wrapped(f"{heading}: {names}", formatter.width))


def _wrapped(text: str, width: int) -> str:
    import textwrap

    return textwrap.fill(text, width, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False) + "\n"


def panels_of(made: Any, ctx: Any = None, names: Set[str] | None = None) -> dict[str, list[tuple[str, str]]]:
    """Return the flags of a command and their help by heading.

    Parameters
    ----------
    names : of the flags whose help is wanted; it is empty for the others, all by default
    """
    panels: dict[str, list[tuple[str, str]]] = {"Arguments": []}
    for one in made.params if ctx is None else made.get_params(ctx):
        text = getattr(one, "help", None) or ""
        if "{" in text:
            from edgelearn.config import expand

            text = expand(text)
        if one.param_type_name == "argument":
            panels["Arguments"].append((one.metavar or str(one.name).upper(), text))
        elif one.name != "help":
            panel = getattr(one, "rich_help_panel", None) or "Options"
            wanted = names is None or one.required or one.name in names or one.name == _HELP_ALL.name
            panels.setdefault(panel, []).append(("/".join((*one.opts, *one.secondary_opts)), text if wanted else ""))
    order = sorted(filter(panels.get, panels), key=lambda heading: heading == OUTPUT)  # which comes last
    return {heading: panels[heading] for heading in order}


class Group(TyperGroup):
    """Commands under headings; one is imported and built when it is asked for."""

    panels: Mapping[str, Mapping[str, Any]] = {}

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as interrupt:  # a command that keeps something says so itself
            what, code = ended_by(interrupt)
            print(f"edgelearn: {what}", file=sys.stderr)
            raise typer.Exit(code) from None

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        found = self._found(cmd_name)
        return found if found is None or isinstance(found, Group) else build(found, cmd_name)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        for heading, commands in self.panels.items():
            with formatter.section(heading):
                formatter.write_dl([(name, _first_sentence(self._found(name))) for name in commands])

    def list_commands(self, ctx: Any) -> list[str]:
        return [name for commands in self.panels.values() for name in commands]

    def _found(self, name: str) -> Any:
        """Return the function or the group of a command, which may be told as "module:attribute"."""
        found = {key: one for commands in self.panels.values() for key, one in commands.items()}.get(name)
        if isinstance(found, str):
            module, _, attribute = found.partition(":")
            found = getattr(import_module(module), attribute)
        return found


def group(
    text: str,
    panels: Mapping[str, Mapping[str, Any]],
    callback: Callable[..., None] = lambda: None,
    completion: bool = False,
) -> Any:
    """Return a group of commands: functions, groups, or where they are as "module:attribute", by heading and name."""
    app = typer.Typer(cls=Group, help=text, no_args_is_help=True, add_completion=completion, rich_markup_mode=None)
    app.callback(context_settings={"max_content_width": WIDEST})(callback)
    made: Any = typer.main.get_command(app)
    made.panels = panels
    made.commands = dict.fromkeys(made.list_commands(None))  # names, for "Did you mean"
    return made


def _first_sentence(command: Any) -> str:
    text = command.help if isinstance(command, Group) else inspect.getdoc(command)
    return " ".join(str(text).split("\n\n")[0].split())
