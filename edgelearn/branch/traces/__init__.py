"""Traces of branches: published formats, tables and arrays of a user's own, and a packed form of them."""

from edgelearn.branch.traces.pack import pack
from edgelearn.branch.traces.published import trace_names
from edgelearn.branch.traces.source import TraceSource, open_trace

__all__ = ["TraceSource", "open_trace", "pack", "trace_names"]
