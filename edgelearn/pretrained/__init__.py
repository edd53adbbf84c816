"""Trained networks of other tools as plain arrays: readers of files, cuts, and their runtimes."""

from edgelearn.pretrained.imported import FrontEnd, Imported, Layer, Model, Tensor
from edgelearn.pretrained.read import read_model

__all__ = ["FrontEnd", "Imported", "Layer", "Model", "Tensor", "read_model"]
