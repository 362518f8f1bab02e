"""Large runs: what is owed to CPUs, operands, layouts by hypothesis, and shrinking."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arch_plugins.arm64 import Arm64Range
from arch_plugins.generic import Smp
from arch_plugins.s390 import S390
from arch_plugins.x86 import X86
from core.conformance import LARGE
from core.conformance.large.generate import layouts, shrunk
from core.conformance.large.judge import judge_large, run_on
from core.conformance.large.layout import KINDS, LargeLayout, LargeVma, PageRun, mapped
from core.conformance.large.stale import Item, Stale, UpperOf
from core.machine.insn import Operand
from core.machine.op import Cpu
from core.machine.tlb import Entry, Upper
from core.mm.era import ERAS
from core.plugins.arch import set_up
from tests.wrong_policies.flushes import NothingAtCeiling

SMALL = tuple(name for name, kind in KINDS.items() if not kind.huge)
RUNS = st.builds(PageRun, st.sampled_from(SMALL), st.integers(1, 80))
VMAS = st.builds(LargeVma, st.integers(0, 20), st.lists(RUNS, min_size=1, max_size=3).map(tuple))
LAYOUTS = st.builds(
    LargeLayout,
    st.lists(VMAS, min_size=1, max_size=3).map(tuple),
    st.integers(1, 5),
    st.integers(0, 4),
    st.frozensets(st.integers(1, 5), max_size=3),
)


@pytest.mark.parametrize("plugin", [Smp, X86, Arm64Range, S390])
@pytest.mark.parametrize("run", ["large-munmap", "large-dontneed", "large-exit"])
@settings(max_examples=15, suppress_health_check=list(HealthCheck))
@given(layout=LAYOUTS)
def test_right_policies_hold_on_any_layout(plugin: type, run: str, layout: LargeLayout) -> None:
    assert run_on(set_up("right", plugin(), "test"), ERAS["6.12"], LARGE[run], layout) is None


def test_what_breaks_is_shrunk_to_the_ceiling() -> None:
    result = judge_large(set_up("wrong", NothingAtCeiling(), "test"), ERAS["6.12"], LARGE["large-range"])
    assert (result.verdict, result.violated) == ("fail", "stale-after-return")
    assert "Layout: 33 anon; 1 CPU." in result.sentence
    assert len(result.trace) == 68


@given(
    first=st.integers(0, 300),
    pages=st.integers(1, 20),
    start=st.integers(0, 300),
    nr=st.integers(0, 20),
    stride=st.integers(1, 9),
    size=st.sampled_from((1, 2, 4)),
)
def test_an_operand_hits_what_its_addresses_lie_in(
    first: int, pages: int, start: int, nr: int, stride: int, size: int
) -> None:
    of = Operand(start, nr, stride * size, size)
    base = start - start % size
    hit = {page for at in range(nr) for page in range(base + at * stride * size, base + at * stride * size + size)}
    assert of.hits(first, pages) == bool(hit & set(range(first, first + pages)))


def test_a_layout_is_the_same_from_its_seed() -> None:
    assert list(layouts(7, 20, 512)) == list(layouts(7, 20, 512))
    assert list(layouts(7, 20, 512)) != list(layouts(8, 20, 512))


def test_huge_pages_start_where_tables_do() -> None:
    made = mapped(LargeLayout((LargeVma(3, (PageRun("anon", 2), PageRun("huge", 1), PageRun("file", 1))),)), 512)
    assert sorted(made.ptes) == [3, 4, 1024]
    assert made.pmds[1].frame == 512
    assert (made.vmas[0].start, made.vmas[0].end) == (3, 1025)


def test_shrinking_keeps_what_breaks() -> None:
    big = next(iter(layouts(3, 1, 512)))
    small = shrunk(big, lambda layout: sum(run.number for vma in layout.areas for run in vma.pieces) >= 5)
    assert sum(run.number for vma in small.areas for run in vma.pieces) == 5
    assert small.cpus == 1


def test_what_is_believed_and_what_is_executed_are_kept_apart() -> None:
    stale = Stale([Cpu(0), Cpu(1)])
    for page in (4, 5):
        stale.owe(Item(page, 1, Entry(page, True, True)))
    stale.owe(Item(UpperOf(0), 512, Upper(0)))
    assert (stale.cached(Cpu(0), 4), stale.cached(Cpu(0), UpperOf(0))) == (Entry(4, True, True), Upper(0))
    stale.execute(Cpu(0), Operand(4, 1, leaf=True, everywhere=True))
    for addr in (4, 5, UpperOf(0)):
        for cpu in (Cpu(0), Cpu(1)):
            stale.forget(cpu, addr)
    left = {key: stale.holder(key) for key in stale.all}
    assert set(left) == {UpperOf(0), 5}
    assert all(held is not None and not held.believed for held in left.values())


OPERANDS = st.builds(
    Operand,
    st.integers(0, 1300),
    st.none() | st.integers(0, 40),
    stride=st.sampled_from((1, 2, 16, 512)),
    size=st.sampled_from((1, 2, 16)),
    leaf=st.booleans(),
    everywhere=st.booleans(),
)


@given(
    pages=st.sets(st.integers(0, 400), max_size=40),
    tables=st.sets(st.integers(0, 2)),
    executed=st.lists(OPERANDS, max_size=4),
)
@settings(deadline=None)
def test_an_instruction_takes_from_a_cpu_what_it_hits_and_nothing_else(
    pages: set[int], tables: set[int], executed: list[Operand]
) -> None:
    stale = Stale([Cpu(0), Cpu(1)])
    items = [Item(page, 1, Entry(page, True, True)) for page in sorted(pages)]
    items += [Item(512 + 512 * table, 512, Entry(900 + table, True, True)) for table in sorted(tables)]
    items += [Item(UpperOf(512 * table), 512, Upper(table)) for table in sorted(tables)]
    for item in items:
        stale.owe(item)
    for of in executed:
        stale.execute(Cpu(0), of)
    for item in items:
        hits = [
            of for of in executed if of.hits(item.key, item.pages) and not (of.leaf and isinstance(item.cached, Upper))
        ]
        left = 0 if any(of.everywhere for of in hits) else 0b10 if hits else 0b11
        assert stale.emitted[item.key] == left
