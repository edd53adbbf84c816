"""Front ends of streams from settings."""

from __future__ import annotations

from dataclasses import fields

from edgelearn.config import StreamConfig
from edgelearn.streaming.front_end import FrontEndSpec


def front_end_of(config: StreamConfig, n_channels: int) -> FrontEndSpec:
    """Derive the front end of a configuration, whose window and stride are samples."""
    names = [field.name for field in fields(FrontEndSpec) if field.name != "n_channels"]
    settings = {name: getattr(config, "window_features" if name == "features" else name) for name in names}
    return FrontEndSpec(n_channels, **settings)
