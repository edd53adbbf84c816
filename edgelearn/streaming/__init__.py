"""Learning on a stream: the integer front end, prequential scores, drift."""
