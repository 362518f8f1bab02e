"""The swap cache and the LRU batches: what breaks if free_pages_and_swap_cache() and its kin do less than they do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from core.conformance import SCENARIOS, judge
from core.conformance.verdict import Result
from core.machine.op import Op, Outcome
from core.machine.order import Order
from core.machine.tlb import ref_cell
from core.mm import memory, page_fault, reclaim, swap, swap_state, swapfile
from core.mm.era import ERAS
from core.mm.mm import Mm
from core.mm.page import pg_dirty_cell
from core.mm.swapfile import pg_swapcache_cell
from core.plugins.arch import load_object, set_up

NAMES = (
    "swap-cache-zap",
    "swap-cache-shared",
    "swap-cache-both",
    "swap-cache-refault",
    "lru-batch-zap",
    "lru-batch-reuse",
)


def judged(scenario: str, plugin: str = "arch_plugins.generic:Smp", era: str = "6.12") -> Result:
    return judge(set_up("mutant", load_object(plugin), plugin), ERAS[era], SCENARIOS[scenario])


@pytest.mark.parametrize("plugin", ["arch_plugins.generic:Smp", "arch_plugins.s390:S390"])
@pytest.mark.parametrize("era", ["6.1", "6.12"])
def test_the_scenarios_pass(era: str, plugin: str) -> None:
    """s390 frees page by page: before v6.9 a folio of which a part is mapped stays in the cache."""
    assert {judged(name, plugin, era).verdict for name in NAMES} == {"pass"}


def test_flags_that_are_left_in_are_no_pointer_to_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """A folio of two pages takes two slots since v6.9; before, its entries have no flags."""
    monkeypatch.setattr(swap, "encoded_page_ptr", lambda encoded: encoded)
    result = judged("swap-cache-zap")
    assert result.verdict == "error"
    assert "encoded_page_ptr() takes flags out" in result.reason
    assert judged("swap-cache-zap", era="6.1").verdict == "pass"


async def nothing(*args: Any) -> None:
    pass


def always(value: object) -> Callable[..., Op]:
    return lambda *args: Op("always", (), (), lambda: [Outcome(value)], order=Order.PRIVATE)


@pytest.mark.parametrize("plugin", ["arch_plugins.generic:Smp", "arch_plugins.s390:S390"])
def test_a_page_that_stays_in_the_cache_is_leaked(plugin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swap_state, "free_swap_cache", nothing)
    assert judged("swap-cache-zap", plugin).violated.startswith("all-freed")


def test_a_page_is_taken_out_twice_by_those_who_do_not_lock_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (swap_state, swapfile):
        monkeypatch.setattr(module, "trylock_page", always(True))
        monkeypatch.setattr(module, "unlock_page", always(None))
    assert judged("swap-cache-both").violated == "freed-once"


def test_a_place_that_an_entry_has_is_not_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swapfile, "folio_swapped", always(False))
    assert judged("swap-cache-shared").violated == "contents-known"


def test_that_the_page_is_mapped_elsewhere_matters_for_nothing_but_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its place the page is dirty, and gets another one when it is reclaimed."""
    monkeypatch.setattr(swap_state, "folio_mapped", always(False))
    assert {judged(name).verdict for name in NAMES} == {"pass"}


def busy_too(mm: Mm, page: int) -> Op:
    """__remove_mapping() that does not look at the references."""
    cells = (pg_swapcache_cell(page), pg_dirty_cell(page))

    def step(cached: bool, dirty: bool) -> list[Outcome]:
        return [Outcome(cached and not dirty, (cached and dirty,))]

    return Op("__remove_mapping", cells, cells[:1], step, order=Order.FULL)


def test_a_page_that_a_fault_has_found_is_reclaimed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reclaim, "remove_mapping", busy_too)
    assert judged("swap-cache-refault").verdict == "fail"


@pytest.mark.parametrize("leaves_out", ["try_to_unmap_flush_dirty", "try_to_unmap_flush"])
def test_the_flush_comes_before_the_page_is_written(leaves_out: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every page in the swap cache is dirty, so that the flush at the end of the list finds nothing left to be done."""
    monkeypatch.setattr(reclaim, leaves_out, nothing)
    found = judged("swap-cache-refault")
    assert (found.verdict, found.violated) == (
        ("pass", "") if leaves_out == "try_to_unmap_flush" else ("fail", "contents-known")
    )


def test_a_write_fault_that_does_not_drain_the_batch_always_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_fault, "lru_add_drain", nothing)
    result = judged("lru-batch-reuse")
    assert (result.verdict, result.unreached) == ("fail", ("reused",))


def one_less(page: int) -> Op:
    """folio_ref_count() that forgets the reference of a batch."""
    return Op("folio_ref_count", (ref_cell(page),), (), lambda ref: [Outcome(max(ref - 1, 1))], order=Order.PLAIN)


def test_a_write_fault_that_takes_the_child_s_reference_for_the_batch_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_fault, "folio_ref_count", one_less)
    assert judged("lru-batch-reuse").violated == "shared-writable"


def test_a_batch_that_has_no_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swap, "get_page", always(None))
    assert judged("lru-batch-zap").violated == "freed-once"


@pytest.mark.parametrize("module", [memory, swap_state])
def test_a_cpu_that_drains_its_batch_only_where_it_frees(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where another CPU has unmapped the page, MADV_DONTNEED has none to free, and drains the batch all the same."""
    monkeypatch.setattr(module, "lru_add_drain", nothing)
    assert judged("lru-batch-zap").violated == ("all-freed of ref[0]" if module is memory else "")


def test_a_page_whose_entry_goes_while_it_is_reclaimed_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """MADV_FREE of the entry in swap: swap_writepage() takes the page out of the cache, and it stays dirty."""
    left: list[bool] = []
    original = swapfile.folio_free_swap

    async def noting(mm: Mm, page: int) -> bool:
        left.append(await original(mm, page))
        return left[-1]

    monkeypatch.setattr(reclaim, "folio_free_swap", noting)
    assert judged("lazyfree-store").verdict == "pass"
    assert set(left) == {False, True}


def writes(page: int) -> Op:
    """The I/O of writeback, which is told as a violation."""
    return Op("write", (), (), lambda: [Outcome(None, (), "freed-once")], order=Order.PRIVATE)


async def busy(page: int) -> int:
    """folio_ref_count() of a page that a fault has found."""
    return 3


def test_a_page_to_which_a_fault_has_a_reference_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """is_page_cache_freeable(); __remove_mapping() would keep it all the same."""
    monkeypatch.setattr(reclaim, "write_to_disk", writes)
    assert judged("swap-cache-refault").violated == "freed-once"
    monkeypatch.setattr(reclaim, "folio_ref_count", busy)
    assert judged("swap-cache-refault").violated == ""
