"""How much memory a search may take when nobody says: what is there, so that a machine never starts to swap."""

from __future__ import annotations

import resource
from pathlib import Path

SHARE = 0.75
"""Of what is there; the rest is for the interpreter and whoever else needs some."""

MEMINFO, CGROUP = Path("/proc/meminfo"), Path("/sys/fs/cgroup/memory.max")


def available() -> int | None:
    """Bytes, by the process's limit on its address space, its cgroup and what is free; None if nobody knows."""
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
        return path.read_text(encoding="ascii")
    except (OSError, ValueError):
        return ""
