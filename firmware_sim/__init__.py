"""Firmware: the C core, its numbers, and the emulated boards that run it."""
