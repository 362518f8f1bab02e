"""Break-before-make: the calls of a kernel keep to it, and one that forgets a flush, or its end, does not."""

from __future__ import annotations

import pytest

from arch_plugins.arm64 import Arm64
from arch_plugins.arm64_sme import Arm64Sme
from core.conformance.break_before_make import Pages
from core.conformance.judge import judge
from core.conformance.scenarios import SCENARIOS
from core.conformance.verdict import Result
from core.hookspecs import hookimpl
from core.machine.pte import Entry, ProtNone, Pte, pte_cell
from core.mm.era import ERAS
from core.mm.mm import Mm
from core.mm.pgtable import get_and_clear_pmd, upper_entry
from core.plugins.arch import set_up
from tests.conformance.test_barriers import WithoutFinalDsb


class ClearsOnly(Arm64):
    """ptep_clear_flush() leaves the flush out."""

    @hookimpl
    async def ptep_clear_flush(self, mm: Mm, addr: int) -> Entry:
        entry: Entry = await mm.hook.ptep_get_and_clear(mm=mm, addr=addr, nr=1, full=False)
        return entry


class CollapsesAtOnce(Arm64):
    """A huge page takes the place of a table whose entries are not flushed."""

    @hookimpl
    async def pmdp_collapse_flush(self, mm: Mm, addr: int) -> int | None:
        table: int | None = await get_and_clear_pmd(mm, addr)
        return table


class FlushesAnother(Arm64):
    """The flush of a pmd is of the page behind it."""

    @hookimpl
    async def flush_pmd_tlb_range(self, mm: Mm, start: int, end: int) -> None:
        await self.flush_range(mm, end, end + 1, 1, leaf=False)


class SmeWithoutDsb(Arm64Sme):
    """The interrupts wait for the stores; nothing completes the TLBI."""

    async def dsb_ish(self, mm: Mm) -> None:
        return None


def verdict(plugin: type[Arm64], era: str = "6.12") -> Result:
    return judge(set_up(plugin.__name__, plugin(), "test"), ERAS[era], SCENARIOS["break-before-make"])


@pytest.mark.parametrize("era", ["6.1", "6.12", "7.0"])
def test_the_shipped_calls_break_before_they_make(era: str) -> None:
    result = verdict(Arm64, era)
    assert (result.verdict, result.exhaustive) == ("pass", True)


def test_a_barrier_that_lets_other_cpus_stores_pass_completes_the_invalidation_all_the_same() -> None:
    result = verdict(Arm64Sme, "6.18")
    assert (result.verdict, result.exhaustive) == ("pass", True)


@pytest.mark.parametrize("plugin", [ClearsOnly, CollapsesAtOnce, FlushesAnother, WithoutFinalDsb, SmeWithoutDsb])
def test_a_flush_that_is_forgotten_or_not_waited_for_is_missed(plugin: type[Arm64]) -> None:
    assert verdict(plugin).violated == "break-before-make"


SMALL, HUGE = Pte(0), Pte(1)
PMD = upper_entry(0, 0)


def pages() -> Pages:
    return Pages([0, 1], {PMD: 0, pte_cell(0): SMALL, pte_cell(1): None}.__getitem__)


def test_another_page_of_an_entry_that_is_held_is_a_violation() -> None:
    assert pages().write(pte_cell(0), Pte(2))


def test_permissions_and_the_dirty_bit_are_not() -> None:
    assert not pages().write(pte_cell(0), SMALL._replace(write=False, dirty=True))


def test_an_invalid_entry_is_not_enough_without_a_flush() -> None:
    some = pages()
    assert not some.write(pte_cell(0), ProtNone(0, True, True))
    assert some.write(pte_cell(0), Pte(2))


def test_a_flush_is_enough_only_behind_an_invalid_entry() -> None:
    some = pages()
    some.flushed(0)
    assert some.write(pte_cell(0), Pte(2))
    other = pages()
    other.write(pte_cell(0), None)
    other.flushed(0)
    assert not other.write(pte_cell(0), Pte(2))


def test_a_huge_entry_is_held_of_every_page_below_it() -> None:
    some = pages()
    some.write(PMD, None)
    some.flushed(0)
    assert not some.write(PMD, HUGE)
    some.write(PMD, None)
    some.flushed(0)
    some.write(PMD, 0)  # the entry of page 0 can be cached again, and that of page 1 is empty
    assert some.write(pte_cell(1), Pte(1))  # page 1 may still be held as a part of the huge page
