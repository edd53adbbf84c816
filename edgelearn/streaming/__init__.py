"""Streaming: integer front end, prequential scores, drift."""
