"""MADV_FREE, MADV_COLD and MADV_PAGEOUT: what breaks if mm/madvise.c looks at less than it does."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from core.conformance import SCENARIOS, judge
from core.conformance.verdict import Result
from core.machine.op import Op, Outcome
from core.machine.order import Order
from core.mm import huge_memory, madvise, reclaim, swap
from core.mm.era import ERAS
from core.mm.mm import Mm
from core.plugins.arch import load_object, set_up
from tests.tree.free_split import SPLIT

NAMES = ("lazyfree-shared", "lazyfree-store", "huge-free", "huge-cold")


def judged(scenario: str, plugin: str = "arch_plugins.generic:Smp", era: str = "6.12") -> Result:
    return judge(set_up("mutant", load_object(plugin), plugin), ERAS[era], SCENARIOS[scenario])


def always(value: object) -> Callable[..., Op]:
    return lambda *args: Op("always", (), (), lambda: [Outcome(value)], order=Order.PRIVATE)


def nothing(*args: object) -> None:
    pass


def test_the_scenarios_pass() -> None:
    assert {judged(name).verdict for name in NAMES} == {"pass"}


@pytest.mark.parametrize("era", ["6.1", "6.2-fix", "7.0"])
def test_they_pass_in_other_kernels(era: str) -> None:
    assert {judged(name, era=era).verdict for name in NAMES[:3]} == {"pass"}


def test_that_others_map_the_page_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(madvise, "folio_mapcount", always(1))
    assert judged("lazyfree-shared").violated == "contents-known"


def test_the_page_is_cleaned_without_its_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(madvise, "trylock_page", always(True))
    monkeypatch.setattr(madvise, "unlock_page", always(None))
    assert judged("lazyfree-shared").violated == "contents-known"


def test_the_page_is_cleaned_while_swap_has_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(madvise, "folio_free_swap", always(True))
    assert judged("lazyfree-shared").violated == "contents-known"


def test_a_page_that_stays_dirty_is_never_discarded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(madvise, "folio_clear_dirty", always(None))
    result = judged("lazyfree-store")
    assert (result.verdict, result.unreached) == ("fail", ("discarded",))


def test_a_huge_page_that_stays_dirty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huge_memory, "folio_clear_dirty", always(None))
    result = judged("huge-free")
    assert (result.verdict, result.unreached) == ("fail", ("clean-and-mapped",))


def test_a_page_that_is_not_marked_is_never_discarded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(madvise, "folio_mark_lazyfree", always(None))
    result = judged("lazyfree-store")
    assert (result.verdict, result.unreached) == ("fail", ("discarded",))


def test_clean_entries_are_not_flushed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store through a stale, dirty entry is known to nobody."""
    monkeypatch.setattr(madvise, "tlb_flush_pte_range", nothing)
    assert judged("lazyfree-store").violated == "contents-known"


def test_a_page_is_discarded_though_it_is_dirty(monkeypatch: pytest.MonkeyPatch) -> None:
    async def may_discard(mm: Mm, page: int) -> bool:
        return True

    monkeypatch.setattr(reclaim, "may_discard", may_discard)
    assert judged("lazyfree-store").violated == "contents-known"


def test_a_page_that_is_kept_goes_back_with_its_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swap, "put_page", always(None))
    assert judged("lazyfree-store").violated.startswith("all-freed")


def test_a_huge_entry_that_is_set_as_it_was_before_it_was_invalid() -> None:
    """6.1.192, mainline: what hardware has set between the look and pmdp_invalidate() is lost (docs/findings.md)."""
    assert [judged("huge-cold", era=era).violated for era in ("6.1", "6.18", "7.0", "7.2")] == ["no-lost-dirty"] * 4
    assert [judged("huge-cold", era=era).verdict for era in ("6.2-fix", "6.12")] == ["pass"] * 2
    assert [judged("huge-pageout", era=era).verdict for era in ("6.1", "6.18", "7.0")] == ["fail", "pass", "pass"]


def freed_while_split(era: str) -> Result:
    plugin = "arch_plugins.generic:Smp"
    return judge(set_up("smp", load_object(plugin), plugin), ERAS[era], SPLIT)


@pytest.mark.parametrize("era", ["6.1", "6.12"])
def test_advice_goes_on_with_the_parts_of_a_huge_page_that_was_split(era: str) -> None:
    assert freed_while_split(era).verdict == "pass"


def test_advice_ends_though_a_huge_page_was_split(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(madvise, "madvise_free_huge_pmd", always(True))
    assert freed_while_split("6.12").violated == "advice-done"
