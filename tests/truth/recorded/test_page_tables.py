"""Page tables outlive their entries, and rows with larger pages meet the same addresses."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.mm.era import ERAS
from core.plugins.arch import load_object, set_up
from core.truth.recorded.faults import serve
from core.truth.recorded.page_tables import geometry_of
from core.truth.recorded.replay import replay
from core.truth.recorded.runner import Runner
from core.truth.recorded.setup import Operation, Setup
from core.truth.recorded.spaces import Area, Space
from tests.truth.recorded.made_up import ARCHS, MAPPED, RECORDING, SMP, WRITTEN, write

AT = 0x208006400000
"""100 MiB into a 512 GiB slot."""


def emptied(start: int, size: int = 0x10000) -> tuple[str, ...]:
    """Two pages written, and taken away by MADV_DONTNEED of `size` bytes."""
    return (
        f"mmap> 0 {size:#x} 3 0x22 0xffffffff 0",
        f"mmap< {start:#x}",
        f"pf {start:x} 6",
        f"pf {start + 0x1000:x} 6",
        f"madvise> {start:#x} {size:#x} 4",
        "madvise< 0",
    )


@pytest.mark.parametrize(
    ("start", "size", "flushes"),
    [
        (0x200000000000, 0x10000, ((0, False),)),  # pud_free_tlb() is the lowest: one page is no stride of 2 MiB
        (AT, 0x10000, ((-1, False),)),  # from the 1 GiB boundary on: 50 strides are more than the ceiling
        (0x210002600000, 0x10000, ((19, False),)),
        (0x228000000000, 0x200000, ((0, False),)),  # the pte table has gone with MADV_DONTNEED, the others go now
    ],
)
def test_munmap_frees_the_tables_that_dontneed_has_emptied(
    tmp_path: Path, start: int, size: int, flushes: tuple[tuple[int, bool], ...]
) -> None:
    lines = (*emptied(start, size), f"munmap> {start:#x} {size:#x}", "munmap< 0")
    dontneed, munmap = replay(write(tmp_path / "r.gz", *lines), {})
    assert (dontneed.predicted, munmap.pages, munmap.predicted) == (((2, False),), 0, flushes)


def test_a_neighbour_keeps_an_empty_table(tmp_path: Path) -> None:
    near = ("mmap> 0 0x1000 3 0x22 0xffffffff 0", f"mmap< {AT + 0x20000:#x}", f"pf {AT + 0x20000:x} 6")
    lines = (*emptied(AT), *near, f"munmap> {AT:#x} 0x10000", "munmap< 0")
    assert [call.predicted for call in replay(write(tmp_path / "r.gz", *lines), {})] == [((2, False),), ()]


def test_an_empty_table_goes_once(tmp_path: Path) -> None:
    """The slot has no table when it is mapped anew: p4d_free_tlb() alone is left, which 4 levels never skip."""
    again = (f"munmap> {AT:#x} 0x10000", "munmap< 0", "mmap> 0 0x10000 3 0x22 0xffffffff 0", f"mmap< {AT:#x}")
    calls = list(replay(write(tmp_path / "r.gz", *emptied(AT), *again, *again[:2]), {}))
    assert [call.predicted for call in calls] == [((2, False),), ((-1, False),), ((1, False),)]


def test_fork_and_mremap_take_empty_tables_along(tmp_path: Path) -> None:
    """copy_pte_range() and move_page_tables() make a table for each that they find."""
    kept = f"pf {AT + 0x2000:x} 6"  # an anonymous page: the mapping is copied
    child = (kept, "new 2 0", f"0 2 madvise> {AT:#x} 0x10000 4", "0 2 madvise< 0")
    unmap = (f"0 2 munmap> {AT:#x} 0x10000", "0 2 munmap< 0")
    *_, munmap = replay(write(tmp_path / "a.gz", *emptied(AT), *child, *unmap), {})
    assert munmap.predicted == ((-1, False),)
    moved = (f"mremap> {AT:#x} 0x10000 0x20000 1", "mremap< 0x300006400000", "munmap> 0x300006400000 0x20000")
    _, move, munmap = replay(write(tmp_path / "b.gz", *emptied(AT), *moved, "munmap< 0"), {})
    assert (move.name, move.predicted) == ("move", ((-1, False),))  # the tables at the old place
    assert munmap.predicted == ((-1, False),)


@settings(max_examples=30)
@given(st.data())
def test_a_table_stands_until_nothing_mapped_needs_it(data: st.DataObject) -> None:
    """free_pgtables() by another rule: a table that an unmapping meets goes if no other mapping has addresses in it."""
    geometry = geometry_of(ARCHS["6.12"][0].facts, ARCHS["6.12"][1])
    space, expected = Space(), tuple(set[int]() for _ in range(3))
    runner = Runner({"smp": ARCHS["6.12"]})
    ends = st.integers(0, 12).map(lambda n: n * 0x40000 // 3)  # some in one table, some in one GiB, some apart
    for _ in range(data.draw(st.integers(1, 8))):
        start, stop = sorted((data.draw(ends), data.draw(ends) + 7))
        space.map(Area(start, stop, "anon")) if not space.areas(start, stop) else None
        for page in data.draw(st.lists(st.sampled_from(range(start, stop)), max_size=4)):
            if space.area_at(page) is not None:
                serve(space, page, 6)
                for indices, span in zip(expected, geometry.span, strict=True):
                    indices.add(page // span)
        assert space.tables(geometry).entries == expected
        start, stop = sorted((data.draw(ends), data.draw(ends) + 3))
        if not any(area.start < stop and area.end > start for area in space.maps):
            continue
        setup = Setup(Operation("munmap", start, stop), space)
        runner.count(setup, 0)
        setup.settle()
        met = [(area.start, area.end) for area in space.maps if area.start < stop and area.end > start]
        space.unmap(start, stop)
        for indices, span in zip(expected, geometry.span, strict=True):
            for index in list(indices):
                low, high = index * span, (index + 1) * span
                touched = any(max(a, start) < high and min(b, stop) > low for a, b in met)
                if touched and not any(area.start < high and area.end > low for area in space.maps):
                    indices.discard(index)
        assert space.tables(geometry).entries == expected


# ---- rows with other page sizes ------------------------------------------------------------------------------

LARGE = {
    f"{size}K": (
        set_up("smp", load_object(SMP), SMP, {"page_size": size * 1024, "ptes_per_table": size * 128}),
        ERAS["6.12"],
    )
    for size in (4, 16, 64)
}


def test_rows_with_larger_pages_meet_the_same_addresses(tmp_path: Path) -> None:
    """40 pages of 4 KiB from a 64 KiB boundary are 10 of 16 KiB and 3 of 64 KiB."""
    mapped = ("mmap> 0 0x28000 3 0x22 0xffffffff 0", "mmap< 0x700000000000")
    written = tuple(f"pf {0x700000000000 + n * 0x1000:x} 6" for n in range(40))
    (call,) = replay(write(tmp_path / "r.gz", *mapped, *written, "munmap> 0x700000000000 0x28000", "munmap< 0"), LARGE)
    assert {name: counts["pages_freed"] for name, counts in call.counts.items()} == {"4K": 40, "16K": 10, "64K": 3}


def test_a_larger_page_goes_with_the_last_that_is_in_it(tmp_path: Path) -> None:
    mapped = ("mmap> 0 0x10000 3 0x22 0xffffffff 0", "mmap< 0x700000000000")
    written = tuple(f"pf {0x700000000000 + n * 0x1000:x} 6" for n in range(16))
    parts = ("munmap> 0x700000002000 0x6000", "munmap< 0", "madvise> 0x700000000000 0x2000 4", "madvise< 0")
    rest = ("munmap> 0x700000000000 0x10000", "munmap< 0")
    calls = list(replay(write(tmp_path / "r.gz", *mapped, *written, *parts, *rest), LARGE))
    freed = {name: [call.counts[name]["pages_freed"] for call in calls] for name in LARGE}
    assert freed == {"4K": [6, 2, 8], "16K": [1, 1, 2], "64K": [0, 0, 1]}


def test_a_larger_page_is_copied_once(tmp_path: Path) -> None:
    lines = ("new 2 0", *(f"pf 70000000{n}000 7" for n in range(3)))
    _, *copies = replay(write(tmp_path / "r.gz", *MAPPED, *WRITTEN, *lines), LARGE)
    assert [copy.counts["4K"]["flushes"] for copy in copies] == [1, 1, 1]
    assert [copy.counts["64K"]["flushes"] for copy in copies] == [1, 0, 0]


def test_every_page_of_a_program_goes_once_whatever_its_size() -> None:
    """All that a program had is freed by the end: as many pages of 64 KiB as it had different ones in its life."""
    freed = dict.fromkeys(LARGE, 0)
    for call in replay(RECORDING, LARGE):
        for name, counts in call.counts.items():
            freed[name] += counts["pages_freed"]
    assert freed["64K"] < freed["16K"] < freed["4K"]
    assert freed["4K"] <= 4 * freed["16K"] <= 16 * freed["64K"]
