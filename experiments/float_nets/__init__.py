"""Float networks in torch and measures on them, for the claims of papers (edgelearn/docs/references.md)."""
