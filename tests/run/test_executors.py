"""Executors: the same answers in threads and on a Dask cluster, also on one that loses workers."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from core.run.isolate import isolated
from core.run.pool import LOST, ExecutorError, executor, run
from tests.run.jobs import JOBS


def test_any_executor_gives_the_same_answers() -> None:
    here = [job.run() for job in JOBS]
    with ThreadPoolExecutor(3) as pool:
        assert list(run(JOBS, pool)) == here
    assert [isolated(job) for job in JOBS[:1]] == here[:1]


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
