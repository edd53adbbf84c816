"""`edgelearn processors`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from edgelearn.cli.options import flag
from edgelearn.cli.shared import print_table

if TYPE_CHECKING:
    pass


app = typer.Typer(no_args_is_help=True, help="Processors that costs can be priced on.")


@app.command("list")
def processors_list() -> None:
    """List the processors that come with edgelearn."""
    from hw_models.processor import find_processor, names

    found = [find_processor(name) for name in names()]
    print_table([{"name": p.name, "kind": p.kind, "what": p.description} for p in found])


@app.command("show")
def processors_show(
    name: Annotated[str, typer.Argument(help="A processor, or a .toml file.")],
    toml: Annotated[bool, flag("Print the file itself, to copy and edit.", "--toml")] = False,
) -> None:
    """Say what a processor is made of and where its figures come from."""
    from hw_models.compare.rules import tables
    from hw_models.processor import find_processor, path_of

    found = find_processor(name)
    if toml:
        sys.stdout.write(path_of(name).read_text(encoding="utf-8"))
        return
    typer.echo(f"{found.name}: {found.description}")
    for line in (f"source: {found.source}", *tables(found), f"file: {path_of(name)}"):
        typer.echo(f"  {line}")
