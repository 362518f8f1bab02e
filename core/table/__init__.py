"""The table of a run: its rows (arches.toml), its jobs, and the checkpoint of finished jobs."""
