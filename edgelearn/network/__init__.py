"""The integer rate network: specification, state, learner, counters, traffic, storage; kernels/ holds the loops."""
