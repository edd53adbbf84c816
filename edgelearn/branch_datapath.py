"""What each predictor reads, adds and writes, as the datapaths that `hw_models.branch_cost` prices."""

from __future__ import annotations

from dataclasses import replace

from edgelearn.branch.counters import Gshare, Tournament
from edgelearn.branch.hybrid import ROW_BITS, Hybrid
from edgelearn.branch.informed import Informed
from edgelearn.branch.kernels.two_layer import NONE
from edgelearn.branch.layered import Layered
from edgelearn.branch.perceptrons import HashedPerceptron, Perceptron
from edgelearn.branch.predictor import Predictor
from edgelearn.branch.tage import Tage
from edgelearn.branch.two_layer import RULES, TwoLayer, TwoLayerSpec
from hw_models.branch_cost import Datapath, Memory, Sums

USEFUL_BITS, COUNTER_BITS = 2, 3  # of an entry of TAGE


def datapath_of(predictor: Predictor) -> Datapath:
    """Return the datapath of a predictor that has run: how often it updates is counted.

    Raises
    ------
    TypeError : a predictor without a datapath
    """
    counts = predictor.counters
    updates = counts["trained"] / max(counts["branches"], 1)
    name = predictor.name
    if isinstance(predictor, Gshare):  # bimodal too
        memory = Memory(1 << predictor.spec.index_bits, 2, written=1)
        return Datapath(name, (memory,), (), updates, 1, 2)
    if isinstance(predictor, Tournament):
        spec = predictor.spec
        tables = (
            Memory(1 << spec.global_bits, 2, 2, written=2),  # counters and chooser
            Memory(1 << spec.pc_bits, spec.local_bits, written=1),
            Memory(1 << spec.local_bits, 2, stage=1, written=1),
        )
        return Datapath(name, tables, (), updates, 3, 2)
    if isinstance(predictor, Perceptron):
        width = predictor.spec.history + 1
        memory = Memory(predictor.spec.rows, 8 * width, written=1)
        return Datapath(name, (memory,), (Sums(width, signed=True),), updates, width)
    if isinstance(predictor, HashedPerceptron):
        tables_read = len(predictor.spec.lengths)
        memory = Memory(1 << predictor.spec.index_bits, 8, tables_read, written=tables_read)
        return Datapath(name, (memory,), (Sums(tables_read),), updates, tables_read)
    if isinstance(predictor, Layered):
        spec_l = predictor.spec
        n = len(spec_l.lengths)
        memories = (
            Memory(1 << spec_l.index_bits, 8, n, written=n),
            Memory(spec_l.rows, 8 * n, written=1),
        )
        return Datapath(name, memories, (Sums(n, 16, products=n),), updates, 2 * n)
    if isinstance(predictor, Tage):
        tage = predictor.spec
        entry = COUNTER_BITS + USEFUL_BITS + tage.tag_bits
        written = counts["words_written"] / max(counts["branches"], 1)
        memories = (
            Memory(1 << tage.bimodal_bits, 2),
            Memory(1 << tage.index_bits, entry, len(tage.lengths), written=written),
        )
        return Datapath(name, memories, (), updates, written, COUNTER_BITS)
    if isinstance(predictor, TwoLayer):
        return _rows(predictor.spec, name, 0, updates)
    if isinstance(predictor, Hybrid):
        main = datapath_of(predictor.main)
        side = _rows(predictor.side, predictor.side.name, ROW_BITS, counts["side_trained"] / max(counts["branches"], 1))
        beside: tuple[Datapath, ...] = (side,)
        if isinstance(predictor, Informed):  # the word of the main predictor and local histories are inputs of rows
            local = Memory(*predictor.local_shape, written=1)
            beside = (replace(side, waits=True), Datapath("local histories", (local,), (), 1.0))
        parts = (main.memories, main.sums, main.updates, main.adds, main.add_bits)
        return Datapath(name, *parts, beside=beside)
    raise TypeError(f"{name} has no datapath")


def _rows(spec: TwoLayerSpec, name: str, more_bits: int, updates: float) -> Datapath:
    """Return the datapath of two-layer rows; `more_bits` are tag and counters beside the words of a row."""
    memory = Memory(spec.rows, 8 * spec.row_words + more_bits, written=1)
    hidden = Sums(spec.length + 1, trees=spec.hidden, signed=True, saturated=True)
    words = spec.hidden + 1 if RULES[spec.rule].feedback == NONE else spec.row_words
    return Datapath(name, (memory,), (hidden, Sums(spec.hidden, 16, products=spec.hidden)), updates, words)
