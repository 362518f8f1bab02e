"""Which hooks of an architecture are called, with how many pages, under which locks.

A hook that never ran has been judged by nobody.  `recording` gives an architecture whose hooks note each call before
they make it; what they do is unchanged.  `holding` runs a program and keeps the locks that it holds where the note is
made: a hook is called by its program between two operations, so the set is right whichever reader runs the program.

Data types
    HookCall    one way in which a hook was called
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

from core.hookspecs import SPECS, ArchSpec
from core.machine.op import Op
from core.plugins.arch import Arch

WHOLE = -1
"""`HookCall.pages` of a flush of the whole mm."""


class HookCall(NamedTuple):
    """`pages` that it was called for: None if it is for no pages, WHOLE for all; `locks` held, by their kinds.

    `locks` is None where nobody has noted them.
    """

    hook: str
    pages: int | None
    locks: tuple[str, ...] | None


Locks = frozenset[str]
"""Locks by name, such as 'ptl[0]'."""

_held: list[Locks] = []
"""The locks of the program that runs now, last, if it runs under `holding`: one at a time runs in a process."""


def recording(arch: Arch, calls: set[HookCall]) -> Arch:
    """`arch` with hooks that add each call to `calls`."""
    hooks = {name: _recorded(name, getattr(arch.hook, name), calls) for name in SPECS}
    return replace(arch, hook=cast(ArchSpec, SimpleNamespace(**hooks)))


def _recorded(name: str, hook: Callable[..., Any], calls: set[HookCall]) -> Callable[..., Any]:
    def called(**given: Any) -> Any:
        locks = tuple(sorted({_kind(lock) for lock in _held[-1]})) if _held else None
        calls.add(HookCall(name, _pages(given), locks))
        return hook(**given)

    return called


def _pages(given: Mapping[str, Any]) -> int | None:
    """How many pages the call is for.  A number may be symbolic (core.cost.affine): then it is its present value."""
    if "nr" in given:
        return int(_now(given["nr"]))
    if "tlb" in given and "vma" not in given and "table" not in given and "page" not in given:
        tlb = given["tlb"]
        return WHOLE if tlb.fullmm else max(0, _now(tlb.end) - _now(tlb.start))
    return _now(given["end"]) - _now(given["start"]) if "start" in given and "end" in given else None


def _now(number: Any) -> int:
    return cast(int, getattr(number, "value", number))


async def holding(program: Coroutine[Op, Any, Any]) -> Any:
    """Run `program`, with the locks that it holds noted for `recording`."""
    held: Locks = frozenset()
    value: Any = None
    while True:
        with _noted(held):
            try:
                op = program.send(value)
            except StopIteration as stop:
                return stop.value
        value = await op
        held = after(held, op.name, value)


@contextmanager
def _noted(held: Locks) -> Iterator[None]:
    _held.append(held)
    try:
        yield
    finally:
        _held.pop()


TAKES = {
    "mmap_read_lock": "mmap_lock (read)",
    "mmap_read_trylock": "mmap_lock (read)",
    "mmap_write_lock": "mmap_lock (write)",
    "mmap_write_downgrade": "mmap_lock (read)",
    "lock_vma_under_rcu": "VMA (read)",
    "vma_start_write": "VMA (write)",
}
RELEASES = {
    "mmap_read_unlock": "mmap_lock (read)",
    "mmap_write_unlock": "mmap_lock (write)",
    "mmap_write_downgrade": "mmap_lock (write)",
    "vma_end_read": "VMA (read)",
    "vma_end_write_all": "VMA (write)",
}


def after(held: Locks, name: str, value: Any) -> Locks:
    """The locks held after the operation `name`, which has returned `value`: names are those of core.machine.lock."""
    word, _, lock = name.partition(" ")
    if word == "unlock":
        return held - {lock}
    if name in RELEASES:
        held -= {RELEASES[name]}
    tries = word == "trylock" or name in ("mmap_read_trylock", "lock_vma_under_rcu")
    if tries and not value:
        return held
    if word in ("lock", "trylock"):
        return held | {lock}
    return held | {TAKES[name]} if name in TAKES else held


def _kind(lock: str) -> str:
    return lock.partition("[")[0]
