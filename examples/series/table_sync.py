"""Skip the IPI that waits for lockless walks where the flush was one (tlb_table_flush_implies_ipi_broadcast, 2025-26).

khugepaged and hugetlb take a page table out of use, flush, and then interrupt every CPU (tlb_remove_table_sync_one()),
because a lockless walk (GUP-fast) has interrupts off and may still be in the table.  Where the flush itself has
interrupted all who may walk, the second round of IPIs waits for nobody: Implied.

The discussion: where does a flush interrupt every CPU that may walk?  Not where hardware broadcasts it
(ImpliedByBroadcast), and not in a guest whose hypervisor flushes for a vCPU that does not run, in the middle of a walk
(ImpliedInGuest).  Where it does not, a grace period of RCU is the other way (1fb3d8c20bfa has synchronize_rcu() there):
GracePeriod interrupts nobody.  NoGracePeriod asks each CPU and does not wait.

    python -m core.compare run --plugin examples/series/table_sync.py:Implied --era 6.12
    python -m core.compare explain examples/series/table_sync.py:ImpliedByBroadcast gup-fast-collapse --era 6.12
    python -m core.compare compare examples/series/table_sync.py:Implied --against x86 \
        --config arches-all.toml --workload collapse
"""

from __future__ import annotations

from arch_plugins.x86 import X86
from arch_plugins.x86_invlpgb import X86Invlpgb
from arch_plugins.x86_pv import X86Kvm
from core.hookspecs import hookimpl
from core.words import Cpu, Mm, Op, Order, Outcome, irqs_off_cell


class Implied(X86):
    """x86 that flushes by IPI: flush_tlb_mm_range() has interrupted every CPU that runs the mm."""

    @hookimpl
    async def tlb_remove_table_sync_one(self, mm: Mm) -> None:
        """Nothing: a CPU with interrupts off would have held up the flush."""


class ImpliedByBroadcast(X86Invlpgb):
    """Wrong: INVLPGB interrupts nobody."""

    @hookimpl
    async def tlb_remove_table_sync_one(self, mm: Mm) -> None:
        """Nothing."""


class ImpliedInGuest(X86Kvm):
    """Wrong: a vCPU that is not running is flushed by the host, and may be in a walk."""

    @hookimpl
    async def tlb_remove_table_sync_one(self, mm: Mm) -> None:
        """Nothing."""


def quiescent(cpu: Cpu) -> Op:
    """Wait until `cpu` has been seen outside of a lockless walk."""
    return Op(
        f"CPU{cpu} was quiescent",
        (irqs_off_cell(cpu),),
        (),
        lambda off: [] if off else [Outcome(None)],
        order=Order.FULL,
    )


class GracePeriod(X86Invlpgb):
    """synchronize_rcu(): each CPU has been outside of a walk once since the table went."""

    @hookimpl
    async def tlb_remove_table_sync_one(self, mm: Mm) -> None:
        for cpu in sorted(mm.readers - {mm.task.cpu}):
            await self.look(cpu)

    async def look(self, cpu: Cpu) -> None:
        """Wait for one CPU."""
        await quiescent(cpu)


class NoGracePeriod(GracePeriod):
    """Wrong: it asks whether the CPU is in a walk, and goes on whatever the answer is."""

    async def look(self, cpu: Cpu) -> None:
        await Op(f"CPU{cpu} walks?", (irqs_off_cell(cpu),), (), lambda off: [Outcome(off)], order=Order.FULL)
