"""Which changes of an entry need a flush, where not all do.

arch/x86/include/asm/tlbflush.h, arch/powerpc/include/asm/book3s/64/tlbflush.h.
"""

from __future__ import annotations

from core.hookspecs import hookimpl
from core.machine.pte import Entry, ProtNone, Pte, pte_present
from core.mm.mm import Mm


class X86Pte:
    """pte_needs_flush() and huge_pmd_needs_flush(); the same here, where a change leaves the accessed bit alone."""

    @hookimpl
    def pte_needs_flush(self, mm: Mm, oldpte: Entry, newpte: Entry) -> bool:
        return x86_needs_flush(oldpte, newpte)

    @hookimpl
    def huge_pmd_needs_flush(self, mm: Mm, oldpmd: Entry, newpmd: Entry) -> bool:
        return x86_needs_flush(oldpmd, newpmd)


def x86_needs_flush(old: Entry, new: Entry) -> bool:
    """pte_flags_need_flush(): when _PAGE_PRESENT or _PAGE_DIRTY goes, or _PAGE_RW or _PAGE_NX changes either way.

    What is not present is cached nowhere; userfaultfd's mark is a software flag.
    """
    if not isinstance(old, Pte):
        return False
    if not isinstance(new, Pte) or new.frame != old.frame:
        return True
    return (old.dirty and not new.dirty) or new.write != old.write or new.nx != old.nx


class RadixPte:
    """The same of book3s64 with a radix tree."""

    @hookimpl
    def pte_needs_flush(self, mm: Mm, oldpte: Entry, newpte: Entry) -> bool:
        return radix_needs_flush(oldpte, newpte)

    @hookimpl
    def huge_pmd_needs_flush(self, mm: Mm, oldpmd: Entry, newpmd: Entry) -> bool:
        return radix_needs_flush(oldpmd, newpmd)


def radix_needs_flush(old: Entry, new: Entry) -> bool:
    """__pte_flags_need_flush(): unless all that changes is that more is allowed, or that the entry becomes dirty.

    userfaultfd's mark is a bit like any other.
    """
    if isinstance(old, ProtNone):
        return not pte_present(new) or new.frame != old.frame or (old.dirty and not new.dirty)
    if not isinstance(old, Pte) or not isinstance(new, Pte) or (old.frame, old.uffd_wp) != (new.frame, new.uffd_wp):
        return True
    return (old.write and not new.write) or (old.dirty and not new.dirty) or (new.nx and not old.nx)
