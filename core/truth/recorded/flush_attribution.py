"""Whose flush is whose: a recording's flushes given to the system calls, faults, forks and exits that made them.

A recording is two buffers merged by the microsecond, so a flush may stand behind what its thread did next in the same
microsecond.  Rules, each by what the kernel does:

* one flush that has others to ask traces I in native_flush_tlb_multi() and then F on its own CPU, in flush_tlb_func()
  (arch/x86/mm/tlb.c): an F behind an I of the same thread is that I's flush, wherever it stands;
* a flush between a call's entry and its return is the call's; behind a fault it is the fault's if it was made under
  the page-table lock, as a copy on write is;
* in the microsecond in which one operation ends and the next begins, a flush may be either's.  Then the earlier one has
  it if by the prediction it still owes a flush, under the lock or not as that one was, and the later one otherwise;
* a flush without the lock behind a fault or a call is of a system call that is not recorded: fork's if a child appears
  next, exec's if that comes next; otherwise nobody's, and told as such;
* what is sent between exit and the end of the mm is exit's.

Two more things are told by order alone.  A fault in kernel mode that the thread repeats at once was not served the
first time: page faults were disabled (arch/x86/kernel/fpu/signal.c:copy_fpstate_to_sigframe() tries so, then uses
fault_in_writeable()).  And the stores of the kernel just before exec are to the new mm: padzero(), create_elf_tables().

Data types
    Recorded        one flush, as far as it was recorded
    Shared          a flush that may be one of several operations'
    Attribution     all of them, by the line of the operation
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from core.truth.recorded.faults import PRESENT_FAULT, WRITE_FAULT
from core.truth.recorded.page_tables import PAGE
from core.truth.recorded.recordings import Event
from core.truth.recorded.spaces import STACK_FLOOR, STACK_TOP

PROTECTION_FAULT = PRESENT_FAULT | WRITE_FAULT
FAULTS = ("pf", "pk")
CLONE_VM = 0x100
FLUSH_EVENTS = ("I", "F", "R")
UNRETURNED = ("ftruncate>", "exit_group>")
"""Calls whose return is not recorded: whatever the thread does next, they are over."""


@dataclass(eq=False, slots=True)
class Recorded:
    """One flush: pages `sent` to other CPUs and strides `done` here (-1: everything, None: not traced), under the
    page-table lock or not, and what CPUs answered: (CPU, strides, 'lazy' or 'wrong'). It begins at `line`."""

    line: int
    locked: bool
    sent: int | None = None
    done: int | None = None
    answers: list[tuple[int, str]] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Shared:
    """`flush` may be of each operation of `lines`, in this order."""

    flush: Recorded
    lines: tuple[int, ...]
    taken: bool = False


@dataclass
class Attribution:
    """Flushes by the line of the call's entry, the fault, `new` or `mmgone`.

    `unserved` are lines of faults; by exec's line, `premade` are the faults of its new mm, and `stacks` has the first
    page that is stored to on its stack; `truncates` are lines of ftruncate(); `unowned` has, by their own lines, the
    flushes that nothing replayed has made.
    """

    flushes: dict[int, list[Recorded]] = field(default_factory=dict)
    shared: dict[int, list[Shared]] = field(default_factory=dict)
    unserved: set[int] = field(default_factory=set)
    premade: dict[int, list[Event]] = field(default_factory=dict)
    stacks: dict[int, int] = field(default_factory=dict)
    truncates: set[int] = field(default_factory=set)
    unowned: dict[int, Recorded] = field(default_factory=dict)

    def take(self, line: int, owed: Sequence[bool]) -> list[Recorded]:
        """The flushes of the operation at `line`, which by the prediction makes one for each of `owed`, under the
        page-table lock where that is true. Operations of one thread take theirs in order."""
        taken = self.flushes.pop(line, [])
        for shared in self.shared.pop(line, ()):
            if shared.taken:
                continue
            owes = len(taken) < len(owed) and owed[len(taken)] == shared.flush.locked
            if owes or line == shared.lines[-1]:
                shared.taken = True
                taken.append(shared.flush)
        return taken

    def take_first(self, line: int, owed: Sequence[bool]) -> list[Recorded]:
        """The flushes of the first of several operations at `line`: as many as it owes, under the lock or not as they
        should be. What is left is the others'."""
        flushes, number = self.flushes.get(line, []), 0
        while number < min(len(flushes), len(owed)) and flushes[number].locked == owed[number]:
            number += 1
        taken, self.flushes[line] = flushes[:number], flushes[number:]
        return taken

    def left(self) -> tuple[int, int]:
        """How many flushes no operation has taken, once all have: those of ftruncate(), and others."""
        truncated = sum(len(self.flushes.get(line, ())) for line in self.truncates)
        rest = {shared for line in self.shared.values() for shared in line if not shared.taken}
        return truncated, len(self.unowned) + sum(map(len, self.flushes.values())) - truncated + len(rest)


def attribute(events: Iterable[Event]) -> Attribution:
    """Read a recording once."""
    attribution = Attribution()
    threads: dict[int, _Thread] = {}
    for event in events:
        thread = threads.get(event.tid)
        if thread is None:
            thread = threads[event.tid] = _Thread(attribution)
        thread.flush(event) if event.code in FLUSH_EVENTS else thread.turn(event)
    for thread in threads.values():
        thread.leave()
    return attribution


class _Operation(NamedTuple):
    """`opener` begins it; `ended` is the microsecond in which it was over, None while it goes on."""

    opener: Event
    ended: int | None


class _Thread:
    """One thread on its way through the recording.

    `recent` are the operations that a flush may still be of, the last one under way; `loose` flushes have no owner yet.
    `asking` is the I whose F has not been seen, `asked_until` the microsecond in which its operation was over.
    `unplaced` is the line of an exec of whose stack nothing has been stored to yet.
    """

    def __init__(self, attribution: Attribution) -> None:
        self.attribution = attribution
        self.recent: list[_Operation] = []
        self.loose: list[Recorded] = []
        self.last: Recorded | None = None
        self.asking: Recorded | None = None
        self.asked_until: int | None = None
        self.stores: list[Event] = []
        self.unplaced: int | None = None

    def turn(self, event: Event) -> None:
        """The thread does something that is no flush."""
        code, under_way = event.code, self.recent[-1] if self.recent else None
        self._place_stack(event)
        if code == "ftruncate>":
            self.attribution.truncates.add(event.line)
        in_call = under_way is not None and under_way.ended is None and _returns(under_way.opener)
        if self.asked_until is None and not (in_call and code in FAULTS):
            self.asked_until = event.time
        if under_way is not None and in_call:
            if code == under_way.opener.code[:-1] + "<":
                self.recent[-1] = under_way._replace(ended=event.time)
                return
            if code in FAULTS:
                return
        if under_way is not None and under_way.ended is None:
            self.recent[-1] = under_way._replace(ended=event.time)
        self._claim_loose(event, under_way.opener if under_way is not None else None)
        if code == "pk" and event.numbers[1] == WRITE_FAULT:
            self.stores = [*self.stores, event]
        else:
            self.stores = []
            self.leave()
        at_once = code in ("new", "exec", "mmgone")
        self.recent.append(_Operation(event, event.time if at_once else None))

    def _place_stack(self, event: Event) -> None:
        """The first store above all that mmap() gives is to the stack of the last exec."""
        if self.unplaced is not None and event.code in FAULTS and event.numbers[1] & WRITE_FAULT:
            page = event.numbers[0] >> PAGE
            if STACK_FLOOR <= page < STACK_TOP:
                self.attribution.stacks[self.unplaced] = page
                self.unplaced = None

    def _claim_loose(self, event: Event, before: Event | None) -> None:
        """What an event says of the flushes and faults before it."""
        flushes, code = self.attribution.flushes, event.code
        if code == "mmgone":
            self.asking = None
        if code == "mmgone" and before is not None and before.code == "exit":
            self._becomes(before, event)
        elif code == "new" and event.numbers[1] & CLONE_VM:
            pass
        elif code in ("new", "mmgone"):
            flushes[event.line], self.loose = self.loose, []
        elif code == "exec":
            flushes[event.line], self.loose = self.loose, []
            self.attribution.premade[event.line] = self.stores
            self.attribution.unserved.update(store.line for store in self.stores)
            self.asking, self.unplaced = None, event.line
            for store in self.stores:
                self._place_stack(store)
        elif code in FAULTS and before is not None:
            self._repeated(event, before)

    def _becomes(self, exits: Event, gone: Event) -> None:
        """The end of the mm is where exit is replayed."""
        attribution = self.attribution
        attribution.flushes[gone.line] = attribution.flushes.pop(exits.line, [])
        for shared in attribution.shared.pop(exits.line, ()):
            shared.lines = (*(line for line in shared.lines if line != exits.line), gone.line)
            attribution.shared.setdefault(gone.line, []).append(shared)
        self.recent = [one for one in self.recent if one.opener is not exits]

    def _repeated(self, event: Event, before: Event) -> None:
        """Was the fault before this one not served?"""
        if before.code != "pk" or event.code != "pk" or before.line in self.attribution.flushes:
            return
        same_page = before.numbers[0] >> PAGE == event.numbers[0] >> PAGE
        if same_page and before.numbers[1] == event.numbers[1] and event.numbers[1] & WRITE_FAULT:
            self.attribution.unserved.add(before.line)

    def flush(self, event: Event) -> None:
        """A flush of this thread's, or an answer to one."""
        if event.code == "R":
            if self.last is not None:
                self.last.answers.append((event.cpu, event.args[0]))
            return
        pages, locked = event.numbers[0], event.numbers[1] == 1
        asking = self.asking
        if event.code == "F" and asking is not None and asking.locked == locked and self._asks(event.time):
            asking.done, self.asking = pages, None
            return
        if event.code == "F":
            self.last = Recorded(event.line, locked, done=pages)
        else:
            self.last = self.asking = Recorded(event.line, locked, sent=pages)
            self.asked_until = None
        self._give(self.last, event.time)

    def _asks(self, time: int) -> bool:
        """Can an F be of the last I? Not once its operation is over: flush_tlb_func() need not have traced one."""
        return self.asked_until is None or time <= self.asked_until

    def _give(self, flush: Recorded, time: int) -> None:
        """Find the owner of a flush, or those it may have."""
        self.recent = [one for one in self.recent if one.ended is None or one.ended >= time]
        may = [one.opener for one in self.recent if self._allows(one.opener, flush)]
        if may and may[-1].code == "exec":
            may = may[-1:]
        if len(may) == 1:
            self.attribution.flushes.setdefault(may[0].line, []).append(flush)
        elif may:
            shared = Shared(flush, tuple(opener.line for opener in may))
            for line in shared.lines:
                self.attribution.shared.setdefault(line, []).append(shared)
        else:
            self.loose.append(flush)

    def _allows(self, opener: Event, flush: Recorded) -> bool:
        """Can the operation have made the flush?"""
        if opener.code in FAULTS:
            return flush.locked and _copies(opener) and opener.line not in self.attribution.unserved
        if opener.code == "new":
            return not flush.locked and not opener.numbers[1] & CLONE_VM and opener.line not in self._full()
        if opener.code == "mmgone":
            return flush.sent is not None  # the CPU itself does not have the mm loaded any more
        return opener.code.endswith(">") or opener.code in ("exit", "exec")

    def _full(self) -> set[int]:
        """Forks that have their flush: dup_mmap() makes one."""
        return {one.opener.line for one in self.recent if self.attribution.flushes.get(one.opener.line)}

    def leave(self) -> None:
        """Nobody has claimed the loose flushes."""
        self.attribution.unowned.update((flush.line, flush) for flush in self.loose)
        self.loose = []


def _returns(event: Event) -> bool:
    """Is it the entry of a call whose return is recorded?"""
    return event.code.endswith(">") and event.code not in UNRETURNED


def _copies(event: Event) -> bool:
    """May the fault copy on write?"""
    return event.numbers[1] & PROTECTION_FAULT == PROTECTION_FAULT
