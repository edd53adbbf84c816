"""torch, or a message that says how to get it. The float references import it from here."""

from __future__ import annotations

from edgelearn.errors import UserError, install

try:
    import torch
except ImportError:
    raise UserError(f"torch is not installed; {install('torch')}") from None

__all__ = ["torch"]
