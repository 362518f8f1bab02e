"""Results as a person or a program wants them. Sees results only, never programs."""
