"""Running jobs: each isolated in a process, several at once. This room does not know what a job does."""

INTERRUPTED = "interrupted"
"""The reason of a job that did not run, or not to its end, because the run was interrupted."""
