"""Landlock: a domain that a process enters for good, and with it all that it starts.

Who is in a domain traces nobody outside (Linux 5.13), signals nobody outside (6.12), and writes no files but those that
the domain's rules allow.  Rules only ever allow, so that a few directories are protected by allowing all others: what
lies beside each directory on the way to them.  In a directory on the way itself nothing can be made or removed.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
"""System calls: the same on every machine but alpha."""

CREATE_RULESET_VERSION, RULE_PATH_BENEATH = 1, 1

WRITE_FILE, MAKE_BLOCK, REFER, TRUNCATE = 1 << 1, 1 << 11, 1 << 13, 1 << 14
CHANGES = WRITE_FILE | sum(1 << bit for bit in range(4, 13))
"""LANDLOCK_ACCESS_FS_*: writing into a file, and removing and making whatever a directory has."""

ON_FILES = WRITE_FILE | TRUNCATE
"""The rights that a rule for something other than a directory may name."""

REFER_ABI, TRUNCATE_ABI = 2, 3

SCOPED_ABI, SCOPED = 6, 3
"""LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET and LANDLOCK_SCOPE_SIGNAL, and the ABI that brought them."""


def abi(libc: Any) -> int:
    """The version of Landlock that the kernel has; 0 if none. `libc` is None where there is none."""
    if libc is None:
        return 0
    return max(0, int(libc.syscall(CREATE_RULESET, None, 0, CREATE_RULESET_VERSION)))


def ruleset(libc: Any, protected: Sequence[str] = (), own: str = "") -> int:
    """A descriptor of rules for `enter`, which protect what is under `protected` but `own`; -1 if there is none."""
    version = abi(libc)
    if not version:
        return -1
    handled = _changes(version) if protected else MAKE_BLOCK  # a set must handle something; nobody makes block devices
    scoped = SCOPED if version >= SCOPED_ABI else 0
    attributes = struct.pack("=QQQ", handled, 0, scoped) if scoped else struct.pack("=Q", handled)
    made = int(libc.syscall(CREATE_RULESET, attributes, len(attributes), 0))
    if made >= 0 and protected:
        for path in [*_beside(protected), *([own] if own else [])]:
            _allow(libc, made, path, handled)
    return made


def enter(libc: Any, rules: int) -> bool:
    """Enter the domain of `rules`, for good, and close them: who has them could add some. False if refused.

    Needs PR_SET_NO_NEW_PRIVS.
    """
    if rules < 0:
        return False
    entered = int(libc.syscall(RESTRICT_SELF, rules, 0)) == 0
    os.close(rules)
    return entered


def _changes(version: int) -> int:
    return CHANGES | (REFER if version >= REFER_ABI else 0) | (TRUNCATE if version >= TRUNCATE_ABI else 0)


def _beside(protected: Iterable[str]) -> list[str]:
    """The largest directories and files that neither are, contain, nor lie in one of `protected`."""
    closed = {os.path.realpath(path) for path in protected if os.path.exists(path)}
    ways = {path for one in closed for path in _above(one)}
    inner = {one for one in closed if not closed.isdisjoint(_above(one))}
    beside: list[str] = []
    for way in sorted(ways - closed):
        if closed.isdisjoint(_above(way)):
            with suppress(OSError):
                beside += [entry.path for entry in os.scandir(way) if entry.path not in ways | closed - inner]
    return beside


def _above(path: str) -> list[str]:
    found = []
    while (parent := os.path.dirname(path)) != path:
        found.append(parent)
        path = parent
    return found


def _allow(libc: Any, rules: int, path: str, handled: int) -> None:
    """Allow changes beneath `path`; one that cannot be opened stays forbidden."""
    with suppress(OSError):
        beneath = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            allowed = handled if os.path.isdir(path) and not os.path.islink(path) else handled & ON_FILES
            rule = struct.pack("=Qi", allowed, beneath)
            libc.syscall(ADD_RULE, rules, RULE_PATH_BENEATH, ctypes.c_char_p(rule), 0)
        finally:
            os.close(beneath)
