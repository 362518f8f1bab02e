"""Who walks the page tables, and which tables are freed under them: as the kernel does it, and with tables queued."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from arch_plugins.alpha import Alpha
from arch_plugins.arc import Arc
from arch_plugins.generic import Smp, flush_cpus_by_ipi
from arch_plugins.ia64 import Ia64
from arch_plugins.loongarch import Loongarch, LoongarchPtw
from arch_plugins.m68k import M68k
from arch_plugins.mips import Mips, MipsGinvt
from arch_plugins.sh import Sh
from arch_plugins.sparc32 import Sparc32
from arch_plugins.xtensa import Xtensa
from core.cli.resolve_arch import choose
from core.cli.walkers import WALKED
from core.compare import main
from core.conformance import LARGE, SCENARIOS, judge
from core.conformance.large.judge import judge_large
from core.conformance.large.layout import LargeLayout, LargeVma, PageRun
from core.conformance.large.run import placed
from core.hookspecs import hookimpl
from core.machine.ipi import FlushRequest
from core.machine.pte import Entry, xchg_pte
from core.mm.era import ERAS, Era
from core.mm.huge_memory import establish_invalid_pmd, xchg_pmd
from core.mm.mm import Mm, mm_cpumask
from core.mm.mmu_gather import MmuGather
from core.plugins.arch import Arch, set_up

ROOT = Path(__file__).parents[2]

LAZY, EXIT, FREE, NESTED, UPWARDS, PMD, PUD, COLLAPSE, RECLAIM, STACK = (
    "lazy-walk",
    "lazy-exit",
    "table-free",
    "table-nested",
    "table-upwards",
    "table-pmd",
    "table-pud",
    "table-collapse",
    "table-reclaim",
    "exec-stack",
)

AS_IT_IS = {
    "riscv-6.1": {PMD: 14, UPWARDS: 20, PUD: 12},
    "riscv-kvm-6.1": {PMD: 14, UPWARDS: 20, PUD: 12, COLLAPSE: 10},
    "arm64-five-levels": {PUD: 14, UPWARDS: 23},
    "sparc32": {PMD: 14, UPWARDS: 19, LAZY: 17, EXIT: 22, FREE: 17, NESTED: 17, STACK: 23},
    "ia64": {PMD: 15, UPWARDS: 19, LAZY: 17, EXIT: 22, FREE: 17, NESTED: 17, STACK: 20},
    "xtensa": {UPWARDS: 18, LAZY: 17, EXIT: 22, FREE: 17, NESTED: 17, STACK: 23},
    "loongarch": {PMD: 15, UPWARDS: 21},
    "loongarch-ptw": {PMD: 14, UPWARDS: 20, EXIT: 26},
    "mips": {PMD: 15, UPWARDS: 21},
    "mips-ginvt": {PMD: 15, UPWARDS: 21, STACK: 25},
    "parisc": {PMD: 15, UPWARDS: 20, FREE: 18, NESTED: 18, STACK: 21},
    "alpha": {PMD: 15, UPWARDS: 20, FREE: 18, NESTED: 18, STACK: 24},
    "arc": {UPWARDS: 19, FREE: 18, NESTED: 18, STACK: 24},
    "sh": {PMD: 15, UPWARDS: 21},
}
"""What fails in rows that free tables at once, with the length of the trace. Of the others nothing fails."""

QUEUED = {
    "ia64": {PMD: 18, UPWARDS: 25, EXIT: 26},
    "loongarch-ptw": {EXIT: 25},
    "riscv-kvm-6.1": {COLLAPSE: 10},
    "xtensa": {UPWARDS: 23, LAZY: 22, FREE: 22, NESTED: 23, RECLAIM: 21, STACK: 28},
    "mips-ginvt": {PMD: 18, UPWARDS: 24, STACK: 25},
    "parisc": {PMD: 17, UPWARDS: 23, STACK: 23},
}
"""The same of rows that would fail with their tables queued behind the flush."""

FREED = {
    "arm64-five-levels": "pud at once; others by RCU",
    "riscv-6.1": "pmd, pud at once; others behind the flush",
    "riscv-kvm-6.1": "pmd, pud at once; others behind the flush",
    "sparc32": "pte, pmd at once",
    "ia64": "pte, pmd at once",
    "xtensa": "pte at once",
    "loongarch": "pmd at once; others behind the flush",
    "loongarch-ptw": "pmd at once; others behind the flush",
    "mips": "pmd at once; others behind the flush",
    "mips-up": "pmd at once; others behind the flush",
    "mips-ginvt": "pmd at once; others behind the flush",
    "parisc": "pte, pmd at once",
    "alpha": "pte, pmd at once",
    "alpha-6.1": "pte, pmd at once",
    "alpha-6.1-before": "pte, pmd at once",
    "arc": "pte at once",
    "sh": "pmd at once; others behind the flush",
    "m68k": "pte, pmd at once",
    "microblaze": "pte at once",
}
"""Rows that free tables at once, as `list walkers` says it."""

Line = tuple[str, str, str, dict[str, int]]


@pytest.fixture(scope="module")
def lines() -> list[Line]:
    """What `list walkers` prints: row, walker, how tables are freed, and what fails in how many steps."""
    with pytest.MonkeyPatch.context() as patch:
        printed: list[str] = []
        patch.setattr("builtins.print", lambda *words: printed.extend(map(str, words)))
        assert main(["list", "walkers", "--config", str(ROOT / "arches-all.toml")]) == 0
    head, _, *table = printed[0].split("\n\n")[0].splitlines()
    columns = [(m.group(), m.start()) for m in re.finditer(r"\S+(?: \S+)*", head)]
    assert [name for name, _ in columns[3:]] == WALKED
    parsed: list[Line] = []
    for text in table:
        row, walker, freed, *verdicts = (text[a:b].strip() for a, b in pairwise([*(at for _, at in columns), None]))
        assert all(re.fullmatch(r"pass|-|fail\(\d+\)", verdict) for verdict in verdicts), text
        failed = {n: int(v[5:-1]) for n, v in zip(WALKED, verdicts, strict=True) if v.startswith("fail")}
        parsed.append((row or parsed[-1][0], walker, freed, failed))
    return parsed


def test_what_is_freed_at_once_fails_where_somebody_may_walk_on(lines: list[Line]) -> None:
    as_it_is = {row: failed for row, walker, _, failed in lines if walker}
    alpha = {**AS_IT_IS["alpha"], STACK: 25}  # it reads mm_users too
    expected = {**AS_IT_IS, "alpha-6.1": alpha, "alpha-6.1-before": alpha}
    assert {row: failed for row, failed in as_it_is.items() if failed} == expected


def test_queued_behind_the_flush_it_fails_where_the_flush_reaches_no_walker(lines: list[Line]) -> None:
    queued = {row: failed for row, walker, _, failed in lines if not walker}
    assert set(queued) == set(FREED)
    assert {row: failed for row, failed in queued.items() if failed} == QUEUED


def test_which_tables_are_freed_at_once(lines: list[Line]) -> None:
    assert {row: freed for row, _, freed, _ in lines if "at once" in freed} == FREED


def failures(plugin: object, facts: dict[str, object] | None = None) -> dict[str, int]:
    """Of the scenarios about walkers, those that fail, with the length of the trace; the rest must be exhaustive."""
    arch = set_up("test", plugin, "test", facts)
    results = [judge(arch, ERAS["6.12"], SCENARIOS[name]) for name in WALKED]
    assert all(r.exhaustive for r in results if r.verdict == "pass")
    assert {r.violated for r in results if r.verdict == "fail"} <= {"walk-of-freed-table"}
    return {r.scenario: len(r.trace) for r in results if r.verdict == "fail"}


@pytest.mark.parametrize(
    ("plugin", "walker", "expected"),
    [
        (Alpha, "caches", {PMD: 14, UPWARDS: 19, LAZY: 17, EXIT: 22, FREE: 17, NESTED: 17, STACK: 23}),
        (LoongarchPtw, "hardware", {PMD: 15, UPWARDS: 21}),
        (Mips, "hardware", {PMD: 15, UPWARDS: 21}),
        (Mips, "caches", {PMD: 14, UPWARDS: 20, EXIT: 26}),
        (MipsGinvt, "caches", {PMD: 14, UPWARDS: 20, EXIT: 26}),
        (Smp, "handler", {}),
        (Smp, "linear", {}),
    ],
)
def test_other_walkers_than_the_one_that_is_taken_for_it(plugin: type, walker: str, expected: dict[str, int]) -> None:
    """alpha's DTB may keep what the self-map finds, loongarch's walker may keep nothing, mips may have one (HTW)."""
    assert failures(plugin(), {"walker": walker}) == expected


@pytest.mark.parametrize("plugin", [MipsGinvt, Loongarch, Mips, Arc, Sh, Sparc32])
def test_the_grace_period_of_rcu_waits_for_a_handler_that_no_flush_interrupts(plugin: type) -> None:
    assert failures(plugin(), {"tables_at_once": (), "rcu_table_free": True}) == {}


@pytest.mark.parametrize("walker", ["handler", "writes", "hardware"])
@pytest.mark.parametrize("plugin", [Arc, Loongarch, M68k])
def test_on_one_cpu_no_walk_is_under_way_while_a_table_is_freed(plugin: type, walker: str) -> None:
    assert failures(plugin(), {"smp": False, "preemption": "full", "walker": walker}) == {}


def test_on_one_cpu_a_table_that_the_tlb_knows_is_walked_all_the_same() -> None:
    assert set(failures(Xtensa(), {"smp": False})) == {FREE, NESTED, UPWARDS, STACK}
    assert set(failures(Xtensa(), {"smp": False, "tables_at_once": ()})) == {FREE, NESTED, UPWARDS, RECLAIM, STACK}
    assert set(failures(M68k(), {"walker": "caches", "preemption": "full"})) == {FREE, NESTED, UPWARDS, PMD, STACK}


class EmptiesTheWays(Xtensa):
    """xtensa that flushes the mm, and so empties ways 7 to 9, where a table is freed."""

    @hookimpl
    async def tlb_flush(self, tlb: MmuGather) -> str | None:
        if tlb.freed_tables:
            await tlb.mm.hook.flush_tlb_mm(mm=tlb.mm)
            return "mm"
        await tlb.mm.hook.flush_tlb_range(mm=tlb.mm, start=tlb.start, end=tlb.end, stride=1)
        return "range"


def test_xtensa_passes_with_the_table_queued_and_the_mm_flushed() -> None:
    assert failures(EmptiesTheWays(), {"tables_at_once": ()}) == {}
    assert UPWARDS in failures(EmptiesTheWays())


class Exchanges(LoongarchPtw):
    """PTW, with entries cleared by an exchange."""

    @hookimpl
    async def ptep_get_and_clear(self, mm: Mm, addr: int, nr: int, full: bool) -> Entry:
        return await xchg_pte(addr, nr, ("clear", addr, nr))

    @hookimpl
    async def pmdp_huge_get_and_clear(self, mm: Mm, addr: int, full: bool) -> Entry:
        return await xchg_pmd(mm, addr)

    @hookimpl
    async def pmdp_invalidate(self, mm: Mm, addr: int) -> Entry:
        pmd: Entry = await establish_invalid_pmd(mm, addr)
        await mm.hook.flush_pmd_tlb_range(mm=mm, start=addr, end=addr + mm.span[0])
        return pmd


class UsesTheSwap(Sparc32):
    """sparc32 that looks at what the swap returns."""

    @hookimpl
    async def ptep_get_and_clear(self, mm: Mm, addr: int, nr: int, full: bool) -> Entry:
        return await xchg_pte(addr, nr, ("clear", addr, nr))


class JoinsFirst(LoongarchPtw):
    """PTW, with the bit of mm_cpumask set before the page tables are loaded."""

    joins_last = False


@pytest.mark.parametrize(
    ("plugin", "scenario"),
    [
        (Exchanges, "dirty-bit-in-time"),
        (Exchanges, "migrate-dirty"),
        (Exchanges, "huge-split"),
        (Exchanges, "huge-dirty"),
        (UsesTheSwap, "dirty-bit-in-time"),
        (UsesTheSwap, "migrate-dirty"),
        (JoinsFirst, "switch-back"),
        (JoinsFirst, "lazy-back"),
        (Mips, "switch-back"),
        (Mips, "lazy-back"),
        (Loongarch, "switch-back"),
        (Loongarch, "dirty-bit-in-time"),
    ],
)
def test_the_suggested_fix_passes_and_so_does_who_has_no_walker(plugin: type, scenario: str) -> None:
    result = judge(set_up(plugin.__name__, plugin(), "test"), ERAS["6.12"], SCENARIOS[scenario])
    assert (result.verdict, result.exhaustive) == ("pass", True)


def exclusive(row: type) -> type:
    """`row` with a handler that writes by LL/SC, and entries cleared by an exchange."""

    class Exclusive(row):  # type: ignore[misc]
        FACTS = replace(row.FACTS, capabilities=row.FACTS.capabilities - {"refill_stores"} | {"refill_exclusive"})

        @hookimpl
        async def ptep_get_and_clear(self, mm: Mm, addr: int, nr: int, full: bool) -> Entry:
            return await xchg_pte(addr, nr, ("clear", addr, nr))

    return Exclusive


def exchanging(row: type) -> type:
    """`row` with entries cleared by an exchange, and its handler as it is."""

    class Exchanging(exclusive(row)):  # type: ignore[misc]
        FACTS = row.FACTS

    return Exchanging


@pytest.mark.parametrize("row", [Arc, Sh, Xtensa, Loongarch, Mips])
def test_exclusive_stores_on_both_sides_lose_no_dirty_bit_and_bring_no_entry_back(row: type) -> None:
    result = judge(set_up("test", exclusive(row)(), "test"), ERAS["6.12"], SCENARIOS["refill-dirty"])
    assert (result.verdict, result.exhaustive) == ("pass", True)


@pytest.mark.parametrize(("row", "steps"), [(Arc, 19), (Xtensa, 19), (Sh, 20), (MipsGinvt, 17)])
def test_an_entry_comes_back_or_is_cached_behind_the_flush(row: type, steps: int) -> None:
    result = judge(set_up("test", exchanging(row)(), "test"), ERAS["6.12"], SCENARIOS["refill-dirty"])
    assert (result.verdict, result.violated, len(result.trace)) == ("fail", "use-after-free", steps)


# ---- the large runs of the same rows ---------------------------------------------------------------------------

MUNMAP, EXIT = "large-munmap", "large-exit"

QUEUED_LARGE = {
    "riscv-6.1": set(),
    "riscv-kvm-6.1": set(),
    "arm64-five-levels": set(),
    "sparc32": set(),
    "xtensa": {MUNMAP},
    "ia64": {EXIT},
    "loongarch-ptw": {EXIT},
}
"""What still walks in a freed table where the row queues its tables: as it is, each fails in both runs."""


def large_walks(arch: Arch, era: Era) -> set[str]:
    """The large runs of which a walk in a freed table is left. Stores that are lost are no matter of tables."""
    runs = {run: judge_large(arch, era, LARGE[run]) for run in (MUNMAP, EXIT)}
    return {run for run, result in runs.items() if result.violated == "walk-of-freed-table"}


@pytest.mark.parametrize("row", QUEUED_LARGE)
def test_the_large_runs_of_a_row_fail_for_the_reason_that_it_declares(row: str) -> None:
    """xtensa's munmap leaves the way of the TLB, and the exit of ia64 and loongarch-ptw flushes nothing at all."""
    choice = choose(row, None, ROOT / "arches-all.toml")
    arch = choice.arch()
    assert large_walks(arch, choice.era) == {MUNMAP, EXIT}
    queued = set_up(row, arch.plugin, "test", {"tables_at_once": ()})
    assert large_walks(queued, choice.era) == QUEUED_LARGE[row]
    at_once = {run for run in (MUNMAP, EXIT) if "a page table is freed before the flush" in str(choice.expect[run])}
    assert at_once == {MUNMAP, EXIT} - QUEUED_LARGE[row]


class FlushesTheDead(LoongarchPtw):
    """flush_tlb_mm() that does not return where mm_users is 0."""

    leaves_dead = False


class Ia64FlushesTheDead(Ia64):
    """The same: every CPU of the mask loads another region ID."""

    @hookimpl
    async def flush_tlb_mm(self, mm: Mm) -> None:
        await flush_cpus_by_ipi(mm, await mm_cpumask(mm), FlushRequest())


@pytest.mark.parametrize("plugin", [FlushesTheDead, Ia64FlushesTheDead])
def test_an_exit_that_flushes_behind_queued_tables_passes(plugin: type) -> None:
    assert large_walks(set_up("fixed", plugin(), "test", {"tables_at_once": ()}), ERAS["6.1"]) == set()
    assert EXIT in large_walks(set_up("half", plugin(), "test"), ERAS["6.1"])


def test_a_row_without_huge_pages_is_given_none() -> None:
    layout = LargeLayout((LargeVma(0, (PageRun("anon", 1), PageRun("huge", 1))),))
    kinds = {piece.kind for area in placed(set_up("sparc32", Sparc32(), "test"), layout).areas for piece in area.pieces}
    assert kinds == {"anon"}
    assert placed(set_up("smp", Smp(), "test"), layout) == layout
