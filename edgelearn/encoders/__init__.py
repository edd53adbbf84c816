"""Raw values to input levels."""

from edgelearn.encoders.levels import encode_levels

__all__ = ["encode_levels"]
