"""Samples, streams and data sets: `open_dataset("digits")` or `open_dataset("own.csv")`.

Importing this package imports numpy and nothing heavier.
"""

from edgelearn.data.dataset import Dataset
from edgelearn.data.datasets import fetch, info, names, open_dataset

__all__ = ["Dataset", "fetch", "info", "names", "open_dataset"]
