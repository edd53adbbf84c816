"""Firmware beside the simulator: every rule, width and rounding on every machine, 10,000 updates each.

    python experiments/firmware_matrix.py              half an hour on two cores, goes on where it was stopped
    python experiments/firmware_matrix.py drtp [...]   some rules

Each case learns the digits, 64-24-10 or 64-20-16-10, until 10,000 samples are learned, and then 300 samples of the
highest and lowest levels with rates, range and accumulators such that words and steps saturate and sums overflow
(asserted); predictions, words and generator are compared after every 500 samples. zig compiles, unicorn runs; -Os
everywhere, -O0 and -O3 for 8 bits. Prints a line a rule and writes experiments/results/firmware_matrix.json after each
case. Kept until
the C core changes. Needs `pip install "edgelearn[firmware]"`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from joblib import Parallel, delayed

from edgelearn import __version__
from edgelearn.config import make_config
from edgelearn.errors import UserError, unknown
from edgelearn.files import write_text
from edgelearn.network.learner import Learner
from edgelearn.network.spec import design
from edgelearn.rules import RULES
from firmware_sim.build.image import core_digest
from firmware_sim.build.targets import TARGETS
from firmware_sim.check.session import samples_of, verify_learner, verify_stress

RESULTS = Path(__file__).parent / "results" / "firmware_matrix.json"
UPDATES = 10_000
NETS = ("64-24-10", "64-20-16-10")
FORMATS = [
    (bits, rounding)
    for bits, rounding in itertools.product((4, 8, 16), ("residual", "stochastic", "nearest"))
    if (bits, rounding) != (16, "residual")  # no residual bits fit: the same as nearest
]


def cases(rule: str) -> list[dict[str, Any]]:
    """Return the settings of all cases of a rule."""
    return [
        {
            "rule": rule,
            "bits": bits,
            "rounding": rounding,
            "target": target,
            "optimisation": optimisation,
            "net": net,
        }
        for (bits, rounding), target, net in itertools.product(FORMATS, TARGETS, NETS)
        for optimisation in (("-O0", "-Os", "-O3") if bits == 8 else ("-Os",))
    ]


def run(case: dict[str, Any]) -> dict[str, Any]:
    """Verify one case; return what was compared and the first difference, if any."""
    target, optimisation = TARGETS[case["target"]], case["optimisation"]
    rates = {"hidden_rate": -4, "output_rate": -4} if case["bits"] == 4 else {}
    samples = samples_of(make_config({key: case[key] for key in ("rule", "bits", "rounding", "net")} | rates))
    data = verify_learner(Learner(samples.spec), target, *samples.first(UPDATES), optimisation=optimisation)
    rails = design(
        samples.spec.sizes,
        case["rule"],
        bits=case["bits"],
        rounding=case["rounding"],
        input_bits=8,
        accumulator_bits=14,
        range_exponent=-4,
        hidden_rate=-4 if RULES[case["rule"]].sends_signs else 0,  # a sign has no size: more leaves 32 bits
        output_rate=0,
    )
    limits = verify_stress(rails, target, optimisation=optimisation)
    equal = data.difference is None and limits.difference is None
    if equal and (data.updates != UPDATES or not all(limits.events.values())):
        raise RuntimeError(f"{data.updates} updates, {limits.events}: the case does not reach what it should")
    differences = [asdict(part.difference) for part in (data, limits) if part.difference is not None]
    return {
        "equal": equal,
        "updates": data.updates,
        "updates at limits": limits.updates,
        **limits.events,
        "differences": differences,
    }


def write(content: dict[str, Any]) -> None:
    """Write results, a line a case."""
    cases = ",\n".join(f"  {json.dumps(name)}: {json.dumps(case)}" for name, case in content["cases"].items())
    head = json.dumps({key: value for key, value in content.items() if key != "cases"})
    write_text(RESULTS, f'{head[:-1]}, "cases": {{\n{cases}\n}}}}\n')


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rules", nargs="*", metavar="RULE", help=", ".join(RULES))
    chosen = parser.parse_args().rules or list(RULES)
    content: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if content.get("core") != core_digest():
        content = {"edgelearn": __version__, "core": core_digest(), "updates": UPDATES, "cases": {}}
    try:
        for rule in chosen:
            if rule not in RULES:
                raise unknown("rule", rule, RULES)
            of_rule = {" ".join(str(value) for value in case.values()): case for case in cases(rule)}
            missing = [name for name in of_rule if name not in content["cases"]]
            done = Parallel(n_jobs=-1, return_as="generator")(delayed(run)(of_rule[name]) for name in missing)
            for name, result in zip(missing, done, strict=True):
                print(name, file=sys.stderr, flush=True)
                content["cases"][name] = result
                write(content)
            found = [content["cases"][name] for name in of_rule]
            equal = sum(case["equal"] for case in found)
            updates = sum(case[part] for case in found for part in ("updates", "updates at limits"))
            print(f"{rule}: {equal} of {len(found)} cases equal, {updates:,} updates")
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return 0 if all(case["equal"] for case in content["cases"].values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
