"""Recordings: what is recorded is predicted where it can be, and a bad or incomplete file says so."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from core.cost.counts import Counts
from core.mm.era import ERAS
from core.plugins.arch import load_object, set_up
from core.truth.recorded.differences import AGED, OTHER, PAGED_OUT, RESCHEDULED, TMPFS, Replayed
from core.truth.recorded.faults import copies_on_write, serve
from core.truth.recorded.replay import Gaps, replay
from core.truth.recorded.runner import Runner, run_on
from core.truth.recorded.setup import UNMAPS, Setup
from core.truth.recorded.spaces import Area, Space
from tests.truth.recorded.made_up import ARCHS, MAPPED, RECORDING, WRITTEN, at, replayed, write


def calls(*names: str) -> list[Replayed]:
    return [call for call in replay(RECORDING, {}) if call.name in names]


def test_anonymous_memory_is_exact() -> None:
    unmappings = [call for call in calls("munmap", "brk", "dontneed") if call.anonymous]
    assert sum(len(call.measured) for call in unmappings) >= 5
    assert [call.predicted for call in unmappings] == [call.measured for call in unmappings]


def test_copies_on_write_and_write_protection_are_exact() -> None:
    for name, at_least in (("copy on write", 88), ("mprotect", 31)):
        found = calls(name)
        assert len(found) >= at_least
        assert [call.predicted for call in found] == [call.measured for call in found]


def test_the_other_cpu_is_asked_as_often_as_recorded() -> None:
    found = [call for call in replay(RECORDING, {}) if call.name != "exit"]
    assert sum(call.asked[0] for call in found) == sum(call.asked[1] for call in found) == 67


def test_flushes_of_unmappings_are_as_many_as_recorded() -> None:
    found = calls("munmap", "brk", "dontneed")
    assert sum(len(c.predicted) for c in found) == sum(len(c.measured) for c in found) == 11


def test_every_architecture_frees_the_same_pages() -> None:
    for call in replay(RECORDING, ARCHS):
        freed = {counts["pages_freed"] for counts in call.counts.values()}
        assert len(freed) == 1
        assert freed.pop() <= call.pages


def test_exit_frees_what_is_left_and_asks_the_cpu_that_is_in_the_mask() -> None:
    (call,) = (call for call in replay(RECORDING, ARCHS) if call.name == "exit")
    assert call.pages > 2000
    assert call.measured == call.predicted == ((-1, False),)
    assert call.counts["6.12"]["pages_freed"] > 2000


def test_runs_count_as_page_by_page() -> None:
    found: list[tuple[str, int]] = []

    class Both(Runner):
        def count(self, setup: Setup, others: int) -> dict[str, dict[str, int]]:
            for name, (arch, era) in ARCHS.items() if setup.operation.name in UNMAPS else ():
                counts = [Counts(), Counts()]
                for long_runs, heard in zip((True, False), counts, strict=True):
                    run_on(setup, arch, era, others, heard.emit, long_runs=long_runs)
                assert counts[0].result() == counts[1].result()
                found.append((name, len(setup.fine.pages)))
            return {}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.truth.recorded.replay.Runner", Both)
        assert list(replay(RECORDING, {}))
    assert len(found) >= 28
    assert max(pages for _, pages in found) > 2000


def test_everything_is_predicted() -> None:
    gaps = Gaps()
    assert [call.difference for call in replay(RECORDING, {}, gaps) if not call.exact] == []
    assert (gaps.unowned, gaps.truncated) == (0, 0)


# ---- made up -------------------------------------------------------------------------------------------------


def test_munmap_of_written_pages(tmp_path: Path) -> None:
    lines = ("munmap> 0x700000000000 0x3000", "F 3 0", "munmap< 0x0")
    (call,) = replay(write(tmp_path / "r.gz", *MAPPED, *WRITTEN, *lines), {})
    assert (call.pages, call.anonymous, call.measured) == (3, True, ((3, False),))
    assert call.predicted == call.measured


def test_a_flush_just_behind_the_return_belongs_to_the_call(tmp_path: Path) -> None:
    path = write(tmp_path / "r.gz", *MAPPED, *WRITTEN, "munmap> 0x700000000000 0x3000", "munmap< 0x0", "F 3 0", "exit")
    text = gzip.decompress(path.read_bytes()).decode().splitlines()
    text[-2] = text[-2].replace(text[-2].split("\t")[0], text[-3].split("\t")[0], 1)
    path.write_bytes(gzip.compress("\n".join(text).encode()))
    (call,) = replay(path, {})
    assert call.measured == ((3, False),)


def test_mremap_that_moves_flushes_the_old_place(tmp_path: Path) -> None:
    lines = ("mremap> 0x700000000000 0x3000 0x5000 1", "mremap< 0x710000000000", "munmap> 0x710000000000 0x3000")
    move, unmap = replay(write(tmp_path / "r.gz", *MAPPED, *WRITTEN, *lines, "munmap< 0x0"), ARCHS)
    assert (move.name, move.pages) == ("move", 3)
    assert move.predicted[0] == (3, True)  # under both page-table locks
    assert move.counts["6.12"]["pages_freed"] == 0
    assert (unmap.name, unmap.pages) == ("munmap", 3)  # they are there now
    assert unmap.counts["6.12"]["pages_freed"] == 3


def test_mremap_that_moves_a_whole_table_moves_its_pmd(tmp_path: Path) -> None:
    mapped = ("mmap> 0 0x200000 3 0x22 0xffffffff 0", "mmap< 0x700000000000")
    lines = ("mremap> 0x700000000000 0x200000 0x200000 1", "mremap< 0x710000000000")
    (move,) = replay(write(tmp_path / "r.gz", *mapped, *WRITTEN, *lines), {})
    assert move.predicted[0] == (-1, True)  # 512 pages are more than the ceiling


def test_mremap_that_shrinks_unmaps_the_tail(tmp_path: Path) -> None:
    lines = ("mremap> 0x700000000000 0x3000 0x1000 0", "mremap< 0x700000000000")
    (call,) = replay(write(tmp_path / "r.gz", *MAPPED, *WRITTEN, *lines), {})
    assert (call.name, call.pages, call.predicted) == ("mremap", 2, ((2, False),))


def test_mremap_that_shrinks_as_it_moves_over_something(tmp_path: Path) -> None:
    """mremap_to(): what is at the new place goes, then the tail, then the rest is moved."""
    there = ("mmap> 0x710000000000 0x2000 3 0x32 0xffffffff 0", "mmap< 0x710000000000", "pf 710000001000 6")
    call = "mremap> 0x700000000000 0x3000 0x2000 3 0x710000000000"
    flushes = ("F 2 0", "F 1 0", "F 2 1", "F 0 0")
    lines = (*there, call, *flushes, "mremap< 0x710000000000")
    gone, tail, move = replay(write(tmp_path / "r.gz", *MAPPED, *WRITTEN, *lines), ARCHS)
    assert [(call.name, call.pages) for call in (gone, tail, move)] == [("munmap", 1), ("mremap", 1), ("move", 2)]
    assert [call.difference for call in (gone, tail, move)] == ["", "", ""]
    assert [call.measured for call in (tail, move)] == [((1, False),), ((2, True), (0, False))]
    assert [call.counts["6.12"]["pages_freed"] for call in (gone, tail, move)] == [1, 1, 0]


TWO = (
    "mmap> 0x700000000000 0x2000 3 0x32 0xffffffff 0",
    "mmap< 0x700000000000",
    "mmap> 0x700000003000 0x2000 3 0x32 0xffffffff 0",
    "mmap< 0x700000003000",
    "pf 700000000000 6",
    "pf 700000003000 6",
)
"""Two mappings with a hole of one page between them, each with a page."""


@pytest.mark.parametrize(("advice", "flushes"), [("4", 1), ("8", 1), ("14", 2)])
def test_advice_over_several_mappings_and_a_hole(advice: str, flushes: int, tmp_path: Path) -> None:
    """madvise() goes on behind a hole and says ENOMEM; since 6.16 DONTNEED and FREE, not COLD, have one gather."""
    lines = (f"madvise> 0x700000000000 0x5000 {advice}", "madvise< 0xfffffffffffffff4")
    (call,) = replay(write(tmp_path / "r.gz", *TWO, *lines), ARCHS)
    assert (call.pages, len(call.predicted), call.counts["6.12"]["flushes"]) == (2, flushes, 2)


def test_anonymous_mappings_side_by_side_are_one(tmp_path: Path) -> None:
    """vma_merge_new_range(): arm64 flushes at the end of each VMA, so once for both, and for the tables."""
    arm64 = "arch_plugins.arm64:Arm64"
    archs = {"arm64": (set_up("arm64", load_object(arm64), arm64), ERAS["6.12"])}
    for prot, flushes in ((3, 2), (7, 3)):
        other = (f"mmap> 0x700000003000 0x1000 {prot} 0x32 0xffffffff 0", "mmap< 0x700000003000", "pf 700000003000 6")
        gone = ("munmap> 0x700000000000 0x4000", "munmap< 0x0")
        (call,) = replay(write(tmp_path / "r.gz", *MAPPED, *WRITTEN, *other, *gone), archs)
        assert call.counts["arm64"]["flushes"] == flushes


def test_a_call_that_failed_has_done_nothing(tmp_path: Path) -> None:
    lines = ("madvise> 0x700000000000 0x5000 4", "madvise< 0xffffffffffffffea")
    assert list(replay(write(tmp_path / "r.gz", *TWO, *lines), {})) == []


@pytest.mark.parametrize(("advice", "strides"), [("4", -1), ("66", 1)])
def test_guards_leave_their_table(advice: str, strides: int, tmp_path: Path) -> None:
    """MADV_DONTNEED of all that a table covers takes it along, MADV_GUARD_INSTALL (0x66) does not."""
    mapped = ("mmap> 0x700000000000 0x400000 3 0x32 0xffffffff 0", "mmap< 0x700000000000", "pf 700000028000 6")
    lines = (f"madvise> 0x700000000000 0x200000 {advice}", "madvise< 0x0")
    (call,) = replay(write(tmp_path / "r.gz", *mapped, *lines), {})
    assert call.predicted == ((strides, False),)  # from the start of the table to the page


@pytest.mark.parametrize(("advice", "copies"), [("10", 0), ("18", 0), ("11", 1), ("13", 1)])
def test_what_fork_does_not_copy_is_not_shared(advice: str, copies: int, tmp_path: Path) -> None:
    """MADV_DONTFORK (10) and MADV_WIPEONFORK (18) leave the pages to the parent, who then need not copy."""
    number = f"{int(advice):x}"
    lines = (f"madvise> 0x700000000000 0x3000 {number}", "madvise< 0x0", "F -1 0", "new 2 0", "pf 700000000000 7")
    found = list(replay(write(tmp_path / "r.gz", *MAPPED, *WRITTEN, *lines), {}))
    assert [call.name for call in found] == ["fork", *["copy on write"] * copies]


def test_who_copies_after_fork(tmp_path: Path) -> None:
    """The first to write copies; the page is then the other's alone."""
    lines = ("F -1 0", "new 2 0", "pf 700000000000 7", "F 1 1", "0 2 pf 700000000000 7")
    fork, copy = replay(write(tmp_path / "r.gz", *MAPPED, *WRITTEN, *lines), ARCHS)
    assert (fork.name, fork.measured, fork.predicted) == ("fork", ((-1, False),), ((-1, False),))
    assert (copy.name, copy.measured, copy.predicted) == ("copy on write", ((1, True),), ((1, True),))
    assert copy.counts["6.12"]["flushes"] == 1


def test_a_cpu_that_answers_wrong_has_left(tmp_path: Path) -> None:
    once = ("pf 700000000000 6", "munmap> 0x700000000000 0x1000", "munmap< 0x0")
    path = write(tmp_path / "r.gz", "1 1 exec x", *MAPPED, *once, "1 1 R wrong", *once)
    assert [call.asked[1] for call in replay(path, {})] == [1, 0]


def test_a_fork_copies_what_has_anonymous_pages() -> None:
    space = Space()
    space.map(Area(0, 10, "file"))
    space.map(Area(20, 30, "file"))
    space.map(Area(40, 50, "shared"))
    for page, error in ((0, 4), (1, 6), (20, 4), (40, 6)):
        serve(space, page, error)
    child = space.fork()
    assert set(child.pages) == set(range(10))
    assert not child.writable(1)
    assert not space.writable(1)
    assert copies_on_write(space, 1, 7)
    serve(space, 1, 7)
    assert not copies_on_write(child, 1, 7)


def test_a_flush_in_the_microsecond_of_the_next_fault_is_the_one_before_its(tmp_path: Path) -> None:
    first, second = replayed(
        tmp_path,
        at(0, "pf", "1000 7"),
        at(3, "pf", "2000 7"),
        at(3, "F", "1 1"),
        at(5, "F", "1 1"),
    )
    assert first.exact
    assert second.exact


def test_a_fault_that_the_kernel_repeats_was_not_served(tmp_path: Path) -> None:
    """copy_fpstate_to_sigframe() writes with page faults disabled first."""
    (call,) = replayed(tmp_path, at(0, "pk", "1ec0 3"), at(3, "pk", "1ec0 3"), at(6, "F", "1 1"))
    assert (call.line, call.exact) == (2, True)


def test_what_the_kernel_stores_before_exec_is_in_the_new_mm(tmp_path: Path) -> None:
    """padzero() has made the page anonymous, so the parent, alone with it in the end, does not copy."""
    child = ("7\t0\t2\tpf\t1000 7", "8\t0\t2\tF\t1 1")
    calls = replayed(
        tmp_path,
        at(0, "mmgone", ""),
        at(1, "F", "-1 0"),
        at(2, "pk", "11d8 2"),
        at(3, "exec", "x"),
        at(5, "F", "-1 0"),
        at(6, "new", "2 0"),
        *child,
        at(9, "pf", "1000 7"),
    )
    assert [(call.name, call.exact) for call in calls[:1] + calls[2:]] == [
        ("exit", True),
        ("fork", True),
        ("copy on write", True),
    ]
    assert calls[1].name == "exec"


def test_the_cpu_that_leaves_the_mask_was_asked_first(tmp_path: Path) -> None:
    lines = ("munmap> 0x700000000000 0x1000", "I -1 0", "F 1 0", "1 1 R wrong", "munmap< 0x0")
    mapped = ("1 1 exec x", *MAPPED, "pf 700000000000 6")
    (call,) = replay(write(tmp_path / "r.gz", *mapped, *lines), {})
    assert call.asked == (1, 1)


def test_of_exit_what_was_sent_is_compared(tmp_path: Path) -> None:
    lines = ("1 1 exec x", *MAPPED, "pf 700000000000 6", "exit", "I -1 0", "1 1 R wrong", "mmgone")
    (call,) = replay(write(tmp_path / "r.gz", *lines), {})
    assert (call.name, call.measured, call.predicted) == ("exit", ((-1, False),), ((-1, False),))


def test_flushes_of_nothing_here_are_counted(tmp_path: Path) -> None:
    gaps = Gaps()
    path = write(tmp_path / "r.gz", "pf 1000 4", "F 7 0", "pf 2000 4")
    assert list(replay(path, {}, gaps)) == []
    assert (gaps.unowned, gaps.truncated) == (1, 0)


@pytest.mark.parametrize(
    ("start", "page", "around"),
    [
        (0, 5, range(16)),
        (0x22C, 0x22C, range(0x22C, 0x235)),  # from where the mapping begins, 16 on: not up to a multiple of 16
        (0x22C, 0x231, range(0x230, 0x235)),
        (0x1FC, 0x1FE, range(0x1FC, 0x200)),  # not beyond the table
    ],
)
def test_fault_around(start: int, page: int, around: range) -> None:
    space = Space()
    space.map(Area(start, start + (9 if start else 64), "file"))
    serve(space, page, 4)
    assert set(space.pages) == set(around)


def test_shared_anonymous_memory_has_a_page_cache() -> None:
    parent = Space()
    parent.map(Area(16, 32, "shared", 3, {}, 16))
    child = parent.fork()
    serve(child, 20, 6)
    serve(child, 21, 4)
    serve(parent, 24, 4)  # maps around what the child has put there, as dirty as it is
    assert {page: folio.kind for page, folio in parent.pages.items()} == {
        20: "file_dirty",
        21: "file_clean",
        24: "file_clean",
    }
    assert parent.writable(21)


@pytest.mark.parametrize(
    ("prots", "flushes"),
    [
        ((1,), [True]),  # _PAGE_RW goes
        ((3,), [False]),  # nothing to do
        ((1, 3), [True, True]),  # _PAGE_RW comes back: pte_flags_need_flush() asks for any change of it
        ((0, 3), [True, False]),  # what is not present is not cached
        ((7,), [True]),  # _PAGE_NX
        ((1, 1), [True, False]),
    ],
)
def test_mprotect_flushes_what_changes(tmp_path: Path, prots: tuple[int, ...], flushes: list[bool]) -> None:
    lines = [line for prot in prots for line in (f"mprotect> 0x700000000000 0x3000 {prot}", "mprotect< 0x0")]
    calls = list(replay(write(tmp_path / "r.gz", *MAPPED, *WRITTEN, *lines), {}))
    assert [bool(call.predicted) for call in calls] == flushes


def test_a_page_that_fork_has_shared_stays_read_only_after_mprotect(tmp_path: Path) -> None:
    space = Space()
    space.map(Area(0, 4, "anon"))
    serve(space, 0, 6)
    serve(space, 1, 6)
    space.fork()
    serve(space, 0, 7)
    space.protect(0, 4, 1)
    space.protect(0, 4, 3)
    assert [space.writable(page) for page in (0, 1)] == [True, False]


def test_mmap_over_written_pages_unmaps_them(tmp_path: Path) -> None:
    over = ("mmap> 0x700000001000 0x1000 3 0x32 0xffffffff 0", "F 1 0", "mmap< 0x700000001000")
    mapped, again = replay(write(tmp_path / "r.gz", *MAPPED, *WRITTEN, *over, *over[::2]), ARCHS)
    assert (mapped.name, mapped.pages, mapped.exact) == ("mmap over", 1, True)
    assert mapped.counts["6.12"]["pages_freed"] == 1
    assert (again.pages, again.predicted) == (0, ())


def test_madv_free_flushes_and_keeps_the_pages(tmp_path: Path) -> None:
    lines = (
        "madvise> 0x700000000000 0x3000 8",
        "F 3 0",
        "madvise< 0x0",
        "munmap> 0x700000000000 0x3000",
        "munmap< 0x0",
    )
    free, unmap = replay(write(tmp_path / "r.gz", *MAPPED, *WRITTEN, *lines), ARCHS)
    assert (free.name, free.exact, free.counts["6.12"]["pages_freed"]) == ("free", True, 0)
    assert unmap.counts["6.12"]["pages_freed"] == 3


def test_who_answers_a_flush(tmp_path: Path) -> None:
    """A single thread has its mm loaded nowhere else; a flush of freed tables asks all, and they leave the mask."""
    start = ("1 1 exec x", *MAPPED, *WRITTEN, "1 9 exec y")
    some = (
        "mmap> 0 0x1000 3 0x22 0xffffffff 0",
        "mmap< 0x700000003000",
        "munmap> 0x700000000000 0x1000",
        "munmap< 0x0",
    )
    rest = ("munmap> 0x700000001000 0x3000", "munmap< 0x0")
    calls = list(replay(write(tmp_path / "r.gz", *start, *some, *rest), {}))
    assert [(call.asked[1], call.answers[1:]) for call in calls] == [(1, (0, 0)), (1, (1, 1))]
    other = ("new 2 100", "1 2 pf 700000000000 4")
    (call,) = replay(write(tmp_path / "r.gz", *start, *other, *some), {})
    assert call.answers[1:] == (0, 1)


def test_a_difference_says_how_it_can_be(tmp_path: Path) -> None:
    cut = ("munmap> 0x700000000000 0x3000", "F 1 1", "F 2 1", "F 0 0", "munmap< 0x0")
    shared = ("mmap> 0 0x3000 3 0x1 7 0", "mmap< 0x700000000000", "pf 700000000000 4")
    dirty = ("mmap> 0 0x3000 3 0x21 0xffffffff 0", MAPPED[1], *WRITTEN)
    (interrupted,) = replay(write(tmp_path / "a.gz", *dirty, *cut), {})
    (written,) = replay(write(tmp_path / "b.gz", *shared, *cut), {})
    assert interrupted.difference == "munmap of 3 pages: 1* 2* 0 recorded, 3* 0 predicted (need_resched)"
    assert (interrupted.kind, written.kind) == (RESCHEDULED, OTHER)


def test_dirty_pages_of_tmpfs_explain_a_difference_only_if_they_give_the_flushes(tmp_path: Path) -> None:
    shared = ("mmap> 0 0x3000 3 0x1 7 0", "mmap< 0x700000000000", *(f"pf 70000000{n}000 4" for n in range(3)))
    unmap = ("munmap> 0x700000000000 0x3000", "munmap< 0")
    (dirty,) = replay(write(tmp_path / "a.gz", *shared, unmap[0], "F 3 1", "F 0 0", unmap[1]), {})
    (wrong,) = replay(write(tmp_path / "b.gz", *shared, unmap[0], "F 2 1", "F 0 0", unmap[1]), {})
    assert (dirty.kind, wrong.kind) == (TMPFS, OTHER)


def advised(tmp_path: Path, advice: int, *flushes: str, mapped: tuple[str, ...] = MAPPED) -> list[Replayed]:
    """The advice for three written pages, and their munmap."""
    calls = (f"madvise> 0x700000000000 0x3000 {advice:#x}", *flushes, "madvise< 0x0")
    unmap = ("munmap> 0x700000000000 0x3000", "munmap< 0x0")
    return list(replay(write(tmp_path / "r.gz", *mapped, *WRITTEN, *calls, *unmap), ARCHS))


def test_madv_cold_flushes_from_the_first_to_the_last_page_and_keeps_them(tmp_path: Path) -> None:
    cold, unmap = advised(tmp_path, 20, "F 3 0")
    assert (cold.name, cold.exact, cold.counts["6.12"]["pages_freed"]) == ("cold", True, 0)
    assert unmap.counts["6.12"]["pages_freed"] == 3
    fewer, _ = advised(tmp_path, 20, "F 2 0")
    none, _ = advised(tmp_path, 20)
    more, _ = advised(tmp_path, 20, "F 4 0")
    assert (fewer.kind, none.kind, more.kind) == (AGED, AGED, OTHER)


def test_madv_cold_passes_over_pages_that_another_process_maps(tmp_path: Path) -> None:
    calls = ("new 2 0", "madvise> 0x700000000000 0x3000 0x14", "madvise< 0x0")
    fork, cold = replay(write(tmp_path / "r.gz", *MAPPED, *WRITTEN, *calls), ARCHS)
    assert (fork.name, cold.name, cold.predicted) == ("fork", "cold", ())


def test_madv_remove_unmaps_shared_memory_and_empties_its_cache(tmp_path: Path) -> None:
    shared = ("mmap> 0 0x3000 3 0x21 0xffffffff 0", "mmap< 0x700000000000")
    remove, unmap = advised(tmp_path, 9, "F 3 1", "F 0 0", mapped=shared)
    assert (remove.name, remove.pages, unmap.pages) == ("remove", 3, 0)
    assert remove.counts["6.12"]["pages_freed"] == 3


def test_madv_pageout_is_counted_as_what_it_can_be(tmp_path: Path) -> None:
    (batched, _), (single, _) = advised(tmp_path, 21, "F -1 0"), advised(tmp_path, 21, "F 1 1")
    other, _ = advised(tmp_path, 21, "F 2 0")
    assert (batched.kind, single.kind, other.kind) == (PAGED_OUT, PAGED_OUT, OTHER)
    each, _ = advised(tmp_path, 21, *["F 1 1"] * 3)
    too_many, _ = advised(tmp_path, 21, *["F 1 1"] * 4)
    assert (each.kind, too_many.kind) == (PAGED_OUT, OTHER)
    assert [unmap.pages for _, unmap in (advised(tmp_path, 21, *["F 1 1"] * n) for n in (2, 3))] == [3, 0]
    written, _ = advised(tmp_path, 21, *["F -1 0"] * 4)
    beyond, _ = advised(tmp_path, 21, *["F -1 0"] * 5)
    assert (written.kind, beyond.kind) == (PAGED_OUT, OTHER), "one for each page that is written, one at the end"
    none, _ = advised(tmp_path, 21)
    assert none.exact


def test_madv_collapse_flushes_once_for_each_huge_page_under_its_lock(tmp_path: Path) -> None:
    mapped = ("mmap> 0 0x600000 3 0x22 0xffffffff 0", "mmap< 0x700000000000")
    written = ("pf 700000001000 6", "pf 700000200000 6")
    calls = ("madvise> 0x700000000000 0x600000 0x19", "F -1 1", "F -1 1", "madvise< 0x0")
    (collapse,) = replay(write(tmp_path / "r.gz", *mapped, *written, *calls), ARCHS)
    assert (collapse.name, collapse.exact) == ("collapse", True)
