"""Traces of the kernel's own gather and zap code, compared with what core/mm does with the same input."""
