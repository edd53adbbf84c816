"""A claim of a paper: measurement, verdict and figure. Each file of experiments/claims/ defines one."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from edgelearn.reproduction.study import Study

KINDS = ("exact", "flow", "number", "order", "count")


@dataclass(frozen=True)
class Check:
    """One line of a verdict.

    Parameters
    ----------
    what : what was compared, in words
    ours : what we measured
    paper : what the paper prints or claims; "" where it prints nothing
    tolerance : the condition, in words, e.g. "<= 1e-10"
    passed : whether it holds
    needs_full : a reduced run is not judged by it
    """

    what: str
    ours: float | str
    paper: float | str
    tolerance: str
    passed: bool
    needs_full: bool = False


def at_most(what: str, ours: float, limit: float, paper: float | str = "", needs_full: bool = False) -> Check:
    """Return the check ours <= limit."""
    return Check(what, float(ours), paper, f"<= {limit:g}", bool(float(ours) <= limit), needs_full)


def at_least(what: str, ours: float, limit: float, paper: float | str = "", needs_full: bool = False) -> Check:
    """Return the check ours >= limit."""
    return Check(what, float(ours), paper, f">= {limit:g}", bool(float(ours) >= limit), needs_full)


def between(
    what: str, ours: float, low: float, high: float, paper: float | str = "", needs_full: bool = False
) -> Check:
    """Return the check low <= ours <= high."""
    return Check(what, float(ours), paper, f"{low:g} to {high:g}", bool(low <= float(ours) <= high), needs_full)


def less(
    what: str, smaller: float, larger: float, by: float = 0.0, paper: float | str = "", needs_full: bool = False
) -> Check:
    """Return the check smaller + by < larger; ours is the pair."""
    smaller, larger = float(smaller), float(larger)
    condition = "first < second" + (f" by {by:g}" if by else "")
    return Check(what, f"{smaller:.4g} < {larger:.4g}", paper, condition, bool(smaller + by < larger), needs_full)


def less_paired(
    what: str, smaller: list[float], larger: list[float], paper: float | str = "", needs_full: bool = False
) -> Check:
    """Return the check that the means are in order, by more than the standard error of the paired differences.

    Parameters
    ----------
    smaller, larger : one number per seed; the seeds are the same
    """
    pairs = [(float(a), float(b)) for a, b in zip(smaller, larger, strict=True)]
    n = len(pairs)
    mean_a, mean_b = sum(a for a, _ in pairs) / n, sum(b for _, b in pairs) / n
    ours = f"{mean_a:.4g} < {mean_b:.4g}"
    if n == 1:  # has no standard error
        return Check(what, ours, paper, "first < second (one pair)", mean_a < mean_b, needs_full)
    differences = [b - a for a, b in pairs]
    mean = sum(differences) / n
    error = math.hypot(*(difference - mean for difference in differences)) / math.sqrt(n * (n - 1))
    condition = f"first < second by more than the standard error of {n} paired differences"
    return Check(what, f"{ours} by {mean:.2g} ± {error:.2g}", paper, condition, mean > error, needs_full)


def holds(what: str, passed: bool, ours: float | str = "", paper: float | str = "", needs_full: bool = False) -> Check:
    """Return a check that was decided elsewhere."""
    return Check(what, ours, paper, "must hold", bool(passed), needs_full)


def near(
    what: str,
    ours: list[float],
    paper: tuple[float, float, int],
    allowance: float,
    needs_full: bool = True,
) -> Check:
    """Return the check that our mean is the paper's, to 3 standard errors of both means and an allowance.

    Parameters
    ----------
    ours : one number per seed
    paper : mean, standard deviation, trials
    allowance : what rate grids, initialisation and another generator may shift
    """
    mean, deviation, trials = paper
    values = [float(value) for value in ours]
    own = sum(values) / len(values)
    variance = sum((value - own) ** 2 for value in values) / max(len(values) - 1, 1)
    limit = 3 * math.sqrt(deviation**2 / trials + variance / len(values)) + allowance
    printed = f"{mean:g} ± {deviation:g}" if deviation else mean
    return Check(what, own, printed, f"± {limit:.2g}", bool(abs(own - mean) <= limit), needs_full)


@dataclass(frozen=True)
class Claim:
    """Statement of a table, figure or theorem, and its check.

    Parameters
    ----------
    id : permanent name, e.g. "drtp-theorem"
    source : paper and place, e.g. "DRTP, Theorem"
    statement : what is claimed, one sentence
    kind : the kinds of check, of exact, flow, number, order, count
    cost : of the full run on two cores: seconds, minutes or hours
    settings : of the full run; plain numbers, texts and lists
    quick : what a reduced run of seconds changes in them; {} where the full run takes seconds
    measure : study -> numbers and series, everything that JSON can hold
    judge : measured numbers -> checks
    draw : puts the measured numbers into a figure; None where there is nothing to see
    data : data sets that must be there, as `edgelearn data list` names them
    needs : extras that must be installed, e.g. "torch"
    """

    id: str
    source: str
    statement: str
    kind: tuple[str, ...]
    cost: str
    settings: dict[str, Any]
    measure: Callable[[Study], dict[str, Any]]
    judge: Callable[[dict[str, Any]], list[Check]]
    quick: dict[str, Any] = field(default_factory=dict)
    draw: Callable[[dict[str, Any], Figure], None] | None = None
    data: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
