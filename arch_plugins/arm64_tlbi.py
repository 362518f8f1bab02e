"""arm64's range instructions: how many of them a range of pages takes, and with which operands.

arch/arm64/include/asm/tlbflush.h:__flush_tlb_range_op().  A range is written as a sum of (num+1) * 2^(5*scale+1) pages,
and an odd page by itself: 6.1 goes up the scales, taking the odd page first, 6.12 down, taking it last; the number of
instructions comes out of the loop.  With FEAT_LPA2 (6.9 and later) pages are taken one by one up to the next multiple
of 64 KiB.
"""

from __future__ import annotations

from arch_plugins.families.broadcast import Given
from core.machine.insn import Operand

MAX_TLBI_RANGE_PAGES = 32 << (5 * 3 + 1)
LPA2_PAGES = 16
"""With FEAT_LPA2 the operand of a range instruction has the address in units of 64 KiB."""


def range_operand(start: int, num: int, scale: int, leaf: bool, lpa2: bool) -> Operand:
    """__TLBI_VADDR_RANGE(): what the hardware makes of the fields, of which it sees 5 bits of NUM and 2 of SCALE."""
    start -= start % LPA2_PAGES if lpa2 else 0
    return Operand(start, ((num & 31) + 1) << (5 * (scale & 3) + 1), leaf=leaf, everywhere=True)


def range_insns(op: str, start: int, end: int, stride: int, upwards: bool, lpa2: bool) -> Given:
    """The loop of __flush_tlb_range_op(): ranges from the largest scale down, or (6.1) from the smallest up."""
    scale, pages, leaf = 0 if upwards else 3, end - start, op == "TLBI_VALE1IS"
    single: list[Operand] = []
    ranges: list[Operand] = []
    while pages > 0:
        at = end - pages
        if (pages % 2 if upwards else pages == 1) or (lpa2 and at % LPA2_PAGES):
            single.append(Operand(at, 1, leaf=leaf, everywhere=True))
            pages -= stride
            continue
        num = ((pages >> (5 * scale + 1)) & 31 if upwards else min(pages >> (5 * scale + 1), 32)) - 1
        if num >= 0:
            ranges.append(range_operand(at, num, scale, leaf, lpa2))
            pages -= (num + 1) << (5 * scale + 1)
        scale += 1 if upwards else -1
    both = ((op, single), (f"TLBI_R{op.removeprefix('TLBI_')}", ranges))
    return [(name, len(of), tuple(of)) for name, of in both if of]
