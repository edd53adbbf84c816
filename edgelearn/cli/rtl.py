"""The commands `edgelearn rtl ...`."""

from __future__ import annotations

from edgelearn.cli.flags import group

commands = group(
    "Networks in Verilog: values that every implementation must give.",
    {"Share": {"vectors": "edgelearn.cli.rtl_vectors:vectors"}},
)
