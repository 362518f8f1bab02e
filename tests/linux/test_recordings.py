"""Recordings: anonymous memory is exact, and a bad file says so."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from core.arch import load_object, set_up
from core.compare import main
from core.linux.golden import GoldenError
from core.linux.recordings import read_events, replay
from core.mm.era import ERAS

RECORDING = Path(__file__).parent.parent / "data" / "recording_py_import.tsv.gz"
SMP = "arch_plugins.generic:Smp"


def test_anonymous_memory_is_exact() -> None:
    calls = [call for call in replay(RECORDING, {}) if call.anonymous]
    assert sum(len(call.measured) for call in calls) >= 5
    assert [call.predicted for call in calls] == [call.measured for call in calls]


def test_flushes_are_as_many_as_recorded() -> None:
    calls = list(replay(RECORDING, {}))
    assert sum(len(c.predicted) for c in calls) == sum(len(c.measured) for c in calls) == 11


def test_every_architecture_frees_the_same_pages() -> None:
    archs = {era: (set_up("smp", load_object(SMP), SMP), ERAS[era]) for era in ("6.1", "6.12")}
    for call in replay(RECORDING, archs):
        freed = {counts["pages_freed"] for counts in call.counts.values()}
        assert len(freed) == 1
        assert freed.pop() <= call.pages


def write(path: Path, text: str) -> Path:
    path.write_bytes(gzip.compress(text.encode()))
    return path


def test_munmap_of_written_pages(tmp_path: Path) -> None:
    lines = ["1\t0\t1\tmmap>\t0 0x3000 3 0x22 0xffffffff 0", "2\t0\t1\tmmap<\t0x700000000000"]
    lines += [f"3\t0\t1\tpf\t70000000{n}000 6" for n in range(3)]
    lines += ["4\t0\t1\tmunmap>\t0x700000000000 0x3000", "5\t0\t1\tF\t3 0", "6\t0\t1\tmunmap<\t0x0"]
    (call,) = replay(write(tmp_path / "r.gz", "\n".join(lines)), {})
    assert (call.pages, call.anonymous, call.measured) == (3, True, ((3, False),))
    assert call.predicted == call.measured


@pytest.mark.parametrize("line", ["x\t0\t1\tpf\t1 6", "1\t0\t1"])
def test_bad_line(tmp_path: Path, line: str) -> None:
    with pytest.raises(GoldenError, match="line 1: expected t_us, cpu"):
        list(read_events(write(tmp_path / "r.gz", line)))


def test_truncated(tmp_path: Path) -> None:
    path = tmp_path / "r.gz"
    path.write_bytes(RECORDING.read_bytes()[:2000])
    with pytest.raises(GoldenError, match="damaged or truncated after line"):
        list(replay(path, {}))


def test_replay_from_the_command_line(capsys) -> None:
    assert main(["replay", str(RECORDING), "--arch", "smp-6.2-fix", "--arch", "s390"]) == 0
    out = capsys.readouterr().out
    assert "smp-6.2-fix" in out
    assert "approximation:" in out
