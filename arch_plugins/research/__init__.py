"""Policies from papers; no kernel has them. Each says when it is safe, and has a variant that must fail."""
