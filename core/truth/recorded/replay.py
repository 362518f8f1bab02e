"""Recordings replayed: what everything that a whole program did to its mappings costs on any architecture.

Faults say which pages are there when a range goes (spaces.py); the range then goes through the same programs as
everywhere (runner.py), and on x86 the flushes predicted stand beside those recorded, each given to the operation that
made it (flush_attribution.py).  Replayed are munmap(), mmap() over something, MADV_DONTNEED, MADV_FREE, a shrinking
brk(), mremap(), mprotect(), page faults that copy on write, fork and exit.

Who is asked: mm_cpumask has every CPU that the program ran on.  A flush of freed tables asks them all, and those that
run something else leave it (arch/x86/mm/tlb.c:flush_tlb_func()); other flushes interrupt only CPUs that have the mm
loaded (should_flush_tlb()), which a single thread has nowhere else.  The tracepoint of sending counts flushes that
have anyone in the mask to ask, so this is what is compared.

What a recording does not carry is approximated, and `APPROXIMATIONS` says how.

Data types
    Call       one operation and what came of it
    Gaps       what is missing in a recording
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from core.mm.era import Era
from core.plugins.arch import Arch
from core.truth.lines import FileError
from core.truth.recorded.flush_attribution import FAULTS, FLUSHES, Attribution, Seen, attribute
from core.truth.recorded.page_tables import PAGE
from core.truth.recorded.recordings import Event, lost_events, read_events
from core.truth.recorded.runner import Flush, Runner
from core.truth.recorded.setup import ANONYMOUS, Operation, Setup
from core.truth.recorded.spaces import TOP, Area, Space

APPROXIMATIONS = (
    "mappings that exec itself makes are not recorded: pages faulted outside known mappings count as the stack's above "
    "the highest address that mmap() gives, elsewhere as a private file's when read, as anonymous when written; of "
    "what exec has written before it returns the recording shows the faults, but for the exec that it begins with",
    "exec's own flushes (shift_arg_pages()) are counted apart: how much it moves is not recorded",
    "fault-around is taken to find every page of its 64 KiB in the page cache, and all folios to be small; so are all "
    "pages where a program asked for huge ones",
    "stores without a fault are not recorded: what MADV_FREE is for counts as written since",
    "which file a descriptor is, is not recorded: a page of a shared file mapping that was only read counts as clean "
    "and write-protected, though on tmpfs it is dirty if another mapping has written it",
    "fork's system call is not recorded: its flush is the one before the child appears",
    "need_resched() is not recorded: a zap that it interrupts flushes in pieces, where one flush is predicted",
    "mm_cpumask has every CPU that the program has run on, but for those that answered a flush as wrong, on all "
    "architectures; a thread that ran on a CPU without a fault or a call there is not seen",
    "which threads sleep is not recorded: a CPU that last ran another thread of the program may answer a flush, or be "
    "lazy and spared (should_flush_tlb()); what is counted and priced for the rows is every CPU of the mask",
    "of exit only what was sent to other CPUs is compared: the CPU itself has the mm loaded lazily and reports nothing",
)

MAP_SHARED, MAP_ANONYMOUS = 0x01, 0x20
CLONE_VM, MADV_DONTNEED, MADV_FREE = 0x100, 4, 8
FAILED = 2**64 - 4095
"""A return value from here on is an error's: IS_ERR_VALUE()."""

TOP_BYTE = TOP << PAGE
Flushes = tuple[tuple[int, bool], ...]


@dataclass(frozen=True)
class Call:
    """One operation at a line of the recording: pages there, whether all were anonymous, x86's flushes (strides, under
    the lock) and how often another CPU was asked, both as recorded and as predicted, how many CPUs answered and how
    many would at least and at most; pages of which it is doubtful whether they are dirty, and the counts by row.

    Of exit the flushes are those sent.
    """

    line: int
    name: str
    pages: int
    anonymous: bool
    measured: Flushes
    predicted: Flushes
    asked: tuple[int, int]
    answers: tuple[int, int, int]
    doubtful: int
    counts: Mapping[str, Mapping[str, int]]

    @property
    def exact(self) -> bool:
        """Is all that is recorded predicted?"""
        return self.measured == self.predicted and self.asked[0] == self.asked[1]

    @property
    def difference(self) -> str:
        """What is recorded and what is predicted, and how that can be; '' if they are the same."""
        if self.exact:
            return ""
        text = f"{self.name} of {self.pages} pages: {_said(self.measured)} recorded, {_said(self.predicted)} predicted"
        if self.asked[0] != self.asked[1]:
            text += f"; sent {self.asked[0]} times, predicted {self.asked[1]}"
        # What dirty pages of files need is flushed before the page-table lock is dropped.
        pieces, whole = [[strides for strides, locked in f if locked] for f in (self.measured, self.predicted)]
        if len(pieces) > len(whole) and sum(pieces) == sum(whole) and min(pieces) > 0:
            text += " (the pieces add up: need_resched())"
        elif self.doubtful:
            text += (
                f" ({self.doubtful} pages of a shared file, only read here, are dirty if it is tmpfs and was written)"
            )
        return text


@dataclass
class Gaps:
    """`lost` events by the recorder's own account; `unanswered` calls whose entry or return is not there, `unowned`
    flushes that no operation here makes, `execs` those of exec."""

    lost: int = 0
    unanswered: int = 0
    unowned: int = 0
    execs: int = 0

    def __str__(self) -> str:
        parts = [f"{self.lost} events were lost while it was recorded"] if self.lost else []
        parts += [f"{self.unanswered} system calls lack their entry or return"] if self.unanswered else []
        return "; ".join(parts)


def replay(path: Path, archs: Mapping[str, tuple[Arch, Era]], gaps: Gaps | None = None) -> Iterator[Call]:
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
    gaps.unowned, gaps.execs = attribution.unowned, attribution.execs
    following = _Following(path, archs, gaps, attribution)
    for event in events:
        yield from following.play(event)
    gaps.unanswered += len(following.entered)
    if damage is not None:
        raise damage


class _Following:
    """Follows the threads of a recording. `entered` are the calls under way."""

    def __init__(self, path: Path, archs: Mapping[str, tuple[Arch, Era]], gaps: Gaps, attribution: Attribution) -> None:
        self.path, self.gaps, self.attribution = path, gaps, attribution
        self.runner = Runner(archs)
        self.spaces: dict[int, Space] = {}
        self.entered: dict[int, Event] = {}
        self.exiting: set[int] = set()
        self.running: dict[int, Space] = {}
        self.last: dict[int, int] = {}

    def play(self, event: Event) -> Iterator[Call]:
        """One event; yields what is finished by it."""
        code, tid = event.code, event.tid
        space = self.spaces.get(tid)
        if space is None:
            space = self.spaces[tid] = Space()
        if code in FLUSHES:
            if code == "R" and tid not in self.entered and tid not in self.exiting:
                _leave(space, [(event.cpu, event.args[0])])
            return
        space.cpus.add(event.cpu)
        self.running[event.cpu], self.last[event.cpu] = space, tid
        if code in FAULTS:
            yield from self._fault(event, space)
        elif code.endswith("<"):
            yield from self._return(event, space)
        else:
            yield from self._else(event, space)

    def _else(self, event: Event, space: Space) -> Iterator[Call]:
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
            new = self.spaces[tid] = self.running[event.cpu] = Space(cpus={event.cpu})
            for fault in self.attribution.premade[event.line]:
                new.fault(fault.numbers[0] >> PAGE, fault.numbers[1])
        elif code.endswith(">") and code not in ("exit_group>", "ftruncate>"):
            self.entered[tid] = event

    def _fault(self, event: Event, space: Space) -> Iterator[Call]:
        page, error = event.numbers[0] >> PAGE, event.numbers[1]
        if event.line in self.attribution.unserved:
            return
        if space.copies_on_write(page, error) and event.tid not in self.entered:
            yield self._perform(Operation("copy on write", page, page + 1), event.line, event.cpu, space)
        space.fault(page, error)

    def _return(self, event: Event, space: Space) -> Iterator[Call]:
        entry, result = self.entered.pop(event.tid, None), event.numbers[0]
        if entry is None or entry.code[:-1] != event.code[:-1]:
            self.gaps.unanswered += 1
            return
        if not 0 <= result < FAILED:
            return
        if _beyond(entry, result):
            raise FileError(f"{self.path}, line {entry.line}: {entry.code}: beyond any address space, yet it succeeded")
        operation = operation_of(entry, result, space)
        if operation is not None:
            yield self._perform(operation, entry.line, event.cpu, space)
        apply(space, entry, result)

    def _perform(self, operation: Operation, line: int, cpu: int, space: Space) -> Call:
        others = space.cpus - {cpu}
        tid = self.last[cpu]
        setup = Setup(operation, space)
        flushes = self.runner.predict(setup)
        seen = self.attribution.seen.get(line) or Seen()
        sent, least, most = self._sent(flushes, space, others, tid if operation.name != "exit" else 0)
        if operation.name == "exit":
            measured = tuple(seen.sent)
            predicted = tuple((flush.strides, flush.locked) for flush in sent)
        else:
            measured = tuple(seen.done)
            predicted = tuple((flush.strides, flush.locked) for flush in flushes)
        counts = self.runner.count(setup, len(others))
        setup.settle()
        _leave(space, seen.answers)
        pages, kinds = setup.fine.pages, setup.fine.kinds
        if operation.name == "copy on write" and operation.start in space.pages:
            kinds = [space.pages[operation.start].kind]
        anonymous = all(kind in ANONYMOUS for kind in kinds)
        asked, answers = (len(seen.sent), len(sent)), (len(seen.answers), least, most)
        there = zip(pages, setup.fine.kinds, strict=True)
        doubtful = sum(kind == "file_clean" and space.may_be_dirty(page) for page, kind in there)
        return Call(line, operation.name, len(kinds), anonymous, measured, predicted, asked, answers, doubtful, counts)

    def _sent(
        self, flushes: tuple[Flush, ...], space: Space, others: set[int], tid: int
    ) -> tuple[list[Flush], int, int]:
        """Those that find another CPU in mm_cpumask, and how many CPUs answer them, at least and at most.

        A CPU on which this thread `tid` was the last one of the mm has nobody to interrupt; after exit (0) none has.
        """
        left, sent, least, most = set(others), [], 0, 0
        here = {cpu for cpu in others if self.running.get(cpu) is space}
        threads = {cpu for cpu in here if tid not in (0, self.last[cpu])}
        for flush in flushes:
            if not left:
                break
            sent.append(flush)
            most += len(left if flush.freed_tables else threads & left)
            if flush.freed_tables:
                least += len(left)
                left &= here
        return sent, least, most


def _said(flushes: Flushes) -> str:
    """Flushes in words: pages or 'all', and a star if under the page-table lock."""
    return " ".join(("all" if strides < 0 else str(strides)) + "*" * locked for strides, locked in flushes) or "none"


def _leave(space: Space, answers: list[tuple[int, str]]) -> None:
    """flush_tlb_func(): a CPU that runs something else leaves mm_cpumask, a lazy one stays until it is asked again."""
    space.cpus -= {cpu for cpu, answer in answers if answer == "wrong"}


def _beyond(event: Event, result: int) -> bool:
    """Is it about addresses that no process has?"""
    code, args = event.code, event.numbers
    if code == "brk>":
        return result > TOP_BYTE
    if code in ("mmap>", "mremap>") and result + args[2 if code == "mremap>" else 1] > TOP_BYTE:
        return True
    return code != "mmap>" and args[0] + args[1] > TOP_BYTE


def operation_of(event: Event, result: int, space: Space) -> Operation | None:
    """What a call has done, by its entry and `result`; None if it has unmapped and changed nothing."""
    code, args = event.code, event.numbers
    first = args[0] >> PAGE
    if code == "munmap>" or (code == "madvise>" and args[2] == MADV_DONTNEED):
        return Operation("munmap" if code == "munmap>" else "dontneed", first, first + _pages(args[1]))
    if code == "madvise>" and args[2] == MADV_FREE:
        return Operation("free", first, first + _pages(args[1]))
    if code == "mmap>":
        start = result >> PAGE
        end = start + _pages(args[1])
        return Operation("mmap over", start, end) if space.areas(start, end) else None
    if code == "mprotect>":
        return Operation("mprotect", first, first + _pages(args[1]), prot=args[2])
    if code == "brk>" and space.brk and args[0] and _pages(result) < space.brk:
        return Operation("brk", _pages(result), space.brk)
    if code == "mremap>":
        start, old, new = first, _pages(args[1]), _pages(args[2])
        if result >> PAGE != start:
            return Operation("move", start, start + min(old, new), result >> PAGE)
        return Operation("mremap", start + new, start + old) if new < old else None
    return None


def _pages(size: int) -> int:
    return (size + (1 << PAGE) - 1) >> PAGE


def apply(space: Space, event: Event, result: int) -> None:
    """What the call did to the space."""
    code, args = event.code, event.numbers
    first = args[0] >> PAGE
    if code == "brk>":
        new = _pages(result)
        if space.brk and new > space.brk:
            space.map(Area(space.brk, new, "anon"))
        elif space.brk and new < space.brk:
            space.unmap(new, space.brk)
        space.brk = new
    elif code == "munmap>":
        space.unmap(first, first + _pages(args[1]))
    elif code == "madvise>" and args[2] == MADV_DONTNEED:
        space.drop(first, first + _pages(args[1]))
    elif code == "mprotect>":
        space.protect(first, first + _pages(args[1]), args[2])
    elif code == "mmap>":
        _mmap(space, result >> PAGE, _pages(args[1]), args[2], args[3])
    elif code == "mremap>":
        space.move(first, _pages(args[1]), result >> PAGE, _pages(args[2]))


def _mmap(space: Space, start: int, pages: int, prot: int, flags: int) -> None:
    shared, anonymous = flags & MAP_SHARED, flags & MAP_ANONYMOUS
    kind = "shared" if shared else "anon" if anonymous else "file"
    space.map(Area(start, start + pages, kind, prot & 7, {} if shared and anonymous else None, start))
