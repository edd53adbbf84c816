"""What runs on a stream without classes share: source, front end, clock, learner, place and price of a row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from edgelearn import __version__
from edgelearn.config import StreamConfig
from edgelearn.data.source import Block, Source
from edgelearn.errors import UserError
from edgelearn.network.counters import Counters
from edgelearn.network.learner import Learner
from edgelearn.network.spec import CONTRACT, NetworkSpec
from edgelearn.runs.checkpoint import digest
from edgelearn.runs.kind import Progress
from edgelearn.runs.session import Timing, check_last, other_stream, timing_of
from edgelearn.runs.stream_clock import StreamClock
from edgelearn.streaming.front_end import FrontEnd
from edgelearn.units import SECONDS_PER_DAY, six_digits
from hw_models.engine.schedule import assume
from hw_models.processor import find_processor
from hw_models.unit_costs import unit_costs


class NumberStream:
    """A stream that is learned without classes, block by block; what its works share.

    Parameters
    ----------
    config : settings
    source : where samples come from
    front_end, spec : of the task
    on_rows : called with the work and the rows of every block
    """

    def __init__(
        self,
        config: StreamConfig,
        source: Source,
        front_end: FrontEnd,
        spec: NetworkSpec,
        on_rows: Callable[[Any, Any], None] | None,
    ) -> None:
        self.config, self.source, self.front_end, self.spec = config, source, front_end, spec
        self._on_rows = on_rows
        self.processor = find_processor(config.processor)
        self.processor.price(self.spec, assume(self.spec))  # a network that does not fit is refused before it learns
        self.rates = unit_costs(self.spec, self.processor)
        self.timing: Timing = timing_of(config, source, front_end.spec.stride)
        self.clock = StreamClock(self.timing.rate_hz, self.timing.timed, source.name)
        self.learner = Learner(self.spec, config.strict)
        self.n_samples = self.n_rows = 0
        self.counts = dict.fromkeys(("events", "missing"), 0)
        self._last: Block | None = None

    @property
    def identity(self) -> Mapping[str, Any]:
        return {"contract": CONTRACT}

    @property
    def live(self) -> bool:
        return self.source.n_samples is None

    def chunks(self) -> Iterator[Block]:
        """Yield blocks of samples; raise UserError at the end if no row could be made of them."""
        yield from self.source.blocks(0 if self.live else self.n_samples)
        if self.n_samples == 0:
            reasons = [f": {reason}, {where}" for reason, where in self.source.rejects.first.items()]
            raise UserError(f"{self.source.name} has no samples that can be used{''.join(reasons[:1])}")
        if self.n_rows == 0:
            raise UserError(
                f"no recording of {self.source.name} is as long as a window of {self.front_end.spec.window} samples "
                f"({self.n_samples:,} samples in all); give a smaller --window"
            )

    def progress(self) -> Progress:
        known = [n for n in (self.config.limit, self.source.n_samples) if n is not None]
        return Progress(self.n_samples, min(known, default=None))

    def passed(self, block: Block, n_rows: int, n_events: int) -> None:
        """Count a block that was taken."""
        self.counts["events"] += n_events
        self.counts["missing"] += int(np.count_nonzero(np.isnan(block.x)))
        self.n_samples += len(block)
        self.n_rows += n_rows
        self._last = block

    def note(self) -> dict[str, Any]:
        """Return the plain values of a checkpoint."""
        last, clock = self._last, self.clock
        return {
            "place": {
                "n_samples": self.n_samples,
                "n_rows": self.n_rows,
                "clock": clock.place,
                "last_time": clock.last_time if np.isfinite(clock.last_time) else None,
            },
            "counts": self.counts,
            "source": self.source.state(),
            "channels": list(self.source.channels),
            "last": {"samples": len(last), "digest": digest(last.x, last.y)} if last is not None else None,
        }

    def restore_place(self, note: dict[str, Any]) -> None:
        """Continue from a note; the source was restored before.

        Raises
        ------
        UserError
            "... is not the stream ..." where the samples before the place differ
        """
        place = note["place"]
        if note["channels"] != list(self.source.channels):
            raise other_stream(self.source)
        check_last(self.source, place["n_samples"], note["last"])
        self.counts |= note["counts"]
        self.n_samples, self.n_rows = place["n_samples"], place["n_rows"]
        self.clock.place = place["clock"]
        self.clock.last_time = np.nan if place["last_time"] is None else place["last_time"]

    def stream_facts(self) -> dict[str, Any]:
        """Return the parts of report.json that say what was read."""
        source = self.source
        return {
            "edgelearn": __version__,
            "contract": CONTRACT,
            "task": self.config.task,
            "config": self.config.model_dump(mode="json"),
            "stream": {
                "name": source.name,
                "source": source.source,
                "channels": list(source.channels),
                "classes": list(source.class_names),
                "samples": self.n_samples,
                "rows": self.n_rows,
                "rate_hz": self.timing.rate_hz,
                "missing_values": self.counts["missing"],
                "drift_points": list(source.drift_points),
                "rejected": dict(source.rejects.counts),
                "first_rejected": dict(source.rejects.first),
            },
            "columns": source.columns_used.as_dict(),
        }

    def price_of_rows(self, rows: int, work: np.ndarray) -> dict[str, Any]:
        """Return time, energy, power and battery life of rows with these counters, int64[2, n_layers, n_counters].

        Front end and sensor are not counted.
        """
        none = dict.fromkeys(("busy_s", "energy_pj", "busy_percent", "power_uw", "battery_days"))
        if not rows:
            return none
        counters = [Counters(table) for table in work]
        busy_s = self.rates.total(self.rates.cycles, *counters) / self.rates.clock_hz / rows
        energy = None if self.rates.energy_pj is None else self.rates.total(self.rates.energy_pj, *counters) / rows
        found = none | {"busy_s": six_digits(busy_s), "energy_pj": six_digits(energy)}
        elapsed_s = self.clock.elapsed_s(self.n_samples) if self.timing.timed else 0.0
        if not elapsed_s:
            return found
        per_second = self.n_rows / elapsed_s
        busy = min(busy_s * per_second, 1.0)
        found["busy_percent"] = six_digits(100 * busy_s * per_second)
        if energy is not None:
            power_uw = energy * 1e-6 * per_second + (self.rates.idle_uw or 0.0) * (1 - busy)
            found["power_uw"] = six_digits(power_uw)
            found["battery_days"] = six_digits(self.timing.joules / (power_uw * 1e-6) / SECONDS_PER_DAY)
        return found

    def device_facts(self) -> dict[str, Any]:
        """Return the part "device" of report.json."""
        elapsed_s = self.clock.elapsed_s(self.n_samples) if self.timing.timed else 0.0
        return {
            "processor": self.processor.name,
            "clock_hz": self.rates.clock_hz,
            "timed": self.timing.timed,
            "rows_per_second": six_digits(self.n_rows / elapsed_s) if elapsed_s else None,
            "idle_uw": six_digits(self.rates.idle_uw),
            "battery_j": self.timing.joules,
        }
