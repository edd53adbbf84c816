"""Reproduction of claims of papers: measurement, verdict, storage of finished runs."""

from edgelearn.reproduction.claim import Check, Claim, at_least, at_most, between, holds, less, less_paired, near

__all__ = ["Check", "Claim", "at_least", "at_most", "between", "holds", "less", "less_paired", "near"]
