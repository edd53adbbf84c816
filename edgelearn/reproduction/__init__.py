"""Claims of papers, run again: what is measured, how it is judged, and where finished runs are kept."""

from edgelearn.reproduction.claim import Check, Claim, at_least, at_most, between, holds, less, less_paired, near

__all__ = ["Check", "Claim", "at_least", "at_most", "between", "holds", "less", "less_paired", "near"]
