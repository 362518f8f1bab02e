"""Which changes of an entry are flushed, against the bits that the kernel's rules are written in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from arch_plugins.families.needs_flush import radix_needs_flush, x86_needs_flush
from core.machine.pte import ProtNone, Pte

ptes = st.builds(Pte, st.integers(0, 1), st.booleans(), st.booleans(), st.booleans(), st.booleans())
nones = st.builds(ProtNone, st.integers(0, 1), st.booleans(), st.booleans())

PRESENT, RW, DIRTY, NX, UFFD = (1 << bit for bit in range(5))


def x86_bits(pte: Pte | ProtNone) -> int:
    """arch/x86/include/asm/pgtable_types.h, as far as entries here tell them apart."""
    if isinstance(pte, ProtNone):
        return (RW if pte.write else 0) | (DIRTY if pte.dirty else 0)
    return PRESENT | RW * pte.write | DIRTY * pte.dirty | NX * pte.nx | UFFD * pte.uffd_wp


@given(ptes, ptes | nones)
def test_x86_goes_by_flags(old: Pte, new: Pte | ProtNone) -> None:
    """pte_flags_need_flush(): flush_on_clear, flush_on_change, software_flags."""
    before, after = x86_bits(old), x86_bits(new)
    diff = (before ^ after) & ~UFFD
    expected = bool(diff & before & (DIRTY | PRESENT)) or bool(diff & (RW | NX)) or old.frame != new.frame
    assert x86_needs_flush(old, new) == expected


@given(nones, ptes | nones)
def test_x86_has_cached_nothing_that_was_not_present(old: ProtNone, new: Pte | ProtNone) -> None:
    assert not x86_needs_flush(old, new)


READ, WRITE, EXEC, SOFTWARE = 1, 2, 4, 16


def radix_bits(pte: Pte | ProtNone) -> int:
    """arch/powerpc/include/asm/book3s/64/pgtable.h: what is allowed, dirty, a software bit."""
    if isinstance(pte, ProtNone):
        return 8 * pte.dirty
    return READ | WRITE * pte.write | (0 if pte.nx else EXEC) | 8 * pte.dirty | SOFTWARE * pte.uffd_wp


@given(ptes | nones, ptes | nones)
def test_radix_flushes_what_allowed_more(old: Pte | ProtNone, new: Pte | ProtNone) -> None:
    """__pte_flags_need_flush(): any change but of RWX and dirty, and whatever of these was there and is not."""
    before, after = radix_bits(old), radix_bits(new)
    delta = before ^ after
    allowed = READ | WRITE | EXEC | 8
    expected = bool(delta & ~allowed) or bool(delta & before) or old.frame != new.frame
    assert radix_needs_flush(old, new) == expected
