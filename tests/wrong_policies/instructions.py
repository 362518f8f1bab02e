"""Mistakes between what a flush is believed to reach and the instructions that it executes."""

from __future__ import annotations

from arch_plugins.arm64 import Arm64, Arm64Range
from arch_plugins.arm64_tlbi import range_operand
from arch_plugins.families.broadcast import Insns
from arch_plugins.families.ipi import Ipi
from arch_plugins.riscv import RiscvIpi
from arch_plugins.x86 import X86
from arch_plugins.x86_invlpgb import X86Invlpgb
from core.facts import Facts
from core.hookspecs import hookimpl
from core.machine.insn import Operand, insn
from core.machine.ipi import FlushRequest
from core.mm.mm import Mm


class Invlpg(Ipi):
    """Right: each CPU of the mask executes one INVLPG for each page."""

    FACTS = Facts()
    page_insn, mm_insn, ceiling = "INVLPG", "MOV_CR3", 33


class HalfInvlpg(Invlpg):
    """Every other page: INVLPG is thought to take pairs."""

    def insns(self, request: FlushRequest) -> tuple[str, int]:
        name, nr = super().insns(request)
        return name, nr if name == self.mm_insn else -(-nr // 2)


class OneInvlpg(Invlpg):
    """One INVLPG for the mm, which invalidates the page at address 0."""

    def insns(self, request: FlushRequest) -> tuple[str, int]:
        return (self.page_insn, 1) if request.end is None else super().insns(request)


class InvlpgHere(Invlpg):
    """The flush is believed to happen on every CPU of the mask, and executed on this one."""

    async def ask(self, mm: Mm, request: FlushRequest) -> None:
        from arch_plugins.generic import flush_by_ipi

        await self.executed(mm.task.cpu, request)
        await flush_by_ipi(mm, request)


class HalfTlbi(Arm64):
    """The loop steps over two pages at a time."""

    def of_range(self, start: int, end: int, stride: int, leaf: bool) -> Insns:
        return [("TLBI_VALE1IS" if leaf else "TLBI_VAE1IS", max(1, (end - start) // stride // 2))]


class StrideTlbi(Arm64):
    """The stride of huge pages over small ones."""

    def of_range(self, start: int, end: int, stride: int, leaf: bool) -> Insns:
        each = Operand(start, -(-(end - start) // 512), 512, leaf=leaf, everywhere=True)
        return [("TLBI_VALE1IS" if leaf else "TLBI_VAE1IS", each.nr or 0, (each,))]


class LocalTlbi(Arm64):
    """TLBI without IS: of this CPU only."""

    def of_range(self, start: int, end: int, stride: int, leaf: bool) -> Insns:
        return [("TLBI_VALE1", (end - start) // stride, (Operand(start, (end - start) // stride, stride, leaf=leaf),))]


class LeafTlbi(Arm64):
    """VALE1IS, of the last level, also where tables have been freed."""

    def of_range(self, start: int, end: int, stride: int, leaf: bool) -> Insns:
        return super().of_range(start, end, stride, True)


class RangeScale(Arm64Range):
    """arm64 until e3ba51ab24fd (2024): the largest range has a NUM of 32, which the mask makes 0: no scale takes it."""

    def of_range(self, start: int, end: int, stride: int, leaf: bool) -> Insns:
        op, scale, pages = "TLBI_RVALE1IS" if leaf else "TLBI_RVAE1IS", 3, end - start
        made: list[tuple[str, int, tuple[Operand, ...]]] = []
        while pages > 0:
            if pages == 1 or (end - pages) % 16:
                made.append((op.replace("_R", "_"), 1, (Operand(end - pages, 1, leaf=leaf, everywhere=True),)))
                pages -= 1
                continue
            num = ((pages >> 5 * scale + 1) & 31) - 1 if scale >= 0 else 15
            if num >= 0:
                made.append((op, 1, (range_operand(end - pages, num, scale, leaf, True),)))
                pages -= (num + 1) << 5 * scale + 1 if scale >= 0 else pages
            scale -= 1
        return made


class RangeUnaligned(Arm64Range):
    """With FEAT_LPA2 the operand has 64 KiB units, and the start is not brought to one first."""

    def of_range(self, start: int, end: int, stride: int, leaf: bool) -> Insns:
        pages = end - start
        if pages < 2:
            return super().of_range(start, end, stride, leaf)
        num = min(-(-pages // 2), 32) - 1
        if (num + 1) * 2 < pages:
            return super().of_range(start, end, stride, leaf)
        return [("TLBI_RVALE1IS" if leaf else "TLBI_RVAE1IS", 1, (range_operand(start, num, 0, leaf, True),))]


class CountsInvlpgb(X86Invlpgb):
    """Right: up to eight pages an instruction (invlpgb_count_max)."""

    count, stride = 8, 1

    def of_range(self, start: int, end: int, stride: int, leaf: bool) -> Insns:
        pages = -(-(end - start) // stride)
        operands = [
            Operand(start + at * stride, min(self.count, pages - at), stride * self.stride, everywhere=True)
            for at in range(0, pages, self.count)
        ]
        return [("INVLPGB_ADDR", len(operands), tuple(operands))]


class StrideInvlpgb(CountsInvlpgb):
    """FreeBSD in 2026: the stride of 2 MiB is set where pages of 4 KiB follow, so that only the first of them goes."""

    stride = 512


class CountFromOne(CountsInvlpgb):
    """ECX has the number of extra pages: what is meant as eight is nine, and what is meant as one page less is lost."""

    def of_range(self, start: int, end: int, stride: int, leaf: bool) -> Insns:
        return [
            (name, nr, tuple(of._replace(nr=max(1, (of.nr or 1) - 1)) for of in operands))
            for name, nr, operands in super().of_range(start, end, stride, leaf)  # type: ignore[misc]
        ]


class ShortSfence(RiscvIpi):
    """SFENCE.VMA of the first page, up to the threshold of 64."""

    async def fence(self, mm: Mm, request: FlushRequest, stride: int) -> None:
        from arch_plugins.generic import flush_by_ipi
        from core.mm.mm import mm_cpumask

        for cpu in sorted(await mm_cpumask(mm)):
            of = Operand() if request.end is None else Operand(request.start, 1, leaf=True)
            await insn(cpu, "SFENCE_va_asid", 1, of)
        await flush_by_ipi(mm, request._replace(leaf=request.end is not None))


class StrideInvlpg(X86):
    """x86's loop with the stride of the highest level: flush_tlb_func() steps over small pages."""

    async def flush_tlb_mm_range(self, mm: Mm, start: int, end: int | None, stride: int, freed_tables: bool) -> None:
        from arch_plugins.generic import flush_by_ipi
        from core.mm.mm import mm_cpumask

        if mm.cpus is None:
            await super().flush_tlb_mm_range(mm, start, end, stride, freed_tables)
            return
        for cpu in sorted(await mm_cpumask(mm)):
            long = end is not None and end - start > mm.span[0]
            of = (
                Operand()
                if end is None
                else Operand(start, -(-(end - start) // (512 if long else 1)), 512 if long else 1)
            )
            await insn(cpu, "INVLPG", of.nr or 1, of)
        await flush_by_ipi(mm, FlushRequest(start, end))

    @hookimpl
    def arch_facts(self) -> Facts:
        return super().arch_facts()  # type: ignore[no-any-return]
