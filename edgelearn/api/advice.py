"""`edgelearn.advise`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from edgelearn.advice import advise as search
from edgelearn.advice.limits import Limits
from edgelearn.api.fields import SEARCHED
from edgelearn.api.results import PICOJOULE, frame, html_table
from edgelearn.api.settings import plain, takes_settings
from edgelearn.config import RunConfig, StreamConfig, validated
from edgelearn.errors import UserError, unknown
from edgelearn.rules.catalog import rules_listed
from edgelearn.units import with_unit

if TYPE_CHECKING:
    from pandas import DataFrame


class Advice:
    """Advice on a configuration.

    Attributes
    ----------
    content : dict
        Plain data, as `edgelearn advise --json` prints it: energies in pJ, times in us, memory in bytes.
    """

    def __init__(self, content: dict[str, Any]) -> None:
        self.content = content

    @property
    def settings(self) -> dict[str, Any]:
        """Settings of the best configuration, for `edgelearn.run` or `edgelearn.stream`."""
        best = self.content["best"]
        names = {"rule": "rule", "net": "net", "stored_bits": "weight_bits", "feedback": "feedback"}
        found = {field: best[name] for name, field in names.items() if best[name] is not None}
        return found | {name: best[name] for name in ("hidden_rate", "output_rate") if name in best}

    @property
    def accuracy(self) -> float | None:
        """Accuracy of the best configuration in the search, in percent; None without data."""
        found: float | None = self.content["best"]["accuracy_percent"]
        return found

    @property
    def energy(self) -> float | None:
        """Energy per learned sample of the best configuration in joules; None where the processor has no energy."""
        found = self.content["best"]["energy_pj"]
        return None if found is None else found * PICOJOULE

    def to_frame(self) -> DataFrame:
        """Return the best configuration and the runners-up as a pandas data frame.

        Raises
        ------
        UserError
            "pandas is not installed ..."
        """
        return frame([self.content["best"], *self.content["runners_up"]])

    def _facts(self) -> dict[str, Any]:
        best = self.content["best"]
        feedback = f", {best['feedback']} feedback" if best["feedback"] else ""
        accuracy = "not known without data" if self.accuracy is None else f"{self.accuracy:.2f} %"
        return {
            "best": f"{best['rule']}, {best['net']}, {best['stored_bits']} stored bits{feedback}",
            "accuracy": accuracy,
            "needs": f"{best['ram']:,} bytes of RAM, {best['flash']:,} of flash, "
            f"{with_unit(best['energy_pj'], 'pJ')} and {with_unit(best['latency_us'], 'us')} per learned sample",
        }

    def __repr__(self) -> str:
        facts = self._facts()
        return f"{facts['best']}: accuracy {facts['accuracy']}\n{facts['needs']}; .settings, .to_frame()"

    def _repr_html_(self) -> str:
        return html_table("edgelearn advise", self._facts())


@takes_settings(RunConfig, StreamConfig, only=SEARCHED)
def advise(
    data: Any = None,
    *,
    ram: str | int | None = None,
    flash: str | int | None = None,
    energy: str | None = None,
    rate: str | None = None,
    processor: str = search.PROCESSOR,
    rules: Sequence[str] = (),
    kind: str | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    **settings: Any,
) -> Advice:
    """Find the rule, width, bits and feedback with the highest accuracy within limits, as `edgelearn advise` does.

    Parameters
    ----------
    data : path or str, optional
        Data that the search learns; without it `net` is priced and not searched.
    ram, flash : str or int, optional
        Bytes of the C core with its stack and its code, e.g. "16K".
    energy : str, optional
        Energy per learned sample, e.g. "50 uJ".
    rate : str, optional
        Learned samples per second, e.g. "50 Hz".
    processor : str
        Processor that energy and time are of, by name or .toml file.
    rules : list of str
        Rules to choose from; default all.
    kind : str, optional
        "run" or "stream"; default by the data.
    on_progress : callable
        Called with the runs that were done and an estimate of all.

    Returns
    -------
    Advice

    Raises
    ------
    UserError
        "nothing fits ...", with the nearest configuration; and what data, settings and processor say

    Example
    -------
    >>> import edgelearn as el
    >>> advice = el.advise(net="64-64-10", ram="16K", energy="50 uJ")
    >>> advice.content["best"]["ram"] <= 16384
    True
    """
    given = {key: plain(value) for key, value in settings.items() if value is not None}
    for key in given:
        if key not in SEARCHED:
            raise unknown("setting", key, SEARCHED)
    if data is not None:
        given["data"] = plain(data)
    ram, flash = (None if value is None else str(value) for value in (ram, flash))
    return Advice(advice_on(given, ram, flash, energy, rate, processor, rules, kind, on_progress))


def advice_on(
    given: Mapping[str, Any],
    ram: str | None,
    flash: str | None,
    energy: str | None,
    rate: str | None,
    processor: str,
    rules: Sequence[str],
    kind: str | None,
    on_progress: Callable[[int, int], None],
) -> dict[str, Any]:
    """Return advice as plain data; see `edgelearn.advice.advise.advise`.

    Raises
    ------
    UserError
        "kind '...' is not known ...", "setting ... is of ...", and those of `advise`
    """
    limits = Limits.of(ram, flash, energy, rate)
    for one in rules:
        rules_listed(one)
    if kind not in (None, "run", "stream"):
        raise unknown("kind", str(kind), ("run", "stream"))
    kind = kind or (search.kind_of(given["data"]) if "data" in given else "run")
    settings = StreamConfig if kind == "stream" else RunConfig
    for key in given:
        if key not in settings.model_fields:
            raise UserError(f"setting '{key}' is not of kind {kind}; leave it out, or give --kind")
    validated(settings, dict(given))
    return search.advise(given, limits, processor, rules, kind, on_progress)
