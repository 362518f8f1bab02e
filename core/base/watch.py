"""What foreign code reads while it is loaded: files, directories, names of the environment; and what cannot be seen.

Python tells an audit hook of every file that is opened and directory that is listed; the environment is read by methods
that can be replaced for a while.  A process that is started, C that is called, and a socket read what they like: that
they were used is all that is known.  Whoever wants to hide what he reads can.  This is for a resumed run, which must
notice that an honest plugin's table beside it has changed.

A hook cannot be taken away again, so that there is one, and it looks whether anybody watches.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache, wraps
from pathlib import Path
from typing import Any

from core.base.caches import OWN

ROOT = Path(__file__).resolve().parents[2]

UNSEEN = {
    "subprocess.Popen": "starts processes",
    "os.exec": "starts processes",
    "os.fork": "starts processes",
    "os.posix_spawn": "starts processes",
    "os.system": "starts processes",
    "ctypes.dlopen": "calls C",
    "ctypes.call_function": "calls C",
    "socket.__new__": "uses sockets",
}
"""Audit events, and what they say of code: it reads what nobody has told."""

READS_DEVICES = "reads devices"

MOST_READ = 1 << 26
"""Bytes of a file that are hashed; of a larger one, its size and time."""


@dataclass
class Seen:
    """What was read: paths of files and directories, names of the environment; and in words, what reads unseen."""

    files: set[str] = field(default_factory=set)
    directories: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    unseen: set[str] = field(default_factory=set)

    def words(self) -> tuple[str, ...]:
        """`unseen`, in order."""
        return tuple(sorted(self.unseen))

    def digest(self) -> bytes:
        """SHA-256 of all that was read, as it is now."""
        found = hashlib.sha256()
        for path in sorted(self.files):
            found.update(b"\0file " + os.fsencode(path) + b"\0" + self._contents(path))
        for path in sorted(self.directories):
            found.update(b"\0directory " + os.fsencode(path) + b"\0" + _listed(path))
        for name in sorted(self.names):
            value = os.environ.get(name)
            found.update(f"\0environment {name}={value!r}".encode("utf-8", "surrogateescape"))
        return found.digest()

    def _contents(self, path: str) -> bytes:
        try:
            with open(path, "rb", opener=_without_waiting) as file:
                status = os.fstat(file.fileno())
                if not stat.S_ISREG(status.st_mode) or path.startswith(("/proc/", "/sys/")):
                    self.unseen.add(READS_DEVICES)
                    return b"no file"
                if status.st_size > MOST_READ:
                    return f"{status.st_size} bytes of {status.st_mtime_ns}".encode()
                return hashlib.file_digest(file, "sha256").digest()
        except OSError:
            return b"none"


_watching: list[Seen] = []


@contextmanager
def watching() -> Iterator[Seen]:
    """Context in which what this process reads is noted."""
    seen = Seen()
    _hook()
    replaced = {name: _noting(name, getattr(os._Environ, name)) for name in ("__getitem__", "__contains__", "__iter__")}
    before = {name: getattr(os._Environ, name) for name in replaced}
    _watching.append(seen)
    for name, method in replaced.items():
        setattr(os._Environ, name, method)
    try:
        yield seen
    finally:
        _watching.remove(seen)
        for name, method in before.items():
            setattr(os._Environ, name, method)


def _noting(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def noted(environment: Any, *key: Any) -> Any:
        for seen in _watching:
            if not key:
                seen.names.update(name for name in map(os.fsdecode, environment._data) if name != OWN)
            elif isinstance(key[0], (str, bytes)):
                seen.names.add(os.fsdecode(key[0]))
        return method(environment, *key)

    return noted


@lru_cache
def _hook() -> None:
    sys.addaudithook(_heard)


def _heard(event: str, arguments: tuple[Any, ...]) -> None:
    if not _watching:
        return
    for seen in _watching:
        if event == "open":
            _opened(seen, *arguments)
        elif event in ("os.listdir", "os.scandir"):
            with suppress(TypeError, ValueError):
                path = arguments[0]
                seen.directories.add(os.path.abspath(os.fsdecode("." if path is None else path)))
        elif event in UNSEEN:
            seen.unseen.add(UNSEEN[event])


def _opened(seen: Seen, path: Any, mode: Any, flags: Any) -> None:
    if isinstance(path, int) or (isinstance(flags, int) and flags & (os.O_WRONLY | os.O_TRUNC | os.O_CREAT)):
        return
    with suppress(TypeError, ValueError):
        name = os.path.abspath(os.fsdecode(path))
        if not name.endswith(".pyc") and not name.startswith(_known()):
            seen.files.add(name)


@lru_cache
def _known() -> tuple[str, ...]:
    """What the key of a kept result has anyway, or Python's version stands for."""
    standard = {os.path.join(os.path.realpath(sysconfig.get_path(name)), "") for name in ("stdlib", "platstdlib")}
    return (*(f"{ROOT}{os.sep}{name}{os.sep}" for name in ("core", "arch_plugins")), *sorted(standard))


def _listed(path: str) -> bytes:
    try:
        return "\0".join(sorted(os.listdir(path))).encode("utf-8", "surrogateescape")
    except OSError:
        return b"none"


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)
