"""Random programs are replayed on rows of every page size: whatever they do, no operation is more than there is."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from core.mm.era import ERAS, Era
from core.plugins.arch import Arch, load_object, set_up
from core.truth.recorded.replay import replay
from tests.truth.recorded.made_up import write

BASE, HEAP, PAGE = 0x700000000000, 0x555500000000, 4096
ADVICE = (4, 8, 9, 10, 11, 14, 15, 18, 19, 20, 21, 22, 23, 24, 25, 102, 103)
RESULTS = ("0x0", "0x0", "0x0", "0xfffffffffffffff4", "0xffffffffffffffea")


def row(plugin: str, era: str, **facts: int) -> tuple[Arch, Era]:
    return set_up(plugin, load_object(plugin), plugin, facts), ERAS[era]


ROWS = {
    "smp": row("arch_plugins.generic:Smp", "6.12"),
    "64k": row("arch_plugins.generic:Smp", "6.18", page_size=65536, ptes_per_table=8192),
    "s390": row("arch_plugins.s390:S390", "6.1"),
}


class Program:
    """Lines of a program of several threads and processes, on two CPUs."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.lines: list[str] = []
        self.tids = [1]
        self.says("exec", "x", 1)
        calls: tuple[Callable[[int], None], ...] = (
            self.faults, self.faults, self.faults, self.maps, self.unmaps, self.advises, self.moves, self.protects,
            self.breaks, self.forks, self.execs, self.ends, self.flushes,
        )  # fmt: skip
        for _ in range(self.random.randrange(5, 60)):
            self.random.choice(calls)(self.random.choice(self.tids))

    def says(self, code: str, arguments: str, tid: int) -> None:
        self.lines.append(f"{self.random.randrange(2)} {tid} {code} {arguments}".rstrip())

    def address(self) -> int:
        pick = self.random.randrange
        return BASE + PAGE * self.random.choice((pick(40), pick(2000), 512 * pick(4)))

    def length(self) -> int:
        return PAGE * self.random.choice((1, 2, 3, 16, 512, 1024, self.random.randrange(1, 1500)))

    def call(self, name: str, tid: int, *arguments: int, result: str = "0x0") -> None:
        self.says(f"{name}>", " ".join(f"{argument:#x}" for argument in arguments), tid)
        self.says(f"{name}<", result, tid)

    def faults(self, tid: int) -> None:
        self.says(self.random.choice(("pf", "pk")), f"{self.address():x} {self.random.choice((4, 6, 7, 20)):x}", tid)

    def maps(self, tid: int) -> None:
        start, flags = self.address(), self.random.choice((0x22, 0x32, 0x21, 0x31, 0x2, 0x12, 0x11, 0x8022, 0x2022))
        prot = self.random.choice((0, 1, 3, 7))
        self.call("mmap", tid, start, self.length(), prot, flags, 3, 0, result=f"{start:#x}")

    def unmaps(self, tid: int) -> None:
        self.call("munmap", tid, self.address(), self.length())

    def advises(self, tid: int) -> None:
        advice, result = self.random.choice(ADVICE), self.random.choice(RESULTS)
        self.call("madvise", tid, self.address(), self.length(), advice, result=result)

    def moves(self, tid: int) -> None:
        old, new, flags = self.address(), self.address(), self.random.choice((0, 1, 3, 5, 7))
        result = f"{self.random.choice((old, new)):#x}"
        self.call("mremap", tid, old, self.length(), self.length(), flags, new, result=result)

    def protects(self, tid: int) -> None:
        self.call("mprotect", tid, self.address(), self.length(), self.random.choice((0, 1, 3, 5, 7)))

    def breaks(self, tid: int) -> None:
        self.call("brk", tid, self.random.choice((0, HEAP + self.length())), result=f"{HEAP + self.length():#x}")

    def forks(self, tid: int) -> None:
        self.tids.append(len(self.tids) + 1)
        self.says("new", f"{self.tids[-1]} {self.random.choice((0, 0x100, 0x4100, 0x1200000)):x}", tid)

    def execs(self, tid: int) -> None:
        self.says("exec", "y", tid)

    def ends(self, tid: int) -> None:
        self.says("exit", "", tid)
        self.says("mmgone", "", tid)

    def flushes(self, tid: int) -> None:
        self.says(self.random.choice("IF"), f"{self.random.choice((-1, 0, 1, 2, 30))} {self.random.randrange(2)}", tid)
        self.says("R", self.random.choice(("lazy", "wrong", "3")), tid)


@pytest.mark.parametrize("seed", range(24))
def test_a_random_program_is_replayed(seed: int, tmp_path: Path) -> None:
    for call in replay(write(tmp_path / "r.gz", *Program(seed).lines), ROWS):
        freed = [counts["pages_freed"] for counts in call.counts.values()]
        assert max(freed, default=0) <= call.pages
        assert freed[1] <= freed[0]  # pages of 64 KiB are not more than those of 4 KiB
        assert call.exact or call.difference


def test_a_moved_page_was_there(tmp_path: Path) -> None:
    """Fault-around in a mapping of exec's is a supposition, which mremap() ends for the pages that it moves."""
    lines = ("exec x", "pf 700000000000 4", "mremap> 0x700000000000 0x2000 0x2000 1", "mremap< 0x710000000000")
    found = list(replay(write(tmp_path / "r.gz", *lines, "pf 700000001000 4", "pf 700000002000 4"), ROWS))
    assert [(call.name, call.pages) for call in found] == [("move", 2)]
