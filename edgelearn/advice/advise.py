"""Advice on a configuration: the best that fits, the runners-up, and what each limit excludes."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from edgelearn import __version__
from edgelearn.advice.limits import FLAGS, TITLES, Limits, Needs, amount, needs_of
from edgelearn.advice.search import LAST_SEEDS, Judged, Search
from edgelearn.advice.space import Candidate, candidates, default_rules
from edgelearn.advice.trials import Data, activity_of
from edgelearn.config import RunConfig, StreamConfig, validated
from edgelearn.errors import UserError
from edgelearn.rules.catalog import find_rules
from edgelearn.runs.rates import spec_of
from edgelearn.units import six_digits
from hw_models.processor import find_processor

SLACK = 1.5  # of a limit of energy or time that an estimate may reach: the counts of a run decide
ESTIMATED = ("energy_pj", "latency_us")
RUNNERS_UP = 5
PROCESSOR = "cortex-m4"


def kind_of(data: str | None) -> str:
    """Return "stream" for data that has the name of a stream alone, else "run"."""
    from edgelearn.data import datasets
    from edgelearn.data.open_source import stream_names

    return "stream" if data in stream_names() and data not in datasets.names() else "run"


def advise(
    settings: Mapping[str, Any],
    limits: Limits,
    processor: str = PROCESSOR,
    rules: Sequence[str] = (),
    kind: str | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    data: Data | None = None,
) -> dict[str, Any]:
    """Find the configuration with the highest accuracy within limits.

    Parameters
    ----------
    settings : of a run or a stream; "data" to search on, or "net" alone, whose accuracy is not known
    rules : to choose from; all if empty
    kind : "run" or "stream"; by the data if None
    on_progress : called with the runs that were done and an estimate of all
    data : opened before, with the same settings and processor: its runs are not run again

    Returns
    -------
    plain data: best, runners-up, what limits exclude; accuracies in percent, energies in pJ, times in us, memory in
    bytes

    Raises
    ------
    UserError
        "nothing fits ...", with the nearest configuration; and what data, settings and processor say
    """
    found = find_processor(processor)
    if limits.energy_pj is not None and found.kind == "microcontroller" and not _has_energy(processor):
        raise UserError(
            f"--energy needs the energy of a cycle, and {found.name} has no sourced one; leave it out, or give "
            "energy_per_cycle in a processor file of your own"
        )
    own = {key: value for key, value in settings.items() if value is not None}
    names = list(rules) or default_rules("net" in own)
    if "data" not in own:
        return _of_shape(own, limits, processor, names)
    data = data or Data(kind or kind_of(own["data"]), own, processor)
    space = candidates(names, "net" in own)
    estimates = _estimated(space, data.estimate)
    fitting = [one for one, needs in estimates.items() if _may_fit(limits, needs)]
    if not fitting:
        raise _nothing_fits(limits, estimates, "by estimates")
    before = data.n_runs
    search = Search(data, limits, fitting, lambda done, total: on_progress(done - before, total))
    finalists = search.run()
    if not finalists:
        raise _nothing_fits(limits, estimates | search.exceeding, "by counts and estimates")
    rows = [_row(one, data) for one in finalists]
    test = data.test(finalists[0].candidate, finalists[0].rates)
    return {
        "edgelearn": __version__,
        "data": data.name,
        "kind": data.kind,
        "processor": found.name,
        "measure": data.measure,
        "limits": _limits(limits),
        "candidates": len(space),
        "fitting": len(fitting) - len(search.exceeding),
        "runs": data.n_runs - before,
        "seeds": len(LAST_SEEDS),
        "best": rows[0] | {"test_accuracy_percent": test, "command": command_of(finalists[0], data, own, processor)},
        "runners_up": rows[1 : 1 + RUNNERS_UP],
        "excluded": _excluded(limits, estimates | search.exceeding, finalists[0].candidate),
        "notes": _notes(data, limits),
    }


def _has_energy(processor: str) -> bool:
    spec = spec_of(validated(RunConfig, {"net": "4-4-2"}), (4, 4, 2))
    return needs_of(spec, activity_of(spec, RunConfig()), find_processor(processor)).energy_pj is not None


def _estimated(
    space: Sequence[Candidate], estimate: Callable[[Candidate], tuple[Any, Needs]]
) -> dict[Candidate, Needs]:
    """Return the needs of every candidate that can be built.

    Raises
    ------
    UserError
        Why not one of them can
    """
    found: dict[Candidate, Needs] = {}
    refused: UserError | None = None
    for one in space:
        try:
            found[one] = estimate(one)[1]
        except UserError as error:
            refused = error
    if not found and refused is not None:
        raise refused
    return found


def _may_fit(limits: Limits, needs: Needs, slack: float = SLACK) -> bool:
    """Return whether a candidate may fit, given that energy and time are estimates."""
    return all(ratio <= (slack if name in ESTIMATED else 1) for name, ratio in limits.ratios(needs).items())


def _nothing_fits(limits: Limits, needs: Mapping[Candidate, Needs], how: str) -> UserError:
    """Word the error where no candidate fits: the nearest one, and what it would take."""

    def farthest(one: Candidate) -> float:
        ratio = max(limits.ratios(needs[one]).values(), default=0.0)
        return ratio if ratio > 1 else float("inf")  # an estimate that fits, and no run of it does

    nearest = min(needs, key=farthest)
    over = {name: ratio for name, ratio in limits.ratios(needs[nearest]).items() if ratio > 1}
    lacks = ", ".join(
        f"{TITLES[name]} {amount(name, getattr(needs[nearest], name))} of {amount(name, getattr(limits, name))}"
        for name in over
    )
    flags = " and ".join(f"a {'lower' if name == 'latency_us' else 'larger'} {FLAGS[name]}" for name in over)
    return UserError(f"nothing fits; nearest {how} is {named(nearest)}: {lacks}; give {flags or 'other limits'}")


def named(candidate: Candidate) -> str:
    """Return a candidate in words: "dfa with 32 hidden neurons, 8 stored bits, lfsr feedback"."""
    width = "" if candidate.width is None else f" with {candidate.width} hidden neurons"
    feedback = "" if candidate.feedback is None else f", {candidate.feedback} feedback"
    return f"{candidate.rule}{width}, {candidate.stored_bits} stored bits{feedback}"


def _row(one: Judged, data: Data) -> dict[str, Any]:
    config = data.config(one.candidate)
    return {
        **_facts(one.candidate, config, data.spec(one.candidate).net),
        **data.rates(one.rates),
        "accuracy_percent": round(one.accuracy, 4),
        **_needs(one.needs),
    }


def _facts(candidate: Candidate, config: Any, net: str) -> dict[str, Any]:
    return {
        "rule": candidate.rule,
        "net": net,
        "stored_bits": candidate.stored_bits,
        "bits": config.bits,
        "residual_bits": config.residual_bits,
        "rounding": config.rounding,
        "feedback": candidate.feedback,
    }


def _needs(needs: Needs) -> dict[str, Any]:
    return {
        "ram": needs.ram,
        "flash": needs.flash,
        "energy_pj": six_digits(needs.energy_pj),
        "latency_us": six_digits(needs.latency_us),
    }


def _limits(limits: Limits) -> dict[str, Any]:
    return {name: value for name, value in vars(limits).items() if value is not None}


def _excluded(limits: Limits, needs: Mapping[Candidate, Needs], best: Candidate) -> list[dict[str, Any]]:
    """Return how many candidates each limit excludes, alone and with others, and the width that it costs."""
    over = {one: {name for name, ratio in limits.ratios(need).items() if ratio > 1} for one, need in needs.items()}
    alike = [one for one in needs if (one.family, one.stored_bits) == (best.family, best.stored_bits)]
    rows = []
    for name in _limits(limits):
        without = [one.width or 0 for one in alike if over[one] <= {name}]
        within = [one.width or 0 for one in alike if not over[one]]
        rows.append(
            {
                "limit": limits.text(name),
                "flag": FLAGS[name],
                "excludes": sum(name in found for found in over.values()),
                "alone": sum(found == {name} for found in over.values()),
                "widest": max(within, default=None) or None,
                "widest_without": max(without, default=None) or None,
            }
        )
    return rows


def _notes(data: Data, limits: Limits) -> list[str]:
    notes = list(data.test_notes)
    if notes:
        notes.append("rows that follow each other in time are learned by edgelearn stream: give --kind stream")
    if data.kind == "stream" and (limits.ram is not None or limits.flash is not None):
        notes.append("RAM and flash are those of the network in C; windows and normalisation need more")
    if limits.energy_pj is not None:
        notes.append("energies are nominal; edgelearn cost has their bands")
    return notes


def command_of(one: Judged, data: Data, settings: Mapping[str, Any], processor: str) -> str:
    """Return the command that runs a configuration on all of the data."""
    kind = RunConfig if data.kind == "run" else StreamConfig
    given = {**settings, **one.candidate.settings(), **data.layers(one.candidate), **data.rates(one.rates)}
    given |= {"processor": processor}
    declared, words = kind.declared(), list[str]()
    for key, value in given.items():
        if value != declared[key].default or key == "rule":
            words += [declared[key].flag, ",".join(value) if isinstance(value, list | tuple) else str(value)]
    return shlex.join(["edgelearn", data.kind, *words])


def _of_shape(settings: Mapping[str, Any], limits: Limits, processor: str, rules: Sequence[str]) -> dict[str, Any]:
    """Return what fits of a network whose data is not there: the most stored bits of each rule, by energy or time."""
    if "net" not in settings:
        raise UserError("give --data, which is searched on, or the layers --net, whose accuracy is not known")
    found = find_processor(processor)

    def estimate(candidate: Candidate) -> tuple[Any, Needs]:
        config = validated(RunConfig, dict(settings) | candidate.settings())
        from edgelearn.runs.shapes import topology_of

        net = topology_of(config, None)
        spec = spec_of(config, net if net.is_convolutional else net.sizes)
        return spec, needs_of(spec, activity_of(spec, config), found)

    space = candidates(rules, True)
    estimates = _estimated(space, estimate)
    fitting = [one for one, needs in estimates.items() if _may_fit(limits, needs, 1.0)]
    if not fitting:
        raise _nothing_fits(limits, estimates, "by estimates")

    def spent(one: Candidate) -> tuple[bool, float]:
        needs, hidden = estimates[one], any(row.learns_hidden for row in find_rules(one.rule))
        return not hidden, needs.latency_us if needs.energy_pj is None else needs.energy_pj

    finest = {one.family: one for one in sorted(fitting, key=lambda one: one.stored_bits)}  # that fits, of each
    ranked = sorted(finest.values(), key=spent)
    rows = []
    for one in ranked:
        config = validated(RunConfig, dict(settings) | one.settings())
        rows.append(_facts(one, config, str(settings["net"])) | {"accuracy_percent": None} | _needs(estimates[one]))
    return {
        "edgelearn": __version__,
        "data": None,
        "kind": "run",
        "processor": found.name,
        "measure": None,
        "limits": _limits(limits),
        "candidates": len(space),
        "fitting": len(fitting),
        "runs": 0,
        "seeds": 0,
        "best": rows[0] | {"test_accuracy_percent": None, "command": None},
        "runners_up": rows[1:],
        "excluded": _excluded(limits, estimates, ranked[0]),
        "notes": ["accuracies are not known without --data; energies and times are of measured profiles of activity"],
    }
