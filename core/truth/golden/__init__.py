"""Traces of the kernel's own gather and zap code, against what core/mm does with the same input."""
