"""What was touched and what is held: counters of a run, the traffic a rule predicts, words in storage."""

from edgelearn.accounting.counters import Counters
from edgelearn.accounting.storage import Buffer, Held, buffers, footprint
from edgelearn.accounting.traffic import traffic

__all__ = ["Buffer", "Counters", "Held", "buffers", "footprint", "traffic"]
