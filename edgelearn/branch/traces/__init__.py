"""Traces of branches: published formats, tables and arrays of a user's own, and a packed form of them."""
