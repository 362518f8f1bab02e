"""What the kernel can do to contain a process that runs foreign code.  All of it is Linux's; elsewhere nothing is done.

    own session       no terminal, and a signal to the process group reaches nobody else
    PID namespace     the process sees and signals only its own; when the first one of the namespace (the warden) kills,
                      or dies, everything in it is gone at once
    mount namespace   what the project itself reads and keeps (its code, its machine code, its reports) is read-only
    Landlock          no process outside can be signalled (Linux 6.12) or traced (5.13); without a mount namespace it
                      keeps the project's files (core.run.landlock)
    seccomp           without namespaces: no limits or priorities of others are changed, no owner or permissions of a
                      file, and without that Landlock none is signalled (core.run.seccomp)
    capabilities      none are left, but that of root to read files
    rlimits           memory, size of files, core dumps; for users other than root the number of processes

Namespaces need root, or user namespaces for everybody; containers and some distributions refuse both.

What is not contained: reading files, writing those that are not the project's, the network.

The system calls are made with ctypes: the standard library has none of them in Python 3.11.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import struct
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from core.run import landlock, seccomp

PROCESSES = 64
"""Processes that one child may start."""

LARGEST_FILE = 1 << 28
"""Bytes of a file that a child may write."""

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 36, 38
CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID = 0x00020000, 0x10000000, 0x20000000
CAP_DAC_READ_SEARCH, CAPABILITY_VERSION_3 = 2, 0x20080522
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 32, 4096, 1 << 14, 1 << 18
KEPT_FLAGS = {
    os.ST_NOSUID: 2,
    os.ST_NODEV: 4,
    os.ST_NOEXEC: 8,
    os.ST_NOATIME: 1024,
    os.ST_NODIRATIME: 2048,
    os.ST_RELATIME: 1 << 21,
}
"""Flags of a mount that a user namespace may not take away, as statvfs() and as mount() have them."""


@lru_cache
def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent(parent: int) -> None:
    """Let the kernel kill this process when its parent, of this process id, ends."""
    if _libc() is not None:
        _libc().prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)


def adopt_orphans() -> None:
    """Let descendants whose parent ends become children of this process."""
    if _libc() is not None:
        _libc().prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def own_namespaces() -> bool:
    """Enter a mount namespace, and let the children of this process be in a PID namespace; False if refused."""
    if _libc() is None:
        return False
    if _libc().unshare(CLONE_NEWPID | CLONE_NEWNS) == 0:
        return True
    user, group = os.geteuid(), os.getegid()
    if _libc().unshare(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS) != 0:
        return False
    with suppress(OSError):  # without a map the process is nobody, whose files stay readable all the same
        Path("/proc/self/setgroups").write_text("deny", encoding="utf-8")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1", encoding="utf-8")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1", encoding="utf-8")
    return True


def read_only(paths: Sequence[str], own: str = "") -> bool:
    """Make what is under `paths` read-only in this mount namespace, but for the directory `own`; False if refused.

    What is mounted below stays as it is.
    """
    if _libc().mount(None, b"/", None, MS_REC | MS_PRIVATE, None) != 0:
        return False
    done = True
    for path in paths:
        done &= _mounted(path, MS_RDONLY)
    return done and (not own or _mounted(own, 0))


def _mounted(path: str, more: int) -> bool:
    """Mount `path` on itself with the flags that it has, and `more`; without MS_RDONLY it is writable."""
    name, kept = os.fsencode(path), os.statvfs(path).f_flag
    flags = MS_REMOUNT | MS_BIND | more | sum(ms for st, ms in KEPT_FLAGS.items() if kept & st)
    mount = _libc().mount
    return bool(mount(name, name, None, MS_BIND | MS_REC, None) == 0 == mount(None, name, None, flags, None))


class Containment(NamedTuple):
    """What a warden has found that it can do for its children.

    `namespace`: they are in a PID namespace.  `read_only`: what the project reads and keeps is, by the mount namespace.
    `rules`: Landlock's, a descriptor; -1 for none.  `signals`: Landlock keeps signals from processes outside.
    `files`: Landlock keeps the project's files.
    """

    namespace: bool = False
    read_only: bool = False
    rules: int = -1
    signals: bool = False
    files: bool = False

    @property
    def filtered(self) -> bool:
        """Is a seccomp filter to do what namespaces do?"""
        return not (self.namespace and self.read_only) and seccomp.known()

    def __str__(self) -> str:
        """In words, for the report."""
        parts = ["PID namespace" if self.namespace else "descendants found in /proc"]
        parts += ["the project's files read-only"] if self.read_only or self.files else []
        parts += ["no signals outside"] if self.namespace or self.signals or self.filtered else []
        parts += [f"at most {PROCESSES} processes, " + ("counted" if os.getuid() == 0 else "counted and by rlimit")]
        return f"{'namespaces' if self.namespace else 'counting'} ({', '.join(parts)})"


def found(namespace: bool, read_only: bool, protected: Sequence[str], own: str = "") -> Containment:
    """What can be done, `namespace` and `read_only` having been done or not; makes Landlock's rules.

    They protect all of `protected` but `own`.
    """
    version = landlock.abi(_libc())
    rules = landlock.ruleset(_libc(), () if read_only else protected, own)
    kept = rules >= 0
    return Containment(namespace, read_only, rules, kept and version >= landlock.SCOPED_ABI, kept and not read_only)


def restrict(memory: int, by: Containment) -> None:
    """Take from this process, and what it starts, everything that judging a plugin does not need; for good.

    `memory` is the address space in bytes.
    """
    limit_memory(memory)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, LARGEST_FILE)
    if os.getuid() != 0:
        _limit(resource.RLIMIT_NPROC, _tasks_of_user() + PROCESSES)
    if _libc() is None:
        return
    _libc().prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    landlock.enter(_libc(), by.rules)
    if by.filtered:
        me = os.getpid()
        signals = () if by.namespace or by.signals else seccomp.no_signals(me)
        seccomp.install(_libc(), (*seccomp.to_itself(me), *signals, *seccomp.no_modes()))
    _drop_capabilities()


def limit_memory(memory: int) -> None:
    """Limit the address space of this process to `memory` bytes; where none are left it is the first to go."""
    _limit(resource.RLIMIT_AS, memory)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="utf-8")


def _limit(what: int, value: int) -> None:
    _, most = resource.getrlimit(what)
    value = value if most == resource.RLIM_INFINITY else min(value, most)
    with suppress(OSError, ValueError):
        resource.setrlimit(what, (value, value))


def _tasks_of_user() -> int:
    """How many tasks this user has: RLIMIT_NPROC counts all of them."""
    tasks = 0
    for entry in os.scandir("/proc") if sys.platform == "linux" else ():
        with suppress(OSError, ValueError):
            if entry.name.isdigit() and entry.stat().st_uid == os.getuid():
                tasks += len(os.listdir(f"/proc/{entry.name}/task"))
    return tasks


def _drop_capabilities() -> None:
    """Drop all but, of root, CAP_DAC_READ_SEARCH: root could lift its rlimits, a user undo what its namespace does."""
    header = struct.pack("=Ii", CAPABILITY_VERSION_3, 0)
    for kept in (1 << CAP_DAC_READ_SEARCH, 0) if os.geteuid() == 0 else (0,):
        if _libc().capset(header, struct.pack("=6I", kept, kept, 0, 0, 0, 0)) == 0:
            return
