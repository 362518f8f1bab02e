"""Architectures: one module each, on a few shared families."""
