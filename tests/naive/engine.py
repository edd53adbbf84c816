"""A time-multiplexed engine as loops: the clock ticks and the memories count, one sample at a time.

P lanes stand along the neurons of a layer. A word of weights, feedback, gates or deltas holds one value for each
lane, a word of activations one value. Lanes work through a group of P neurons together; what may be skipped is left
out of the lists before they are cut into groups. Errors wait in registers beside the lanes, and fetching one takes as
long as fetching a delta.
"""

from itertools import product
from typing import NamedTuple

from .oracle import RULES, NaiveNetwork

Place = tuple[str, int]  # (phase or role, layer from 1)


class Work(NamedTuple):
    """What one sample asks of one layer: values that may be zero, in the order of their addresses.

    `signals` is the teaching signal of a hidden layer, one value a row of its feedback.
    """

    inputs: list[int]
    gates: list[int]
    signals: list[int]
    deltas: list[int]


def work_of(network: NaiveNetwork, label: int) -> list[Work]:
    """What the sample that the oracle has just learned asked of each layer."""
    work = []
    for k in range(1, network.layers + 1):
        gates: list[int] = []
        signals: list[int] = []
        if k < network.layers:
            gates, signal = network.gates[k - 1], network.acting(k).signal
            if signal == "target":  # the row of the label, or with one output the only row or none
                signals = [label if network.sizes[-1] == 1 else 1]
            elif signal == "signed target":
                signals = [1] * network.sizes[-1]  # or -1: none is zero
            elif signal == "local error":
                signals = network.local_errors[k - 1]
            elif signal == "delta":
                signals = network.deltas[k]
            elif signal != "none":
                signals = network.errors
        work.append(Work(network.activations[k - 1], gates, signals, network.deltas[k - 1]))
    return work


class Engine:
    """Counts cycles by (phase, layer), reads and writes by (role, layer).

    `update_skip` is none, sample or neuron. `spare_groups` lets every queue of what was not skipped take some groups
    more than it fills: how far a count may be off that knows only the sum of all queues. `start`, `gate` and `row` are
    cycles of a pipeline: before a layer's first product, after a modulator's sum, for a row that is selected. `gated`:
    an update gate makes activations wait for the prediction. `network` says which rule each hidden layer acts by and
    which words learn, where not all do by `rule`.
    """

    def __init__(
        self,
        rule: str,
        sizes: list[int],
        lanes: int = 1,
        skips_zero_inputs: bool = True,
        update_skip: str = "neuron",
        transposed_read: str = "adder-tree",
        lfsr: bool = False,
        spare_groups: int = 0,
        start: int = 1,
        gate: int = 0,
        row: int = 0,
        gated: bool = False,
        network: NaiveNetwork | None = None,
    ) -> None:
        self.sizes = sizes
        self.layers = len(sizes) - 1
        hidden = range(1, self.layers)
        self.rules = {k: RULES[rule] if network is None else network.acting(k) for k in hidden}
        learns = ["all" if self.rules[k].signal != "none" else "none" for k in hidden] + ["all"]
        self.learned = learns if network is None else network.learned
        self.lanes = lanes
        self.skips_zero_inputs = skips_zero_inputs
        self.update_skip = update_skip
        self.transposed_read = transposed_read
        self.lfsr = lfsr
        self.spare_groups = spare_groups
        self.gated = gated
        self.latency = {"start": start, "gate": gate, "row": row}
        self.cycles: dict[Place, int] = {}
        self.reads: dict[Place, int] = {}
        self.writes: dict[Place, int] = {}

    def infer(self, work: list[Work]) -> None:
        for k in range(1, self.layers + 1):
            self._forward(k, work[k - 1].inputs)

    def learn(self, work: list[Work]) -> None:
        self.infer(work)
        for k in range(1, self.layers):
            if self.rules[k].waits:
                for _group in self._queue(self._neurons(work[k - 1].gates), k):
                    self._write("gate", k)  # in the cycle that writes the activation
        for k in range(self.layers - 1, 0, -1):
            if self.rules[k].signal != "none":
                self._signal(k, work[k - 1])
        for k in range(1, self.layers + 1):
            if self.learned[k - 1] != "none":
                self._update(k, work[k - 1])

    def _forward(self, k: int, values: list[int]) -> None:
        inputs = self._inputs(values)
        for _i in inputs:
            self._write("activation", k)  # by the layer below, or from outside
        self._wait("start", "forward", k)
        for _group in self._groups(list(range(self.sizes[k])), k):
            for _i in inputs:
                self._tick("forward", k)
                self._read("activation", k)
                self._read("weight", k)
            self._tick("forward", k)
            self._read("weight", k)  # the bias, an input that is always one
            self._tick("forward", k)  # drain
            self._tick("forward", k)  # write

    def _signal(self, k: int, work: Work) -> None:
        """Modulate the gates of hidden layer k."""
        rule = self.rules[k]
        if rule.signal == "local error":
            self._read_out(k)
        rows = self._rows(k, work.signals)
        if not rows:
            return
        neurons = self._neurons(work.gates)
        if rule.signal == "target":  # a row of the feedback takes the place of a modulator, in the cycle that needs it
            for _group in self._groups(list(range(self.sizes[k])), k):
                self._wait("row", "signal", k)  # table and gate product of every neuron
            for _group in self._queue(neurons, k):
                if not self.lfsr:
                    self._read("feedback", k)
        elif rule.feedback == "transpose" and self.transposed_read != "transposable":
            self._transposed(k, neurons, rows)
        else:
            self._modulate(k, neurons, rows)
        if self._stores_delta(k):
            for _group in self._queue(neurons, k):  # the store cycle stores, before anyone knows whether all d are zero
                self._write("delta", k)
                if rule.signal != "delta":  # what else would be used at once
                    self._tick("signal", k)

    def _read_out(self, k: int) -> None:
        """All rows of feedback, for each group as the lanes have made it; the lanes' products are summed."""
        for _group in self._groups(list(range(self.sizes[k])), k):
            if self.gated:  # what waited comes back one by one
                for _neuron in _group:
                    self._tick("signal", k)
                    self._read("activation", k + 1)
            for _c in range(self.sizes[-1]):
                self._tick("signal", k)
                if not self.lfsr:
                    self._read("feedback", k)
        self._tick("signal", k)  # drain
        for _c in range(self.sizes[-1]):
            self._tick("signal", k)  # a sum to an index, to an output, to an error

    def _modulate(self, k: int, neurons: list[int], rows: list[int]) -> None:
        """Rows of feedback are summed for a group of neurons, then times the gates."""
        lfsr = self.lfsr and self.rules[k].fixed_feedback
        if lfsr:  # the register runs through all neurons of a row, whatever the gates are
            for _group in self._groups(list(range(self.sizes[k])), k):
                for _row in rows:
                    self._tick("signal", k)
                    self._fetch_signal(k)
        for _group in self._queue(neurons, k):
            if not lfsr:
                for _row in rows:
                    self._tick("signal", k)
                    self._fetch_signal(k)
                    self._read("transposed" if self.rules[k].feedback == "transpose" else "feedback", k)
            if self.rules[k].waits:  # else the gate is still in the lane
                self._read("gate", k)
            self._tick("signal", k)  # times the gate; used at once, or drained
            self._wait("gate", "signal", k)
            if self.rules[k].signal == "delta":
                self._tick("signal", k)  # stored

    def _transposed(self, k: int, neurons: list[int], rows: list[int]) -> None:
        """One neuron after the other; a word of weights holds neurons of the layer above."""
        for _neuron in neurons:
            # the lanes' products are summed, or one weight of a word is used
            for _step in self._queue(rows, k + 1) if self.transposed_read == "adder-tree" else rows:
                self._tick("signal", k)
                self._fetch_signal(k)
                self._read("transposed", k)
            self._tick("signal", k)  # drain
            self._tick("signal", k)  # store
            self._wait("gate", "signal", k)
        for _group in self._queue(neurons, k):
            self._read("gate", k)  # a word of gates serves its group

    def _fetch_signal(self, k: int) -> None:
        """Deltas come from memory, errors from registers."""
        if self.rules[k].signal == "delta" and k + 1 < self.layers:
            self._read("delta", k)

    def _stores_delta(self, k: int) -> bool:
        """d waits where a layer takes one or the layer below does."""
        return any(self.rules[j].signal == "delta" for j in (k, k - 1) if 0 < j < self.layers)

    def _update(self, k: int, work: Work) -> None:
        neurons = self._neurons(work.deltas)
        if self.update_skip != "none" and not any(work.deltas):
            return
        inputs = self._inputs(work.inputs) if self.learned[k - 1] == "all" else []  # biases alone
        hidden = k < self.layers
        stored = not hidden or self._stores_delta(k)
        for _group in self._queue(neurons, k):
            if stored:  # fetch
                self._tick("update", k)
                self._tick("update", k)
                if hidden:
                    self._read("delta", k)
            for _i in inputs:
                self._read("activation", k)
                self._change_word(k)
            self._change_word(k)  # the bias

    def _change_word(self, k: int) -> None:
        self._tick("update", k)
        self._read("weight", k)
        self._read("residual", k)
        self._tick("update", k)
        self._write("weight", k)
        self._write("residual", k)

    # --- what is skipped ------------------------------------------------------------------------------------

    def _inputs(self, values: list[int]) -> list[int]:
        return [i for i, x in enumerate(values) if x != 0 or not self.skips_zero_inputs]

    def _neurons(self, values: list[int]) -> list[int]:
        """Addresses of gates or deltas that are worked on."""
        return [j for j, value in enumerate(values) if value != 0 or self.update_skip != "neuron"]

    def _rows(self, k: int, signals: list[int]) -> list[int]:
        if self.update_skip == "none":
            return list(range(len(signals)))
        if self.update_skip == "sample":  # a readout has the cycles of its errors before anyone knows that all are zero
            return list(range(len(signals))) if any(signals) or self.rules[k].signal == "local error" else []
        return [row for row, signal in enumerate(signals) if signal != 0]

    # --- groups ---------------------------------------------------------------------------------------------

    def _groups(self, addresses: list[int], k: int = 0) -> list[list[int]]:
        """P neighbours at a time, of layer k where that matters."""
        return [addresses[first : first + self.lanes] for first in range(0, len(addresses), self.lanes)]

    def _queue(self, addresses: list[int], k: int) -> list[list[int]]:
        """P at a time out of a queue of what was not skipped in layer k."""
        groups = self._groups(addresses, k)
        if addresses and self.update_skip == "neuron":
            groups += [[]] * self.spare_groups
        return groups

    # --- counts ---------------------------------------------------------------------------------------------

    def _wait(self, what: str, phase: str, k: int) -> None:
        for _cycle in range(self.latency[what]):
            self._tick(phase, k)

    def _tick(self, phase: str, k: int) -> None:
        self.cycles[phase, k] = self.cycles.get((phase, k), 0) + 1

    def _read(self, role: str, k: int) -> None:
        self.reads[role, k] = self.reads.get((role, k), 0) + 1

    def _write(self, role: str, k: int) -> None:
        self.writes[role, k] = self.writes.get((role, k), 0) + 1


class Maps(NamedTuple):
    """A convolution: map of inputs (channels last), kernel, pooling; `shared` feedback is one word per map."""

    height: int
    width: int
    channels: int
    maps: int
    kernel: tuple[int, int]
    stride: int = 1
    padding: int = 0
    pool: int = 1
    mean: bool = False
    bias: bool = False
    shared: bool = False

    def positions(self) -> list[tuple[int, int]]:
        """Places of the kernel, row by row, without those that no pooling window takes."""
        rows = (self.height + 2 * self.padding - self.kernel[0]) // self.stride + 1
        columns = (self.width + 2 * self.padding - self.kernel[1]) // self.stride + 1
        rows, columns = rows - rows % self.pool, columns - columns % self.pool
        return [(y, x) for y in range(rows) for x in range(columns)]

    def window(self, position: tuple[int, int]) -> list[int]:
        """Addresses of the inputs under the kernel, those of the padding left out."""
        found = []
        for dy in range(self.kernel[0]):
            for dx in range(self.kernel[1]):
                y = position[0] * self.stride + dy - self.padding
                x = position[1] * self.stride + dx - self.padding
                if 0 <= y < self.height and 0 <= x < self.width:
                    found += [(y * self.width + x) * self.channels + c for c in range(self.channels)]
        return found

    def places(self) -> list[tuple[int, int]]:
        """Elements of one map behind the pooling."""
        rows, columns = self.positions()[-1]
        return [(y, x) for y in range((rows + 1) // self.pool) for x in range((columns + 1) // self.pool)]

    def acting(self, place: tuple[int, int], winner: int) -> list[tuple[int, int]]:
        """Positions at which d of an element acts: all of a mean, the winner of a maximum."""
        inside = [(dy, dx) for dy in range(self.pool) for dx in range(self.pool)]
        chosen = inside if self.mean else [inside[winner]]
        return [(place[0] * self.pool + dy, place[1] * self.pool + dx) for dy, dx in chosen]


class MapWork(NamedTuple):
    """As `Work`, of a convolution: gates and d of elements (channels last), and the place of each winner."""

    inputs: list[int]
    gates: list[int]
    signals: list[int]
    deltas: list[int]
    winners: list[int]


class MapEngine(Engine):
    """An engine whose first layers are convolutions; lanes stand along their maps.

    `maps` has a convolution, or None, for each layer. `event`: an input is added to the sums of all its positions,
    which wait in a memory; else the sum of one position stays in its lane.
    """

    def __init__(self, rule: str, maps: list[Maps | None], sizes: list[int], event: bool = False, **options) -> None:
        super().__init__(rule, sizes, **options)
        self.maps = maps
        self.event = event
        self.work: list[Work | MapWork] = []

    def infer(self, work) -> None:
        self.work = work
        super().infer(work)

    def _forward(self, k: int, values: list[int]) -> None:
        layer = self.maps[k - 1]
        if layer is None:
            super()._forward(k, values)
            return
        inputs = self._inputs(values)
        for _i in inputs:
            self._write("activation", k)
        self._wait("start", "forward", k)
        if self.event:
            self._scatter(k, layer, inputs)
        else:
            for _maps in self._groups(list(range(layer.maps))):
                for position in layer.positions():
                    for _i in self._met(layer.window(position), inputs):
                        self._tick("forward", k)
                        self._read("activation", k)
                        self._read("weight", k)
                    if layer.bias:
                        self._tick("forward", k)
                        self._read("weight", k)
                    self._tick("forward", k)  # drain into the comparator of the pooling
                for _place in layer.places():
                    self._tick("forward", k)  # write

    def _scatter(self, k: int, layer: Maps, inputs: list[int]) -> None:
        """Sums of all positions in a memory: begun, added to by every input, drained."""
        groups = self._groups(list(range(layer.maps)))
        for _maps in groups:
            for _position in layer.positions():
                if layer.bias:
                    self._read("weight", k)
                self._tick("forward", k)
                self._write("partial", k)
        for i in inputs:
            self._read("activation", k)
            for _maps in groups:
                for position in layer.positions():
                    if i in layer.window(position):
                        self._tick("forward", k)
                        self._read("partial", k)
                        self._read("weight", k)
                        self._tick("forward", k)
                        self._write("partial", k)
        for _maps in groups:
            for _position in layer.positions():
                self._tick("forward", k)
                self._read("partial", k)
            for _place in layer.places():
                self._tick("forward", k)

    def learn(self, work) -> None:
        super().learn(work)
        for k, layer in enumerate(self.maps[:-1], 1):
            if layer is not None and self._holds_winners(k):
                for _group in self._queue(self._neurons(work[k - 1].gates), k):
                    self._write("winner", k)  # beside the gate

    def _holds_winners(self, k: int) -> bool:
        layer = self.maps[k - 1]
        return layer is not None and self.rules[k].waits and layer.pool > 1 and not layer.mean

    def _signal(self, k: int, work) -> None:
        layer = self.maps[k - 1]
        above = self.maps[k]
        rule = self.rules[k]
        if layer is None or rule.signal == "none":
            super()._signal(k, work)
            return
        neurons, rows = self._neurons(work.gates), self._rows(k, work.signals)
        if above is not None and rule.signal == "delta":
            if rows:
                self._from_windows(k, above, neurons, rows)
                for _group in self._queue(neurons, k):
                    self._write("delta", k)
            return
        if not layer.shared:
            super()._signal(k, work)
            return
        if not rows:
            return
        groups = self._groups(list(range(layer.maps)))
        for _maps in groups:  # once for all places of a map
            for _row in rows:
                if rule.signal != "target":
                    self._tick("signal", k)
                if not self.lfsr:
                    self._read("feedback", k)
        if rule.signal == "target":
            for _place in layer.places():
                for _maps in groups:
                    self._wait("row", "signal", k)
            return
        for _group in self._queue(neurons, k):
            if rule.waits:
                self._read("gate", k)
            self._tick("signal", k)
            self._wait("gate", "signal", k)
            if self._stores_delta(k):
                self._write("delta", k)
                self._tick("signal", k)

    def _from_windows(self, k: int, above: Maps, neurons: list[int], rows: list[int]) -> None:
        """Each gate meets the d above in whose windows its input lies."""
        transposed = self.rules[k].feedback == "transpose" and self.transposed_read != "transposable"
        lanes_above = self.lanes if transposed and self.transposed_read == "adder-tree" else 1
        regenerated = self.lfsr and self.rules[k].fixed_feedback
        if regenerated:  # the register runs through the kernel of a map above, whatever the gates are
            taps = above.kernel[0] * above.kernel[1] * above.channels
            for _row, _step in product(rows, self._groups(list(range(taps)))):
                self._tick("signal", k)
                self._read("delta", k)
                if self._holds_winners(k + 1):
                    self._read("winner", k)
        for gates in [[gate] for gate in neurons] if transposed else self._queue(neurons, k):
            by_place: dict[tuple[int, int], list[int]] = {}
            for row in rows:
                place = divmod(row // above.maps, len({x for _, x in above.places()}))
                winner = self._winner(k + 1, row)
                for position in above.acting(place, winner):
                    if gates[0] in above.window(position):
                        by_place.setdefault(position, []).append(row)
            for met in by_place.values() if not regenerated else ():
                for _step in range(0, len(met), lanes_above):
                    self._tick("signal", k)
                    self._read("delta", k)
                    if self._holds_winners(k + 1):
                        self._read("winner", k)
                    self._read("transposed" if self.rules[k].feedback == "transpose" else "feedback", k)
            self._tick("signal", k)
            self._tick("signal", k)
            self._wait("gate", "signal", k)
        for _group in self._queue(neurons, k):
            self._read("gate", k)

    def _winner(self, k: int, element: int) -> int:
        return self.work[k - 1].winners[element]

    def _update(self, k: int, work) -> None:
        layer = self.maps[k - 1]
        if layer is None:
            super()._update(k, work)
            return
        neurons = self._neurons(work.deltas)
        if self.update_skip != "none" and not any(work.deltas):
            return
        inputs = self._inputs(work.inputs) if self.learned[k - 1] == "all" else []
        columns = len({x for _, x in layer.places()})
        for maps in self._groups(sorted({neuron % layer.maps for neuron in neurons})):
            for place in layer.places():
                element = (place[0] * columns + place[1]) * layer.maps
                here = [element + one for one in maps if element + one in neurons]
                if not here:
                    continue
                if self._stores_delta(k):
                    self._tick("update", k)
                    self._tick("update", k)
                    self._read("delta", k)
                if self._holds_winners(k):
                    self._read("winner", k)
                for position in layer.acting(place, self._winner(k, here[0])):
                    for _i in self._met(layer.window(position), inputs):
                        self._tick("update", k)
                        self._read("accumulator", k)
                        self._read("activation", k)
                        self._tick("update", k)
                        self._write("accumulator", k)
            taps = layer.kernel[0] * layer.kernel[1] * layer.channels * (self.learned[k - 1] == "all")
            for _word in range(taps):
                self._read("accumulator", k)
                self._write("accumulator", k)  # cleared
                self._change_word(k)
            if layer.bias:  # its sum is in a register
                self._change_word(k)

    def _met(self, window: list[int], inputs: list[int]) -> list[int]:
        known = set(inputs)
        return [i for i in window if i in known]

    def _groups(self, addresses: list[int], k: int = 0) -> list[list[int]]:
        """P maps of one place at a time, where nothing is skipped."""
        layer = self.maps[k - 1] if k else None
        if layer is None or self.update_skip == "neuron":
            return super()._groups(addresses)
        places = [addresses[first : first + layer.maps] for first in range(0, len(addresses), layer.maps)]
        return [group for place in places for group in super(MapEngine, self)._groups(place)]
