"""Only this CPU flushes: there is one CPU, or one TLB that all hardware threads share.

`shared` (hexagon): what one thread invalidates is invalid for all.  Otherwise CONFIG_SMP does not exist.
"""

from __future__ import annotations

from arch_plugins.families.ipi import Ipi
from arch_plugins.up import Up
from core.hookspecs import Facts, hookimpl
from core.machine.insn import Operand
from core.machine.ipi import FlushRequest
from core.machine.tlb import invalidate
from core.mm.init_mm import init_mm
from core.mm.mm import Mm


class Local(Ipi, Up):
    """One CPU, or one TLB. Clearing an entry is two steps, as `Up` has it, except where TLBs are shared."""

    async def ask(self, mm: Mm, request: FlushRequest) -> None:
        here = mm.task.cpu
        await self.executed(here, request)
        cpus = sorted(mm.everyone) if self.FACTS.smp else [here]
        await invalidate(cpus, [a for a in mm.addrs if request.covers(a)], f"local {request}")

    @hookimpl
    async def flush_tlb_kernel_range(self, mm: Mm, start: int, end: int) -> None:
        await Local.ask(self, init_mm(mm), FlushRequest(start, end))

    def operand(self, name: str, nr: int, request: FlushRequest) -> Operand:
        return super().operand(name, nr, request)._replace(everywhere=self.FACTS.smp)

    @hookimpl
    def arch_facts(self) -> Facts:
        return self.FACTS
