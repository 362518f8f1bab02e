"""Recordings of whole programs' mm activity, replayed: what every unmapping costs on any architecture.

A recording has system calls with their arguments, page faults, and the flushes the kernel made.  Faults say which pages
are there when a range goes; the range then goes through the same programs as everywhere, and on x86 the flushes
predicted stand beside those recorded between the call's entry and its return.

What a recording does not carry is approximated, and `APPROXIMATIONS` says how.

Data types
    Event(time, cpu, tid, code, args)     one line
    Space                                 an mm: what is mapped where and how, and which pages are there
    Call(name, pages, anonymous, measured, predicted, counts)   one unmapping and what came of it
"""

from __future__ import annotations

import gzip
import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from core.arch import Arch, load_object, set_up
from core.cost.counts import Counts
from core.linux.golden import GoldenError
from core.linux.operations import Mapping as Range
from core.linux.operations import dontneed, munmap
from core.machine.ipi import take_ipi
from core.machine.memory import Memory
from core.machine.op import Cell, Cpu, Op, Outcome, Tid
from core.machine.pte import Pte, pte_cell
from core.machine.schedule import Emit, run
from core.machine.task import Task
from core.mm.era import ERAS, Era
from core.mm.memory import upper_entry
from core.mm.mm import Mm, Vma
from core.mm.mmu_gather import MmuGather

APPROXIMATIONS = (
    "mappings that exec itself makes are not recorded: pages faulted outside known mappings count as a file's when "
    "read, as anonymous when written",
    "fault-around is taken to find every page of its 64 KiB in the page cache, and all folios to be small",
    "fork's copies are taken to have all of the parent's pages",
    "mremap() that moves, and exit, are followed but not counted",
)

PAGE = 12
FAULT_AROUND_PAGES = 16
MAP_SHARED, MAP_ANONYMOUS, MAP_FIXED = 0x01, 0x20, 0x10
WRITE_FAULT, CLONE_VM, MADV_DONTNEED = 2, 0x100, 4
HERE, THERE = Cpu(0), Cpu(1)
X86 = "arch_plugins.x86_618:X86618"


class Event(NamedTuple):
    """One line: microseconds, CPU, thread, what, and its arguments as text."""

    time: int
    cpu: int
    tid: int
    code: str
    args: tuple[str, ...]


def read_events(path: Path) -> Iterator[Event]:
    """The lines of a recording. GoldenError (file, line, what was expected) at the first that is none."""
    number = 0
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.startswith("#"):
                    continue
                parts = line.rstrip("\n").split("\t")
                if len(parts) != 5 or not all(p.isdigit() for p in parts[:3]):
                    raise GoldenError(f"{path}, line {number}: expected t_us, cpu, tid, code, args between tabs")
                yield Event(int(parts[0]), int(parts[1]), int(parts[2]), parts[3], tuple(parts[4].split()))
    except FileNotFoundError:
        raise GoldenError(f"{path}: no such file") from None
    except (EOFError, zlib.error, gzip.BadGzipFile, UnicodeDecodeError) as error:
        raise GoldenError(f"{path}: damaged or truncated after line {number}: {error}") from None


@dataclass
class Space:
    """`maps` are (start, end, kind), sorted, kind 'anon', 'shared' or 'file'; `pages[page]` is a kind of core.cost."""

    maps: list[tuple[int, int, str]] = field(default_factory=list)
    pages: dict[int, str] = field(default_factory=dict)
    brk: int = 0

    def copy(self) -> Space:
        """fork()."""
        return Space(list(self.maps), dict(self.pages), self.brk)

    def unmap(self, start: int, end: int) -> None:
        """Forget what is mapped from page `start` to `end`, and its pages."""
        kept = []
        for first, last, kind in self.maps:
            kept += [(a, b, kind) for a, b in ((first, min(last, start)), (max(first, end), last)) if a < b]
        self.maps = sorted(kept)
        self.drop(start, end)

    def drop(self, start: int, end: int) -> None:
        """Forget the pages."""
        for page in self.resident(start, end):
            del self.pages[page]

    def map(self, start: int, end: int, kind: str) -> None:
        """A new mapping, in place of what is there."""
        self.unmap(start, end)
        self.maps = sorted([*self.maps, (start, end, kind)])

    def resident(self, start: int, end: int) -> list[int]:
        """The pages there, in order."""
        if end - start < len(self.pages):
            return [page for page in range(start, end) if page in self.pages]
        return sorted(page for page in self.pages if start <= page < end)

    def fault(self, page: int, write: bool) -> None:
        """A page fault was served."""
        at = bisect_right(self.maps, (page, 2**64, "")) - 1
        kind = self.maps[at][2] if at >= 0 and page < self.maps[at][1] else "file"
        if kind == "shared":
            self.pages[page] = "file_dirty" if write or self.pages.get(page) == "file_dirty" else "file_clean"
        elif write:
            self.pages[page] = "anon_dirty"
        else:
            self.pages.setdefault(page, "zero" if kind == "anon" else "file_clean")
            if kind == "file" and at >= 0 and page < self.maps[at][1]:
                self._fault_around(page, self.maps[at])

    def _fault_around(self, page: int, mapping: tuple[int, int, str]) -> None:
        """mm/memory.c:do_fault_around(): the aligned 64 KiB around a read fault, as far as they are mapped."""
        first = page - page % FAULT_AROUND_PAGES
        for other in range(max(first, mapping[0]), min(first + FAULT_AROUND_PAGES, mapping[1])):
            self.pages.setdefault(other, "file_clean")

    def neighbours(self, start: int, end: int) -> tuple[int, int]:
        """(floor, ceiling): the end of what is mapped or there below, the start of what is above, 0 if nothing is."""
        below = [last for first, last, _ in self.maps if first < start]
        above = [first for first, last, _ in self.maps if last > end]
        pages = sorted(self.pages)
        at, beyond = bisect_left(pages, start), bisect_left(pages, end)
        below += [start if any(a < start < b for a, b, _ in self.maps) else 0]
        below += [pages[at - 1] + 1] if at else []
        above += [pages[beyond]] if beyond < len(pages) else []
        above = [max(a, end) for a in above]
        return min(max(below, default=0), start), min(above, default=0)


@dataclass(frozen=True)
class Call:
    """One unmapping: pages there, whether all were anonymous, x86's flushes (strides, under lock), counts by row."""

    name: str
    pages: int
    anonymous: bool
    measured: tuple[tuple[int, bool], ...]
    predicted: tuple[tuple[int, bool], ...]
    counts: Mapping[str, Mapping[str, int]]


def replay(path: Path, archs: Mapping[str, tuple[Arch, Era]]) -> Iterator[Call]:
    """Every munmap(), shrinking brk() and MADV_DONTNEED of a recording, on each of `archs`."""
    x86 = set_up("x86-6.18", load_object(X86), X86)
    spaces: dict[int, Space] = {}
    pending: dict[int, tuple[str, int, int, list[tuple[int, bool]], tuple[str, ...]]] = {}
    threads: dict[int, int] = {}
    for event in read_events(path):
        space = spaces.setdefault(event.tid, Space())
        code, args = event.code, event.args
        if code in ("pf", "pk"):
            space.fault(int(args[0], 16) >> PAGE, bool(int(args[1], 16) & WRITE_FAULT))
        elif code == "new":
            shared = bool(int(args[1], 16) & CLONE_VM)
            spaces[int(args[0])] = space if shared else space.copy()
            threads[id(space)] = threads.get(id(space), 1) + shared
        elif code == "exec":
            spaces[event.tid] = Space()
        elif code.endswith(">"):
            try:
                numbers = [int(a, 16) for a in args]
            except ValueError:
                raise GoldenError(f"{path}, {event.time} us: arguments of {code} are no hexadecimal numbers") from None
            name, start, end = _range(code[:-1], numbers, space)
            pending[event.tid] = (name, start, end, [], args)
        elif code == "F" and event.tid in pending:
            pending[event.tid][3].append((int(args[0]), args[1] == "1"))
        elif code.endswith("<") and event.tid in pending:
            name, start, end, flushes, given = pending.pop(event.tid)
            if name in ("munmap", "dontneed"):
                several = threads.get(id(space), 1) > 1
                yield _call(space, name, start, end, flushes, x86, archs, several)
            _apply(space, code[:-1], name, start, end, given, int(args[0], 16) if args else 0)


def _range(code: str, args: Sequence[int], space: Space) -> tuple[str, int, int]:
    if code == "munmap" or (code == "madvise" and args[2] == MADV_DONTNEED):
        name = "munmap" if code == "munmap" else "dontneed"
        return name, args[0] >> PAGE, (args[0] + args[1] + 4095) >> PAGE
    if code == "brk" and space.brk and args[0] and (args[0] + 4095) >> PAGE < space.brk:
        return "munmap", (args[0] + 4095) >> PAGE, space.brk
    return code, 0, 0


def _apply(space: Space, code: str, name: str, start: int, end: int, given: tuple[str, ...], result: int) -> None:
    """What the call did to the space."""
    if code == "brk":
        new = (result + 4095) >> PAGE
        if space.brk and new > space.brk:
            space.map(space.brk, new, "anon")
        elif space.brk and new < space.brk:
            space.unmap(new, space.brk)
        space.brk = new
    elif name == "munmap":
        space.unmap(start, end)
    elif name == "dontneed":
        space.drop(start, end)
    elif code == "mmap" and result < 2**63:
        flags, first = int(given[3], 16), result >> PAGE
        file = "file" if not flags & MAP_ANONYMOUS else "anon"
        pages = (int(given[1], 16) + 4095) >> PAGE
        space.map(first, first + pages, "shared" if flags & MAP_SHARED else file)
    elif code == "mremap" and result < 2**63:
        _move(space, int(given[0], 16) >> PAGE, int(given[1], 16), result >> PAGE, int(given[2], 16))


def _move(space: Space, old: int, old_size: int, new: int, new_size: int) -> None:
    kept = min((old_size + 4095) >> PAGE, (new_size + 4095) >> PAGE)
    pages = {new + page - old: space.pages[page] for page in space.resident(old, old + kept)}
    kind = next((k for a, b, k in space.maps if a <= old < b), "anon")
    space.unmap(old, old + ((old_size + 4095) >> PAGE))
    space.map(new, new + ((new_size + 4095) >> PAGE), kind)
    space.pages.update(pages)


def _call(
    space: Space,
    name: str,
    start: int,
    end: int,
    measured: list[tuple[int, bool]],
    x86: Arch,
    archs: Mapping[str, tuple[Arch, Era]],
    several: bool,
) -> Call:
    there = space.resident(start, end)
    predicted: list[tuple[int, bool]] = []
    locked = 0

    def watch(event: tuple[object, ...]) -> None:
        nonlocal locked
        locked += {"lock": 1, "unlock": -1}.get(str(event[0]), 0)
        if event[0] == "flush_tlb_mm_range":
            predicted.append((event[1].strides, locked > 0))  # type: ignore[attr-defined]

    unmapping = Unmapping(space, name, start, end, several)
    unmapping.on(x86, ERAS["6.18"], watch)
    counts: dict[str, Mapping[str, int]] = {}
    for row, (arch, era) in archs.items():
        heard = Counts()
        unmapping.on(arch, era, heard.emit, heard.watch)
        counts[row] = heard.result()
    anonymous = all(space.pages[page] in ("anon_dirty", "zero") for page in there)
    return Call(name, len(there), anonymous, tuple(measured), tuple(predicted), counts)


@dataclass(frozen=True)
class Unmapping:
    """A range that goes, ready to be unmapped on any architecture. `several`: the mm has other threads' CPUs."""

    space: Space
    name: str
    start: int
    end: int
    several: bool

    def on(self, arch: Arch, era: Era, emit: Emit, watch: Callable[[MmuGather], None] = lambda tlb: None) -> None:
        """Run it; `emit` hears every event, `watch` gets the gather."""
        kinds = [self.space.pages[page] for page in self.space.resident(self.start, self.end)]
        cpus = frozenset({HERE, THERE}) if self.several and arch.facts.smp else frozenset({HERE})
        mm = Mm(
            arch.facts,
            era,
            arch.hook,
            Task("replayed", Tid(1), HERE),
            is_anon=lambda page: kinds[page] in ("anon_dirty", "zero"),
            special=lambda page: kinds[page] == "zero",
            tables=True,
            cpus=cpus,
        )
        operation = munmap if self.name == "munmap" else dontneed
        where = Range(Vma(self.start, self.end), (), *self.space.neighbours(self.start, self.end))

        async def program() -> None:
            await operation(mm, where, watch)

        run(program(), self._cells(mm, cpus), _first, emit, [take_ipi(Tid(1), THERE, ())])

    def _cells(self, mm: Mm, cpus: frozenset[Cpu]) -> Memory:
        cells = Memory()
        cells[Cell("cpu_attach_mask")] = cpus
        touched = set()
        for number, page in enumerate(self.space.resident(self.start, self.end)):
            dirty = self.space.pages[page].endswith("dirty")
            cells[pte_cell(page)] = Pte(number, dirty, dirty)
            touched.add(page // mm.span[0])
        for level in range(3):
            for number, index in enumerate(sorted(touched)):
                cells[upper_entry(level, index)] = number
            touched = {index // mm.facts.upper_entries for index in touched}
        return cells


def _first(op: Op, outcomes: Sequence[Outcome]) -> Outcome:
    return outcomes[0]
