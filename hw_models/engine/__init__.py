"""The parametrised learning engine: schedule, memory map, price."""
