"""How fast the explorer and the accountant are, and how large the state spaces of known models."""
