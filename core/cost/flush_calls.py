"""Which hooks the kernel calls for a flush, told as events: for counts of programs that flush without a gather.

A gather logs its own flushes.  Reclaim, migration, khugepaged and fork() call the architecture.  `telling` gives an
architecture whose flushing hooks say when they begin and end; what they do is unchanged.  One may call another: the
outermost is the flush.

Data types
    event ('flush_call', name, start, end)    a flush begins: of pages `start` to `end`, or None for all that there is
    event ('flush_return',)                   it has returned
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

from core.cost.counts import Counts
from core.hookspecs import SPECS, ArchSpec
from core.mm.mm import Mm, log
from core.plugins.arch import Arch

FLUSHES = (
    "tlb_flush",
    "flush_tlb_mm",
    "flush_tlb_range",
    "flush_tlb_page",
    "flush_tlb_kernel_range",
    "flush_pmd_tlb_range",
    "ptep_clear_flush",
    "pmdp_huge_clear_flush",
    "pmdp_invalidate",
    "pmdp_collapse_flush",
    "arch_tlbbatch_flush",
    "arch_flush_tlb_batched_pending",
)
"""Hooks that have flushed when they return."""


class FlushCalls:
    """Counts events, and flushes of programs that flush without a gather by the hook that the kernel calls.

    One of reclaim's batch is full, unless the architecture reports instructions and none of them is for everything.
    """

    def __init__(self, counts: Counts, mm: Mm) -> None:
        self.counts, self.mm = counts, mm
        self._calls: list[tuple[str, int, int | None]] = []
        self._outermost, self._reports, self._whole = "", False, False

    def emit(self, event: tuple[Any, ...]) -> None:
        """Count one event."""
        if event[0] == "flush_call":
            if not self._calls:
                self._whole = False
            self._calls.append(event[1:])
        elif event[0] == "flush_return":
            call = self._calls.pop()
            if not self._calls:
                self._flushed(*call)
        elif event[0] == "flush":
            if self._outermost == "tlb_flush":  # any other has been counted as it was called
                self.counts.emit(event)
        elif event[0] != "clean_flush":
            if event[0] == "insn" and len(event) > 4:
                self._reports = True
                self._whole |= any(of.nr is None for of in event[4:])
            self.counts.emit(event)

    def _flushed(self, name: str, start: int, end: int | None) -> None:
        self._outermost = name
        if name == "tlb_flush":
            return
        if name == "pmdp_collapse_flush":
            end = start + self.mm.span[0]
        ranged = name == "arch_tlbbatch_flush" and self._reports and not self._whole
        kind = "range" if end is not None else "batch" if ranged else "mm"
        self.counts.emit(("flush", start, end or 0, (kind, "ptes")))


def telling(arch: Arch) -> Arch:
    """`arch`, whose flushing hooks log their calls, but for those that call others of them (FromC.flushes_below)."""
    hooks = {name: getattr(arch.hook, name) for name in SPECS}
    below: frozenset[str] = getattr(arch.plugin, "flushes_below", frozenset())
    hooks |= {name: _told(name, hooks[name]) for name in FLUSHES if name not in below}
    return replace(arch, hook=cast(ArchSpec, SimpleNamespace(**hooks)))


def _told(name: str, hook: Callable[..., Any]) -> Callable[..., Any]:
    async def called(**given: Any) -> Any:
        await log("flush_call", name, *_pages(given))
        value = await hook(**given)
        await log("flush_return")
        return value

    return called


def _pages(given: Mapping[str, Any]) -> tuple[int, int | None]:
    if "start" in given:
        return given["start"], given["end"]
    if "addr" in given:
        return given["addr"], given["addr"] + 1
    return 0, None
