"""Where the project keeps files of its own: what it can compute again, and reports that nobody said a place for.

Both are where the platform expects them (as platformdirs has it), and elsewhere if the environment says so.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

CACHE = "SHOOTDOWN_CACHE"
"""Environment: the directory of the cache."""

REPORTS = "SHOOTDOWN_REPORTS"
"""Environment: the directory of reports, where --output names none."""

OWN = "SHOOTDOWN_OWN_CACHE"
"""Environment of a child with foreign code: a cache of its own.  That of everybody it reads, and does not write."""

CHECKOUT = Path(__file__).resolve().parents[2]
"""Where this project is, if it is run from its source."""


def cache() -> Path:
    """The cache: machine code, units of kernel trees, finished jobs of runs (`cache` lists and removes them).

    $SHOOTDOWN_CACHE; else $XDG_CACHE_HOME/shootdown, ~/.cache/shootdown, or ~/Library/Caches/shootdown of macOS; for a
    user without a home a temporary directory of its own.
    """
    given = os.environ.get(CACHE)
    return Path(given) if given else _of_user("XDG_CACHE_HOME", ".cache", "Library/Caches")


def reports_directory() -> Path:
    """Where a run writes its reports if it is not told where.

    $SHOOTDOWN_REPORTS; in the project's own checkout reports/out; else $XDG_STATE_HOME/shootdown/reports,
    ~/.local/state/shootdown/reports, or that in ~/Library/Application Support of macOS.
    """
    given = os.environ.get(REPORTS)
    if given:
        return Path(given)
    if (CHECKOUT / "pyproject.toml").is_file() and Path.cwd() == CHECKOUT:
        return Path("reports/out")
    return _of_user("XDG_STATE_HOME", ".local/state", "Library/Application Support") / "reports"


def own_cache() -> Path | None:
    """The cache of this child's guest; None in any other process."""
    given = os.environ.get(OWN)
    return Path(given) if given else None


def _of_user(variable: str, linux: str, macos: str) -> Path:
    given = os.environ.get(variable, "")
    if os.path.isabs(given):  # a relative one is to be ignored, says the specification
        return Path(given) / "shootdown"
    try:
        return Path.home() / (macos if sys.platform == "darwin" else linux) / "shootdown"
    except RuntimeError:
        import tempfile  # takes milliseconds

        return Path(tempfile.gettempdir()) / f"shootdown-{os.getuid()}"
