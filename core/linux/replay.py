"""Recordings replayed: what everything that a whole program did to its mappings costs on any architecture.

Faults say which pages are there when a range goes; the range then goes through the same programs as everywhere, and on
x86 the flushes predicted stand beside those recorded between the call's entry and its return.  Replayed are munmap(),
MADV_DONTNEED, a shrinking brk(), mremap(), mprotect() that takes the right to write, page faults that copy on write,
fork and exit.

What a recording does not carry is approximated, and `APPROXIMATIONS` says how.

Data types
    Deed       one operation about to be replayed: which, on what
    Call       one operation and what came of it
    Gaps       what is missing in a recording
    Stage      a deed with what it finds, ready to be done on any architecture
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from core.arch import Arch, load_object, set_up
from core.cost.counts import Counts
from core.linux.operations import Mapping as Range
from core.linux.operations import dontneed, exit_mmap, mprotect_readonly, munmap
from core.linux.recordings import Event, lost_events, read_events
from core.linux.spaces import PAGE, Space
from core.machine.ipi import take_ipi
from core.machine.memory import Memory
from core.machine.op import Cell, Cpu, Op, Outcome, Tid
from core.machine.pte import Pte, pte_cell
from core.machine.schedule import Emit, run
from core.machine.task import Task
from core.mm.era import ERAS, Era
from core.mm.memory import upper_entry, wp_page_copy
from core.mm.mm import Mm, Vma, log, pte_lock
from core.mm.mmu_gather import ALL_ONES, MmuGather
from core.mm.mremap import move_normal_pmd, move_ptes

APPROXIMATIONS = (
    "mappings that exec itself makes are not recorded: pages faulted outside known mappings count as a private file's "
    "when read, as anonymous when written",
    "fault-around is taken to find every page of its 64 KiB in the page cache, and all folios to be small",
    "fork shares anonymous pages and the mappings they are in; its system call is not recorded, so its flush is the "
    "one before the child appears",
    "mm_cpumask has every CPU that the program has run on, but for those that answered a flush as lazy or wrong, on "
    "all architectures",
    "exit is counted, not compared: what happens after the mm is left is not visible in the recording",
)

MAP_SHARED, MAP_ANONYMOUS = 0x01, 0x20
PROT_WRITE, CLONE_VM, MADV_DONTNEED = 2, 0x100, 4
FAILED = 2**63
"""A return value from here on is an error's."""

HERE = Cpu(0)
X86 = "arch_plugins.x86_618:X86618"

Flushes = tuple[tuple[int, bool], ...]


@dataclass(frozen=True, slots=True)
class Deed:
    """`name` is done to pages `start` to `end`; of a move, `to` is where, of a shrinking brk() or mremap() the tail."""

    name: str
    start: int
    end: int
    to: int = 0


@dataclass(frozen=True)
class Call:
    """One operation: pages there, whether all were anonymous, x86's flushes (strides, under the lock) and how often
    another CPU was asked, both as recorded and as predicted, and the counts by row."""

    name: str
    pages: int
    anonymous: bool
    measured: Flushes
    predicted: Flushes
    asked: tuple[int, int]
    counts: Mapping[str, Mapping[str, int]]


@dataclass
class Gaps:
    """`lost` events by the recorder's own account; `unanswered` calls whose entry or return is not there."""

    lost: int = 0
    unanswered: int = 0

    def __str__(self) -> str:
        parts = [f"{self.lost} events were lost while it was recorded"] if self.lost else []
        parts += [f"{self.unanswered} system calls lack their entry or return"] if self.unanswered else []
        return "; ".join(parts)


@dataclass
class _Open:
    """An operation whose flushes are still coming in. `done` once it is replayed; a fault is at once.

    The recorder's buffers put a flush behind the return of the same microsecond, `until`, now and then.
    """

    event: Event
    deed: Deed | None
    flushes: list[tuple[int, bool]] = field(default_factory=list)
    asked: int = 0
    done: Call | None = None
    until: int = FAILED


def replay(path: Path, archs: Mapping[str, tuple[Arch, Era]], gaps: Gaps | None = None) -> Iterator[Call]:
    """Every operation of a recording, on each of `archs`; what is missing goes to `gaps`. FileError if it is bad."""
    gaps = gaps if gaps is not None else Gaps()
    gaps.lost = lost_events(path)
    player = _Player(archs, gaps)
    for event in read_events(path):
        yield from player.play(event)
    yield from player.end()


class _Player:
    """Follows the threads of a recording."""

    def __init__(self, archs: Mapping[str, tuple[Arch, Era]], gaps: Gaps) -> None:
        self.gaps, self.theatre = gaps, Theatre(archs)
        self.spaces: dict[int, Space] = {}
        self.pending: dict[int, _Open] = {}
        self.strays: dict[int, tuple[int, bool]] = {}

    def play(self, event: Event) -> Iterator[Call]:
        """One event; yields what is finished by it."""
        space = self.spaces.setdefault(event.tid, Space())
        code, waiting = event.code, self.pending.get(event.tid)
        if code in ("I", "F", "R"):
            self._flush(event, space, waiting)
            return
        space.cpus.add(event.cpu)
        within = code in ("pf", "pk") or code.endswith("<")  # what a call may still be waiting through
        if waiting is not None and not (within and waiting.done is None):
            yield from self._close(event.tid)
        if code in ("pf", "pk"):
            self._fault(event, space)
        elif code == "new" and event.numbers[1] & CLONE_VM:
            self.spaces[event.numbers[0]] = space
        elif code == "new":
            stray = self.strays.pop(event.tid, None)
            call = self._perform(Deed("fork", 0, 0), event, space)
            yield replace(call, measured=() if stray is None else (stray,))
            self.spaces[event.numbers[0]] = space.fork()
        elif code == "mmgone":
            yield self._perform(Deed("exit", 0, 0), event, space)
            space.unmap(0, FAILED)
        elif code == "exec":
            self.spaces[event.tid] = Space(cpus={event.cpu})
        elif code.endswith(">") and code not in ("exit_group>", "ftruncate>"):
            self.pending[event.tid] = _Open(event, deed_of(event, space))
        elif code.endswith("<"):
            self._return(event, space, waiting)

    def end(self) -> Iterator[Call]:
        """The recording is over."""
        for tid in list(self.pending):
            yield from self._close(tid)

    def _flush(self, event: Event, space: Space, waiting: _Open | None) -> None:
        if event.code == "R" and event.args[0] in ("wrong", "lazy"):
            space.cpus.discard(event.cpu)  # it has left mm_cpumask
        elif event.code == "F" and (waiting is None or event.time > waiting.until or _not_a_copy(event, waiting)):
            self.strays[event.tid] = (event.numbers[0], event.numbers[1] == 1)
        elif waiting is None or event.time > waiting.until:
            return
        elif event.code == "F":
            waiting.flushes.append((event.numbers[0], event.numbers[1] == 1))
        elif event.code == "I":
            waiting.asked += 1

    def _fault(self, event: Event, space: Space) -> None:
        page, error = event.numbers[0] >> PAGE, event.numbers[1]
        if space.copies_on_write(page, error) and event.tid not in self.pending:
            deed = Deed("copy on write", page, page + 1)
            call = self._perform(deed, event, space)
            self.pending[event.tid] = _Open(event, deed, done=call)
        space.fault(page, error)

    def _close(self, tid: int) -> Iterator[Call]:
        """All flushes of an operation are there; a call without its return is given up."""
        waiting = self.pending.pop(tid, None)
        if waiting is None:
            return
        if waiting.done is None:
            self.gaps.unanswered += 1
        else:
            asked = (waiting.asked, waiting.done.asked[1])
            yield replace(waiting.done, measured=tuple(waiting.flushes), asked=asked)

    def _return(self, event: Event, space: Space, waiting: _Open | None) -> None:
        if waiting is None or waiting.done is not None or waiting.event.code[:-1] != event.code[:-1]:
            self.gaps.unanswered += 1
            return
        deed, result = waiting.deed, event.numbers[0]
        if waiting.event.code == "mremap>" and result < FAILED:
            deed = _mremap(waiting.event, result)
        if deed is not None and result < FAILED:
            waiting.done = self._perform(deed, event, space)
            waiting.until = event.time
        else:
            del self.pending[event.tid]
        if result < FAILED:
            apply(space, waiting.event, result)

    def _perform(self, deed: Deed, event: Event, space: Space) -> Call:
        return self.theatre.perform(deed, space, len(space.cpus - {event.cpu}))


def _not_a_copy(flush: Event, waiting: _Open) -> bool:
    """A copy on write flushes under the page-table lock; a flush after it without the lock is fork's."""
    return waiting.deed is not None and waiting.deed.name == "copy on write" and flush.numbers[1] != 1


def deed_of(event: Event, space: Space) -> Deed | None:
    """What a call is about to do; None if it unmaps and protects nothing. mremap() is known only when it returns."""
    code, args = event.code, event.numbers
    if code == "munmap>" or (code == "madvise>" and args[2] == MADV_DONTNEED):
        return Deed("munmap" if code == "munmap>" else "dontneed", args[0] >> PAGE, _pages(args[0] + args[1]))
    if code == "mprotect>" and not args[2] & PROT_WRITE:
        return Deed("mprotect", args[0] >> PAGE, _pages(args[0] + args[1]))
    if code == "brk>" and space.brk and args[0] and _pages(args[0]) < space.brk:
        return Deed("brk", _pages(args[0]), space.brk)
    return None


def _mremap(event: Event, result: int) -> Deed | None:
    """A shrunk mapping loses its tail; a moved one goes elsewhere, whatever its size."""
    start, old, new = event.numbers[0] >> PAGE, _pages(event.numbers[1]), _pages(event.numbers[2])
    if result >> PAGE != start:
        return Deed("move", start, start + min(old, new), result >> PAGE)
    return Deed("mremap", start + new, start + old) if new < old else None


def _pages(size: int) -> int:
    return (size + (1 << PAGE) - 1) >> PAGE


def apply(space: Space, event: Event, result: int) -> None:
    """What the call did to the space."""
    code, args = event.code, event.numbers
    if code == "brk>":
        new = _pages(result)
        if space.brk and new > space.brk:
            space.map(space.brk, new, "anon")
        elif space.brk and new < space.brk:
            space.unmap(new, space.brk)
        space.brk = new
    elif code == "munmap>":
        space.unmap(args[0] >> PAGE, _pages(args[0] + args[1]))
    elif code == "madvise>" and args[2] == MADV_DONTNEED:
        space.drop(args[0] >> PAGE, _pages(args[0] + args[1]))
    elif code == "mprotect>" and not args[2] & PROT_WRITE:
        space.readonly |= set(space.resident(args[0] >> PAGE, _pages(args[0] + args[1])))
    elif code == "mmap>":
        first, kind = result >> PAGE, "anon" if args[3] & MAP_ANONYMOUS else "file"
        space.map(first, first + _pages(args[1]), "shared" if args[3] & MAP_SHARED else kind)
    elif code == "mremap>":
        space.move(args[0] >> PAGE, _pages(args[1]), result >> PAGE, _pages(args[2]))


# ---- on the machine ------------------------------------------------------------------------------------------


class Theatre:
    """Performs deeds on x86 6.18 and on each of `archs`."""

    def __init__(self, archs: Mapping[str, tuple[Arch, Era]]) -> None:
        self.archs = archs
        self.x86 = set_up("x86-6.18", load_object(X86), X86)
        self._copies: dict[tuple[str, int], Mapping[str, int]] = {}

    def perform(self, deed: Deed, space: Space, others: int) -> Call:
        """`others` CPUs are in mm_cpumask besides this one. What was measured is yet to come."""
        predicted: list[tuple[int, bool]] = []
        locked = sent = 0

        def watch(event: tuple[Any, ...]) -> None:
            nonlocal locked, sent
            locked += {"lock": 1, "unlock": -1}.get(event[0], 0)
            sent += event[0] == "ipi"
            if event[0] == "flush_tlb_mm_range":
                predicted.append((event[1].strides, locked > 0))

        stage = Stage(deed, space)
        stage.on(self.x86, ERAS["6.18"], others, watch)
        counts = {name: self._counts(stage, name, others) for name in self.archs}
        kinds = [frame.kind for frame in stage.frames]
        anonymous = all(kind in ("anon_dirty", "zero") for kind in kinds)
        compared = tuple(predicted) if deed.name != "exit" else ()
        return Call(deed.name, len(kinds), anonymous, (), compared, (0, sent if compared else 0), counts)

    def _counts(self, stage: Stage, name: str, others: int) -> Mapping[str, int]:
        """All copies on write are the same."""
        copy, key = stage.deed.name == "copy on write", (name, others)
        if copy and key in self._copies:
            return self._copies[key]
        heard = Counts()
        arch, era = self.archs[name]
        stage.on(arch, era, others, heard.emit, heard.watch)
        if copy:
            self._copies[key] = heard.result()
        return heard.result()


class Stage:
    """A deed with what it finds, ready to be done on any architecture."""

    def __init__(self, deed: Deed, space: Space) -> None:
        self.deed, self.space = deed, space
        areas = space.areas() if deed.name == "exit" else [(deed.start, deed.end)]
        self.areas = [Vma(start, end) for start, end in areas]
        self.pages = [page for area in self.areas for page in space.resident(area.start, area.end)]
        self.frames = [space.pages[page] for page in self.pages]
        unmaps = deed.name in ("munmap", "brk", "mremap", "move")
        self.bounds = space.neighbours(deed.start, deed.end) if unmaps else (0, 0)

    def on(
        self, arch: Arch, era: Era, others: int, emit: Emit, watch: Callable[[MmuGather], None] = lambda tlb: None
    ) -> None:
        """Do it; `emit` hears every event, `watch` gets the gather."""
        alone = not arch.facts.smp or arch.facts.one_cpu
        cpus = frozenset(Cpu(n) for n in range(1 if alone else 1 + others))
        kinds = [frame.kind for frame in self.frames]
        mm = Mm(
            arch.facts,
            era,
            arch.hook,
            Task("replayed", Tid(1), HERE),
            is_anon=lambda page: page < len(kinds) and kinds[page] in ("anon_dirty", "zero"),
            special=lambda page: page < len(kinds) and kinds[page] == "zero",
            copies={0: 1},
            tables=True,
            cpus=cpus,
        )
        environment = [take_ipi(Tid(1), cpu, ()) for cpu in sorted(cpus - {HERE})]
        run(self._program(mm, watch), self._cells(mm, cpus), _first, emit, environment)

    async def _program(self, mm: Mm, watch: Callable[[MmuGather], None]) -> None:
        deed = self.deed
        if deed.name == "copy on write":
            await _copy_on_write(mm, deed.start, self._entry(0) if self.frames else Pte(0, False, False))
        elif deed.name == "exit":
            if self.areas:
                await exit_mmap(mm, Range(self.areas[-1], tuple(self.areas[:-1])), watch)
        elif deed.name == "fork":
            await mm.hook.flush_tlb_mm(mm=mm)
            await log("flush", 0, ALL_ONES, ("mm",))
        elif deed.name == "mprotect":
            await mprotect_readonly(mm, Range(self.areas[0]))
        elif deed.name == "dontneed":
            await dontneed(mm, Range(self.areas[0]), watch)
        else:
            if deed.name == "move":
                await self._move(mm)
            await munmap(mm, Range(self.areas[0], (), *self.bounds), watch)

    async def _move(self, mm: Mm) -> None:
        """mm/mremap.c:move_page_tables(): table by table, as far as both places go; a whole table at once."""
        deed, span, there = self.deed, mm.span[0], set(self.pages)
        addr, offset = deed.start, deed.to - deed.start
        while addr < deed.end:
            to = addr + offset
            end = min(addr - addr % span + span, addr + span - to % span, deed.end)
            present = not there.isdisjoint(range(addr, end))
            if "move_pmd" in mm.facts.capabilities and present and end - addr == span:
                await move_normal_pmd(mm, addr, to)
            elif present:
                await move_ptes(mm, addr, end, to)
            if present:
                await log("clean_flush", addr, end, ("range", "ptes"))
            addr = end

    def _entry(self, number: int) -> Pte:
        return Pte(number, self.space.writable(self.pages[number]), self.frames[number].kind.endswith("dirty"))

    def _cells(self, mm: Mm, cpus: frozenset[Cpu]) -> Memory:
        cells = Memory()
        cells[Cell("cpu_attach_mask")] = cpus
        touched = set()
        pages = self.pages or ([self.deed.start] if self.deed.name == "copy on write" else [])
        for number, page in enumerate(pages):
            cells[pte_cell(page)] = self._entry(number) if self.frames else Pte(0, False, False)
            touched.add(page // mm.span[0])
        for level in range(3):
            for number, index in enumerate(sorted(touched)):
                cells[upper_entry(level, index)] = number
            touched = {index // mm.facts.upper_entries for index in touched}
        return cells


async def _copy_on_write(mm: Mm, addr: int, pte: Pte) -> None:
    """A store to a present entry that does not allow it, of a page that is not this mm's alone."""
    await pte_lock(mm, addr)
    await wp_page_copy(mm, addr, pte)
    await log("clean_flush", addr, addr + 1, ("range", "ptes"))


def _first(op: Op, outcomes: Sequence[Outcome]) -> Outcome:
    return outcomes[0]
