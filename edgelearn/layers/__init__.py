"""What a layer is: frozen specifications without arrays, and activations by name."""
