"""Layers in front of a cut: in floating point, and as frozen layers of whole numbers."""
