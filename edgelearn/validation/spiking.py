"""A spiking run beside Brian2: every word and spike, and the float version of the same network."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgelearn import __version__
from edgelearn.config import SpikingConfig
from edgelearn.files import make_folder, write_text
from edgelearn.runs.spiking import start_learner
from edgelearn.runs.spiking_data import open_shown
from edgelearn.spiking.coding import samples_raster
from edgelearn.spiking.learner import SpikingLearner
from edgelearn.spiking.tables import STEP

if TYPE_CHECKING:
    from rich.console import Console

SAMPLES = 40  # compared where no limit is given: 1,280 steps of the digits
EVERY = 10  # steps from checkpoint to checkpoint


@dataclass(frozen=True)
class SpikingValidation:
    """What was compared. `content` is what validation.json holds."""

    content: dict[str, Any]

    @property
    def equal(self) -> bool:
        return self.content["difference"] is None

    def to_json(self) -> str:
        return json.dumps(self.content, indent=1, sort_keys=True) + "\n"

    def print(self, console: Console) -> None:
        """Print for people."""
        from rich.table import Table

        c = self.content
        totals = c["totals"]
        console.print(
            f"{c['network']['rule']} on {c['data']}, {'-'.join(str(n) for n in c['network']['sizes'])}: "
            f"{c['steps']:,} steps, compared every {EVERY}: spikes {totals['spikes']:,}, updates "
            f"{totals['synaptic_updates']:,}; weights cut {totals['saturations']:,} times, membranes "
            f"{totals['membrane_saturations']:,}, traces {totals['trace_saturations']:,}",
            soft_wrap=True,
        )
        for note in c["notes"]:
            console.print(f"note: {note}", soft_wrap=True)
        if self.equal:
            console.print("equal: every spike, membrane, current, trace, gate, modulator and weight of Brian2 (numpy)")
        else:
            console.print(f"different: {c['difference']['text']}", soft_wrap=True)
        table = Table("float beside fixed point", box=None, pad_edge=False)
        for title in ("rate", "float", "spike counts", "weights", "changes", "rms, words"):
            table.add_column(title, justify="right")
        for p, one in enumerate(c["float"], 1):
            table.add_row(
                f"population {p}",
                *(f"{one[name]:.4f}" for name in ("rate", "float_rate")),
                *(f"{one[name]:.3f}" for name in ("counts", "weights", "changes")),
                f"{one['rms']:.1f}",
            )
        console.print()
        console.print(table)
        console.print(
            "rate: spikes of a neuron in a step; spike counts of the neurons, weights and what was learned: as "
            "correlations. Spike for spike, float and fixed point part within a second of learning.",
            soft_wrap=True,
        )


def validate_spiking(
    config: SpikingConfig, out: Path | None = None, on_progress: Callable[[int, int], None] = lambda done, steps: None
) -> SpikingValidation:
    """Run the first samples in the kernel, in Brian2 in integers and in Brian2 in float.

    Parameters
    ----------
    config : `limit` says how many samples, 40 where it is left out; they are learned once
    out : folder for validation.json
    on_progress : called with the steps done and all steps

    Raises
    ------
    UserError
        "brian2 is not installed ..." and those of a run
    """
    from edgelearn.references.brian2_twin import compare, numpy_target
    from edgelearn.references.float_spiking import compare_float

    numpy_target()
    shown = open_shown(config)
    first, losses = start_learner(config, shown)
    first.net[STEP] = 0  # as Brian2 counts its steps
    order = np.arange(min(config.limit or SAMPLES, len(shown.train.labels)))
    spikes = shown.train.spikes(order, shown.presentation.steps, np.random.default_rng([config.seed, 0]))
    ends = shown.presentation.first_label, shown.presentation.period
    raster = samples_raster(spikes, shown.train.labels[order], *ends)
    notes = [*shown.notes, *losses]
    if first.spec.slots > 1:
        raster = replace(raster, starts=np.arange(raster.steps) == 0)
        notes.append("samples follow each other without a fresh start: Brian2 cannot take back spikes on their way")

    def prepare(learner: SpikingLearner) -> None:
        learner.restore(first.state())

    compared = compare(first.spec, raster, EVERY, prepare, on_progress=lambda done: on_progress(done, raster.steps))
    beside = compare_float(first.spec, raster, prepare=prepare)
    found = compared.difference
    content = {
        "edgelearn": __version__,
        "config": config.model_dump(mode="json"),
        "data": shown.name,
        "network": first.spec.as_dict(),
        "notes": notes,
        "samples": raster.steps // shown.presentation.steps,
        "steps": compared.steps,
        "checkpoints": compared.checkpoints,
        "totals": compared.totals,
        "difference": None if found is None else asdict(found) | {"text": str(found)},
        "float": [
            {name: round(value, 4) if isinstance(value, float) else value for name, value in asdict(one).items()}
            for one in beside.populations
        ],
    }
    validation = SpikingValidation(content)
    if out is not None:
        make_folder(out)
        write_text(out / "validation.json", validation.to_json())
    return validation
