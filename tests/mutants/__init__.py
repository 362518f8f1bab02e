"""Deliberately wrong architectures: each must be failed by the scenarios that name it, or the suite proves nothing."""
