"""Large processes: exact, however many pages, on every architecture, by a handful of steps walked."""

from __future__ import annotations

from math import gcd
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.cost.accountant import Accountant
from core.cost.layout import HUGE, Layout
from core.cost.workloads import exit_anon, exit_mixed, exit_shared
from core.mm.era import ERAS
from core.plugins.arch import load_object, set_up
from core.table.rows import load
from tests.cost.test_accountant import PLUGINS, runs

ROOT = Path(__file__).parents[2]


def rows():
    """One row of the two tables for each geometry, era and way to flush that differ."""
    found = {}
    for file in ("arches.toml", "arches-all.toml"):
        for row in load(ROOT / file):
            facts = row.arch().facts
            own = (facts.ptes_per_table, facts.bundle, facts.batch_entries, facts.batch_count, facts.smp, facts.gather)
            found.setdefault((row.era, *own), row)
    return list(found.values())


ROWS = rows()
IDS = [row.name for row in ROWS]


def full(entries, era):
    return entries - 1 if era.folio_entries else entries


def batched(facts, era, pages):
    """Flushes and holds of the lock where the gather is flushed whenever it is full, wherever in a table that is."""
    capacity = full(facts.bundle, era) + facts.batch_count * full(facts.batch_entries, era)
    times, ptes = pages // capacity, facts.ptes_per_table
    at_ends = times // (ptes // gcd(capacity, ptes))
    return -(-pages // capacity), pages // ptes + times - at_ends, min(capacity, pages)


def forced(facts, era, pages):
    """The same where each table ends with a flush under its lock, and more are made if it does not fit."""
    capacity = full(facts.bundle, era) + facts.batch_count * full(facts.batch_entries, era)
    if era.delays_rmap:  # what holds rmap removals that are put off: one batch, or it and the one on the stack
        capacity = full(facts.bundle, era) + (full(facts.batch_entries, era) if era.delay_in_local else 0)
    holds = pages // facts.ptes_per_table * -(-facts.ptes_per_table // capacity)
    return holds, holds, min(capacity, facts.ptes_per_table)


@pytest.mark.parametrize("tib", [1, 64])
@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_exit_of_a_large_process_is_what_arithmetic_says(row, tib) -> None:
    arch = row.arch()
    facts, era = arch.facts, row.era
    for build in (exit_anon, exit_shared, exit_mixed):
        layout = Layout(build(1024 * tib).steps[0].runs)
        accountant = Accountant(arch, era, layout, how="exit")
        counts = accountant.count()
        assert accountant.periods.walked < 150
        assert counts["pages_freed"] == counts["ptes_cleared"] == layout.end == tib * 2**28
        dirty = {exit_anon: 0, exit_shared: layout.end, exit_mixed: layout.end // 2}[build]
        assert counts["set_dirty"] == dirty
        assert counts["early_rmaps"] + counts["delayed_rmaps"] == layout.end
        if not facts.gather:
            assert counts["lock_holds"] == layout.end // facts.ptes_per_table
            continue
        under_lock = dirty and (not era.delays_rmap or facts.smp)
        flushes, holds, held = (forced if under_lock else batched)(facts, era, layout.end)
        if under_lock and build is exit_mixed and held < facts.ptes_per_table:
            continue  # where a table ends with an anonymous page alone nothing forces a flush
        assert (counts["flushes"], counts["lock_holds"], counts["max_held"]) == (flushes, holds, held)


small_tables = st.fixed_dictionaries(
    {
        "bundle": st.integers(2, 40),
        "max_gather_batch": st.integers(3, 130),
        "max_gather_batch_count": st.integers(1, 4),
        "ptes_per_table": st.sampled_from([4, 8, 16, 32]),
        "upper_entries": st.sampled_from([2, 8, 512]),
        "merge_vmas": st.booleans(),
    }
)


@pytest.mark.slow
@settings(max_examples=40)
@given(
    pattern=runs,
    tables=st.integers(100, 500),
    facts=small_tables,
    plugin=st.sampled_from(sorted(PLUGINS)),
    era=st.sampled_from(sorted(ERAS)),
    failing=st.sets(st.integers(1, 12), max_size=2),
    how=st.sampled_from(["unmap", "exit"]),
)
def test_tables_smaller_than_batches(pattern, tables, facts, plugin, era, failing, how) -> None:
    facts = {**facts, "bundle": 0} if plugin == "s390" else facts
    layout = Layout([(tables * facts["ptes_per_table"] // sum(n for _, n in pattern) + 1, pattern), ("file_dirty", 70)])
    arch = set_up(plugin, load_object(PLUGINS[plugin]), PLUGINS[plugin], facts)
    table_by_table = Accountant(arch, ERAS[era], layout, fail_allocs=failing, how=how, skip=False).count()
    assert Accountant(arch, ERAS[era], layout, fail_allocs=failing, how=how).count() == table_by_table


@settings(max_examples=20)
@given(
    tables=st.integers(1, 300),
    facts=small_tables,
    era=st.sampled_from(sorted(ERAS)),
    how=st.sampled_from(["unmap", "exit"]),
)
def test_huge_pages(tables, facts, era, how) -> None:
    arch = set_up("smp", load_object(PLUGINS["smp"]), PLUGINS["smp"], facts)
    layout = Layout([("anon_dirty", 3 * facts["ptes_per_table"]), (HUGE, tables * facts["ptes_per_table"])])
    table_by_table = Accountant(arch, ERAS[era], layout, how=how, skip=False).count()
    assert Accountant(arch, ERAS[era], layout, how=how).count() == table_by_table


def test_few_steps_are_walked_where_nothing_divides_anything() -> None:
    """Tables of 64 entries, a gather of 205: the same state comes back after 205 tables."""
    facts = {"ptes_per_table": 64, "bundle": 8, "max_gather_batch": 100, "max_gather_batch_count": 2}
    for plugin, runs_of in (
        ("smp", [("anon_clean", 64 * 500)]),
        ("up", [(32 * 500, [("file_dirty", 1), ("anon_dirty", 1)])]),
    ):
        arch = set_up(plugin, load_object(PLUGINS[plugin]), PLUGINS[plugin], facts)
        layout = Layout(runs_of)
        fast, slow = (Accountant(arch, ERAS["6.12"], layout, skip=skip) for skip in (True, False))
        assert fast.count() == slow.count()
        assert fast.periods.walked < 40
        assert fast.counts.sums["flushes"] == -(-64 * 500 // 205)
