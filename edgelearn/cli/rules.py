"""`edgelearn rules`."""

from __future__ import annotations

from edgelearn.cli.flags import Json, command
from edgelearn.cli.shared import print_json


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
        print_json(rows)
    else:
        from edgelearn.reports.console import make_console, print_table, say

        console = make_console()
        print_table(console, rows)
        say(
            console,
            "",
            "a rule per hidden layer, from the first: --rule local,drtp; each layer has the locking of its own",
        )
