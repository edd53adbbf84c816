"""Names of settings that several commands and functions share."""

from __future__ import annotations

PRICED = (
    "net", "input_shape", "kernels", "kernel_bias", "feedback_kind", "teach", "learn", "bits", "residual_bits",
    "weight_bits", "rounding", "input_bits", "delta_bits", "feedback", "processor",
)  # fmt: skip
# of the data that `advise` searches on
SEARCHED = (
    "data", "features", "ignore", "label_column", "labels", "time_column", "time_format", "time_unit", "subject_column",
    "missing", "encoding", "decimal", "columns", "subjects", "limit", "epochs", "net", "input_bits", "window", "stride",
    "window_features", "sample_rate",
)  # fmt: skip
