"""`edgelearn rules`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from edgelearn.cli.flags import Json, command

if TYPE_CHECKING:
    pass


@command(example="edgelearn rules")
def rules(json: Json = False) -> None:
    """List the learning rules with their locking, weight transport and default rates."""
    from edgelearn.rules import RULES

    rows = [
        {
            "rule": rule.name,
            "teaching signal": rule.signal.value,
            "feedback": rule.feedback.value,
            "constraint": rule.constraint.value,
            "locking": rule.locking.value,
            "weight transport": "yes" if rule.weight_transport else "no",
            "feedback words": rule.feedback_words,
            "rates": f"2^{rule.hidden_rate}, 2^{rule.output_rate}"
            if rule.learns_hidden
            else f"-, 2^{rule.output_rate}",
            "source": rule.source,
        }
        for rule in RULES.values()
    ]
    if json:
        import json as json_module

        typer.echo(json_module.dumps(rows, indent=1))
    else:
        from edgelearn.reports.console import make_console, print_table

        print_table(make_console(), rows)
