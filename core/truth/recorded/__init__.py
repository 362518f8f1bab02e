"""Recordings of whole programs, replayed on any architecture."""
