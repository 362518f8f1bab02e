"""um: one CPU whose TLB is the host's mappings: a flush replays entries as mmap(), munmap() and mprotect().

arch/um/kernel/tlb.c:um_tlb_sync().  In 6.12 a flush only marks its range (arch/um/include/asm/tlbflush.h:
um_tlb_mark_sync()), and current_mm_sync() replays it before user mode is entered again (arch/um/kernel/skas/process.c).
On one CPU nothing runs in user mode before that, so it is replayed at once here; what marking saves where several
flushes come together is not counted.
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
        walker="none",
        kernel="6.12.117",
        family="uniprocessor",
        sources=("arch/um/kernel/tlb.c", "arch/um/include/asm/tlbflush.h", "arch/um/include/asm/pgtable.h"),
    )
