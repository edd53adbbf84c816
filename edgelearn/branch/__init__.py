"""Online binary learning in the place of a branch predictor: traces in, mispredictions out."""
