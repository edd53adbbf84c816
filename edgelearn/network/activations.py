"""Activations and gates as 256-entry tables over the index q (contract, section 3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edgelearn.errors import unknown

_Q = np.arange(-128, 128)
_U = _Q / 32.0


@dataclass(frozen=True)
class Activation:
    """Hidden activation and its gate.

    `value` and `gate` map u = z to 1.0-based floats; entries are `one` * value and 127 * gate, rounded.
    `scale` is the binary scale A of the activation as an input of the next layer. `dense` says that its zeros
    are rare, so that the next layer keeps a row of weights per neuron.
    """

    name: str
    value: Callable[[np.ndarray], np.ndarray]
    gate: Callable[[np.ndarray], np.ndarray]
    one: int
    scale: int
    dense: bool

    @property
    def has_sign(self) -> bool:
        """Whether the activation is odd, so that its sign keeps half of what it says."""
        return self.one == 127

    def sign_table(self) -> np.ndarray:
        """Return the activation's sign by q + 128, int32[256]: `one` from q = 0 on, else -`one`."""
        return np.where(_Q >= 0, self.one, -self.one).astype(np.int32)

    def table(self) -> tuple[np.ndarray, np.ndarray]:
        """Return activations and gates by q + 128, int32[256] each."""
        y = np.rint(self.one * self.value(_U)).astype(np.int32)
        g = np.rint(127 * self.gate(_U)).astype(np.int32)
        return y, g


def _half_clip(u: np.ndarray) -> np.ndarray:
    return np.clip(u / 2, -1, 1)


_ROWS = (
    Activation("tanh", np.tanh, lambda u: 1 - np.tanh(u) ** 2, 127, 7, True),
    Activation("hard-tanh", lambda u: np.clip(u, -1, 1), lambda u: np.abs(u) < 1, 127, 7, True),
    Activation(
        "quadratic-tanh",
        lambda u: _half_clip(u) * (2 - np.abs(_half_clip(u))),
        lambda u: 1 - np.abs(_half_clip(u)),
        127,
        7,
        True,
    ),
    Activation("relu", lambda u: np.maximum(u, 0), lambda u: u > 0, 32, 5, False),
    Activation("leaky", lambda u: np.where(u > 0, u, u / 20), lambda u: np.where(u > 0, 1, 1 / 20), 32, 5, True),
)

ACTIVATIONS: dict[str, Activation] = {row.name: row for row in _ROWS}
OUTPUTS = ("sigmoid", "softmax", "linear")


def find_activation(name: str) -> Activation:
    """Return an activation by name."""
    if name not in ACTIVATIONS:
        raise unknown("activation", name, ACTIVATIONS)
    return ACTIVATIONS[name]


def output_table() -> np.ndarray:
    """Return int32[512]: sigmoid probability by q + 128, then 2^15 exp(-t / 16) by t for the softmax."""
    p = np.rint(255 / (1 + np.exp(-_Q / 16.0)))
    shares = np.rint(2.0**15 * np.exp(-np.arange(256) / 16.0))
    return np.concatenate([p, shares]).astype(np.int32)
