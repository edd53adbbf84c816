"""Studies: grids of runs as a plan, run anywhere, kept as one table, analysed and shown."""
