"""The subcommand `cache`: where files are kept, how large they are, and how they are removed."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from core.base.caches import cache, reports_directory

PARTS = {
    "*.o": "machine code of the compiled searcher",
    "guests": "the same, of plugins' own searches",
    "kept": "finished jobs of runs, for --resume",
    "tree": "kernel trees that were unpacked, compiled units and automata",
}
"""What is in the cache, by its pattern: nothing else is ever removed."""


def add_parsers(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the subcommand with argparse's add_parser."""
    command = add("cache", help="where files are kept, and `cache clear`, which removes them")
    command.add_argument("what", nargs="?", choices=("list", "clear"), default="list")
    command.add_argument(
        "--reports", action="store_true", help="clear: also the reports that no --output was named for"
    )
    command.set_defaults(command=cache_command)


def cache_command(arguments: argparse.Namespace) -> int:
    """Print the places and sizes, or remove what is there and can be computed again."""
    found = [(path, PARTS[pattern]) for pattern in PARTS for path in sorted(cache().glob(pattern))]
    reports = reports_directory()
    if arguments.what == "list":
        print(f"{cache()}: {_size(sum(_bytes(path) for path, _ in found))}, set by $SHOOTDOWN_CACHE")
        for pattern, meaning in PARTS.items():
            size = sum(_bytes(path) for path in cache().glob(pattern))
            if size:
                print(f"  {pattern}: {_size(size)}, {meaning}")
        print(f"{reports}: {_size(_bytes(reports))}, reports, set by $SHOOTDOWN_REPORTS or --output")
        return 0
    freed = sum(_bytes(path) for path, _ in found)
    for path, _ in found:
        _remove(path)
    if arguments.reports:
        freed += _bytes(reports)
        _remove(reports)
    for place in (cache(), reports.parent):
        with suppress(OSError):  # not empty, or never made
            place.rmdir()
    left = f"; reports stay in {reports} (--reports)" if reports.exists() else ""
    print(f"{_size(freed)} removed from {cache()}{left}")
    return 0


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _bytes(path: Path) -> int:
    """The size of a file, or of all files below a directory; 0 for what is not there."""
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.lstat().st_size for file in files if file.is_file() or file.is_symlink())


def _size(number: int) -> str:
    return f"{number / 1e6:.1f} MB" if number >= 1e5 else f"{number / 1e3:.1f} kB"
