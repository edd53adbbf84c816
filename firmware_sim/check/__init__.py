"""Comparison of firmware with the simulator, and its measurements."""
