"""Learning in RTL: an engine in Verilog, its verification, and test vectors for benches of other people."""
