"""Runs: from settings to a resumable, priced result."""
