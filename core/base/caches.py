"""Where the project keeps what it can compute again: machine code, and the C of kernel trees."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

OWN = "SHOOTDOWN_OWN_CACHE"
"""Environment of a child with foreign code: a cache of its own.  That of everybody it reads, and does not write."""


def cache() -> Path:
    """$XDG_CACHE_HOME/shootdown, or ~/.cache/shootdown; for a user without a home, a temporary directory of its own."""
    given = os.environ.get("XDG_CACHE_HOME")
    if given:
        return Path(given) / "shootdown"
    try:
        return Path.home() / ".cache" / "shootdown"
    except RuntimeError:
        return Path(tempfile.gettempdir()) / f"shootdown-{os.getuid()}"


def own_cache() -> Path | None:
    """The cache of this child's guest; None in any other process."""
    given = os.environ.get(OWN)
    return Path(given) if given else None
