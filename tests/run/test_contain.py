"""What contains a child where namespaces are refused: each thing by itself, in a process that ends."""

from __future__ import annotations

import fcntl
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from core.run import contain, landlock, seccomp

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what Linux's kernel does")
FILTERED = pytest.mark.skipif(not seccomp.known(), reason="no filter for this machine")
MEMORY = 8 << 30


def refused(by: contain.Containment, tries: Sequence[Callable[[int], object]]) -> list[bool]:
    """Which of `tries` fail with an OSError in a contained child; they are given the id of this process."""
    read, write = os.pipe()
    parent, child = os.getpid(), os.fork()
    if child == 0:
        try:
            contain.restrict(MEMORY, by)
            os.write(write, bytes(_fails(each, parent) for each in tries))
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as answers:
        found = answers.read()
    os.waitpid(child, 0)
    return [bool(one) for one in found]


def _fails(what: Callable[[int], object], parent: int) -> bool:
    try:
        what(parent)
    except OSError:
        return True
    return False


TO_OTHERS: list[Callable[[int], object]] = [
    lambda other: resource.prlimit(other, resource.RLIMIT_CPU, (9999, 9999)),
    lambda other: os.setpriority(os.PRIO_PROCESS, other, 1),
    lambda other: os.setpriority(os.PRIO_USER, 0, 1),
    lambda other: os.sched_setaffinity(other, {0}),
]
TO_ITSELF: list[Callable[[int], object]] = [
    lambda other: resource.prlimit(0, resource.RLIMIT_CPU, (9999, 9999)),
    lambda other: resource.prlimit(os.getpid(), resource.RLIMIT_CPU, (9999, 9999)),
    lambda other: os.setpriority(os.PRIO_PROCESS, 0, os.getpriority(os.PRIO_PROCESS, 0)),
    lambda other: threading.Thread(target=time.sleep, args=(0,)).start(),
]
SIGNALS_TO_OTHERS: list[Callable[[int], object]] = [
    lambda other: os.kill(other, 0),
    lambda other: os.kill(-1, 0),
    lambda other: fcntl.fcntl(0, fcntl.F_SETOWN, other),
    lambda other: signal.pidfd_send_signal(os.pidfd_open(other), 0),
]
SIGNALS_TO_ITSELF: list[Callable[[int], object]] = [
    lambda other: os.kill(os.getpid(), 0),
    lambda other: os.kill(0, 0),
    lambda other: signal.pthread_kill(threading.get_ident(), 0),
    lambda other: fcntl.fcntl(0, fcntl.F_GETFL),
]


@FILTERED
def test_a_filter_lets_a_process_change_itself_only() -> None:
    by = contain.Containment(signals=True)
    assert refused(by, TO_OTHERS) == [True] * len(TO_OTHERS)
    assert refused(by, TO_ITSELF) == [False] * len(TO_ITSELF)


@FILTERED
def test_a_filter_keeps_signals_in_where_landlock_does_not() -> None:
    by = contain.Containment(signals=False)
    assert refused(by, SIGNALS_TO_OTHERS) == [True] * len(SIGNALS_TO_OTHERS)
    assert refused(by, SIGNALS_TO_ITSELF) == [False] * len(SIGNALS_TO_ITSELF)


def test_landlock_keeps_the_files_that_are_named(tmp_path: Path) -> None:
    ours, link = tmp_path / "way" / "ours", tmp_path / "link"
    (ours / "deep").mkdir(parents=True)
    (tmp_path / "way" / "other").mkdir()
    (ours / "file").write_text("before")
    link.symlink_to(ours)
    by = contain.found(False, False, [str(link)])
    if not by.files or not by.filtered:
        pytest.skip("no Landlock, or no filter for this machine")
    forbidden: list[Callable[[int], object]] = [
        lambda _: (ours / "file").write_text("after"),
        lambda _: (ours / "deep" / "new").write_text("after"),
        lambda _: (ours / "file").unlink(),
        lambda _: ours.rename(tmp_path / "away"),
        lambda _: (tmp_path / "way").rename(tmp_path / "away"),
        lambda _: (ours / "file").chmod(0),
        lambda _: os.chown(ours, 1, 1),
        lambda _: os.link(ours / "file", tmp_path / "way" / "other" / "file"),
    ]
    allowed: list[Callable[[int], object]] = [
        lambda _: (tmp_path / "way" / "other" / "new").write_text("after"),
        lambda _: (ours / "file").read_text(),
    ]
    assert refused(by, [*forbidden, *allowed]) == [True] * len(forbidden) + [False] * len(allowed)
    os.close(by.rules)
    assert (ours / "file").read_text() == "before"


def test_what_lies_beside_is_all_but_the_way(tmp_path: Path) -> None:
    for name in ("a/b/c", "a/d", "e"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "f").write_text("")
    found = landlock._beside([str(tmp_path / "a" / "b"), str(tmp_path / "a" / "b" / "c"), str(tmp_path / "nowhere")])
    assert sorted(path for path in found if path.startswith(str(tmp_path))) == [
        str(tmp_path / name) for name in ("a/d", "e", "f")
    ]


def test_a_containment_says_what_it_does() -> None:
    assert str(contain.Containment(True, True)).startswith(
        "namespaces (PID namespace, the project's files read-only, no signals outside, at most 64 processes, counted"
    )
    assert str(contain.Containment(files=True, signals=True)).startswith(
        "counting (descendants found in /proc, the project's files read-only, no signals outside, at most 64 processes,"
    )
