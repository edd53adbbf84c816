"""Pages of the documentation site that are made from the code: commands, Python interface, gallery."""

from __future__ import annotations

import inspect
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

# names of the Python interface besides those of `import edgelearn`, by heading and module
MODULES: dict[str, dict[str, tuple[str, ...]]] = {
    "Results": {
        "edgelearn.api.results": ("RunResult",),
        "edgelearn.api.pricing": ("Costs", "Processors"),
        "edgelearn.api.picture": ("Picture",),
    },
    "Networks": {
        "edgelearn.network.spec": ("NetworkSpec", "design"),
        "edgelearn.network.learner": ("Learner", "Outcome", "StrictError"),
        "edgelearn.network.counters": ("Counters",),
    },
    "Rules": {"edgelearn.rules.rule": ("Rule",), "edgelearn.rules.catalog": ("find_rule",)},
    "Processors and prices": {
        "hw_models.processor": ("find_processor", "Processor"),
        "hw_models.compare.rules": ("cost_of_rule", "RuleCost"),
    },
    "River": {"edgelearn.estimators.river": ("RiverEdgeClassifier", "RiverEdgeRegressor", "RiverEdgeAnomalyDetector")},
}


def commands() -> str:
    """Return the page of all commands: what each does, its example, its flags under their headings."""
    from edgelearn.cli import root

    lines = [
        "# Commands",
        "",
        "Made from the commands themselves, as `edgelearn COMMAND --help` is. Flags of settings are keys of",
        "`--config FILE.toml`, too ([settings](settings.md)).",
        "",
    ]
    return "\n".join([*lines, *_command(root(), "edgelearn")]) + "\n"


def _command(node: Any, path: str) -> Iterator[str]:
    """Yield the lines of a command, or of every command of a group."""
    from edgelearn.cli.flags import Group, panels_of

    yield from (f"## `{path}`", "") if path != "edgelearn" else ()
    yield from (inspect.cleandoc(node.help or "").replace("\n    ", "\n").strip(), "")
    if isinstance(node, Group):
        for name in node.list_commands(None):
            yield from _command(node.get_command(None, name), f"{path} {name}")
        return
    yield from ("```sh", node.epilog.removeprefix("Example: "), "```", "")
    for heading, flags in panels_of(node).items():
        yield from (f"**{heading}**", "", "| flag | meaning |", "|---|---|")
        yield from (f"| `{flag}` | {_cell(text)} |" for flag, text in flags)
        yield ""


def _cell(text: str) -> str:
    return re.sub(r"([|<>*\[\]])", r"\\\1", " ".join(text.split()))


def api() -> str:
    """Return the page of the Python interface, whose docstrings Sphinx puts in."""
    import edgelearn
    from edgelearn.config import Settings

    lines = ["# Python API", "", "`import edgelearn as el` gives the names of the first section.", ""]
    lines += ["## edgelearn", ""]
    for name in sorted(edgelearn.__all__):
        found = getattr(edgelearn, name)
        if inspect.isclass(found) and issubclass(found, Settings):
            about = " ".join(str(inspect.getdoc(found)).split())
            lines += [f"### {name}", "", f"{about} Keywords: [settings](settings.md).", ""]
        elif inspect.isclass(found) or inspect.isfunction(found):
            lines += _documented(found)
    for heading, modules in MODULES.items():
        lines += [f"## {heading}", ""]
        for module, names in modules.items():
            for name in names:
                lines += _documented(getattr(import_module(module), name))
    return "\n".join(lines)


def _documented(found: Any) -> list[str]:
    """Return a heading and the directive that puts in the docstring of a class or function."""
    kind = "autofunction" if inspect.isfunction(found) else "autoclass"
    path = f"{found.__module__}.{found.__qualname__}"
    members = ["   :members:"] if kind == "autoclass" else []
    return [f"### {found.__name__}", "", "```{eval-rst}", f".. {kind}:: {path}", *members, "```", ""]


def processor_files() -> str:
    """Return the page of the keys of processor files, from the models that read them."""
    from pydantic import BaseModel

    from hw_models.processor import Core, Engine, Memory, Microcontroller

    lines = ["# Keys of processor files", ""]
    lines += [
        "Quantities are text with a unit; bands are quantities, or tables of nominal, low and high ends. A file to"
    ]
    lines += ["edit: `edgelearn processors show NAME --toml`; [the cost model](cost_model.md) has the formulas.", ""]
    models: dict[str, type[BaseModel]] = {
        '`kind = "engine"`': Engine,
        '`kind = "microcontroller"`': Microcontroller,
        '`kind = "core"`': Core,
        "`[memories.NAME]`": Memory,
    }
    for heading, model in models.items():
        about = str(model.__doc__).partition("\n\n")[0]
        meanings = _meanings(model)
        lines += [f"## {heading}", "", about, "", "| key | value | meaning |", "|---|---|---|"]
        for key, field in model.model_fields.items():
            value = _value(field.annotation, field.metadata) + ("" if field.is_required() else ", optional")
            lines.append(f"| `{key}` | {_cell(value)} | {_cell(meanings[key])} |")
        lines.append("")
    return "\n".join(lines)


def _meanings(model: type) -> dict[str, str]:
    """Return what the docstrings of a model and its bases say of each key; empty where they say nothing."""
    found: dict[str, str] = defaultdict(str)
    for one in reversed(model.__mro__):
        _, _, text = inspect.cleandoc(one.__doc__ or "").partition("Parameters\n----------\n")
        for row in re.findall(r"^(\S.*? : .*(?:\n +.*)*)", text.partition("\n\n")[0], re.M):
            names, _, meaning = row.partition(" : ")
            found |= dict.fromkeys(names.split(", "), meaning)
    return found


def _value(kind: Any, limits: Sequence[Any] = ()) -> str:
    """Return in words what a field takes."""
    if get_origin(kind) is Annotated:
        return _value(get_args(kind)[0], get_args(kind)[1:])
    if get_origin(kind) in (Union, UnionType):
        return _value(next(one for one in get_args(kind) if one is not NoneType), limits)
    if get_origin(kind) is Literal:
        return ", ".join(f'"{one}"' for one in get_args(kind))
    if get_origin(kind) in (tuple, list):
        return f"list of {_value(get_args(kind)[0])}"
    if get_origin(kind) is dict:
        return f"table: {_value(get_args(kind)[0])} = {_value(get_args(kind)[1])}"
    names = {float: "quantity", bool: "true, false", str: "text"}
    if kind is int:
        ends = [str(getattr(one, end)) for end in ("ge", "le") for one in limits if hasattr(one, end)]
        return " to ".join(["whole number", *ends][1:] if len(ends) == 2 else [f"whole number from {ends[0]}"])
    return names.get(kind, "memory" if kind.__name__ == "Memory" else "band")


def gallery(root: Path) -> str:
    """Return the page of study pages and of figures of reproductions.

    Parameters
    ----------
    root : of the repository, which has the results
    """
    from edgelearn.reproduction.catalog import as_rows

    lines = ["# Gallery", "", "## Studies", "", "Each page is one file, made by `edgelearn report STUDY`.", ""]
    for page in sorted((root / "experiments/studies").glob("*/report.html")):
        title = (page.parent / "report.md").read_text(encoding="utf-8").splitlines()[0].lstrip("# ")
        lines.append(f'- <a href="studies/{page.parent.name}/report.html">{page.parent.name}</a>: {title}')
    lines += ["", "## Reproductions", "", "Figures of `edgelearn reproduce ID`, with the verdict of the full run.", ""]
    folder = root / "experiments/results/reproduce"
    for row in as_rows():
        name = row["id"]
        if (folder / f"{name}.png").exists():
            statement = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))["statement"]
            verdict = f"{row['status']}: {row['why']}" if row["why"] else row["status"]
            lines += [f"### {name}", "", f"{row['source']}: {statement.rstrip('.')}.", "", f"Verdict: {verdict}.", ""]
            lines += [f"![Figure of {name}](reproductions/{name}.png)", ""]
    return "\n".join(lines)
