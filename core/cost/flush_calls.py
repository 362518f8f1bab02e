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

from core.hookspecs import SPECS, ArchSpec
from core.mm.mm import log
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


def telling(arch: Arch) -> Arch:
    """`arch`, whose flushing hooks log their calls."""
    hooks = {name: getattr(arch.hook, name) for name in SPECS}
    hooks |= {name: _told(name, hooks[name]) for name in FLUSHES}
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
