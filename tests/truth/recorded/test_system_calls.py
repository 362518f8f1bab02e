"""Calls that few programs make, and exec: what each does to pages and tables, and whose its flushes are."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.truth.recorded.differences import EXEC, OTHER, Kind
from core.truth.recorded.replay import Gaps, replay
from tests.truth.recorded.made_up import ARCHS, DATA, MAPPED, WRITTEN, write


def test_exec_moves_its_arguments_and_frees_their_tables() -> None:
    """Eight of postgres's nine: of the first only what came after it is recorded."""
    execs = [call for call in replay(DATA / "recording_postgres.tsv.gz", ARCHS) if call.name == "exec"]
    assert [call.difference for call in execs] == [""] * 8
    assert {call.measured for call in execs} == {((1, True), (-1, False))}
    assert {call.counts["6.12"]["flushes"] for call in execs} == {2}


STACK = "pk 7ffd00001008 2"


@pytest.mark.parametrize(
    ("flushes", "kind"),
    [
        (("F 1 1", "F -1 0"), None),
        (("F 3 1", "F -1 0"), EXEC),
        (("F -1 1", "F -1 0"), EXEC),
        (("F 3 0", "F -1 0"), OTHER),
        (("F 1 1",), OTHER),
    ],
)
def test_how_much_exec_moves_is_told_by_its_first_flush(
    tmp_path: Path, flushes: tuple[str, ...], kind: Kind | None
) -> None:
    (call,) = replay(write(tmp_path / "r.gz", "pf 1000 4", *flushes, "pk 3000 2", STACK, "exec x"), {})
    assert (call.name, call.kind) == ("exec", kind)


def test_a_pmd_table_stays_where_the_new_stack_needs_it(tmp_path: Path) -> None:
    """The page table alone is freed, of less than a stride: shift_arg_pages() moves within one GiB."""
    near = "pk 7fffffb01008 2"
    (call,) = replay(write(tmp_path / "r.gz", "pf 1000 4", "F 1 1", "F 0 0", near, "exec x"), {})
    assert (call.predicted, call.exact) == (((1, True), (0, False)), True)


def test_an_exec_without_flushes_has_moved_nothing(tmp_path: Path) -> None:
    assert list(replay(write(tmp_path / "r.gz", "pf 1000 4", STACK, "exec x"), {})) == []


def test_flushes_of_ftruncate_are_counted(tmp_path: Path) -> None:
    """Its return is not recorded: what comes behind the thread's next event is of that."""
    gaps = Gaps()
    (copy,) = replay(write(tmp_path / "r.gz", "ftruncate> 3 0x0", "F 2 1", "F 7 0", "pf 1ec0 7", "F 1 1"), {}, gaps)
    assert (copy.name, copy.exact, gaps.truncated, gaps.unowned) == ("copy on write", True, 2, 0)


def test_mremap_that_keeps_the_old_mapping_frees_none_of_its_tables(tmp_path: Path) -> None:
    """MREMAP_DONTUNMAP: the pages go, and come back as others."""
    move = ("mremap> 0x700000000000 0x3000 0x3000 {} 0x0", "F 3 1", "mremap< 0x7f0000000000", "exit")
    kept, moved = (
        next(replay(write(tmp_path / "r.gz", *MAPPED, *WRITTEN, move[0].format(flags), *move[1:]), {}))
        for flags in ("0x5", "0x1")
    )
    assert (kept.name, kept.predicted) == ("move and keep", ((3, True),))
    assert (moved.name, moved.predicted) == ("move", ((3, True), (0, False)))


def test_guards_zap_what_is_there_and_have_tables(tmp_path: Path) -> None:
    """MADV_GUARD_INSTALL of untouched pages: munmap() has a table to free."""
    guard = ("madvise> 0x700000000000 0x3000 0x66", "madvise< 0x0", "munmap> 0x700000000000 0x3000", "munmap< 0x0")
    fresh, gone = replay(write(tmp_path / "r.gz", *MAPPED, *guard), {})
    assert (fresh.name, fresh.predicted, gone.predicted) == ("guard", (), ((0, False),))
    used, _ = replay(write(tmp_path / "r.gz", *MAPPED, *WRITTEN, *guard), {})
    assert used.predicted == ((3, False),)


def test_bits_of_mprotect_that_no_entry_shows(tmp_path: Path) -> None:
    """PROT_GROWSDOWN and PROT_SEM beside the protection that is there: nothing changes."""
    lines = ("mprotect> 0x700000000000 0x3000 0x100000b", "mprotect< 0x0")
    (call,) = replay(write(tmp_path / "r.gz", *MAPPED, *WRITTEN, *lines), {})
    assert (call.predicted, call.exact) == ((), True)
