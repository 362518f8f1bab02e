"""The command line: subcommands with their flags, and progress. core/compare.py is the entry."""
