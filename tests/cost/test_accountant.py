"""Counting runs and multiplying periods gives what stepping page by page gives, count for count."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.cost.accountant import Accountant
from core.cost.layout import Layout
from core.cost.workload_counts import account
from core.cost.workloads import STANDARD
from core.mm.era import ERAS
from core.plugins.arch import load_object, set_up

PLUGINS = {
    "smp": "arch_plugins.generic:Smp",
    "up": "arch_plugins.up:Up",
    "s390": "arch_plugins.s390:S390",
    "arm64": "arch_plugins.arm64:Arm64",
    "arm64-range": "arch_plugins.arm64:Arm64Range",  # asks how addresses are aligned
    "x86": "arch_plugins.x86:X86",
    "sparc64": "arch_plugins.sparc64:Sparc64",  # queues flushes within a hold of the lock
}
KINDS = ["none", "swap", "anon_clean", "anon_dirty", "file_clean", "file_dirty", "folio_file_dirty", "folio_anon_clean"]
KINDS.append("zero")
TIB = 2**40 // 4096


def arch(name="smp", **facts):
    return set_up(name, load_object(PLUGINS[name]), PLUGINS[name], facts)


runs = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(1, 20)), min_size=1, max_size=4)
stretches = st.lists(st.tuples(st.integers(1, 12), runs), min_size=1, max_size=4)
geometry = st.fixed_dictionaries(
    {
        "bundle": st.integers(2, 9),
        "max_gather_batch": st.integers(3, 12) | st.integers(30, 60),
        "max_gather_batch_count": st.integers(1, 4),
        "ptes_per_table": st.sampled_from([2, 4, 8, 16, 64]),
        "upper_entries": st.sampled_from([2, 4, 512]),
        "merge_vmas": st.booleans(),
    }
)


@settings(max_examples=100)
@given(
    stretches=stretches,
    facts=geometry,
    plugin=st.sampled_from(sorted(PLUGINS)),
    era=st.sampled_from(sorted(ERAS)),
    failing=st.sets(st.integers(1, 40), max_size=3),
    fullmm=st.booleans(),
)
@example(  # a range that starts at page 0 moves along like any other
    stretches=[(7, [("anon_clean", 1), ("anon_clean", 1)])],
    facts={"bundle": 2, "max_gather_batch": 3, "max_gather_batch_count": 1, "ptes_per_table": 2, "merge_vmas": False},
    plugin="smp",
    era="5df397dec7",
    failing=set(),
    fullmm=False,
)
@example(  # large folios, all alike, of which two make a table and one half of the next
    stretches=[(12, [("folio_anon_clean", 6)])],
    facts={"bundle": 3, "max_gather_batch": 7, "max_gather_batch_count": 2, "ptes_per_table": 16, "merge_vmas": True},
    plugin="smp",
    era="6.12",
    failing=set(),
    fullmm=False,
)
@example(  # an allocation that failed within a period does not fail again
    stretches=[(9, [("folio_anon_clean", 3), ("folio_anon_clean", 3)])],
    facts={"bundle": 3, "max_gather_batch": 8, "max_gather_batch_count": 3, "ptes_per_table": 4, "merge_vmas": True},
    plugin="smp",
    era="6.18",
    failing={2},
    fullmm=False,
)
@example(  # a range instruction wants an address that is a multiple of 16 pages, which tables of 8 do not begin at
    stretches=[(70, [("anon_dirty", 1), ("anon_clean", 2)]), (1, [("file_dirty", 300)])],
    facts={"bundle": 8, "max_gather_batch": 11, "max_gather_batch_count": 4, "ptes_per_table": 8, "merge_vmas": False},
    plugin="arm64-range",
    era="6.2-fix",
    failing=set(),
    fullmm=False,
)
def test_equal_to_stepping_page_by_page(stretches, facts, plugin, era, failing, fullmm) -> None:
    if plugin == "s390":
        facts = {**facts, "bundle": 0}
    layout = Layout(stretches)
    how = {"fail_allocs": failing, "how": "exit" if fullmm else "unmap"}
    slow = Accountant(arch(plugin, **facts), ERAS[era], layout, skip=False, long_runs=False, **how).count()
    assert Accountant(arch(plugin, **facts), ERAS[era], layout, skip=False, **how).count() == slow
    assert Accountant(arch(plugin, **facts), ERAS[era], layout, **how).count() == slow


@pytest.mark.slow
@settings(max_examples=30)
@given(
    repeat=st.integers(50, 200),
    pattern=runs,
    facts=geometry,
    era=st.sampled_from(sorted(ERAS)),
    failing=st.sets(st.integers(1, 100), max_size=2),
)
def test_long_stretches_skip_and_are_equal(repeat, pattern, facts, era, failing) -> None:
    layout = Layout([(repeat, pattern)])
    slow = Accountant(arch(**facts), ERAS[era], layout, skip=False, fail_allocs=failing).count()
    assert Accountant(arch(**facts), ERAS[era], layout, fail_allocs=failing).count() == slow


LARGE = {
    "anonymous": [("anon_dirty", TIB)],
    "dirty": [("file_dirty", TIB)],
    "alternating": [(TIB // 2, [("file_dirty", 1), ("anon_dirty", 1)])],
}


@pytest.mark.parametrize("name", LARGE)
@pytest.mark.parametrize("size", [1, 64])
def test_time_goes_by_periods_not_by_pages(name: str, size: int) -> None:
    layout = Layout([(repeat, x) if isinstance(repeat, str) else (repeat * size, x) for repeat, x in LARGE[name]])
    if name != "alternating":
        layout = Layout([(LARGE[name][0][0], TIB * size)])
    one = Accountant(arch(), ERAS["6.2-fix"], layout)
    counts = one.count()
    assert counts["pages_freed"] == TIB * size
    assert counts["ptes_cleared"] == TIB * size
    assert one.periods.walked < 150
    if name != "anonymous":
        assert counts["flushes"] == counts["lock_holds"] == TIB * size // 512


def test_anonymous_flushes_whenever_the_gather_is_full() -> None:
    capacity = 8 + 19 * 510
    counts = Accountant(arch(), ERAS["6.2-fix"], Layout([("anon_dirty", TIB)])).count()
    assert counts["flushes"] == -(-TIB // capacity)
    assert counts["max_held"] == capacity


def test_random_layouts_at_speed() -> None:
    rng = random.Random(1)
    runs = [(rng.choice(KINDS[:6]), rng.randint(1, 512)) for _ in range(4000)]
    layout = Layout(runs)
    start = time.process_time()
    counts = Accountant(arch(), ERAS["6.12"], layout).count()
    assert layout.end / (time.process_time() - start) > 200_000  # a million on an idle machine
    assert counts["pages_freed"] == sum(n for kind, n in runs if kind not in ("none", "swap"))


def test_page_fault3_tells_the_eras_apart() -> None:
    flushes = {era: account(arch(), ERAS[era], STANDARD["page_fault3"])["flushes"] for era in ("5df397dec7", "6.2-fix")}
    assert flushes == {"5df397dec7": 256, "6.2-fix": 4}


@pytest.mark.parametrize("runs", [[("file_new", 1)], [("anon_clean", 0)], [(0, [("anon_clean", 1)])], [(3, [])]])
def test_a_bad_layout_is_refused(runs) -> None:
    with pytest.raises(ValueError, match=r"expected|at least once"):
        Layout(runs)
