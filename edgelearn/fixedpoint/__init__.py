"""Numbers: the word formats. Rounding and saturation of running networks are in `kernels/lanes.py` and `update.py`."""
