"""`edgelearn data`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from edgelearn.cli.flags import Json, command, group
from edgelearn.cli.shared import print_json
from edgelearn.errors import UserError, unknown


@command(example="edgelearn data list")
def data_list(json: Json = False) -> None:
    """List data sets, streams and event sets."""
    from edgelearn.data import datasets
    from edgelearn.data.events import EVENT_SETS
    from edgelearn.data.nmnist import event_set_place
    from edgelearn.data.open_source import stream_info, stream_names
    from edgelearn.reports.console import make_console, print_table

    rows = []
    for name in stream_names():
        if name in datasets.names():
            info = datasets.info(name)
            missing = [file["name"] for file in info["files"] if not file["found"]]
            use, here = "run, stream", f"not here; edgelearn data fetch {name}" if missing else "here"
        else:
            info = stream_info(name)
            use, here = "stream, run --spiking --window", "here" if info["found"] else f"not here; {info['how_to_get']}"
        rows.append({"name": name, "for": use, "what": info["description"], "classes": info["classes"], "where": here})
    for name, description in EVENT_SETS.items():
        here = "here" if event_set_place(name) else "not here; see edgelearn/docs/spiking.md, section 6"
        rows.append({"name": name, "for": "run --spiking", "what": description, "classes": 10, "where": here})
    if json:
        print_json(rows)
    else:
        print_table(make_console(), rows)


@command(example="edgelearn data info mnist")
def data_info(name: Annotated[str, typer.Argument(metavar="NAME", help="Data set, stream or file.")]) -> None:
    """Describe a data set and where its files are."""
    from edgelearn.data import datasets
    from edgelearn.data.events import EVENT_SETS
    from edgelearn.data.nmnist import event_set_place
    from edgelearn.data.open_source import stream_info, stream_names
    from edgelearn.reports.console import make_console, say

    if name in EVENT_SETS:
        place = event_set_place(name)
        typer.echo(f"name: {name}\ndescription: {EVENT_SETS[name]}\nfor: edgelearn run --spiking")
        typer.echo(f"file: {place}" if place else "file: not here; see edgelearn/docs/spiking.md, section 6")
        return
    if name not in stream_names() and not Path(name).suffix:
        raise unknown("data set or stream", name, [*stream_names(), *EVENT_SETS])
    is_stream = name in stream_names() and name not in datasets.names()
    info = stream_info(name) if is_stream else datasets.info(name)
    files, console = info.pop("files", []), make_console()
    for key, value in info.items():
        if isinstance(value, dict):
            value = ", ".join(f"{count} {part}" for part, count in value.items())
        elif isinstance(value, (list, tuple)):
            value = ", ".join(str(item) for item in value)
        if value not in (None, ""):
            say(console, f"{key.replace('_', ' ')}: {value}")
    for file in files:
        typer.echo(f"file: {file['name']}, {'at ' + str(file['found']) if file['found'] else 'not here'}")


@command(example="edgelearn data fetch mnist")
def data_fetch(name: Annotated[str, typer.Argument(metavar="NAME", help="Data set.")]) -> None:
    """Download a data set and verify its files."""
    from edgelearn.data import datasets
    from edgelearn.data.events import EVENT_SETS
    from edgelearn.data.nmnist import event_set_place
    from edgelearn.data.open_source import stream_info, stream_names

    if name in EVENT_SETS:
        place = event_set_place(name)
        raise UserError(
            f"{name} is here" if place else f"{name} cannot be fetched; see edgelearn/docs/spiking.md, section 6"
        )
    if name in stream_names() and name not in datasets.names():
        about = stream_info(name)
        raise UserError(f"{name} is here" if about["found"] else f"{name} is not here: {about['how_to_get']}")

    for path in datasets.fetch(name, progress=sys.stderr.isatty()):
        typer.echo(path)


commands = group(
    "List, locate and download data sets.", {"Commands": {"list": data_list, "info": data_info, "fetch": data_fetch}}
)
