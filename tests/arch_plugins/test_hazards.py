"""An architecture's own hazard: the plugin as the kernel has it passes, and without what the kernel does it fails."""

from __future__ import annotations

from typing import Any

import pytest

from arch_plugins.alpha import Alpha, AlphaV61
from arch_plugins.arm64 import Arm64
from arch_plugins.csky import Csky
from arch_plugins.families.at_clear import ATTACH_MASK, detach, flush_mm_lazy, join, set_flush_mm
from arch_plugins.families.context import ContextReset
from arch_plugins.families.tlb_gen import GEN, GenRequest, Info, TlbGen, ctx_gen_cell, loaded_mm_cell, read, write
from arch_plugins.loongarch import Loongarch
from arch_plugins.mips import Mips
from arch_plugins.openrisc import Openrisc
from arch_plugins.powerpc_hash import PowerpcHash
from arch_plugins.riscv import Riscv
from arch_plugins.s390 import S390
from arch_plugins.sh import Sh
from arch_plugins.sparc64 import Sparc64
from arch_plugins.x86 import X86
from arch_plugins.x86_618 import X86618
from core.conformance import SCENARIOS, judge
from core.hookspecs import hookimpl
from core.machine.ipi import FlushRequest
from core.machine.op import Cpu
from core.mm.batched_unmap import UnmapBatch
from core.mm.era import ERAS
from core.mm.huge_memory import xchg_pmd
from core.mm.kthread import mm_users
from core.mm.mm import Mm, cpumask_clear_cpu, cpumask_set_cpu, mm_cpumask
from core.plugins.arch import set_up


class BarrierOfAnother(Arm64):
    """B-26: before 4b634918384c the barrier of whoever comes was taken to complete the reclaimer's TLBI."""

    @hookimpl
    async def arch_flush_tlb_batched_pending(self, mm: Mm) -> None:
        await self.wait(mm)


class ForgetsOnSwitch(S390):
    """A task is switched in and the flush that was put off is not paid."""

    @hookimpl
    async def switch_mm(self, prev: Mm | None, next: Mm | None) -> None:
        if prev is not None and prev is not next:
            await detach(prev)
        if next is not None and next.cpus is None:
            await join(ATTACH_MASK, next.task.cpu)
            await cpumask_set_cpu(next)


class DoesNotWaitForFlushers(S390):
    """It is paid, but a flusher that has seen nobody attached may not have put it off yet."""

    @hookimpl
    async def switch_mm(self, prev: Mm | None, next: Mm | None) -> None:
        if prev is not None and prev is not next:
            await detach(prev)
        if next is None:
            return
        if next.cpus is None:
            await join(ATTACH_MASK, next.task.cpu)
            await cpumask_set_cpu(next)
        await flush_mm_lazy(next)


class ClearsWithoutBarrier(Csky):
    """set_pte() without its smp_mb(): the ASID may be read while the old entry is still there."""

    def asid_behind_barrier(self, mm: Mm) -> bool:
        return False


class LeavesQueueBehind(Sparc64):
    """The lazy-MMU section ends and the queue is not flushed."""

    @hookimpl
    async def arch_leave_lazy_mmu_mode(self, mm: Mm) -> None:
        pass


class LeavesHugeToTheGather(Sparc64):
    """A huge entry is flushed with the gather's range, which is empty here."""

    async def flush_huge(self, mm: Mm, addr: int) -> None:
        pass


class PutsHugeOff(S390):
    """A huge entry is marked, and its flush put off, wherever the mm is attached."""

    @hookimpl
    async def pmdp_huge_get_and_clear(self, mm: Mm, addr: int, full: bool) -> object:
        pmd = await xchg_pmd(mm, addr)
        await set_flush_mm(True)
        return pmd


class FlushesBehindTheLock(PowerpcHash):
    """B-44: hash entries go in tlb_flush(), when the page-table lock has been dropped."""

    @hookimpl
    async def arch_leave_lazy_mmu_mode(self, mm: Mm) -> None:
        pass

    @hookimpl
    async def tlb_flush(self, tlb: object) -> str | None:
        await self.flush_queue(tlb.mm, None)  # type: ignore[attr-defined]
        return "pending"


class LeavesTheMask(Riscv):
    """B-39: with ASIDs the entries stay, and the CPU leaves the mask."""

    @hookimpl
    async def switch_mm(self, prev: Mm | None, next: Mm | None) -> None:
        if prev is not None and prev is not next:
            await cpumask_clear_cpu(prev)
        await super().switch_mm(prev, next)


class KeepsEntries(Openrisc):
    """There are no contexts, and the CPU goes on to another mm without a flush."""

    @hookimpl
    async def switch_mm(self, prev: Mm | None, next: Mm | None) -> None:
        if prev is not None and prev is not next:
            await cpumask_clear_cpu(prev)
        if next is not None:
            await cpumask_set_cpu(next)


class TakesUpWhatItHas(TlbGen):
    """The generation is read and not compared."""

    @hookimpl
    async def switch_mm(self, prev: Mm | None, next: Mm | None) -> None:
        if prev is not None and prev is not next:
            await self.leave(prev)
        if next is None or next.cpus is not None:
            return
        cpu = next.task.cpu
        await cpumask_set_cpu(next)
        await write(ctx_gen_cell(cpu), await read(GEN))
        await write(loaded_mm_cell(cpu), "this")


class ServesInPart(X86):
    """An interrupted CPU flushes what it is asked for, and believes itself as far as the newest flush."""

    def handled(self, mm: Mm, cpu: Cpu, info: Info, gen: int, words: tuple[Any, ...]) -> tuple[Any, ...]:
        if isinstance(info, GenRequest) and info.gen > words[2]:
            words = (*words[:2], info.gen - 1, *words[3:])
            gen = info.gen
        return super().handled(mm, cpu, info, gen, words)


class SparesLazyWalkers(X86):
    """CPUs in lazy TLB mode are left out of flushes that free tables, too."""

    async def flush_tlb_multi(
        self, mm: Mm, cpus: frozenset[Cpu], info: Info, freed_tables: bool, whatever: bool
    ) -> None:
        await super().flush_tlb_multi(mm, cpus, info, False, whatever)


class StaysInLazyMode(X86):
    """A lazy CPU that is asked stays on the page tables, and forgets nothing: it will as it comes back."""

    def handled(self, mm: Mm, cpu: Cpu, info: Info, gen: int, words: tuple[Any, ...]) -> tuple[Any, ...]:
        return words if words[1] else super().handled(mm, cpu, info, gen, words)


class BatchesWithoutGeneration(X86):
    """Reclaim remembers the CPUs, and raises no generation."""

    @hookimpl
    async def arch_tlbbatch_add_pending(self, mm: Mm, batch: UnmapBatch, start: int, end: int) -> None:
        batch.cpus |= await mm_cpumask(mm)


def taking_anyone_for_the_user(family: type) -> type:
    """`family`, which asks for mm_users, and not whose mm it is."""

    class Takes(family):  # type: ignore[misc]
        async def only_user(self, mm: Mm, request: FlushRequest) -> bool:
            return bool(await mm_users() <= 1)

    return Takes


class ForgetsThatItWasLazy(X86):
    """A CPU in lazy TLB mode is left out of flushes, and goes on with the task as if it had not been."""

    async def catch_up(self, mm: Mm) -> bool:
        return await read(loaded_mm_cell(mm.task.cpu)) == "switching" and await super().catch_up(mm)


def keeping_its_context(family: type) -> type:
    """`family`, whose switch_mm() takes up a context that was dropped."""

    class Keeps(family):  # type: ignore[misc]
        @hookimpl
        async def switch_mm(self, prev: Mm | None, next: Mm | None) -> None:
            if next is not None:
                await cpumask_set_cpu(next)

    return Keeps


def verdicts(plugin: object, scenarios: list[str], facts: dict[str, object] | None = None) -> list[str]:
    arch = set_up("test", plugin, "test", facts)
    return [judge(arch, ERAS["6.12"], SCENARIOS[name]).verdict for name in scenarios]


MOVES, BACK = ["task-moves"], ["switch-back"]
FOREIGN = ["borrower-flushes", "reclaim-elsewhere"]


@pytest.mark.parametrize(
    ("right", "wrong", "scenarios", "facts"),
    [
        (Arm64, BarrierOfAnother, ["reclaim-mprotect"], None),
        (S390, ForgetsOnSwitch, ["use-after-free"], {"one_cpu": True}),
        (S390, ForgetsOnSwitch, BACK, None),
        (S390, DoesNotWaitForFlushers, BACK, None),
        (Csky, ClearsWithoutBarrier, ["asid-rollover"], None),
        (Sparc64, LeavesQueueBehind, ["use-after-free"], None),
        (Sparc64, LeavesHugeToTheGather, ["huge-freed"], None),
        (S390, PutsHugeOff, ["huge-freed"], None),
        (Sparc64, LeavesHugeToTheGather, ["huge-protect"], None),
        (PowerpcHash, FlushesBehindTheLock, ["hash-refault"], None),
        (Riscv, LeavesTheMask, MOVES, None),
        (Riscv, LeavesTheMask, BACK, None),
        (Openrisc, KeepsEntries, MOVES, None),
        (X86, ForgetsThatItWasLazy, ["lazy-back"], None),
        (X86, ServesInPart, ["any-order"], None),
        (X86, SparesLazyWalkers, ["lazy-walk"], None),
        (X86, StaysInLazyMode, ["lazy-walk"], None),
        (X86, BatchesWithoutGeneration, ["lazy-batch"], None),
        (X86, type("X86Forgets", (TakesUpWhatItHas, X86), {}), MOVES, None),
        (X86618, type("X86618Forgets", (TakesUpWhatItHas, X86618), {}), BACK, None),
        *((plugin, taking_anyone_for_the_user(plugin), FOREIGN, None) for plugin in (Mips, Sh, Loongarch)),
        *((plugin, keeping_its_context(plugin), MOVES, None) for plugin in (Mips, Sh, Loongarch, AlphaV61)),
    ],
)
def test_the_fix_matters(right: type, wrong: type, scenarios: list[str], facts: dict[str, object] | None) -> None:
    assert set(verdicts(right(), scenarios, facts)) == {"pass"}
    assert "fail" in verdicts(wrong(), scenarios, facts)


def test_alpha_asks_for_contexts_elsewhere_instead_of_dropping_them() -> None:
    """So taking up the old one is safe in 6.12: whoever has it was interrupted."""
    assert verdicts(keeping_its_context(Alpha)(), MOVES) == ["pass"]
    assert issubclass(Alpha, ContextReset)
