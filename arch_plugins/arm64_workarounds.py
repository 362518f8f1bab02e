"""arm64 with what some kernels and cores add to a flush: page-table isolation, an erratum.

arch/arm64/include/asm/tlbflush.h:__tlbi_user(), __repeat_tlbi_sync().
"""

from __future__ import annotations

from arch_plugins.arm64 import Arm64
from arch_plugins.families.broadcast import Insns, with_operands
from core.machine.insn import insn
from core.machine.ipi import Request
from core.mm.mm import Mm


class Arm64Kpti(Arm64):
    """6.12 with KPTI: user code runs under an ASID of its own, the mm's with one bit more: each TLBI goes out twice.

    __tlbi_user(). The two are always flushed together, so to other CPUs they are one.
    """

    async def send(self, mm: Mm, insns: Insns, request: Request) -> None:
        await super().send(mm, [(name, 2 * nr, of) for name, nr, of in with_operands(insns)], request)


class Arm64RepeatTlbi(Arm64):
    """6.12 with ARM64_WORKAROUND_REPEAT_TLBI: a TLBI may be complete too early unless another follows the barrier.

    __tlbi_sync_s1ish(): DSB ISH; TLBI VALE1IS of no address; DSB ISH.  Only the second barrier completes what was
    issued.
    """

    async def wait(self, mm: Mm) -> None:
        await insn(mm.task.cpu, self.barrier)
        await insn(mm.task.cpu, "TLBI_VALE1IS")
        await super().wait(mm)
