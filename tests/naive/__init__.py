"""The slow oracle: the arithmetic contract in plain Python integers. It shares nothing with edgelearn."""
