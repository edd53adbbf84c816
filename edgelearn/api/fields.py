"""Names of settings that several commands and functions share."""

from __future__ import annotations

PRICED = (
    "net", "input_shape", "kernels", "kernel_bias", "feedback_kind", "teach", "learn", "bits", "residual_bits",
    "weight_bits", "rounding", "input_bits", "delta_bits", "feedback", "processor",
)  # fmt: skip
