"""How much memory a search may take by default: what the machine has to spare, so that it never starts to swap."""

from __future__ import annotations

import resource
from pathlib import Path

SHARE = 0.75
"""The share of the available memory that is used; the rest is for the interpreter and other processes."""

MEMINFO, CGROUP = Path("/proc/meminfo"), Path("/sys/fs/cgroup/memory.max")


def available() -> int | None:
    """Bytes: a share of the least of RLIMIT_AS, the cgroup's limit and MemAvailable; None if none is known."""
    found = [size for size in (_address_space(), _cgroup(), _free()) if size is not None]
    return int(min(found) * SHARE) if found else None


def _address_space() -> int | None:
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if limit == resource.RLIM_INFINITY else limit


def _cgroup() -> int | None:
    text = _read(CGROUP).strip()
    return int(text) if text.isdigit() else None


def _free() -> int | None:
    for line in _read(MEMINFO).splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) << 10
    return None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""
