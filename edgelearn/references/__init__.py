"""Reference implementations in floating point: torch and Brian2."""
