"""Shootdown: the generic mm core, the explorer, the accountant and the conformance suite."""
