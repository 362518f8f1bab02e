"""Running jobs: each isolated in a process, any number at once. Knows nothing of what a job does."""
