"""What every room may use and what knows none of them: error lines, digests of source files, atomic files, memory."""
