"""Running jobs: each isolated in a process, several at once. This room does not know what a job does."""

CELL_TIMEOUT = 300.0
"""Seconds that one job may take."""

CELL_MEMORY = 8 << 30
"""Bytes of address space that one job may use, if the machine has that much."""

GARBAGE = 50_000
"""New containers between two collections of garbage, in the command and in a child: both keep most of what they make.
"""

INTERRUPTED = "interrupted"
"""The reason of a job that did not run, or not to its end, because the run was interrupted."""
