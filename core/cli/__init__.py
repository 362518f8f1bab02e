"""The command line: flags, the subcommands in three modules, progress. core/compare.py is the entry."""
