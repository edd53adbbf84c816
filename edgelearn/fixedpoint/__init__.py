"""Numbers: word formats and the one place where rounding, saturation and random bits are written."""
