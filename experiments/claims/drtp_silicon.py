"""DRTP, sections 1 and 3: the chip that the paper cites spends 16.8 % power and 11.8 % area on learning by DRTP.

Not the chip is modelled, whose sizes, lanes, clock and definition of "overhead" are not published, but engines of ours
at 28 nm, event-driven as it is, priced with and without learning over stated ranges (`experiments/silicon_anchors.py`,
`hw_models/docs/anchors.md`). Its convolution is left out. Reproduced means: the band holds the number, under area with
memories and power at a fixed clock, and some engine no larger than the chip meets both. The bands are wide: a number
inside is not excluded, not confirmed. Under other definitions of overhead, all recorded, the number is outside.

Also stated there: an access to DRAM takes three orders of magnitude more energy than a 32-bit floating-point operation.
In the table that the paper cites that holds for additions; for multiplications it is two, see
`experiments/paper_claims.py`.
"""

from __future__ import annotations

from typing import Any

from edgelearn.reproduction import Check, Claim, at_least, holds
from edgelearn.reproduction.study import Study, Work
from experiments.paper_claims import THREE_ORDERS, dram
from experiments.silicon_anchors import spoon

AREA = "area, with memories"
POWER = "power at a fixed clock, every sample trained"
BAND, NOMINAL, PUBLISHED = "SRAM over its band", "model, SRAM nominal", "published"


def price_engines(settings: dict[str, Any], work: Work) -> dict[str, Any]:
    """Price all engines; `settings` is empty, the ranges are those of the anchors."""
    return spoon()


def measure(study: Study) -> dict[str, Any]:
    anchor, memory = study.run(price_engines, {}), dram()
    bands = {
        row["definition, in %"]: {key: row[key] for key in (PUBLISHED, NOMINAL, BAND)} for row in anchor["definitions"]
    }
    return {
        "bands": bands,
        "misses": {name: _miss(float(row[PUBLISHED]), row[BAND]) for name, row in bands.items()},
        "engines": anchor["engines"],
        "meet_both": anchor["meet_both"],
        "added_area_mm2": anchor["added_area_mm2"],
        "dram_over_addition": memory["ratios"]["horowitz-45nm: fp-add"]["horowitz-dram"],
        "dram_over_multiplication": memory["ratios"]["horowitz-45nm: fp-multiply"]["horowitz-dram"],
    }


def _miss(published: float, band: list[float]) -> float:
    """Return by how many points a number lies outside of its band; 0 inside."""
    return max(band[0] - published, published - band[1], 0.0)


def judge(measured: dict[str, Any]) -> list[Check]:
    checks = []
    for what, name in (("area", AREA), ("power", POWER)):
        row, miss = measured["bands"][name], measured["misses"][name]
        band = f"{row[BAND][0]:.3g} to {row[BAND][1]:.3g} %, missed by {miss:.3g}"
        checks.append(
            holds(f"the band of the {what} overhead holds the published number", miss == 0, band, row[PUBLISHED])
        )
    ratio, by_product = measured["dram_over_addition"], measured["dram_over_multiplication"]
    return [
        *checks,
        at_least(f"engines of {measured['engines']} that meet both", measured["meet_both"], 1),
        holds(
            f"DRAM over a 32-bit addition rounds to three orders (a multiplication: {by_product:.0f} times)",
            THREE_ORDERS[0] <= ratio <= THREE_ORDERS[1],
            ratio,
            1000,
        ),
    ]


def draw(measured: dict[str, Any], figure: Any) -> None:
    axes = figure.subplots()
    for place, (name, row) in enumerate(measured["bands"].items()):
        axes.plot(row[BAND], [place, place], color="C0", linewidth=2)
        axes.plot(row[NOMINAL], [place, place], color="C0", linewidth=7, alpha=0.4, solid_capstyle="butt")
        axes.plot(float(row[PUBLISHED]), place, "D", color="C3" if measured["misses"][name] else "C2")
    axes.set_yticks(range(len(measured["bands"])), list(measured["bands"]), fontsize="small")
    axes.set(xscale="symlog", xlabel="overhead, %; wide: SRAM nominal")
    axes.plot([], [], "D", color="0.5", label="published")
    axes.legend(fontsize="small")
    axes.invert_yaxis()


CLAIM = Claim(
    id="drtp-silicon",
    source="DRTP, sections 1 and 3",
    statement="A chip that learns on line by DRTP takes 16.8 % more power and 11.8 % more area.",
    kind=("number",),
    cost="seconds",
    settings={},
    measure=measure,
    judge=judge,
    draw=draw,
)
