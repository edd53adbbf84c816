"""torch, or a message that says how to get it. The float references import it from here."""

from __future__ import annotations

from edgelearn.errors import UserError

try:
    import torch
except ImportError:
    raise UserError('torch is not installed; pip install "edgelearn[torch]"') from None

__all__ = ["torch"]
