"""The Python interface: what `import edgelearn as el` offers, one function per command with the same numbers."""
