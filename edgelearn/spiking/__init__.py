"""Spiking layers with three-factor plasticity, in whole numbers (docs/spiking.md)."""
