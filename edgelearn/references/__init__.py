"""What edgelearn is measured against: the same learning in other libraries, in floating point."""
