"""edgelearn: what does each learning rule cost on my device, and what does it buy?"""

__version__ = "0.1.0"
