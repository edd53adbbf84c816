"""Price learning rules on processors: energy, latency, power and area, with a source beside every constant."""
