"""Firmware beside the simulator: every rule, width and rounding on every machine, 10,000 updates each.

    python experiments/firmware_matrix.py              zig and unicorn; hours on one core, goes on where it was stopped
    python experiments/firmware_matrix.py drtp [...]   some rules

Each case learns the digits, 64-24-10 or 64-20-16-10, until 10,000 samples are learned, and then a stream that drives
words into their rails (asserted: weights saturate), and compares predictions, words and generator after every 500
samples. -Os everywhere; -O0 and -O3 for 8 bits. Prints a line a rule and writes
experiments/results/firmware_matrix.json after each case. Needs `pip install "edgelearn[firmware]"`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgelearn import __version__
from edgelearn.config import make_config
from edgelearn.errors import UserError, unknown
from edgelearn.files import write_text
from edgelearn.rules import RULES
from firmware_sim.session import samples_of, verify_on
from firmware_sim.targets import TARGETS

RESULTS = Path(__file__).parent / "results" / "firmware_matrix.json"
UPDATES = 10_000
FORMATS = [
    (bits, rounding)
    for bits, rounding in itertools.product((4, 8, 16), ("residual", "stochastic", "nearest"))
    if (bits, rounding) != (16, "residual")  # no residual bits fit: the same as nearest
]


def cases(rules: list[str]) -> list[dict[str, Any]]:
    """Return the settings of all cases of some rules."""
    found = []
    for rule, (bits, rounding), target in itertools.product(rules, FORMATS, TARGETS):
        for optimisation in ("-O0", "-Os", "-O3") if bits == 8 else ("-Os",):
            net = "64-20-16-10" if (bits, optimisation) == (8, "-O3") else "64-24-10"
            found.append(
                {
                    "rule": rule,
                    "bits": bits,
                    "rounding": rounding,
                    "target": target,
                    "optimisation": optimisation,
                    "net": net,
                }
            )
    return found


def run(case: dict[str, Any]) -> dict[str, Any]:
    """Verify one case; return what was compared and the first difference, if any."""
    rates = {"hidden_rate": -4, "output_rate": -4} if case["bits"] == 4 else {}
    settings = {key: case[key] for key in ("rule", "bits", "rounding", "net")} | rates
    started = time.perf_counter()
    found = verify_on(
        samples_of(make_config(settings)), TARGETS[case["target"]], UPDATES, optimisation=case["optimisation"]
    )
    assert found.stress.events["saturations"] > 0
    return asdict(found) | {"equal": found.equal, "seconds": round(time.perf_counter() - started, 2)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rules", nargs="*", metavar="RULE", help=", ".join(RULES))
    chosen = parser.parse_args().rules or list(RULES)
    content: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if content.get("edgelearn") != __version__:
        content = {"edgelearn": __version__, "updates": UPDATES, "cases": {}}
    try:
        for rule in chosen:
            if rule not in RULES:
                raise unknown("rule", rule, RULES)
            for case in cases([rule]):
                name = " ".join(str(value) for value in case.values())
                if name not in content["cases"]:
                    print(name, file=sys.stderr, flush=True)
                    content["cases"][name] = run(case)
                    write_text(RESULTS, json.dumps(content, indent=1) + "\n")
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    for rule in chosen:
        own = [content["cases"][" ".join(str(value) for value in case.values())] for case in cases([rule])]
        equal = sum(case["equal"] for case in own)
        updates = sum(case["data"]["updates"] + case["stress"]["updates"] for case in own)
        print(f"{rule}: {equal} of {len(own)} cases equal, {updates:,} updates")
    return 0 if all(case["equal"] for case in content["cases"].values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
