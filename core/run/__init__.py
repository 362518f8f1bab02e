"""Running jobs: each isolated in a process, several at once. This room does not know what a job does."""
