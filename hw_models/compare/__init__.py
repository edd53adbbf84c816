"""Comparison of rules and processors."""
