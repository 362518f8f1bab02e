"""arm64's encoding of writable and dirty, over every combination of its bits."""

from __future__ import annotations

from itertools import product

import pytest

from arch_plugins.arm64_pte import (
    PTE_DIRTY,
    PTE_RDONLY,
    PTE_WRITE,
    decoded,
    encoded,
    pte_dirty,
    pte_hw_dirty,
    pte_write,
    pte_wrprotect,
)
from core.machine.pte import Pte
from core.machine.tlb import walk

ALL = [sum(bits) for bits in product((0, PTE_WRITE), (0, PTE_RDONLY), (0, PTE_DIRTY))]
ENTRIES = [Pte(3, write, dirty) for write, dirty in product((False, True), repeat=2)]


@pytest.mark.parametrize("bits", ALL)
def test_write_protection_keeps_what_is_known_of_dirt(bits: int) -> None:
    protected = pte_wrprotect(bits, True)
    assert not pte_write(protected)
    assert protected & PTE_RDONLY
    assert pte_dirty(protected) == pte_dirty(bits)


@pytest.mark.parametrize("bits", ALL)
def test_it_used_to_lose_exactly_what_only_hardware_had_noted(bits: int) -> None:
    lost = pte_dirty(bits) and not pte_dirty(pte_wrprotect(bits, False))
    assert lost == (pte_hw_dirty(bits) and not bits & PTE_DIRTY)


@pytest.mark.parametrize("pte", ENTRIES)
def test_an_entry_is_what_its_bits_say(pte: Pte) -> None:
    assert decoded(encoded(pte), pte) == pte


def test_a_store_is_a_cleared_read_only_bit() -> None:
    walked = walk(Pte(3, write=True), store=True, hw_dirty=True)
    assert walked is not None
    assert isinstance(walked[1], Pte)
    assert encoded(walked[1]) == encoded(Pte(3, write=True)) & ~PTE_RDONLY
