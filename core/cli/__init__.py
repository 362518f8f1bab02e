"""The command line: flags, subcommands by subject, progress. core/compare.py is the entry."""
