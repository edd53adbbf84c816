"""Emulated boards that run an image."""
