"""Samples, streams and data sets: `open_dataset("digits")` or `open_dataset("own.csv")`.

Importing this package imports numpy and nothing heavier.
"""

from edgelearn.streams.catalog import fetch, info, names, open_dataset
from edgelearn.streams.stream import ArrayStream, Dataset, Sample, Stream

__all__ = ["ArrayStream", "Dataset", "Sample", "Stream", "fetch", "info", "names", "open_dataset"]
