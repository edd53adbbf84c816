"""Studies: plans of runs on a grid, their execution, result table, analysis and page."""
