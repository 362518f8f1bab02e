"""um: one CPU whose TLB is the host's mappings: a flush replays entries as mmap(), munmap() and mprotect().

arch/um/kernel/tlb.c:fix_range_common(), flush_tlb_mm_range().
"""

from __future__ import annotations

from arch_plugins.families.local import Local
from core.hookspecs import Facts


class Um(Local):
    """64 bit."""

    page_insn, mm_insn = "host_munmap", "host_munmap_all"
    FACTS = Facts(
        levels=3,
        smp=False,
        hw_dirty=False,
        kernel="6.12",
        family="uniprocessor",
        sources=("arch/um/kernel/tlb.c", "arch/um/include/asm/pgtable.h"),
    )
