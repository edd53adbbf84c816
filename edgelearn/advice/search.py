"""Search: learning rates of every rule, then widths and formats, then rates and feedback, then seeds of the best.

Every choice is by accuracy on held-out samples (of a stream before learning), ties by the order of candidates, so that
the same data and limits give the same advice. Shares of the data follow from a number of weight visits, not from time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from statistics import mean

from edgelearn.advice.limits import Limits, Needs
from edgelearn.advice.space import Candidate
from edgelearn.advice.trials import Data, Rates, Trial

VISITS = 2e11  # weights that all runs of a search visit at most, about a minute and a half on one core
STAGES = (0.2, 0.45, 0.25, 0.1)  # of the visits: rules, formats and widths, refinement, seeds
RUNS = (250, 500, 200, 200)  # of each stage, about; shares of the data follow from them
RULES_KEPT, REFINED, FINALISTS = 5, 12, 12
SEEDS = tuple(range(1, 9))  # that judge the finalists
LAST, LAST_SEEDS = 4, tuple(range(1, 33))  # the best of them, judged once more
MOST_STEPS = 6
WIDTHS_TRIED = 3  # of a rule and format: the widest that fits, and narrower ones
Scored = tuple[float, Candidate, Rates]
LOWEST_RATE, HIGHEST_RATE = -16, 0
MOVES = {1: ((1,), (-1,)), 2: ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, -1))}  # of rates, by their number


@dataclass(frozen=True)
class Judged:
    """A candidate with rates, its accuracy in percent (mean over seeds) and its measured needs."""

    candidate: Candidate
    rates: Rates
    accuracy: float
    needs: Needs


class Search:
    """A search over candidates that fit by estimates.

    Parameters
    ----------
    on_progress : called with the runs that were done and an estimate of all, after each
    """

    def __init__(
        self, data: Data, limits: Limits, found: Sequence[Candidate], on_progress: Callable[[int, int], None]
    ) -> None:
        self.data, self.limits, self.candidates = data, limits, list(found)
        self._on_progress, self.share = on_progress, 1.0
        self.exceeding: dict[Candidate, Needs] = {}  # measured needs of candidates that do not fit after all

    def run(self) -> list[Judged]:
        """Return the finalists, the best first; empty where no candidate fits by the counts of its runs."""
        judged = self._formats(self._rules())
        refined = self._refine(judged)
        return self._judge(refined)

    def _at_stage(self, stage: int, candidates: Sequence[Candidate]) -> None:
        """Set the share of the data that a run of a stage learns: the same for all of its candidates."""
        most = max((self.data.work(one) for one in candidates), default=1)
        self.share = min(1.0, VISITS * STAGES[stage] / (RUNS[stage] * most))

    def _score(self, candidate: Candidate, rates: Rates, seed: int = 0) -> float:
        """Return the accuracy of a candidate, -1 where it needs more than the limits."""
        trial = self.data.try_out(candidate, rates, self.share, seed)
        self._report()
        return trial.accuracy if self._fits(candidate, trial) else -1.0

    def _report(self) -> None:
        done = self.data.n_runs
        self._on_progress(done, max(sum(RUNS), done))

    def _fits(self, candidate: Candidate, trial: Trial) -> bool:
        fits = all(ratio <= 1 for ratio in self.limits.ratios(trial.needs).values())
        if not fits:
            self.exceeding.setdefault(candidate, trial.needs)
        return fits

    def climb(self, candidate: Candidate, start: Rates, step: int) -> tuple[float, Rates]:
        """Follow the accuracy over the rates, from some of them, in steps of powers of two."""
        best, rates = self._score(candidate, start), start
        for _ in range(MOST_STEPS):
            around = [
                tuple(rate + step * move for rate, move in zip(rates, moves, strict=True))
                for moves in MOVES[len(rates)]
            ]
            around = [one for one in around if all(LOWEST_RATE <= rate <= HIGHEST_RATE for rate in one)]
            scores = [(self._score(candidate, one), one) for one in around]
            top = max(score for score, _ in scores)
            if top <= best:
                break
            best, rates = next((score, one) for score, one in scores if score == top)
        return best, rates

    def _measured_to_fit(
        self, ordered: Sequence[Candidate], rates_of: Callable[[Candidate], Rates]
    ) -> Iterator[Candidate]:
        """Give the candidates that fit by the counts of a run, in their order."""
        return (one for one in ordered if self._score(one, rates_of(one)) >= 0)

    def _rules(self) -> list[tuple[str, dict[bool, Rates]]]:
        """Return the best rules with their rates for wide and for narrow formats, each at the widest that fits."""
        self._at_stage(0, self.candidates)
        found = []
        for rule in dict.fromkeys(one.rule for one in self.candidates):
            scores: dict[bool, float] = {}
            rates: dict[bool, Rates] = {}
            for wide in (True, False):
                members = [one for one in self.candidates if (one.rule, one.is_wide) == (rule, wide)]
                for chosen in islice(self._measured_to_fit(_widest_first(members), self.data.own_rates), 1):
                    scores[wide], rates[wide] = self.climb(chosen, self.data.own_rates(chosen), 2)
            if rates:
                found.append((max(scores.values()), rule, rates))
        found.sort(key=lambda one: -one[0])  # stable: ties keep the order of the catalog
        return [(rule, rates) for _, rule, rates in found[:RULES_KEPT]]

    def _formats(self, rules: Sequence[tuple[str, dict[bool, Rates]]]) -> list[Scored]:
        """Return candidates of the best rules: every format at the widest widths that fit it."""
        names = {rule for rule, _ in rules}
        self._at_stage(1, [one for one in self.candidates if one.rule in names])
        found = []
        for rule, of_format in rules:
            members = [one for one in self.candidates if one.rule == rule]
            for bits in sorted({one.stored_bits for one in members}, reverse=True):
                widths = _one_per_width(_widest_first([one for one in members if one.stored_bits == bits]))
                rates = of_format.get(widths[0].is_wide, next(iter(of_format.values())))
                fitting = self._measured_to_fit(widths, lambda one, rates=rates: rates)  # type: ignore[misc]
                own = None
                for one in islice(fitting, WIDTHS_TRIED):
                    if own is None:
                        score, own = self.climb(one, self.climb(one, rates, 2)[1], 1)
                    else:
                        score = self._score(one, own)
                    found.append((score, one, own))
        return sorted(found, key=lambda one: -one[0])

    def _refine(self, judged: Sequence[Scored]) -> list[Scored]:
        """Return the best candidates with rates found in single steps on more data, and with the other feedbacks."""
        self._at_stage(2, [candidate for _, candidate, _ in judged[:REFINED]])
        found = []
        for _, candidate, rates in judged[:REFINED]:
            score, own = self.climb(candidate, rates, 1)
            found.append((score, candidate, own))
            others = (one for one in self.candidates if one == replace(candidate, feedback=one.feedback))
            found += [(self._score(one, own), one, own) for one in others if one != candidate]
        return sorted(found, key=lambda one: -one[0])

    def _judge(self, refined: Sequence[Scored]) -> list[Judged]:
        """Return the finalists by the mean over seeds that have chosen nothing before, the best over more of them."""
        self._at_stage(3, [candidate for _, candidate, _ in refined[:FINALISTS]])
        chosen = [(candidate, rates) for score, candidate, rates in refined[:FINALISTS] if score >= 0]
        judged = self._over(chosen, SEEDS)
        last = self._over([(one.candidate, one.rates) for one in judged[:LAST]], LAST_SEEDS)
        return last + judged[LAST:]

    def _over(self, chosen: Sequence[tuple[Candidate, Rates]], seeds: Sequence[int]) -> list[Judged]:
        """Return candidates by their mean over seeds, those that fit with each of them."""
        found = []
        for candidate, rates in chosen:
            trials = [self.data.try_out(candidate, rates, self.share, seed) for seed in seeds]
            self._report()
            if all(self._fits(candidate, trial) for trial in trials):
                accuracy = mean(trial.accuracy for trial in trials)
                found.append(Judged(candidate, rates, accuracy, trials[0].needs))
        return sorted(found, key=lambda one: -one.accuracy)


def _widest_first(found: Sequence[Candidate]) -> list[Candidate]:
    """Return candidates by width, of equal ones those of more stored bits first."""
    return sorted(found, key=lambda one: (-(one.width or 0), -one.stored_bits))


def _one_per_width(found: Sequence[Candidate]) -> list[Candidate]:
    """Return the first candidate of each width."""
    first: dict[int | None, Candidate] = {}
    for one in found:
        first.setdefault(one.width, one)
    return list(first.values())
