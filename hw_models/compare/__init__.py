"""Costs of rules and processors beside each other."""
