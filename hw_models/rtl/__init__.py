"""Learning in RTL: test vectors of a network for benches of other people."""
