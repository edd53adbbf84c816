"""`edgelearn advise`."""

from __future__ import annotations

from typing import Annotated, Any, Optional

from edgelearn.api.fields import SEARCHED
from edgelearn.cli.flags import OUTPUT, Details, Flag, Given, Json, command
from edgelearn.cli.shared import print_json, rules_listed

LIMITS = "Limits"


@command(
    "RunConfig",
    "StreamConfig",
    only=SEARCHED,
    example='edgelearn advise --data digits --ram 16K --rate "50 Hz"',
)
def advise(
    given: Given,
    ram: Annotated[Optional[str], Flag("RAM of the learner and its stack, e.g. 16K [no limit].", LIMITS)] = None,
    flash: Annotated[Optional[str], Flag("Flash of code and constants, e.g. 64K [no limit].", LIMITS)] = None,
    energy: Annotated[Optional[str], Flag('Energy per learned sample, e.g. "50 uJ" [no limit].', LIMITS)] = None,
    rate: Annotated[Optional[str], Flag('Learned samples per second, e.g. "50 Hz" [no limit].', LIMITS)] = None,
    processor: Annotated[
        str, Flag("Processor that energy and time are of, by name or .toml file.", LIMITS)
    ] = "cortex-m4",
    rule: Annotated[str, Flag("Learning rules to choose from, separated by commas, or all.", "Learning")] = "all",
    kind: Annotated[Optional[str], Flag("Kind of run: run or stream [by the data].", OUTPUT)] = None,
    details: Details = False,
    json: Json = False,
) -> None:
    """Find the rule, width, bits and feedback with the highest accuracy within limits.

    A short search on the data, with tuned learning rates; layers alone (--net without --data) are priced and not
    searched. Exit code: 0 with advice, 2 where nothing fits, with the nearest.
    """
    from edgelearn.api.advice import advice_on
    from edgelearn.reports.console import make_console, progress

    rules = () if rule == "all" else rules_listed(rule)
    tasks: dict[str, Any] = {}
    with progress("{task.completed} runs") as bar:

        def on_progress(done: int, total: int) -> None:
            if not tasks:
                tasks["search"] = bar.add_task("searching", total=total)
            bar.update(tasks["search"], completed=done, total=total)

        content = advice_on(given, ram, flash, energy, rate, processor, rules, kind, on_progress)
    if json:
        print_json(content)
        return
    from edgelearn.reports.advice import show
    from edgelearn.reports.console import next_steps

    console = make_console()
    show(content, console, details)
    next_steps(console, "edgelearn firmware emit DIR --run RUN", details=details)
