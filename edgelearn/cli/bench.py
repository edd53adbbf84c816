"""`edgelearn bench`."""

from __future__ import annotations

from typing import Annotated

from edgelearn.cli.flags import Flag, command
from edgelearn.cli.shared import print_json


@command(example="edgelearn bench --repeats 3")
def bench(
    json: Annotated[bool, Flag("Print the rows as JSON.")] = False,
    repeats: Annotated[int, Flag("Turns per contestant, of which the median counts.")] = 15,
) -> None:
    """Measure the speed of online learning on this machine beside numpy, torch and memory bandwidth."""
    from dataclasses import asdict

    from edgelearn.benchmark import SETTINGS, as_table, measure
    from edgelearn.reports.console import make_console, say

    rows = []
    with make_console(stderr=True).status("measuring") as status:
        for sizes, input_bits in SETTINGS:
            rows += measure(sizes, input_bits, repeats=repeats, on_progress=status.update)
    if json:
        print_json([asdict(row) for row in rows])
    else:
        say(make_console(), *as_table(rows), indent=" " * 4)
