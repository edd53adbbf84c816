"""Profiles of activity that `edgelearn cost` prices with: a bundled run of the digits and of MNIST under each rule.

    python experiments/activity_profiles.py

Needs MNIST. Prints a Markdown table and writes edgelearn/runs/activity.csv.
"""

from __future__ import annotations

import csv
import io
import sys

from edgelearn.config import make_config
from edgelearn.files import write_text
from edgelearn.rules import RULES
from edgelearn.runs.activity import RUNS, TABLE, Profile, measured, table_of
from edgelearn.runs.registry import run


def measure(data: str, rule: str) -> Profile:
    """Run a rule and return the fractions that were active."""
    return measured(run(make_config(RUNS[data] | {"rule": rule})))


def main() -> int:
    rows = table_of([measure(data, rule) for data in RUNS for rule in RULES])
    print("| " + " | ".join(rows[0]) + " |")
    print("|" + "---|" * len(rows[0]))
    for row in rows:
        print("| " + " | ".join(map(str, row.values())) + " |")
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(TABLE, text.getvalue())
    return 0


if __name__ == "__main__":
    sys.exit(main())
