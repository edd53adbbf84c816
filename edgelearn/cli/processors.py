"""`edgelearn processors`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from edgelearn.cli.flags import Flag, Json, command, group
from edgelearn.cli.shared import print_json


@command(example="edgelearn processors list")
def processors_list(json: Json = False) -> None:
    """List the processors of edgelearn."""
    from edgelearn.reports.console import make_console, print_table
    from hw_models.processor import find_processor, names

    found = [find_processor(name) for name in names()]
    rows = [{"name": p.name, "kind": p.kind, "what": p.summary} for p in found]
    if json:
        print_json(rows)
    else:
        print_table(make_console(), rows)


@command(example="edgelearn processors show engine-28nm --toml")
def processors_show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Processor or .toml file.")],
    toml: Annotated[bool, Flag("Print the .toml file, to copy and edit.")] = False,
) -> None:
    """Describe a processor and the sources of its figures."""
    from edgelearn.reports.console import make_console, say
    from hw_models.processor import find_processor, path_of

    found = find_processor(name)
    if toml:
        sys.stdout.write(path_of(name).read_text(encoding="utf-8"))
        return
    tables = (line for line in found.tables() if line != found.source)  # a core has its figures from there
    lines = (f"source: {found.source}", *tables, f"file: {path_of(name)}")
    say(make_console(), f"{found.name}: {found.summary}", *(f"  {line}" for line in lines))


commands = group(
    "List and describe the processors that runs are priced on.",
    {"Commands": {"list": processors_list, "show": processors_show}},
)
