"""Convolutions of the arithmetic contract in gather form: every output looks up the inputs that it depends on.

Maps are flat lists, channels last: index (y * W + x) * C + c. Accesses are counted as in the dense layers of
`NaiveNetwork`. A *place* is where d acts: a position of a map before the pooling.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from .memory import CountingMemory
from .oracle import MEMORIES, Lane, NaiveNetwork
from .words import activate, sat, shr

PAIRS = ("window_pairs", "update_pairs", "down_pairs")


class Convolution(NamedTuple):
    """Geometry of a layer, and what its teaching signal is formed for.

    Parameters
    ----------
    feedback_kind : a column of feedback for each "element", or one for each "map"
    teach : modulators, gates and d of "elements" behind the pooling, or of all "positions" before it
    """

    height: int
    width: int
    channels: int
    maps: int
    kernel_height: int
    kernel_width: int
    stride: int = 1
    padding: int = 0
    pool: int = 1
    pooling: str = "max"
    feedback_kind: str = "element"
    teach: str = "elements"
    kernel_bias: bool = False

    @property
    def out_height(self) -> int:
        full = (self.height + 2 * self.padding - self.kernel_height) // self.stride + 1
        return full if self.taught_positions else full - full % self.pool

    @property
    def out_width(self) -> int:
        full = (self.width + 2 * self.padding - self.kernel_width) // self.stride + 1
        return full if self.taught_positions else full - full % self.pool

    @property
    def positions(self) -> int:
        return self.out_height * self.out_width

    @property
    def elements(self) -> int:
        return (self.out_height // self.pool) * (self.out_width // self.pool) * self.maps

    @property
    def fan_in(self) -> int:
        return self.kernel_height * self.kernel_width * self.channels

    @property
    def is_mean(self) -> bool:
        return self.pooling == "mean" and self.pool > 1

    @property
    def selects(self) -> bool:
        """One position of each window is the winner, and d of the element acts there alone."""
        return self.pooling == "max" and self.pool > 1

    @property
    def taught_positions(self) -> bool:
        return self.teach == "positions"

    @property
    def modulated(self) -> int:
        """Modulators, gates and d of the layer."""
        return self.positions * self.maps if self.taught_positions else self.elements

    def taps(self, position: int) -> Iterator[tuple[int, int]]:
        """(row of the kernel, input) of a position, without those that lie in the padding."""
        top = position // self.out_width * self.stride - self.padding
        left = position % self.out_width * self.stride - self.padding
        for dy in range(self.kernel_height):
            for dx in range(self.kernel_width):
                y, x = top + dy, left + dx
                if 0 <= y < self.height and 0 <= x < self.width:
                    for c in range(self.channels):
                        yield (
                            (dy * self.kernel_width + dx) * self.channels + c,
                            (y * self.width + x) * self.channels + c,
                        )

    def positions_of(self, source: int) -> Iterator[tuple[int, int]]:
        """(position, row of the kernel) of all windows that hold an input."""
        c, place = source % self.channels, source // self.channels
        y, x = place // self.width + self.padding, place % self.width + self.padding
        for dy in range(self.kernel_height):
            for dx in range(self.kernel_width):
                row, column = (y - dy) // self.stride, (x - dx) // self.stride
                fits = (y - dy) % self.stride == 0 and (x - dx) % self.stride == 0
                if fits and 0 <= row < self.out_height and 0 <= column < self.out_width:
                    yield row * self.out_width + column, (dy * self.kernel_width + dx) * self.channels + c

    def pooled(self, element: int) -> list[int]:
        """The window of an element, in raster order, as indices of the map before the pooling."""
        o, place = element % self.maps, element // self.maps
        columns = self.out_width // self.pool
        top, left = place // columns * self.pool, place % columns * self.pool
        window = [(top + dy) * self.out_width + left + dx for dy in range(self.pool) for dx in range(self.pool)]
        return [position * self.maps + o for position in window]


class NaiveConvolutionalNetwork(NaiveNetwork):
    """A network whose layers may be convolutions.

    `windows` has an entry per layer, None where it is dense. `weights` of a convolution is a row per map over the rows
    of its kernel, row (dy * K_w + dx) * C + c.
    """

    memory_names = (*MEMORIES, "accumulator", "winner")

    def __init__(self, *, windows: list[Convolution | None], **settings: Any) -> None:
        self.windows = list(windows)
        layers = len(windows)
        self._accumulator = [CountingMemory([]) for _ in range(layers)]
        self._winner = [CountingMemory([]) for _ in range(layers)]
        super().__init__(**settings)

    # --- forward --------------------------------------------------------------------------------------------

    def _pre_activations(self, k: int) -> list[int]:
        """Sums of all positions, then of each element the largest of its window, or the sum of the window."""
        window = self.windows[k - 1]
        if window is None:
            return super()._pre_activations(k)
        sums = []
        for position in range(window.positions):
            sums += [self._accumulated(k, total) for total in self._sums_of(k, window, position)]
        self.position_sums[k - 1] = sums
        pooled = []
        self.winners[k - 1] = [-1] * window.elements
        for element in range(window.elements):
            inside = window.pooled(element)
            if window.is_mean:
                pooled.append(sum(sums[place] for place in inside))
                continue
            best = inside[0]
            for place in inside:
                if sums[place] > sums[best]:  # strictly, so that the first maximum stays
                    best = place
            self.winners[k - 1][element] = best
            pooled.append(sums[best])
        return pooled

    def _sums_of(self, k: int, window: Convolution, position: int) -> list[int]:
        sums = [0] * window.maps
        for row, source in window.taps(position):
            if self.activations[k - 1][source] == 0:
                continue
            x = self._activation[k - 1].read(source)
            self.pairs[k, "window_pairs"] += 1
            for o in range(window.maps):
                sums[o] += x * shr(self._weight[k - 1].read(o, row), self._weight_residual(k))
                self._operate(k, "forward_macs")
        if window.kernel_bias:
            for o in range(window.maps):
                sums[o] += self._input_one(k) * shr(self._bias[k - 1].read(o), self._residual(k))
        return sums

    def _pooled_bits(self, k: int) -> int:
        window = self.windows[k - 1]
        return (window.pool**2).bit_length() - 1 if window is not None and window.is_mean else 0

    def _shared_bits(self, k: int) -> int:
        window = self.windows[k - 1]
        return 0 if window is None or window.taught_positions else self._pooled_bits(k)

    def _fire(self, k: int) -> None:
        super()._fire(k)
        window = self.windows[k - 1]
        if window is None:
            return
        waits = self._learning and self._holds_gates(k)
        if window.taught_positions:
            self._gate_positions(k, window, waits)
        self._winner[k - 1].blank([-1] * window.elements)
        if waits and self._holds_winners(k):
            for element, g in enumerate(self.gates[k - 1]):
                if g != 0:
                    self._winner[k - 1].write(self.winners[k - 1][element], element)

    def _gate_positions(self, k: int, window: Convolution, waits: bool) -> None:
        """Gates of all positions take the place of those of the elements, which are not formed."""
        self._gate[k - 1].writes = 0
        shift = self._input_scale(k) + (self.bits - 1) - self.range_exponents[k - 1] - 5
        gates = []
        for z in self.position_sums[k - 1]:
            gates.append(activate(self.activation, sat(self._rn(k, z, shift), -128, 127))[1])
        self.gates[k - 1] = gates
        self._gate[k - 1].blank([0] * len(gates))
        for place, g in enumerate(gates):
            if waits and g != 0:
                self._gate[k - 1].write(g, place)

    def _holds_winners(self, k: int) -> bool:
        window = self.windows[k - 1]
        return window is not None and window.selects and not window.taught_positions and self._holds_gates(k)

    # --- third factor ---------------------------------------------------------------------------------------

    def _above(self, k: int) -> Convolution | None:
        """The convolution above hidden layer k if that sends its d down."""
        return self.windows[k] if k < self.layers and self.acting(k).signal == "delta" else None

    def _per_map(self, k: int) -> bool:
        window = self.windows[k - 1]
        return window is not None and window.feedback_kind == "map" and self.acting(k).feedback == "direct"

    def _feedback_shape(self, k: int) -> tuple[int, int]:
        window, above = self.windows[k - 1], self._above(k)
        if above is not None:  # in the shape of the kernels above
            return above.maps, above.fan_in
        rows, columns = super()._feedback_shape(k)
        if window is not None:
            columns = window.maps if self._per_map(k) else window.modulated
        return rows, columns

    def _signal(self, k: int) -> list[Lane]:
        """A convolution above is asked for d by each window, not once for all."""
        if self._above(k) is None:
            return super()._signal(k)
        return [(element, d) for element, d in enumerate(self.deltas[k]) if d != 0]

    def _modulators(self, k: int, lanes: list[Lane]) -> list[int]:
        window = self.windows[k - 1]
        if window is None or not self._per_map(k):
            return super()._modulators(k, lanes)
        return [self._modulator(k, o, lanes) for o in range(window.maps)]

    def _modulate(self, k: int) -> None:
        super()._modulate(k)
        window = self.windows[k - 1]
        if window is not None:
            for index, d in enumerate(self.deltas[k - 1]):
                if d != 0:
                    if self._holds_winners(k):
                        self._winner[k - 1].read(index)
                    for place in self._places(k, window, index):
                        self.acting_elements[k - 1][place] = index

    def _places(self, k: int, window: Convolution, index: int) -> list[int]:
        """Where d of an element acts: at its winner, in a mean at all positions of its window."""
        if window.taught_positions:
            return [index]
        return window.pooled(index) if window.is_mean else [self.winners[k - 1][index]]

    def _signal_sum(self, k: int, j: int, lanes: list[Lane]) -> int:
        above = self._above(k)
        if above is None:
            return super()._signal_sum(k, j, lanes)
        total = 0
        for position, row in above.positions_of(j):
            for o in range(above.maps):
                element = self.acting_elements[k].get(position * above.maps + o)
                if element is None:
                    continue
                d = self._delta[k].read(element)
                transposed = self.acting(k).feedback == "transpose"
                total += d * (self._next_view(k, o, row) if transposed else self._feedback_word(k, o, row))
                self._operate(k, "signal_macs")
                self.pairs[k, "down_pairs"] += 1
        return total

    def _signal_scale(self, k: int) -> int:
        """The d of a mean is divided among the positions of its window."""
        scale = super()._signal_scale(k)
        return scale if self._above(k) is None else scale + self._shared_bits(k + 1)

    # --- the update -----------------------------------------------------------------------------------------

    def _update(self, k: int) -> None:
        """Sums over all positions first, then one rounded step of each word of the maps with any d."""
        window = self.windows[k - 1]
        if window is None:
            super()._update(k)
            return
        deltas, moves_weights = self.deltas[k - 1], self.learned[k - 1] == "all"
        for d in deltas:
            if d == 0:
                self._happen(k, "skipped_neurons")
        if all(d == 0 for d in deltas):
            return
        if moves_weights:
            for x in self.activations[k - 1]:
                if x == 0:
                    self._happen(k, "skipped_inputs")
        draws = [self._next_draw(k) for _ in range(window.fan_in if moves_weights else 0)]
        bias_draw = self._next_draw(k) if window.kernel_bias else 0
        for o in range(window.maps):
            active = [index for index in range(o, window.modulated, window.maps) if deltas[index] != 0]
            if not active:
                continue
            self._accumulator[k - 1].blank([0] * window.fan_in)
            bias_sum = sum(self._accumulate(k, window, index, moves_weights) for index in active)
            for row, draw in enumerate(draws):  # a sum that is complete leaves its register with the last product
                step = self._rounded(k, o, -self._accumulator[k - 1].words[row], draw)
                old = self._weight[k - 1].read(o, row)
                self._weight[k - 1].write(self._moved(k, old, step, self._lowest_weight(k)), o, row)
            if window.kernel_bias:
                step = self._rounded(k, o, -bias_sum, bias_draw)
                old = self._bias[k - 1].read(o)
                self._bias[k - 1].write(self._moved(k, old, step, -(1 << (self._stored_bits(k) - 1))), o)

    def _accumulate(self, k: int, window: Convolution, index: int, moves_weights: bool) -> int:
        """Add x d to the sums of the kernel of its map; return what d gives the bias, whose sum is a register."""
        d = self._read_delta(k, index)
        places = self._places(k, window, index)
        for place in places if moves_weights else ():
            for row, source in window.taps(place // window.maps):
                if self.activations[k - 1][source] != 0:
                    total = self._accumulator[k - 1].read(row) + self._activation[k - 1].read(source) * d
                    self._accumulator[k - 1].write(self._exact(k, total), row)
                    self._operate(k, "update_macs")
                    self.pairs[k, "update_pairs"] += 1
        if not window.kernel_bias:
            return 0
        for _place in places:
            self._operate(k, "update_macs")
        return self._input_one(k) * d * len(places)

    def _exact(self, k: int, total: int) -> int:
        if not -(1 << 31) <= total < 1 << 31:
            raise OverflowError(f"a sum of steps of layer {k} is {total}: such a network must be refused")
        return total

    def active_maps(self, k: int) -> int:
        """Maps with any d in the sample that came last."""
        window = self.windows[k - 1]
        if window is None:
            return 0
        return len({index % window.maps for index, d in enumerate(self.deltas[k - 1]) if d != 0})

    def signal_pairs(self, k: int, lanes: int) -> dict[str, int]:
        """Products of signal and feedback of a hidden layer that are not one for each lane and open gate."""
        window = self.windows[k - 1]
        if self._above(k) is not None:
            return {"gated_signals": self.pairs[k, "down_pairs"], "down_pairs": self.pairs[k, "down_pairs"]}
        return {"gated_signals": lanes * window.maps} if window is not None and self._per_map(k) else {}

    # --- set-up ---------------------------------------------------------------------------------------------

    def _weight_shape(self, k: int) -> tuple[int, int]:
        window = self.windows[k - 1]
        return super()._weight_shape(k) if window is None else (window.maps, window.fan_in)

    def _memories(self) -> dict[str, list[CountingMemory]]:
        return super()._memories() | {"accumulator": self._accumulator, "winner": self._winner}

    def _blank_sample(self) -> None:
        """acting_elements[k-1]: by position and map, the element (or position) whose d acts there."""
        super()._blank_sample()
        self.position_sums: list[list[int]] = [[] for _ in range(self.layers)]
        self.winners: list[list[int]] = [[] for _ in range(self.layers)]
        self.acting_elements: list[dict[int, int]] = [{} for _ in range(self.layers)]
        self.pairs = {(k, name): 0 for k in range(1, self.layers + 1) for name in PAIRS}

    def _check(self) -> None:
        for k, window in enumerate(self.windows, start=1):
            if window is None:
                continue
            if window.height * window.width * window.channels != self.sizes[k - 1] or window.elements != self.sizes[k]:
                raise ValueError(f"window {window} of layer {k} does not fit sizes {self.sizes}")
            if (k > 1 and self.windows[k - 2] is None) or k == self.layers:
                raise ValueError(f"layer {k} is a convolution behind or in place of a dense layer")
            if window.is_mean and window.pool not in (2, 4, 8):
                raise ValueError(f"a mean of {window.pool} x {window.pool} is no shift")
            if self.learned[k - 1] == "bias" and not window.kernel_bias:
                raise ValueError(f"layer {k} has no biases that could learn")
            direct = self.acting(k).feedback in ("direct", "none") and self.acting(k).signal != "local error"
            if not direct and (window.taught_positions or self._per_map(k)):
                raise ValueError(f"layer {k} forms no signal a map or a position")
        super()._check()
