"""Recordings replayed: what everything that a whole program did to its mappings costs on any architecture.

Faults say which pages are there when a range goes (faults.py); the range then goes through the same programs as
everywhere (runner.py), and on x86 the flushes predicted stand beside those recorded, each given to the operation that
made it (flush_attribution.py).  Replayed are munmap(), mmap() over something, MADV_DONTNEED, _FREE, _COLD,
_COLLAPSE and _REMOVE, a shrinking brk(), mremap(), mprotect(), page faults that copy on write, fork, exec's move of its
arguments, and exit.

Who is asked: mm_cpumask has every CPU that the program ran on (cpumask.py).  A flush of freed tables asks them all, and
those that run something else leave it (arch/x86/mm/tlb.c:flush_tlb_func()); other flushes interrupt only CPUs that
have the mm loaded (should_flush_tlb()), which a single thread has nowhere else.  The tracepoint of sending counts
flushes that have anyone in the mask to ask, so this is what is compared.

The recorded kernel is 6.18; what is cited of it is cited by 6.12's text, and where the two differ it is said.
What a recording does not carry is approximated, and `APPROXIMATIONS` says how.

Data types
    Gaps       what is missing in a recording
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, groupby
from pathlib import Path

from core.mm.era import Era
from core.plugins.arch import Arch
from core.truth.lines import FileError
from core.truth.recorded import fault_around, huge_pages
from core.truth.recorded.attached import detached
from core.truth.recorded.cpumask import Asked
from core.truth.recorded.differences import (
    AROUND,
    CONCURRENT,
    EXEC,
    OTHER,
    RESCHEDULED,
    TMPFS,
    Flushes,
    Kind,
    Reclaimable,
    Replayed,
    by_advice,
    by_other_generations,
    cut_in_pieces,
    kind_of_mask,
)
from core.truth.recorded.faults import WRITE_FAULT, copies_on_write, serve
from core.truth.recorded.flush_attribution import CLONE_VM, FAULTS, FLUSH_EVENTS, Attribution, Recorded, attribute
from core.truth.recorded.page_tables import PAGE
from core.truth.recorded.recordings import Event, lost_events, read_events
from core.truth.recorded.runner import CEILING, Flush, Runner
from core.truth.recorded.setup import ANONYMOUS, COPIES, COPIES_HUGE, COPIES_PART, Operation, Setup
from core.truth.recorded.spaces import PTRS_PER_PTE, STACK_FLOOR, STACK_TOP, TOP, Space
from core.truth.recorded.system_calls import apply, beyond, chosen, is_done, operations_of

APPROXIMATIONS = (
    "mappings that exec makes are not recorded: pages outside known mappings count as the stack's above the highest "
    "address that mmap() gives, elsewhere as a private file's if read and as anonymous if written; such a mapping is "
    "taken to fill the window of fault-around unless a later event shows that it does not",
    "of what exec has written before it returns only the faults are recorded, and nothing of the first exec",
    "exec is taken to move one page of arguments, to just above the first store to its stack",
    "flushes of ftruncate() and of calls that failed are counted, not predicted; those of MADV_PAGEOUT are held "
    "against the most that its pages can make, since which of them reclaim takes is not recorded, and are not priced",
    "MADV_COLD finds every page used that only this program maps; MADV_COLLAPSE flushes once for each huge page of "
    "which a part is there",
    "a huge page is there where a program has asked for one, until a fault shows that it is not; mremap() splits it, "
    "and rows whose huge pages are not 2 MiB have small ones",
    "fault-around finds every page of its window in the page cache; other folios are small",
    "stores without a fault are not recorded: pages count as written again after MADV_FREE",
    "the file behind a descriptor is not recorded: pages of a shared file mapping that were only read count as clean "
    "and write-protected; on tmpfs they are dirty if another mapping has written them",
    "fork's system call is not recorded: its flush is the last one before the child appears",
    "need_resched() is not recorded: one flush is predicted for a zap that it cuts in pieces",
    "a thread that ran on a CPU without an event is not seen, unless it waited for mmap_lock or a flush shows that the "
    "CPU was in mm_cpumask; the mask is the same on all rows",
    "sleeping threads are not recorded: a CPU that last ran another thread of the program may answer a flush, or be "
    "lazy and spared (should_flush_tlb()); rows are counted and priced with every CPU of the mask",
    "for exit only the flushes sent to other CPUs are compared: its own CPU has the mm loaded lazily and traces none",
    "on a row with larger pages, operations on a part of a page wait for the last part",
)

MOST_TABLES = 5
"""Of more tables, no subset is tried for dirty pages."""


@dataclass
class Gaps:
    """`lost` events by the recorder's own account; `unanswered` calls whose entry or return is not there, `unowned`
    flushes that no operation here makes, `truncated` those of ftruncate(), `detached` those of shmdt(); `joined`
    flushes that asked a CPU which is in the mask if a thread that waited for mmap_lock had run there."""

    lost: int = 0
    unanswered: int = 0
    unowned: int = 0
    truncated: int = 0
    detached: int = 0
    joined: int = 0

    def __str__(self) -> str:
        parts = [f"{self.lost} events were lost while it was recorded"] if self.lost else []
        parts += [f"{self.unanswered} system calls lack their entry or return"] if self.unanswered else []
        return "; ".join(parts)


def replay(path: Path, archs: Mapping[str, tuple[Arch, Era]], gaps: Gaps | None = None) -> Iterator[Replayed]:
    """Every operation of a recording, on each of `archs`; what is missing goes to `gaps`.

    FileError at the first bad line, after the operations before it.
    """
    gaps = gaps if gaps is not None else Gaps()
    gaps.lost = lost_events(path)
    events: list[Event] = []
    damage: FileError | None = None
    try:
        for event in read_events(path):
            events.append(event)
    except FileError as error:
        damage = error
    attribution = attribute(events)
    following = _Following(path, archs, gaps, attribution)
    for event in events:
        yield from following.play(event)
    gaps.truncated, gaps.unowned = attribution.left()
    gaps.unanswered += len(following.entered)
    if damage is not None:
        raise damage


class _Following:
    """Follows the threads of a recording.

    entered     the calls under way, by thread; `disturbed` are threads of them during whose call another one flushed
    running     the space that was the last to do something on a CPU; `last`, the thread
    """

    def __init__(self, path: Path, archs: Mapping[str, tuple[Arch, Era]], gaps: Gaps, attribution: Attribution) -> None:
        self.path, self.gaps, self.attribution = path, gaps, attribution
        self.runner = Runner(archs)
        self.spaces: dict[int, Space] = {}
        self.entered: dict[int, Event] = {}
        self.disturbed: set[int] = set()
        self.exiting: set[int] = set()
        self.running: dict[int, Space] = {}
        self.last: dict[int, int] = {}

    def play(self, event: Event) -> Iterator[Replayed]:
        """One event; yields what is finished by it."""
        code, tid = event.code, event.tid
        space = self.spaces.get(tid)
        if space is None:
            space = self.spaces[tid] = Space()
        if code in FLUSH_EVENTS:
            self._flush(event, space)
            return
        space.mask.ran(event.cpu)
        self.running[event.cpu], self.last[event.cpu] = space, tid
        if code in FAULTS:
            yield from self._fault(event, space)
        elif code.endswith("<"):
            yield from self._return(event, space)
        else:
            yield from self._else(event, space)

    def _flush(self, event: Event, space: Space) -> None:
        tid = event.tid
        if event.code == "R":
            if tid not in self.entered and tid not in self.exiting:
                space.mask.answered([(event.cpu, event.args[0])])
            return
        unowned = self.attribution.unowned.get(event.line)
        gone = detached(space, unowned.done or 0, CEILING) if unowned is not None and unowned.locked else None
        if gone is not None:
            space.unmap(*gone)
            del self.attribution.unowned[event.line]
            self.gaps.detached += 1
        self.disturbed |= {other for other in self.entered if other != tid and self.spaces[other] is space}

    def _else(self, event: Event, space: Space) -> Iterator[Replayed]:
        code, tid = event.code, event.tid
        if self.entered.pop(tid, None) is not None:
            self.gaps.unanswered += 1
        if code == "new" and event.numbers[1] & CLONE_VM:
            self.spaces[event.numbers[0]] = space
        elif code == "new":
            yield self._perform(Operation("fork", 0, 1), event.line, event.cpu, space)
            self.spaces[event.numbers[0]] = space.fork()
        elif code == "exit":
            self.exiting.add(tid)
        elif code == "mmgone":
            yield self._perform(Operation("exit", 0, TOP), event.line, event.cpu, space)
            space.unmap(0, TOP)
            self.exiting.discard(tid)
        elif code == "exec":
            new = self.spaces[tid] = self.running[event.cpu] = Space()
            new.mask.ran(event.cpu)
            if self.attribution.flushes.get(event.line):
                yield self._exec(event, new)
            for fault in self.attribution.premade[event.line]:
                serve(new, fault.numbers[0] >> PAGE, fault.numbers[1])
        elif code.endswith(">") and code not in ("exit_group>", "ftruncate>"):
            self.entered[tid] = event
            self.disturbed.discard(tid)

    def _exec(self, event: Event, space: Space) -> Replayed:
        """exec that has moved its arguments. Where it makes no flush it has not: addresses are not random."""
        top = self.attribution.stacks.get(event.line, STACK_FLOOR) + 1
        done = self._perform(Operation("exec", STACK_TOP - 1, STACK_TOP, top), event.line, event.cpu, space)
        serve(space, top, WRITE_FAULT)
        return done

    def _fault(self, event: Event, space: Space) -> Iterator[Replayed]:
        page, error = event.numbers[0] >> PAGE, event.numbers[1]
        if event.line in self.attribution.unserved:
            return
        if copies_on_write(space, page, error) and event.tid not in self.entered:
            yield self._perform(_copy(page, space), event.line, event.cpu, space)
        serve(space, page, error)

    def _return(self, event: Event, space: Space) -> Iterator[Replayed]:
        entry, result = self.entered.pop(event.tid, None), event.numbers[0]
        if entry is None or entry.code[:-1] != event.code[:-1]:
            self.gaps.unanswered += 1
            return
        if is_done(entry, result):
            if beyond(entry, result):
                where = f"{self.path}, line {entry.line}: {entry.code}"
                raise FileError(f"{where}: beyond any address space, yet it succeeded")
            fault_around.was_free(space, *chosen(entry, result, space))
            operations = operations_of(entry, result, space)
            for operation in operations[:-1]:
                yield self._perform(operation, entry.line, event.cpu, space, goes_on=True)
                space.unmap(operation.start, operation.end)
            for operation in operations[-1:]:
                yield self._perform(operation, entry.line, event.cpu, space)
            apply(space, entry, result)
        self._unlock(space)

    def _unlock(self, space: Space) -> None:
        """A call has dropped mmap_lock: a thread that waits for it, in a call of its own, runs where it has entered.

        kernel/locking/rwsem.c:rwsem_wake(). If the lock is taken again before it can have it, it sleeps again, without
        an event, and its CPU is in mm_cpumask.
        """
        for tid, entry in self.entered.items():
            if self.spaces[tid] is space:
                space.mask.woken(entry.cpu)

    def _perform(self, operation: Operation, line: int, cpu: int, space: Space, *, goes_on: bool = False) -> Replayed:
        """`goes_on`: what is at this line does something else afterwards."""
        setup, exits = Setup(operation, space), operation.name == "exit"
        for block in setup.splits:
            huge_pages.split(space, block * PTRS_PER_PTE, (block + 1) * PTRS_PER_PTE)
        flushes = self.runner.predict(setup)
        owed = [flush.locked for flush in flushes]
        recorded = self.attribution.take_first(line, owed) if goes_on else self.attribution.take(line, owed)
        answers = [answer for flush in recorded for answer in flush.answers]
        sent = sum(flush.sent is not None for flush in recorded)
        asked = self._asked(flushes, space, cpu, sent, exits)
        named = {answered for answered, _ in answers} - space.mask.cpus - space.mask.maybe - {cpu}
        counts = self.runner.count(setup, space.mask.others(cpu, asked, answers))
        if exits:
            measured = tuple((flush.sent, flush.locked) for flush in recorded if flush.sent is not None)
        else:
            measured = tuple((flush.done, flush.locked) for flush in recorded if flush.done is not None)
        predicted = _compared(flushes, asked, exits)
        kind = None
        if measured != predicted:
            kind = self._kind(setup, measured, flushes, recorded, cpu)
        kind = kind or kind_of_mask(sent, len(asked.flushes), bool(named))
        joined = len(asked.flushes) - asked.certain
        self.gaps.joined += joined
        setup.settle()
        if operation.name == "pageout":
            for page in _taken(setup, measured):
                space.forget(page)
        space.mask.correct(cpu, asked, sent, len(recorded) - sent, answers)
        kinds = setup.fine.kinds
        if operation.name in COPIES and operation.start in space.pages:
            kinds = [space.pages[operation.start].kind]
        return Replayed(
            line,
            operation.name,
            len(kinds),
            all(kind in ANONYMOUS for kind in kinds),
            measured,
            predicted,
            (sent, len(asked.flushes)),
            joined,
            (len(answers), asked.least, asked.most),
            kind,
            counts,
        )

    def _kind(
        self, setup: Setup, measured: Flushes, flushes: Sequence[Flush], recorded: Sequence[Recorded], cpu: int
    ) -> Kind:
        """How the flushes can differ from those predicted."""
        if cut_in_pieces(measured, flushes, len(setup.fine.pages)):
            return RESCHEDULED
        advised = by_advice(setup.operation.name, measured, flushes, _reclaimable(setup))
        if advised is not None:
            return advised
        if self.last[cpu] in self.disturbed and by_other_generations(recorded, flushes):
            return CONCURRENT
        sent, exits = sum(flush.sent is not None for flush in recorded), setup.operation.name == "exit"
        for other, kind in _alternatives(setup, measured):
            again = self.runner.predict(other)
            if measured == _compared(again, self._asked(again, setup.space, cpu, sent, exits), exits):
                return kind
        return OTHER

    def _asked(self, flushes: Sequence[Flush], space: Space, cpu: int, sent: int, exits: bool) -> Asked:
        """Those that find another CPU in mm_cpumask.

        A CPU on which this thread was the last one of the mm has nobody to interrupt; after exit none has.
        """
        here = {cpu for cpu, other in self.running.items() if other is space}
        threads = {other for other in here if not exits and self.last[other] != self.last[cpu]}
        return space.mask.ask(cpu, [flush.freed_tables for flush in flushes], sent, here, threads)


def _copy(page: int, space: Space) -> Operation:
    """What a store to a page that is not this mm's alone comes to; one to a part of a huge page splits it first.

    mm/huge_memory.c:do_huge_pmd_wp_page().
    """
    if page // PTRS_PER_PTE not in space.huge:
        return Operation("copy on write", page, page + 1)
    if space.pages[page].kind != "zero":
        return Operation(COPIES_PART, page, page + 1)
    first = page - page % PTRS_PER_PTE
    return Operation(COPIES_HUGE, first, first + PTRS_PER_PTE)


def _reclaimable(setup: Setup) -> Reclaimable:
    tables = {page // PTRS_PER_PTE for page in setup.fine.pages}
    written = sum(kind in WRITTEN for kind in setup.fine.kinds)
    return Reclaimable(len(setup.fine.pages), written, len(tables), len(tables & setup.space.huge.keys()))


WRITTEN = frozenset({"anon_dirty", "file_dirty"})
"""Kinds of pages that MADV_PAGEOUT may write: a shared file may be of shmem."""


def _taken(setup: Setup, measured: Flushes) -> list[int]:
    """The pages of MADV_PAGEOUT that are gone because there are as many flushes as it takes; others may be."""
    pages = [page for page in setup.fine.pages if page // PTRS_PER_PTE not in setup.space.huge]
    written = [page for page in pages if setup.space.pages[page].kind in WRITTEN]
    if measured.count((1, True)) >= len(pages):
        return pages
    return written if measured.count((-1, False)) >= len(written) else []


def _compared(flushes: Sequence[Flush], asked: Asked, exits: bool) -> Flushes:
    """What is held against the recording: the flushes done, or, of exit, those sent."""
    if exits:
        return tuple((flushes[number].pages, flushes[number].locked) for number in asked.flushes)
    return tuple((flush.strides, flush.locked) for flush in flushes)


def _alternatives(setup: Setup, measured: Flushes) -> Iterator[tuple[Setup, Kind]]:
    """The same operation with what a recording leaves open decided otherwise."""
    if setup.operation.name == "exec" and measured:
        pages = CEILING + 1 if measured[0][0] < 0 else measured[0][0]
        yield Setup(setup.operation._replace(start=STACK_TOP - pages), setup.space), EXEC
        return
    for dirty in _perhaps_dirty(setup.doubtful):
        yield Setup(setup.operation, setup.space, dirty=frozenset(dirty)), TMPFS
    supposed = setup.space.around.keys() & setup.fine.pages
    if supposed:
        yield Setup(setup.operation, setup.space, absent=frozenset(supposed)), AROUND


def _perhaps_dirty(doubtful: Sequence[int]) -> Iterator[list[int]]:
    """Which of some pages may be dirty, table by table: in one table it is the same flush however many are."""
    tables = [list(pages) for _, pages in groupby(doubtful, key=lambda page: page // PTRS_PER_PTE)]
    for number in range(len(tables), 0, -1) if len(tables) <= MOST_TABLES else [len(tables)] * bool(tables):
        for some in combinations(tables, number):
            yield [page for pages in some for page in pages]
