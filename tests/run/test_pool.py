"""Jobs: the same answers wherever they run, and nothing but its own job for what goes wrong in one."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.ladder import Size, ladder
from core.base.cores import CoresOfRun, IdleCores
from core.compare import main
from core.cost import STANDARD
from core.explore import Limits, check
from core.run.isolate import close, isolated
from core.run.pool import LOST, ExecutorError, executor, per_child, run
from core.table.checkpoint import Kept, place
from core.table.count_jobs import CountJob
from core.table.jobs import VerdictJob
from core.table.rows import load, plugin_row
from tests.timeless import timeless

ROWS = {row.name: row for row in load(None)}
JOBS = [
    VerdictJob(ROWS[name], scenario)
    for name in ("smp-6.1", "s390")
    for scenario in ("lost-dirty-munmap", "use-after-free")
]


@dataclass(frozen=True)
class Trouble:
    """A job that goes wrong in a way of its own."""

    kind: str
    guest: str = ""

    def run(self) -> str:
        if self.kind == "hang":
            time.sleep(60)
        if self.kind == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.kind == "eat":
            return str(len(bytearray(1 << 40)))
        if self.kind == "raise":
            raise ValueError("no")
        return "fine"

    def failed(self, reason: str) -> str:
        return reason


@dataclass(frozen=True)
class Looking:
    """A job that says how many cores are idle while it runs."""

    idle: IdleCores
    guest: str = ""

    def run(self) -> str:
        return str(len(self.idle.take(self.idle.number)))  # its process leaves them when it ends

    def failed(self, reason: str) -> str:
        return reason


@dataclass(frozen=True)
class Interrupting:
    """A long search during which somebody presses Ctrl-C."""

    parent: int
    guest: str = ""

    def run(self) -> str:
        threading.Timer(1, os.kill, (self.parent, signal.SIGINT)).start()
        return check(ladder("DELAYED", Size(3, 3, 3, 3)), searcher="reference", reductions=()).bounds

    def failed(self, reason: str) -> str:
        return reason


def _collect(found: Iterator[str], answers: list[str]) -> None:
    for answer in found:
        answers.append(answer)


@dataclass(frozen=True)
class Kindred:
    """A job with kin; it answers with the process that it ran in."""

    kin: str | None
    guest: str = ""

    def run(self) -> int:
        return os.getpid()

    def failed(self, reason: str) -> int:
        return 0


@pytest.mark.parametrize(
    ("kin", "batches"),
    [
        ("aabbb", "aa bbb"),
        ("aabbcccd", "aabb cccd"),
        ("aaaaaab", "aaaa aab"),
        ("------", "---- --"),
        ("-aaa-bbb", "-aaa -bbb"),
        ("abc", "abc"),
    ],
)
def test_kin_share_a_process_where_they_fit(kin: str, batches: str) -> None:
    jobs = [Kindred(None if one == "-" else one) for one in kin]
    with ThreadPoolExecutor(1) as pool:
        processes = list(run(jobs, pool, together=4))
    groups = ["".join(one for one, process in zip(kin, processes, strict=True) if process == p) for p in processes]
    assert list(dict.fromkeys(groups)) == list(dict.fromkeys(batches.split()))
    assert len(set(processes)) == len(batches.split())


def test_few_jobs_are_spread_and_many_share_processes() -> None:
    assert [per_child(jobs, 2) for jobs in (10, 600, 1000, 3000)] == [16, 18, 31, 48]
    assert per_child(3000, 64) == 16


def test_ctrl_c_leaves_what_has_been_found() -> None:
    """In an interpreter of its own: nothing else is interrupted, and an interrupt that is lost ends in a timeout."""
    program = "from tests.run.test_pool import ctrl_c; ctrl_c()"
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, timeout=100, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_an_interrupt_that_the_kernel_gives_to_another_thread_is_not_lost() -> None:
    """It does not wake the main thread from its wait for a result."""
    program = "from tests.run.test_pool import ctrl_c_elsewhere; ctrl_c_elsewhere()"
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, timeout=60, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def ctrl_c_elsewhere() -> None:
    """What the test above runs: the job hangs until it is interrupted."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored, if the tests run in the background

    def other_thread() -> None:
        time.sleep(2)  # the main thread waits by then
        signal.pthread_kill(threading.get_ident(), signal.SIGINT)
        time.sleep(30)

    threading.Thread(target=other_thread, daemon=True).start()
    with ThreadPoolExecutor(1) as pool, pytest.raises(KeyboardInterrupt):
        _collect(run([Trouble("hang")], pool), [])


def ctrl_c() -> None:
    """What the test above runs."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored, if the tests run in the background
    jobs: list[Any] = [Trouble("none"), Interrupting(os.getpid()), Trouble("none"), *[Trouble("hang")] * 20]
    answers: list[str] = []
    with ThreadPoolExecutor(1) as pool, pytest.raises(KeyboardInterrupt):
        _collect(run(jobs, pool), answers)
    assert answers[0] == "fine"
    assert answers[1].startswith("interrupted; depth ")
    assert answers[2:] == ["interrupted"] * 21
    with ThreadPoolExecutor(1) as pool:
        assert list(run(jobs[:1], pool)) == ["fine"]


def test_an_interrupted_run_tells_what_it_knows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(jobs: list[VerdictJob], *rest: Any, **more: Any) -> Iterator[Any]:
        yield jobs[0].run()
        raise KeyboardInterrupt

    monkeypatch.setattr("core.run.pool.run", interrupted)
    scenarios = ["--scenario", "use-after-free", "--scenario", "lost-dirty-munmap"]
    argv = ["--arch", "s390", *scenarios, "--no-costs", "--format", "json", "--output", str(tmp_path)]
    assert main(argv) == 2
    told = capsys.readouterr()
    found = [(result["verdict"], result["reason"]) for result in json.loads(told.out)["results"]]
    assert found == [("pass", ""), ("error", "interrupted")]
    assert "--resume continues" in told.err
    told_as_table = (tmp_path / "report.md").read_text()
    assert "not run" in told_as_table
    (line,) = [line for line in told_as_table.splitlines() if line.startswith("| s390")][:1]
    assert line.rstrip(" |").endswith("1 of 2")  # what was not run is not exhaustive
    assert "Not as declared" not in told_as_table
    assert len(list(place(tmp_path).iterdir())) == 1
    monkeypatch.undo()
    assert main([*argv, "--resume"]) == 0
    assert [result["verdict"] for result in json.loads(capsys.readouterr().out)["results"]] == ["pass", "pass"]


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("hang", "timed out after 3 s"),
        ("die", "its process died with exit status -9"),
        ("eat", "ran out of memory"),
        ("raise", "raised ValueError: no"),
        ("none", "fine"),
    ],
)
def test_trouble_costs_its_own_job(kind: str, answer: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        answers = list(run([Trouble("none"), Trouble(kind), Trouble("none")], pool, timeout=3))
    assert answers[0] == answers[2] == "fine"
    assert answers[1].startswith(answer)


def test_cores_become_idle_as_jobs_end() -> None:
    cores = CoresOfRun(3, at_once=3, each=1)
    with executor("", 1) as one:
        assert list(run([Looking(cores.idle)] * 3, one, together=1, cores=cores)) == ["0", "1", "2"]
    assert len(cores.idle.take(3)) == 3
    cores.close()


def test_any_executor_gives_the_same_answers() -> None:
    here = [job.run() for job in JOBS]
    with ThreadPoolExecutor(3) as pool:
        assert list(run(JOBS, pool)) == here
    assert [isolated(job) for job in JOBS[:1]] == here[:1]


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


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("dusk://x", r"expected dask://HOST:PORT"),
        ("dask://127.0.0.1:1", "no scheduler answers"),
        ("dask://a b", "no scheduler"),
    ],
)
def test_an_executor_that_is_none_is_said(where: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr("core.run.pool.CONNECTING", 2)
    with pytest.raises(ExecutorError, match=message), executor(where, 1):
        pass


@pytest.fixture
def cluster() -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler and two workers, as processes on loopback: (address, all three)."""
    pytest.importorskip("distributed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
    at = ["--host", "127.0.0.1", "--no-dashboard"]
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", *at, "--port", str(port)]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", f"tcp://127.0.0.1:{port}", *at, "--nthreads", "1"]
    processes = [subprocess.Popen(command, **quiet)]  # type: ignore[call-overload]
    processes += [subprocess.Popen([*worker, "--no-nanny"], **quiet) for _ in range(2)]  # type: ignore[call-overload]
    yield f"127.0.0.1:{port}", processes
    for process in processes:
        process.kill()
        process.wait()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_dask_cluster_that_loses_a_worker_gives_the_same_answers(
    cluster: tuple[str, list[subprocess.Popen[bytes]]],
) -> None:
    from distributed import Client

    address, (_, *workers) = cluster
    with Client(f"tcp://{address}", timeout=30) as client:
        client.wait_for_workers(2, timeout=60)
    killed = False

    def kill_one(finished: int) -> None:
        nonlocal killed
        if not killed:
            workers[0].kill()
            killed = True

    jobs = JOBS * 3
    with executor(f"dask://{address}", 1) as pool:
        answers = list(run(jobs, pool, kill_one))
    assert killed
    assert workers[0].wait() != 0
    assert answers == [job.run() for job in JOBS] * 3


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_dask_scheduler_that_dies_costs_the_cells_that_it_had(
    cluster: tuple[str, list[subprocess.Popen[bytes]]],
) -> None:
    from distributed import Client

    address, (scheduler, *_) = cluster
    with Client(f"tcp://{address}", timeout=30) as client:
        client.wait_for_workers(2, timeout=60)
    jobs = JOBS * 3
    with executor(f"dask://{address}", 1) as pool:
        answers = list(run(jobs, pool, lambda finished: scheduler.kill(), together=1))
    here = [job.run() for job in JOBS] * 3
    assert answers[0] == here[0]
    lost = [answer for answer, own in zip(answers, here, strict=True) if answer != own]
    assert lost
    assert {(answer.verdict, answer.reason) for answer in lost} == {("error", LOST)}


class GivenUp(ThreadPoolExecutor):
    """An executor whose client has given up the scheduler while an answer was being fetched: it never comes."""

    _client = SimpleNamespace(status="closing")

    def submit(self, *args: object, **more: object) -> Future[object]:  # type: ignore[override]
        return Future()


def test_an_answer_that_never_comes_is_not_waited_for() -> None:
    answers = list(run(JOBS, GivenUp(1), together=1))
    assert {(answer.verdict, answer.reason) for answer in answers} == {("error", LOST)}


@pytest.mark.filterwarnings("ignore")
def test_what_listens_and_is_no_scheduler_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr("core.run.pool.CONNECTING", 2)
    with socket.create_server(("127.0.0.1", 0)) as other:
        where = f"dask://127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(ExecutorError, match="no scheduler answers there"), executor(where, 1):
            pass


def test_a_plugin_that_hangs_is_counted_no_longer_than_told(tmp_path: Path) -> None:
    (tmp_path / "hangs.py").write_text(
        "from arch_plugins.generic import Smp\n"
        "from core.hookspecs import hookimpl\n"
        "class Hangs(Smp):\n"
        "    @hookimpl\n"
        "    async def tlb_flush(self, tlb):\n"
        "        while True: pass\n"
    )
    row = plugin_row(f"{tmp_path}/hangs.py:Hangs")
    assert CountJob(row, tuple(STANDARD.values()), timeout=0.2).run().problem == "timed out after 0.2 s"
    result = VerdictJob(row, "use-after-free", Limits(timeout=0.1)).run()
    assert (result.verdict, "runs on without awaiting an operation" in result.reason) == ("error", True)
