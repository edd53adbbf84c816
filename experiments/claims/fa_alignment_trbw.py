"""FA supplement, note 12, Figs. 11 and 12: why W aligns with B.

While A learns alone it grows along B E, so tr(A^T B E) becomes positive and the error hardly moves; while W learns,
tr(BW), the inner product of W and B^T as vectors, grows at just that rate, so that B comes to send useful errors.
Regimes: A alone and then W alone; several turns; both at once. Fig. 12: a larger network varies less.

In steps of any size (ours): tr(A^T A) gains 2 eta tr(A^T B E) + eta^2 norm(B E)^2 while A learns and tr(BW) gains eta
tr(B E A^T) while W learns, exactly.

Sizes, twenty repeats and the regimes are the supplement's; rate 1e-3, A and W from U(-0.01, 0.01), B and T from N(0,
1), turns of 100 steps (200 in the first regime) are not stated; ours. The error of the first A phase "hardly moves":
by less than 5 %, ours.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgelearn.reproduction import Check, Claim, at_least, at_most, less
from edgelearn.reproduction.study import Study
from experiments.claims._linear_nets import LinearNets, inner, normal_nets, squared
from experiments.float_nets.measures import angle_weight, trace_alignment


def learn(nets: LinearNets, layers: str) -> float:
    """Take one step in the layers named; return the residual of the identities, relative."""
    error = nets.error()
    pull, power = inner(nets.A, nets.B @ error), squared(nets.B @ error)
    a_before, bw_before = squared(nets.A), trace_alignment(nets.W, nets.B)
    dA, dW = nets.updates()
    off = 0.0
    if "A" in layers:
        nets.A = nets.A + dA
        gain = 2 * nets.eta * pull + nets.eta**2 * power
        off = float((np.abs(squared(nets.A) - a_before - gain) / squared(nets.A)).max())
    if "W" in layers:
        nets.W = nets.W + dW
        scale = np.sqrt(squared(nets.W) * squared(nets.B))
        off = max(off, float((np.abs(trace_alignment(nets.W, nets.B) - bw_before - nets.eta * pull) / scale).max()))
    return off


def regime(nets: LinearNets, turns: list[list[Any]], every: int) -> dict[str, Any]:
    """Run turns of [layers, steps]; return curves of the three quantities and their values where turns end."""
    steps, curves, ends, off = [], [], [], 0.0
    done = 0
    ends.append(values(nets))
    for layers, length in turns:
        for _ in range(length):
            if done % every == 0:
                steps.append(done)
                curves.append(values(nets))
            off = max(off, learn(nets, layers))
            done += 1
        ends.append(values(nets))
    return {"turns": turns, "steps": steps, "curves": curves, "ends": ends, "residual": off}


def values(nets: LinearNets) -> list[list[float]]:
    """Return tr(A^T B E), tr(BW) and the error, a number a repeat."""
    pull = inner(nets.A, nets.B @ nets.error())
    return [each.tolist() for each in (pull, trace_alignment(nets.W, nets.B), nets.nse())]


def measure(study: Study) -> dict[str, Any]:
    every, measured, angle = study["every"], {}, {}
    for name, turns in study["regimes"].items():
        nets = normal_nets(study.rng("nets"), study["repeats"], study["sizes"], study["spread"], study["eta"])
        measured[name] = regime(nets, turns, every)
        angle[name] = float(angle_weight(nets.W, nets.B).max())
    large = normal_nets(study.rng("large"), study["repeats"], study["large_sizes"], study["spread"], study["eta"])
    measured["large"] = regime(large, study["regimes"]["both at once"], every)
    return {"regimes": measured, "largest_final_angle": angle}


def spread(run: dict[str, Any]) -> float:
    """Return the relative spread of the final tr(BW) over the repeats."""
    final = np.array(run["ends"][-1][1])
    return float(final.std(ddof=1) / final.mean())


def judge(measured: dict[str, Any]) -> list[Check]:
    regimes = measured["regimes"]
    once, several, both, large = (regimes[name] for name in ("one switch", "several", "both at once", "large"))
    first_A = np.array(once["ends"][1])
    first_change = np.abs(first_A[2] / np.array(once["ends"][0][2]) - 1)
    second_A = np.array([several["ends"][2][2], several["ends"][3][2]])
    aligned = [min(run["ends"][-1][1]) for run in (once, several, both, large)]
    falling = [max(run["ends"][-1][2]) for run in (once, several, both, large)]
    return [
        at_most("the two identities, whole runs, relative", max(run["residual"] for run in regimes.values()), 1e-10),
        at_least("tr(A^T B E) after the first A phase, smallest of 20", float(first_A[0].min()), 0, paper="> 0"),
        at_most(
            "error moves in the first A phase, share, largest of 20", float(first_change.max()), 0.05, paper="little"
        ),
        at_least("tr(BW) at the end, smallest of 20, three regimes and 100-50-20", min(aligned), 0, paper="> 0"),
        at_most("error at the end, NSE, largest of 20, three regimes and 100-50-20", max(falling), 0.1, paper="falls"),
        at_most(
            "error after the second A phase over before, W fixed, largest of 20",
            float((second_A[1] / second_A[0]).max()),
            0.999,
            paper="falls",
        ),
        less(
            "relative spread of final tr(BW), 100-50-20 against 30-20-10", spread(large), spread(both), paper="smaller"
        ),
    ]


def draw(measured: dict[str, Any], figure: Any) -> None:
    columns = list(measured["regimes"])
    axes = figure.subplots(3, len(columns), sharex="col", squeeze=False)
    for column, name in enumerate(columns):
        run = measured["regimes"][name]
        curves = np.array(run["curves"])
        for row, label in enumerate(("tr(A$^T$BE)", "tr(BW)", "error, NSE")):
            axis = axes[row][column]
            axis.plot(run["steps"], curves[:, row], color="black", linewidth=0.5)
            done = 0
            for layers, length in run["turns"]:
                if len(run["turns"]) > 1:
                    axis.axvspan(done, done + length, color="C0" if layers == "A" else "C3", alpha=0.15, linewidth=0)
                done += length
            if column == 0:
                axis.set_ylabel(label)
        axes[0][column].set_title({"large": "both, 100-50-20"}.get(name, name))
        axes[2][column].set_xlabel("step")
    figure.suptitle("20 repeats; blue: A alone learns, red: W alone")


CLAIM = Claim(
    id="fa-alignment-trBW",
    source="FA, supplementary note 12, Figs. 11 and 12",
    statement="Learning in A makes tr(A^T B E) positive, and that drives W towards B^T: tr(BW) grows.",
    kind=("exact", "order"),
    cost="seconds",
    settings={
        "sizes": [30, 20, 10],
        "large_sizes": [100, 50, 20],
        "repeats": 20,
        "eta": 1e-3,
        "spread": 0.01,
        "every": 10,
        "regimes": {
            "one switch": [["A", 200], ["W", 800]],
            "several": [["A", 100], ["W", 100]] * 5,
            "both at once": [["AW", 1000]],
        },
    },
    measure=measure,
    judge=judge,
    draw=draw,
)
