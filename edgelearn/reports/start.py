"""What reports say of the network that learning started from, as text."""

from __future__ import annotations

from typing import Any

from edgelearn.units import with_unit


def start_lines(content: dict[str, Any], after: float | None = None) -> list[str]:
    """Return lines on the source, its accuracies and the work in front of the cut; none for random weights.

    Parameters
    ----------
    content : of report.json
    after : accuracy in percent at the end, None where none is measured on the same rows
    """
    start = content.get("start")
    if not start:
        return []
    origin, accuracy = start["origin"], start["accuracy_percent"]
    at = f" at '{origin['cut']}'" if origin["cut"] is not None and origin["format"] != "results" else ""
    levels = "converted" if "frozen_layers" in start else "with levels"
    names = {"model": "model", "levels": levels, "words": "with words"}
    parts = [f"{text} {accuracy[name]:.2f} %" for name, text in names.items() if accuracy[name] is not None]
    parts += [f"learned {after:.2f} %"] if after is not None and parts else []
    lines = [f"start: {origin['name']}{at}{': ' if parts else ''}{', '.join(parts)}"]
    if "old_data" in start:
        old = start["old_data"]
        lines.append(
            f"old data: {old['name']} ({old['rows']:,} rows), {old['before_percent']:.2f} % before learning, "
            f"{old['after_percent']:.2f} % after"
        )
    if "frozen_layers" in start:
        lines.append(_frozen(start["frozen_layers"], start["frozen_bits"]))
    cost = start["front_end_cost"]
    if cost is not None:
        lines.append(_front_end(cost, content["cost"]["rules"][0]["training"].get("energy_pj")))
    return lines


def _frozen(layers: list[dict[str, Any]], bits: int) -> str:
    most, done = (sum(layer[name] for layer in layers) for name in ("macs", "products"))
    share = 100 * done / most
    return (
        f"converted: {len(layers)} layers in front, {bits / 8192:.1f} KiB, {most:,} products per sample, {done:,.0f} "
        f"({share:.0f} %) with inputs other than zero"
    )


def _front_end(cost: dict[str, Any], training: Any) -> str:
    uncounted = f" ({', '.join(cost['uncounted'])} not counted)" if cost["uncounted"] else ""
    text = f"in front of the cut: {cost['macs']:,} MACs per sample{uncounted}"
    learned = training["nominal"] if isinstance(training, dict) and "nominal" in training else training
    if cost["energy_pj"] is None or not isinstance(learned, int | float):
        return text
    share = 100 * learned / cost["energy_pj"]
    energy = with_unit(cost["energy_pj"], "pJ")
    return f"{text}, {energy} at the price of a MAC here; a learned sample takes {share:.2g} % of that beside"
