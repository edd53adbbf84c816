"""Integer spiking networks with three-factor plasticity (docs/spiking.md)."""
