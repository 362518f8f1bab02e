"""Recordings: what is recorded is predicted where it can be, and a bad or incomplete file says so."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import pytest

from core.arch import load_object, set_up
from core.compare import main
from core.linux.lines import FileError
from core.linux.recordings import lost_events, read_events
from core.linux.replay import Call, Gaps, replay
from core.linux.spaces import Space
from core.mm.era import ERAS

RECORDING = Path(__file__).parent.parent / "data" / "recording_py_import.tsv.gz"
SMP = "arch_plugins.generic:Smp"
ARCHS = {era: (set_up("smp", load_object(SMP), SMP), ERAS[era]) for era in ("6.1", "6.12")}


def calls(*names: str) -> list[Call]:
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


def test_exit_frees_what_is_left_and_is_not_compared() -> None:
    (call,) = (call for call in replay(RECORDING, ARCHS) if call.name == "exit")
    assert call.pages > 2000
    assert call.measured == call.predicted == ()
    assert call.counts["6.12"]["pages_freed"] > 2000


# ---- made up -------------------------------------------------------------------------------------------------


def write(path: Path, *lines: str) -> Path:
    """Lines of 'code arguments', all of thread 1 on CPU 0 unless 'cpu tid code arguments'."""
    text = []
    for n, line in enumerate(lines):
        head, _, rest = line.partition(" ")
        cpu, tid, code, args = ("0", "1", head, rest)
        if head.isdigit():
            cpu, tid, code, args = (*line.split(" ", 3), "")[:4]
        text.append(f"{n}\t{cpu}\t{tid}\t{code}\t{args}")
    path.write_bytes(gzip.compress("\n".join(text).encode()))
    return path


MAPPED = ("mmap> 0 0x3000 3 0x22 0xffffffff 0", "mmap< 0x700000000000")
WRITTEN = tuple(f"pf 70000000{n}000 6" for n in range(3))


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
    space.map(0, 10, "file")
    space.map(20, 30, "file")
    space.map(40, 50, "shared")
    for page, error in ((0, 4), (1, 6), (20, 4), (40, 6)):
        space.fault(page, error)
    child = space.fork()
    assert set(child.pages) == set(range(10))
    assert not child.writable(1)
    assert not space.writable(1)
    assert space.copies_on_write(1, 7)
    space.fault(1, 7)
    assert not child.copies_on_write(1, 7)


# ---- bad and incomplete files --------------------------------------------------------------------------------

BAD = {
    "x\t0\t1\tpf\t1 6": "line 1: expected t_us, cpu",
    "1\t0\t1": "line 1: expected t_us, cpu",
    "1\t0\t1\tfly\t": "line 1: unknown code 'fly'; expected one of mmap>",
    "1\t0\t1\tpf\t1": "line 1: pf: expected 2 arguments, got 1",
    "1\t0\t1\tpf\tz 6": "line 1: pf: expected numbers, got 'z 6'",
    "#\n1\t0\t1\tF\tx 0": "line 2: F: expected numbers",
}


@pytest.mark.parametrize("text", BAD)
def test_bad_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "r.gz"
    path.write_bytes(gzip.compress(text.encode()))
    with pytest.raises(FileError, match=BAD[text]):
        list(read_events(path))


def test_truncated(tmp_path: Path) -> None:
    path = tmp_path / "r.gz"
    path.write_bytes(RECORDING.read_bytes()[:2000])
    with pytest.raises(FileError, match="damaged or truncated after line"):
        list(replay(path, {}))


def test_a_call_without_its_return_is_told(tmp_path: Path) -> None:
    gaps = Gaps()
    path = write(tmp_path / "r.gz", *MAPPED, *WRITTEN, "munmap> 0x700000000000 0x3000", "brk> 0x0", "brk< 0x1000")
    assert list(replay(path, {}, gaps)) == []
    assert str(gaps) == "1 system calls lack their entry or return"


def test_a_recording_with_lost_events_says_so_and_goes_on(tmp_path: Path, capsys) -> None:
    path = tmp_path / "prog.tsv.gz"
    shutil.copy(RECORDING, path)
    meta = tmp_path / "meta.jsonl"
    meta.write_text(
        '{"name": "other", "overrun": {"a": 9}}\n' + json.dumps({"name": "prog", "overrun": {"a": 3, "b": 4}})
    )
    assert lost_events(path) == 7
    assert main(["replay", str(path), "--arch", "smp-6.2-fix"]) == 0
    assert "incomplete: 7 events were lost while it was recorded" in capsys.readouterr().out


def test_a_damaged_meta_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "meta.jsonl").write_text('{"name": "r"}\n[]\n')
    assert lost_events(tmp_path / "r.tsv.gz") == 0
    with pytest.raises(FileError, match="line 2: expected an object with name"):
        lost_events(tmp_path / "x.tsv.gz")


def test_replay_from_the_command_line(capsys) -> None:
    assert main(["replay", str(RECORDING), "--arch", "smp-6.2-fix", "--arch", "s390"]) == 0
    out = capsys.readouterr().out
    assert "smp-6.2-fix" in out
    assert "mprotect, anonymous" in out
    assert "approximation:" in out
    assert "incomplete" not in out
