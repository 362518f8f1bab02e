"""The subcommand `replay`: what it prints, its exit status, and files that are damaged or lack something."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import pytest

from core.compare import main
from core.truth.lines import FileError
from core.truth.recorded.recordings import lost_events, read_events
from core.truth.recorded.replay import Gaps, replay
from core.truth.recorded.totals import Replaying
from tests.truth.recorded.made_up import DATA, MAPPED, RECORDING, WRITTEN, write

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


def test_replay_as_json_has_every_difference_and_its_kind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dirty = ("mmap> 0 0x3000 3 0x21 0xffffffff 0", MAPPED[1], *WRITTEN)
    cut = ("munmap> 0x700000000000 0x3000", "F 1 1", "F 2 1", "F 0 0", "munmap< 0")
    wrong = [*MAPPED, *WRITTEN, "munmap> 0x700000000000 0x3000", "F 2 0", "munmap< 0"]
    path = write(tmp_path / "r.gz", *dirty, *cut, *wrong * 30, "pf 1000 4", "F 7 0")
    assert main(["replay", str(path), "--arch", "smp-6.2-fix", "--format", "json"]) == 1
    found = json.loads(capsys.readouterr().out)
    kinds = {kind["name"]: (kind["explained"], kind["operations"], kind["flushes"]) for kind in found["kinds"]}
    assert kinds == {"other": (False, 30, 30), "need_resched": (True, 1, 3), "unowned flush": (False, 0, 1)}
    assert len(found["differences"]) == 31
    first = found["differences"][0]
    assert (first["line"], first["kind"], first["recorded"][1]) == (6, "need_resched", {"strides": 2, "locked": True})
    assert found["flushes"] == {"recorded": 34, "predicted": 32, "unexplained": 31}
    (cost,) = found["costs"]
    assert (cost["architecture"], cost["counts"]["pages_freed"], cost["unexplained"]) == ("smp-6.2-fix", 93, 31)
    assert main(["replay", str(path), "--arch", "smp-6.2-fix"]) == 1
    out = capsys.readouterr().out
    assert "flushes unexplained" in out
    assert "31 of 34" in out
    assert "unexplained: other: 30 operations, 30 flushes: not explained" in out
    assert out.count("different: line") == 21
    assert "different: 10 more of this kind: --format json has them" in out


def test_replay_of_a_damaged_file_prints_what_came_before(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "r.gz", *MAPPED, *WRITTEN, "munmap> 0x700000000000 0x3000", "F 3 0", "munmap< 0", "fly")
    assert main(["replay", str(path), "--arch", "smp-6.2-fix", "--format", "json"]) == 2
    captured = capsys.readouterr()
    found = json.loads(captured.out)
    assert "unknown code 'fly'" in found["broken"]
    assert found["broken"] in captured.err
    assert found["operations"][0]["exact"] == 1


@pytest.mark.parametrize(
    ("name", "explained"),
    [("py_import", set()), ("py_threads", {"need_resched"}), ("postgres", {"tmpfs"})],
)
def test_programs_are_predicted_within_two_percent(name: str, explained: set[str]) -> None:
    """Every operation that differs has a reason that the recording bears out, and every flush is somebody's."""
    totals = Replaying(DATA / f"recording_{name}.tsv.gz", ()).run()
    recorded, predicted = totals.flushes
    assert abs(recorded - predicted) <= recorded / 50
    assert {kind.name for kind, count in totals.kinds.items() if count.operations} == explained
    assert totals.unexplained == totals.gaps.unowned == 0
    assert totals.gaps.detached == (name == "postgres"), "shmdt()"


@pytest.mark.parametrize(
    ("name", "operations"), [("empty_tables", 10), ("same_microsecond", 4), ("lock_waiter", 4), ("exec_faultaround", 1)]
)
def test_small_recordings_are_exact(name: str, operations: int) -> None:
    """Made by hand from the kernel's source, one for each rule."""
    totals = Replaying(DATA / f"recording_{name}.tsv.gz", ()).run()
    assert sum(values[0] for values in totals.exact.values()) == operations
    assert not totals.kinds
