"""A run beside its float or Brian2 reference."""
