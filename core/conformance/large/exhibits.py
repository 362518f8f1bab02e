"""Historic bugs of instructions: what is flushed is asked for rightly, and the operand says something else.

The explorer believes what a flush asks for; a large run holds the operands of its instructions against it.

B-58, e3ba51ab24fd, arm64 of 6.6 to 6.9-rc3: a flush of MAX_TLBI_RANGE_PAGES, 2^21

__TLBI_RANGE_NUM() masks the number of units to five bits before it takes one off.  For 2^21 pages they are zero at
every scale from 3 to 0, so the loop goes on below: it shifts by a negative number, which the CPU takes modulo 64, and
at scale -9 it finds two units of 2^20 pages.  The hardware sees the two lowest bits of the scale, 3, and flushes 2^17
pages.  The caller was KVM (stage 2, kvm_tlb_flush_vmid_range()): flush_tlb_range() of then took longer ranges for the
whole ASID.  Since 73301e464a72 it asks for 2^21 pages as well, which is what this exhibit does.

B-55, FreeBSD, 2026: INVLPGB is given the stride of large pages

The instruction takes a first address, a number of pages and whether the stride is 4 KiB or 2 MiB.  Where small pages
follow each other at a stride of 2 MiB, the first is flushed of each eight.  Linux gets it right (get_flush_tlb_info()
has the stride of the smallest entry cleared); the exhibit is Linux's policy with that mistake in it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from core.conformance.exhibit import Exhibit
from core.machine.insn import Operand
from core.plugins.arch import Arch, set_up

Instructions = list[tuple[str, int, tuple[Operand, ...]]]
"""Each by its name, how often it is executed, and with which operands."""


def with_of_range(of_range: Callable[..., Instructions]) -> Callable[[Arch], Arch]:
    """The architecture with another `of_range`, which says what a range of pages is flushed by."""

    def broken(arch: Arch) -> Arch:
        plugin = type(arch.plugin)
        return set_up(arch.name, type(f"{plugin.__name__}Before", (plugin,), {"of_range": of_range})(), arch.source)

    return broken


def masked_num(plugin: Any, start: int, end: int, stride: int, leaf: bool) -> Instructions:
    """__flush_tlb_range_op() before e3ba51ab24fd."""
    page, scale, pages = "TLBI_VALE1IS" if leaf else "TLBI_VAE1IS", 3, end - start
    made: Instructions = []
    while pages > 0:
        if pages == 1:
            made.append((page, 1, (Operand(end - 1, 1, leaf=leaf, everywhere=True),)))
            break
        shift = (5 * scale + 1) % 64
        num = (pages >> shift & 31) - 1
        if num >= 0:
            seen = ((num & 31) + 1) << 5 * (scale & 3) + 1
            made.append((page.replace("_", "_R", 1), 1, (Operand(end - pages, seen, leaf=leaf, everywhere=True),)))
            pages -= (num + 1) << shift
        scale -= 1
    return made


def stride_of_large_pages(plugin: Any, start: int, end: int, stride: int, leaf: bool) -> Instructions:
    """Operands that are right but for the stride."""
    large: int = plugin.arch_facts().ptes_per_table
    return [
        (name, nr, tuple(operand._replace(stride=large) for operand in operands))
        for name, nr, operands in type(plugin).__mro__[1].of_range(plugin, start, end, stride, leaf)  # type: ignore[attr-defined]
    ]


EXHIBITS = [
    Exhibit(
        "B-58",
        "e3ba51ab24fd",
        "the longest range has no operand that the loop knows, so that a sixteenth of it is flushed",
        "large-munmap",
        plugin="arch_plugins.arm64:Arm64Range",
        era="6.12",
        broken=with_of_range(masked_num),
    ),
    Exhibit(
        "B-55",
        "FreeBSD: INVLPGB's stride (2026)",
        "INVLPGB steps over large pages where small ones are to be flushed",
        "large-range",
        plugin="arch_plugins.x86_invlpgb:X86Invlpgb",
        era="6.12",
        broken=with_of_range(stride_of_large_pages),
    ),
]
