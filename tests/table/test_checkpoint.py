"""Checkpoints of finished jobs: --resume takes those that are still true, and no others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.compare import main
from core.cost.workloads import STANDARD
from core.run.isolate import close
from core.run.pool import run
from core.table import checkpoint
from core.table.checkpoint import Kept, place
from core.table.count_jobs import CountJob
from tests.run.jobs import JOBS, ROWS
from tests.timeless import timeless


def test_kept_answers_come_back_equal(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    for job in (JOBS[0], CountJob(ROWS["s390"], tuple(STANDARD.values()))):
        assert kept.get(job) is None
        kept.put(job, job.run())
        assert kept.get(job) == job.run()
    for path in tmp_path.iterdir():
        path.write_text("{ damaged")
    assert kept.get(JOBS[0]) is None
    kept.put(JOBS[0], JOBS[0].failed("for now"))
    assert kept.get(JOBS[0]) is None


def test_resume_runs_only_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []

    def noted(jobs: list[Any], *rest: Any, **more: Any) -> Iterator[Any]:
        ran.extend(job.scenario for job in jobs)
        return run(jobs, *rest, **more)

    monkeypatch.setattr("core.run.pool.run", noted)
    argv = ["--arch", "s390", "--no-costs", "--format", "json", "--output", str(tmp_path)]
    argv += ["--scenario", "use-after-free", "--scenario", "freed-once"]
    assert main(argv) == 0
    first = capsys.readouterr().out
    (path,) = [p for p in place(tmp_path).iterdir() if "freed-once" in p.read_text()]
    path.unlink()
    assert main([*argv, "--resume"]) == 0
    assert timeless(capsys.readouterr().out) == timeless(first)
    assert ran == ["use-after-free", "freed-once", "freed-once"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.replace("pass", "fail"),
        lambda text: text[: len(text) // 2],
        lambda text: "",
        lambda text: "[" * 100_000,
        lambda text: "[]",
        lambda text: text.replace('"sum"', '"some"'),
    ],
)
def test_a_kept_file_that_was_edited_is_computed_again(
    damage: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["--arch", "s390", "--scenario", "use-after-free", "--no-costs", "--format", "json"]
    argv += ["--output", str(tmp_path)]
    assert main(argv) == 0
    first = capsys.readouterr().out
    (path,) = place(tmp_path).iterdir()
    path.write_text(damage(path.read_text()))
    assert main([*argv, "--resume"]) == 0
    told = capsys.readouterr()
    assert timeless(told.out) == timeless(first)
    assert f"{path}: damaged or edited, computed again" in told.err
    assert main([*argv, "--resume"]) == 0
    assert "damaged" not in capsys.readouterr().err


def test_a_kept_file_under_anothers_name_is_no_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["--arch", "s390", "--no-costs", "--format", "json", "--output", str(tmp_path)]
    argv += ["--scenario", "use-after-free", "--scenario", "freed-once"]
    assert main(argv) == 0
    first = capsys.readouterr().out
    one, other = place(tmp_path).iterdir()
    other.write_text(one.read_text())
    assert main([*argv, "--resume"]) == 0
    told = capsys.readouterr()
    assert timeless(told.out) == timeless(first)
    assert "damaged or edited" in told.err


@pytest.mark.parametrize(("later", "kept"), [(0, False), (2 * checkpoint.SETTLED, True)])
def test_the_digest_of_files_that_were_written_just_now_is_not_kept(
    later: int, kept: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "core").mkdir()
    (tmp_path / "arch_plugins").mkdir()
    source = tmp_path / "core" / "a.py"
    source.write_text("A = 1\n")
    monkeypatch.setattr(checkpoint, "ROOT", tmp_path)
    monkeypatch.setattr(checkpoint, "cache", lambda: tmp_path / "cache")
    monkeypatch.setattr(checkpoint.time, "time_ns", lambda: source.stat().st_ctime_ns + later)
    checkpoint.suite_digest.__wrapped__()
    assert (tmp_path / "cache" / checkpoint.KEPT / checkpoint.SOURCE).exists() == kept


HELPED = """
from core.hookspecs import hookimpl
from helper_of_resumed import Base

class Mine(Base):
    pass
"""


def test_resume_notices_that_what_a_plugin_imports_has_changed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "mine.py").write_text(HELPED)
    helper = tmp_path / "helper_of_resumed.py"
    helper.write_text("from arch_plugins.generic import Smp as Base\n")
    argv = ["--plugin", f"{tmp_path / 'mine.py'}:Mine", "--scenario", "use-after-free", "--no-costs", "--resume"]
    argv += ["--output", str(tmp_path / "out")]
    kept = place(tmp_path / "out")
    assert main(argv) == main(argv) == 0
    assert len(list(kept.iterdir())) == 1
    helper.write_text(
        "from arch_plugins.generic import Smp\n\nclass Base(Smp):\n    async def flush_tlb_mm(self, mm):\n"
    )
    with helper.open("a") as more:
        more.write("        return None\n")
    assert main(argv) == 1
    assert "flush_tlb_mm is a hook's name but is not marked" in " ".join(capsys.readouterr().out.split())
    helper.write_text("from arch_plugins.generic import Smp as Base  # another text\n")
    assert main(argv) == 0
    assert len(list(kept.iterdir())) == 2


READS = """
import os, json
from pathlib import Path
from arch_plugins.generic import Smp

table = json.loads((Path(__file__).parent / "table.json").read_text())
names = sorted(path.name for path in Path(__file__).parent.glob("*.conf"))
mode = os.environ.get("MODE_OF_PLUGIN", "")

class Mine(Smp):
    pass
"""


@pytest.mark.parametrize("change", ["file", "directory", "environment", "nothing"])
def test_resume_notices_that_what_a_plugin_reads_has_changed(
    change: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.py").write_text(READS)
    (tmp_path / "table.json").write_text("[1]")
    (tmp_path / "unread").write_text("1")
    argv = ["--plugin", f"{tmp_path / 'mine.py'}:Mine", "--scenario", "use-after-free", "--no-costs", "--resume"]
    argv += ["--output", str(tmp_path.parent / f"{tmp_path.name}.out")]
    assert main(argv) == 0
    (tmp_path / "unread").write_text("2")
    if change == "file":
        (tmp_path / "table.json").write_text("[2]")
    elif change == "directory":
        (tmp_path / "a.conf").write_text("")
    elif change == "environment":
        monkeypatch.setenv("MODE_OF_PLUGIN", "other")
        close()  # a warden has the environment of when it was started
    assert main(argv) == 0
    kept = place(Path(argv[-1]))
    assert len(list(kept.iterdir())) == (1 if change == "nothing" else 2)
    assert "does not see" not in capsys.readouterr().err


def test_resume_says_what_it_does_not_see(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.py").write_text("import subprocess\nsubprocess.run(['true'])\n" + READS[READS.index("class") :])
    text = (tmp_path / "mine.py").read_text()
    (tmp_path / "mine.py").write_text("from arch_plugins.generic import Smp\n" + text)
    argv = ["--plugin", f"{tmp_path / 'mine.py'}:Mine", "--scenario", "use-after-free", "--no-costs"]
    argv += ["--output", str(tmp_path / "out")]
    assert main(argv) == 0
    assert "does not see" not in capsys.readouterr().err
    assert main([*argv, "--resume"]) == 0
    assert "as it is set up it starts processes: --resume does not see what is read so" in capsys.readouterr().err
