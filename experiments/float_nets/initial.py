"""Initial weights and feedback by name (see FloatConfig)."""

from __future__ import annotations

import math
import re
from typing import Any

from edgelearn.errors import UserError
from edgelearn.references.pytorch import torch

_TEXT = re.compile(r"(=?)([UPNA]?)([0-9]*[.]?[0-9]+(?:e-?[0-9]+)?)")


def initial(
    text: str, shape: tuple[int, ...], fan_in: int, generator: torch.Generator, scale: str, non_negative: bool
) -> torch.Tensor:
    """Return a tensor drawn as the text says.

    Parameters
    ----------
    scale : "readme" or "repo", of the texts of the mDFA code
    non_negative : a uniform or normal draw is folded to its absolute value

    Raises
    ------
    UserError
        "initialisation '...' is not known"
    """
    kind, size = kind_and_size(text, fan_in, scale)
    if kind == "U":
        drawn = (torch.rand(shape, generator=generator) * 2 - 1) * size
    elif kind == "P":
        drawn = torch.rand(shape, generator=generator) * size
    elif kind in "NA" and kind:
        drawn = torch.randn(shape, generator=generator) * size
    else:
        drawn = torch.full(shape, size)
    return drawn.abs() if non_negative or kind == "A" else drawn


def kind_and_size(text: str, fan_in: int, scale: str) -> tuple[str, float]:
    """Return the kind of draw (U, P, N, A, or "" for a constant) and its size.

    Raises
    ------
    UserError
        "initialisation '...' is not known"
    """
    named: dict[str, tuple[str, float]] = {
        "he": ("U", math.sqrt(6 / fan_in)),
        "torch": ("U", 1 / math.sqrt(fan_in)),
        "normal": ("N", 1 / math.sqrt(fan_in)),
        "zeros": ("", 0.0),
    }
    if text in named:
        return named[text]
    found: Any = _TEXT.fullmatch(text)
    if not found:
        raise UserError(
            f"initialisation '{text}' is not known; known: {', '.join(named)}, and texts such as U1, P1, N0.1, 0.01"
        )
    unscaled, kind, number = found.groups()
    factor = 1.0
    if kind and not unscaled:
        factor = fan_in**0.25 if scale == "repo" else 1 / math.sqrt(fan_in)
    return kind, float(number) * factor
