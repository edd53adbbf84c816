"""Profiles of activity that `edgelearn cost` prices with: a bundled run of the digits and of MNIST under each rule.

    python experiments/activity_profiles.py           edgelearn/runs/activity.csv
    python experiments/activity_profiles.py maps      edgelearn/runs/activity_maps.csv: networks with convolutions

Needs MNIST. Prints a Markdown table and writes the file.
"""

from __future__ import annotations

import csv
import io
import sys

from edgelearn.config import make_config
from edgelearn.files import write_text
from edgelearn.rules import RULES
from edgelearn.runs import map_activity
from edgelearn.runs.activity import RUNS, TABLE, Profile, measured, table_of
from edgelearn.runs.registry import run


def measure(data: str, rule: str) -> Profile:
    """Run a rule and return the fractions that were active."""
    return measured(run(make_config(RUNS[data] | {"rule": rule})))


def measure_maps(profile: str, rule: str) -> map_activity.MapProfile:
    """Run a rule in a network with a convolution and return the fractions that were active."""
    return map_activity.measured(profile, run(make_config(map_activity.RUNS[profile] | {"rule": rule})))


def main() -> int:
    if sys.argv[1:] == ["maps"]:
        path = map_activity.TABLE
        rows = map_activity.table_of([measure_maps(profile, rule) for profile in map_activity.RUNS for rule in RULES])
    else:
        path, rows = TABLE, table_of([measure(data, rule) for data in RUNS for rule in RULES])
    print("| " + " | ".join(rows[0]) + " |")
    print("|" + "---|" * len(rows[0]))
    for row in rows:
        print("| " + " | ".join(map(str, row.values())) + " |")
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())
    return 0


if __name__ == "__main__":
    sys.exit(main())
