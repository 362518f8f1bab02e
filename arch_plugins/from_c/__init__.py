"""Architectures whose hooks are kernel C of a tree: what is built, and what its operations mean in the model."""
