"""Branch prediction by online binary learning."""
