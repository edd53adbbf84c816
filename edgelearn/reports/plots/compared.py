"""Figure of finished runs side by side: test error against samples learned and energy spent. Needs matplotlib."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgelearn.errors import UserError
from edgelearn.reports.plots.figure import FILLS, drawn, look_of
from edgelearn.reports.plots.labels import Label, label_ends, plain_log
from edgelearn.units import net_text, scale_for, typographic

_LARGE_RATIO = 12.0  # from here on the axis of errors is logarithmic
_TEXT = 8.0  # points


@dataclass(frozen=True)
class _Curve:
    """Test error of a run after each epoch; energy in the program's unit, None where its processor has none."""

    name: str
    rule: str
    samples: list[float]
    errors: list[float]
    energies: list[float] | None


def plot_compared(runs: Sequence[tuple[str, Mapping[str, Any]]], path: Path) -> None:
    """Draw a line per run.

    Parameters
    ----------
    runs : names and contents of report.json
    path : ends in .png, .svg or .pdf; the same contents give the same bytes with the same matplotlib

    Raises
    ------
    UserError
        "plot file ...", "matplotlib is not installed ...", "... has no test error by epoch ..."
    """
    curves = [_curve(name, content) for name, content in runs]
    processors = {str(content["cost"]["processor"]) for _, content in runs}
    has_energy = all(curve.energies is not None for curve in curves) and len(processors) == 1
    wide = 1 + has_energy
    with drawn(path, (1.4 + 2.8 * wide, 3.0)) as figure:
        axes = figure.subplots(1, wide, squeeze=False, sharey=True)[0]
        errors = [error for curve in curves for error in curve.errors]
        sides: list[tuple[str, float, str]] = [("samples", 1.0, "samples learned")]
        if has_energy:
            size, unit = scale_for("pJ", [value for curve in curves for value in curve.energies or ()])
            sides.append(("energies", size, f"energy of learning ({typographic(unit)})\non {min(processors)}"))
        labels: list[Label] = []
        for ax, (attribute, size, title) in zip(axes, sides, strict=True):
            again: dict[str, int] = {}
            labels = []
            for number, curve in enumerate(curves):
                look = look_of(curve.rule, number)
                fill = FILLS[again.setdefault(curve.rule, 0) % len(FILLS)]
                again[curve.rule] += 1
                xs = [value / size for value in getattr(curve, attribute)]
                ax.plot(xs, curve.errors, **look, markersize=4, fillstyle=fill, markerfacecoloralt="white")
                labels.append(Label(curve.name, look["color"], xs[-1], curve.errors[-1]))
            ax.set_xlabel(title, fontsize=_TEXT)
            ax.tick_params(labelsize=_TEXT)
            ax.xaxis.set_major_formatter("{x:,g}")
            ax.locator_params(axis="x", nbins=4)
            ax.margins(x=0.05)
            ax.grid()
        if min(errors) > 0 and max(errors) / min(errors) > _LARGE_RATIO:
            plain_log(axes[0].yaxis)
        axes[0].set_ylabel("test error (%)", fontsize=_TEXT)
        figure.suptitle(_title([content for _, content in runs]), x=0.01, ha="left", fontsize=9)
        label_ends(axes[-1], labels, _TEXT)


def _curve(name: str, content: Mapping[str, Any]) -> _Curve:
    result, config = content["result"], content["config"]
    errors = result.get("test_error_percent_by_epoch")
    if not errors:
        raise UserError(f"{name} has no test error by epoch to draw; --plot takes runs of `edgelearn run` with classes")
    each = result["samples_learned"] / config["epochs"]
    samples = [each * (k + 1) for k in range(len(errors))]
    training = content["cost"]["rules"][0]["training"]
    energy = training["energy_pj"]["nominal"] if "energy_pj" in training else None
    energies = None if energy is None else [energy * n for n in samples]
    return _Curve(name, content["network"]["rule"], samples, list(errors), energies)


def _title(contents: Sequence[Mapping[str, Any]]) -> str:
    """Return what the runs share: data, network, word."""
    parts = (
        lambda content: content["data"]["name"],
        lambda content: net_text(content["network"]),
        lambda content: content["network"]["word"],
    )
    found = [{part(content) for content in contents} for part in parts]
    return ", ".join(str(min(values)) for values in found if len(values) == 1)
