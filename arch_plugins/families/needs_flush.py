"""Which changes of an entry need a flush, where not all do.

arch/x86/include/asm/tlbflush.h, arch/x86/mm/pgtable.c, arch/powerpc/include/asm/book3s/64/tlbflush.h.
"""

from __future__ import annotations

from core.hookspecs import hookimpl
from core.machine.pte import Entry, Present, ProtNone, Pte, pte_present
from core.mm.huge_memory import establish_invalid_pmd
from core.mm.mm import Mm


class X86NeedsFlush:
    """pte_needs_flush() and huge_pmd_needs_flush(), which agree here: no change touches the accessed bit."""

    @hookimpl
    def pte_needs_flush(self, mm: Mm, oldpte: Entry, newpte: Entry) -> bool:
        return x86_needs_flush(oldpte, newpte)

    @hookimpl
    def huge_pmd_needs_flush(self, mm: Mm, oldpmd: Entry, newpmd: Entry) -> bool:
        return x86_needs_flush(oldpmd, newpmd)


class X86Pte(X86NeedsFlush):
    """pte_needs_flush(), huge_pmd_needs_flush() and pmdp_invalidate_ad()."""

    @hookimpl
    async def pmdp_invalidate_ad(self, mm: Mm, addr: int) -> Entry:
        """No flush: once the entry is invalid, no walk changes its accessed and dirty bits."""
        entry: Entry = await establish_invalid_pmd(mm, addr)
        return entry


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
    """pte_needs_flush() and huge_pmd_needs_flush() of book3s64 with a radix tree."""

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
    if not pte_present(old) or not pte_present(new) or old.frame != new.frame or _mark(old) != _mark(new):
        return True
    return (old.dirty and not new.dirty) or not _allowed(old) <= _allowed(new)


def _mark(pte: Present) -> bool:
    return isinstance(pte, Pte) and pte.uffd_wp


def _allowed(pte: Present) -> set[str]:
    """_PAGE_RWX: nothing of an entry that is there for no access."""
    if isinstance(pte, ProtNone):
        return set()
    return {"read"} | ({"write"} if pte.write else set()) | (set() if pte.nx else {"exec"})
