"""Advice: the configuration with the highest accuracy within limits of memory, energy and time."""
