"""`edgelearn predict`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Optional

import typer

from edgelearn.cli.flags import Flag, Json, command
from edgelearn.cli.shared import print_json


@command(example="edgelearn predict results mine.csv --out predictions.csv")
def predict(
    results: Annotated[Path, typer.Argument(metavar="RESULTS", help="Results folder of a run or stream.")],
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA", help="File with or without labels, or a data set; a test part where there is one."
        ),
    ],
    out: Annotated[Optional[Path], Flag("File to write, .csv or .jsonl [CSV on the standard output]")] = None,
    json: Json = False,
) -> None:
    """Predict the class, or the numbers, of each row with a finished run; nothing is learned."""
    from edgelearn.runs.number_prediction import predict as predict_rows
    from edgelearn.runs.prediction import check_out

    if out is not None:
        check_out(out)
    found = predict_rows(results, data)
    if out is not None:
        found.write(out)
    content = {"data": found.data, "rows": len(found.predictions), "accuracy_percent": found.accuracy_percent}
    if json:
        print_json(content | {"classes": list(found.classes), "notes": list(found.notes)})
    elif out is None:
        sys.stdout.write(found.text())
        for note in found.notes:
            sys.stderr.write(f"note: {note}\n")
    else:
        from edgelearn.reports.console import make_console, say, written

        console = make_console()
        accuracy = "" if found.accuracy_percent is None else f", accuracy {found.accuracy_percent:.2f} %"
        say(console, f"{len(found.predictions):,} rows of {found.data} predicted{accuracy}")
        say(console, *(f"note: {note}" for note in found.notes))
        written(console, str(out))
