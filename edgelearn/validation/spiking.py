"""Validation of a spiking run against Brian2: integer twin (all words and spikes) and float twin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from edgelearn import __version__
from edgelearn.config import SpikingConfig
from edgelearn.files import only_writer, write_text
from edgelearn.runs.kind import Result
from edgelearn.runs.spiking import start_learner
from edgelearn.runs.spiking_data import open_spiking_data
from edgelearn.spiking.coding import samples_raster
from edgelearn.spiking.learner import SpikingLearner
from edgelearn.spiking.tables import STEP

SAMPLES = 40  # compared where no limit is given: 1,280 steps of the digits
EVERY = 10  # steps from checkpoint to checkpoint


def validate_spiking(
    config: SpikingConfig, out: Path | None = None, on_progress: Callable[[int, int], None] = lambda done, steps: None
) -> Result:
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
    shown = open_spiking_data(config)
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
    validation = Result(content)
    if out is not None:
        with only_writer(out):
            write_text(out / "validation.json", validation.to_json())
    return validation
