"""The formats of a report. Sees results as plain data, never programs."""
