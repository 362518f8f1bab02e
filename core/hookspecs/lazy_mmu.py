"""Sections in which changes of entries may be put off: include/linux/pgtable.h, arch_enter_lazy_mmu_mode()."""

from __future__ import annotations

from core.hookspecs.marker import hookspec
from core.mm.mm import Mm


class LazyMmuSpec:
    """The hooks of this area."""

    @hookspec
    async def arch_enter_lazy_mmu_mode(self, mm: Mm) -> None:
        """Program. Called under the page-table lock before a series of page-table updates."""

    @hookspec
    async def arch_flush_lazy_mmu_mode(self, mm: Mm) -> None:
        """Program. Within a section: on return all updates deferred so far must be done, and the section goes on.

        Called where a section ends within another (core.mm.lazy_mmu).
        """

    @hookspec
    async def arch_leave_lazy_mmu_mode(self, mm: Mm) -> None:
        """Program. Called under the page-table lock after the series; on return all deferred updates must be done."""

    @hookspec
    async def arch_start_context_switch(self, mm: Mm) -> bool:  # type: ignore[empty-body]
        """Program. The task is switched away in the middle of a call; its CPU may run any other task next.

        Returns whether a lazy-MMU section was open, which it must not be for the next task (TIF_LAZY_MMU_UPDATES).
        Called only in models in which a task is preempted.  Mirrors arch_start_context_switch(), or what
        __switch_to() does in its place.
        """

    @hookspec
    async def arch_end_context_switch(self, mm: Mm, lazy: bool) -> None:
        """Program. The task continues, on this CPU or another; `lazy` is what arch_start_context_switch() returned."""
