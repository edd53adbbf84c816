"""One file a claim of a paper; the name of the file is the id of the claim. Run by `edgelearn reproduce`."""
