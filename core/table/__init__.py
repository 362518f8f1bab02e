"""The table of a run: its rows (arches.toml), its cells, and the checkpoint of those that are finished."""
