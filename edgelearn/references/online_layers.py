"""Tensors of the float twin, layer by layer, made once and changed in place; torch is imported when needed."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgelearn.network.layer import ConvLayer, Layer
from edgelearn.references.convolution import pooled_positions, taps
from edgelearn.references.torch_online import _torch

_CHUNK = 1 << 22  # numbers in the rows of windows that are unfolded together


class DenseTensors:
    """A dense layer. The bias is the weight of a last input that is always on."""

    def __init__(self, layer: Layer, weights: np.ndarray, bias: np.ndarray, dtype: Any) -> None:
        torch = _torch()
        self.weights = torch.from_numpy(np.column_stack([weights, bias])).to(dtype)
        self.without_bias = self.weights[:, :-1]
        self.biases = self.weights[:, -1]
        self._allocate(layer, dtype)

    def _allocate(self, layer: Layer, dtype: Any) -> None:
        torch = _torch()
        self.inputs = torch.ones(layer.n_in + 1, dtype=dtype)
        self.sums = torch.zeros(layer.n_out, dtype=dtype)
        self.values = torch.zeros(layer.n_out, dtype=dtype)  # activations, before the event threshold
        self.modulator = torch.zeros(layer.n_gates, dtype=dtype)
        self.delta = torch.zeros(layer.n_gates, dtype=dtype)
        self.rate, self.learned, self.non_negative = 2.0**layer.rate, layer.learned, layer.non_negative
        self.rule = layer.rule
        self.feedback: Any = None  # operator [columns, lanes]
        self.signal: Any = None  # what it is applied to
        self.sent: Any = None  # inputs of the layer above, for a readout
        self.above: MapTensors | None = None  # the convolution that sends its deltas down, if one does

    def add_inputs(self) -> None:
        """Compute the sums of the inputs."""
        _torch().mv(self.weights, self.inputs, out=self.sums)

    def sums_of(self, x: Any) -> Any:
        """Return sums [n, n_out] of rows of inputs, the one that is always on included."""
        return x @ self.weights.T

    def take_signal(self) -> None:
        """Compute modulators from the teaching signal."""
        _torch().mv(self.feedback, self.signal, out=self.modulator)

    def gate(self, function: Any) -> None:
        """Compute deltas from modulators."""
        function(self.sums, self.values, self.modulator, self.delta)

    def update(self, minus_rate: float) -> None:
        if self.learned == "bias":
            self.biases.add_(self.delta, alpha=minus_rate)
            return
        self.weights.addr_(self.delta, self.inputs, alpha=minus_rate)
        if self.non_negative:
            self.without_bias.clamp_(min=0)


class MapTensors(DenseTensors):
    """A convolution: inputs under the kernel are rows of a matrix, and d acts at positions in front of the pooling."""

    def __init__(self, layer: ConvLayer, weights: np.ndarray, bias: np.ndarray, dtype: Any, activate: Any) -> None:
        torch, window = _torch(), layer.window
        self.window, self._layer, self._activate = window, layer, activate
        self.without_bias = self.weights = torch.from_numpy(weights.copy()).to(dtype)
        self.biases = torch.from_numpy(bias.copy()).to(dtype)
        self._allocate(layer, dtype)
        p, stride, width = window.padding, window.stride, window.width + 2 * window.padding
        padded = torch.zeros((window.height + 2 * p, width, window.channels), dtype=dtype)
        self._inside = padded[p : p + window.height, p : p + window.width]
        row, one = width * window.channels, window.channels
        shape = (window.out_height, window.out_width, window.kernel_height, window.kernel_width * window.channels)
        self._windows = padded.as_strided(shape, (stride * row, stride * one, row, 1))
        self.rows = torch.zeros((window.positions, window.fan_in), dtype=dtype)  # a window of inputs each
        self._rows = self.rows.view(shape)
        self.before = torch.zeros((window.positions, window.maps), dtype=dtype)  # sums in front of the pooling
        self._of_windows = torch.from_numpy(pooled_positions(window))
        self._taps = torch.from_numpy(taps(window)).flatten()
        self.winners: Any = None  # flat index of the sum that each element is
        if window.pool == 1:
            self.sums = self.before.view(-1)
        self.acting = torch.zeros((window.positions, window.maps), dtype=dtype)
        if layer.n_gates == window.positions * window.maps:
            self.acting = self.delta.view(window.positions, window.maps)
        self._below = torch.zeros(window.n_in + 1, dtype=dtype)

    def add_inputs(self) -> None:
        torch, window = _torch(), self.window
        self._inside.copy_(self.inputs[:-1].view(self._inside.shape))
        self._rows.copy_(self._windows)
        torch.mm(self.rows, self.weights.T, out=self.before)
        if self._layer.n_biases:
            self.before.add_(self.biases)
        if window.pool > 1:
            self.sums.copy_(self._pool(self.before[None])[0])

    def _pool(self, before: Any) -> Any:
        """Return sums of elements [n, n_out]; of a maximum, the winners of the last sample are kept."""
        torch, window = _torch(), self.window
        windows = before[:, self._of_windows]  # [n, windows, places, maps]
        if window.pooling == "mean":
            return windows.mean(dim=2).flatten(1)
        found, places = windows.max(dim=2)  # the first of equals
        positions = self._of_windows.gather(1, places[-1])
        self.winners = (positions * window.maps + torch.arange(window.maps)).flatten()
        return found.flatten(1)

    def sums_of(self, x: Any) -> Any:
        torch, window = _torch(), self.window
        rows = x.clone()
        rows[:, -1] = 0  # what lies in the padding
        found = []
        for part in rows.split(max(1, _CHUNK // self._taps.numel())):
            before = part[:, self._taps].view(len(part), *self.rows.shape) @ self.weights.T + self.biases
            found.append(self._pool(before) if window.pool > 1 else before.flatten(1))
        return torch.cat(found) if found else torch.zeros((0, len(self.sums)), dtype=x.dtype)

    def take_signal(self) -> None:
        if self.above is not None:
            self.modulator.copy_(self.above.sent_down(self.feedback))
        elif self._layer.shares_feedback and self.rule.broadcasts:
            of_maps = _torch().mv(self.feedback, self.signal)
            self.modulator.view(-1, self.window.maps).copy_(of_maps.expand(len(self.modulator) // len(of_maps), -1))
        else:
            super().take_signal()

    def gate(self, function: Any) -> None:
        window = self.window
        if self._layer.teach == "positions":
            sums = self.before.view(-1)
            values = _torch().empty_like(sums)
            self._activate(sums, values)
            function(sums, values, self.modulator, self.delta)
            return
        super().gate(function)
        if window.pool == 1:
            return
        self.acting.zero_()
        if window.pooling == "mean":
            by_window = self.delta.view(-1, 1, window.maps) / window.pool**2
            self.acting[self._of_windows] = by_window.expand(-1, window.pool**2, -1)
        else:
            self.acting.view(-1)[self.winners] = self.delta

    def sent_down(self, matrix: Any) -> Any:
        """Return modulators of the layer below, from kernels (or feedback of their shape) [maps, fan_in]."""
        self._below.zero_()
        self._below.index_add_(0, self._taps, (self.acting @ matrix).flatten())
        return self._below[:-1]

    def update(self, minus_rate: float) -> None:
        if self._layer.n_biases:
            self.biases.add_(self.acting.sum(0), alpha=minus_rate)
        if self.learned == "bias":
            return
        self.weights.addmm_(self.acting.T, self.rows, alpha=minus_rate)
        if self.non_negative:
            self.weights.clamp_(min=0)
