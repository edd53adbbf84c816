"""Counters x processor -> cost. Derivation: docs/cost_model.md."""

from __future__ import annotations

from edgelearn.network.counters import Counters
from edgelearn.network.spec import NetworkSpec
from hw_models.cost import Cost
from hw_models.engine.price import price_engine
from hw_models.engine.schedule import FORWARD_ACTIVITY, worked
from hw_models.microcontroller import price_instructions, price_operations
from hw_models.processor import AnyProcessor, Core, Engine, Microcontroller


def price(spec: NetworkSpec, activity: Counters, processor: AnyProcessor, learning: bool = True) -> Cost:
    """Price samples on a processor.

    Parameters
    ----------
    spec : network and rule
    activity : counts of a run (other names than `ACTIVITY` are ignored), or `schedule.assume`
    learning : whether the samples are learned; False prices inference on a chip that cannot learn

    Raises
    ------
    UserError
        "... does not fit ..." where a memory has a capacity and it is too small
    """
    work = activity
    if not isinstance(processor, Core):  # a core's operations are events
        work = worked(spec, activity, processor.skips_zero_inputs, processor.update_skip)
    if not learning:
        work = work.only(FORWARD_ACTIVITY)
    if isinstance(processor, Engine):
        return price_engine(spec, work, processor, learning)
    if isinstance(processor, Microcontroller):
        return price_instructions(spec, work, processor, learning)
    return price_operations(spec, work, processor, learning)
