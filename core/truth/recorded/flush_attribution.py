"""Whose flush is whose: a recording's flushes given to the system calls, faults, forks and exits that made them.

A recording is two buffers merged by the microsecond, so a flush may stand behind what its thread did next in the same
microsecond.  Rules, each by what the kernel does:

* a flush between a call's entry and its return, or in the microsecond of the return, is the call's;
* a copy on write flushes under the page-table lock; of two faults in one microsecond the flush is the earlier one's if
  that allows it and has none yet;
* a flush without the lock behind a fault or a call is of a system call that is not recorded: fork's if a child appears
  next, exec's if that comes next; otherwise nobody's, and told as such;
* what is sent between exit and the end of the mm is exit's.

Two more things are told by order alone.  A fault in kernel mode that the thread repeats at once was not served the
first time: page faults were disabled (arch/x86/kernel/fpu/signal.c:copy_fpstate_to_sigframe() tries so, then uses
fault_in_writeable()).  And the stores of the kernel just before exec are to the new mm: padzero(), create_elf_tables().

Data types
    Seen            the flushes of one operation
    Attribution     all of them, by the line of the operation
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from core.truth.recorded.page_tables import PAGE
from core.truth.recorded.recordings import Event
from core.truth.recorded.spaces import PRESENT_FAULT, WRITE_FAULT

PROTECTION_FAULT = PRESENT_FAULT | WRITE_FAULT
FAULTS = ("pf", "pk")
FLUSHES = ("I", "F", "R")


@dataclass(slots=True)
class Seen:
    """(pages, under the page-table lock) of flushes done here, `done`, and sent, `sent`; who answered what."""

    done: list[tuple[int, bool]] = field(default_factory=list)
    sent: list[tuple[int, bool]] = field(default_factory=list)
    answers: list[tuple[int, str]] = field(default_factory=list)

    def add(self, event: Event) -> None:
        """One event of FLUSHES."""
        if event.code == "R":
            self.answers.append((event.cpu, event.args[0]))
        else:
            (self.done if event.code == "F" else self.sent).append((event.numbers[0], event.numbers[1] == 1))


@dataclass
class Attribution:
    """`seen` by the line of the call's entry, the fault, `new` or `mmgone`; `unserved` are lines of faults; `premade`
    are the faults of exec's new mm, by exec's line; `unowned` counts flushes that nothing replayed has made, and
    `execs` those that exec made."""

    seen: dict[int, Seen] = field(default_factory=dict)
    unserved: set[int] = field(default_factory=set)
    premade: dict[int, list[Event]] = field(default_factory=dict)
    unowned: int = 0
    execs: int = 0


def attribute(events: Iterable[Event]) -> Attribution:
    """Read a recording once."""
    attribution = Attribution()
    threads: dict[int, _Thread] = {}
    for event in events:
        thread = threads.get(event.tid)
        if thread is None:
            thread = threads[event.tid] = _Thread(attribution)
        thread.flush(event) if event.code in FLUSHES else thread.turn(event)
    for thread in threads.values():
        thread.leave()
    return attribution


class _Thread:
    """One thread on its way through the recording. `opener` is what flushes may belong to, `loose` have no owner."""

    def __init__(self, attribution: Attribution) -> None:
        self.attribution = attribution
        self.opener: Event | None = None
        self.earlier: Event | None = None
        self.returned: int | None = None
        self.loose = Seen()
        self.last = self.loose
        self.stores: list[Event] = []

    def turn(self, event: Event) -> None:
        """The thread does something that is no flush."""
        code, opener = event.code, self.opener
        if opener is not None and opener.code.endswith(">") and self.returned is None:
            if code == opener.code[:-1] + "<":
                self.returned = event.time
                return
            if code in FAULTS:
                return
        if code == "mmgone" and opener is not None and opener.code == "exit":
            self._give(event, self.attribution.seen.pop(opener.line, Seen()))
        elif code in ("new", "mmgone"):
            self._give(event, self.loose)
            self.loose = Seen()
        elif code == "exec":
            self.attribution.execs += len(self.loose.done)
            self.attribution.premade[event.line] = self.stores
            self.attribution.unserved.update(store.line for store in self.stores)
            self.loose = Seen()
        elif code in FAULTS:
            self._repeated(event)
        kernels = code == "pk" and event.numbers[1] == WRITE_FAULT
        if not kernels:
            self.stores = []
            self.leave()
        else:
            self.stores = [*self.stores, event]
        self.earlier, self.opener, self.returned = opener, event, None

    def flush(self, event: Event) -> None:
        """A flush of this thread's."""
        seen = self.last if event.code == "R" else self._owner(event)
        seen.add(event)
        self.last = seen

    def leave(self) -> None:
        """Nobody has claimed the loose flushes."""
        self.attribution.unowned += len(self.loose.done)
        self.loose = Seen()

    def _give(self, event: Event, seen: Seen) -> None:
        self.attribution.seen[event.line] = seen

    def _repeated(self, event: Event) -> None:
        """Was the fault before this one not served?"""
        before = self.opener
        if before is None or before.code != "pk" or event.code != "pk" or before.line in self.attribution.seen:
            return
        same_page = before.numbers[0] >> PAGE == event.numbers[0] >> PAGE
        if same_page and before.numbers[1] == event.numbers[1] and event.numbers[1] & WRITE_FAULT:
            self.attribution.unserved.add(before.line)

    def _owner(self, event: Event) -> Seen:
        opener, earlier, locked = self.opener, self.earlier, event.numbers[1] == 1
        if opener is None:
            return self.loose
        if opener.code in FAULTS:
            if earlier is not None and event.time == opener.time and locked and self._owes(earlier):
                return self._seen(earlier)
            return self._seen(opener) if locked and _copies(opener) else self.loose
        if opener.code.endswith(">"):
            return self._seen(opener) if self.returned in (None, event.time) else self.loose
        return self._seen(opener) if opener.code == "exit" else self.loose

    def _owes(self, fault: Event) -> bool:
        return _copies(fault) and fault.line not in self.attribution.unserved and not self._seen(fault).done

    def _seen(self, event: Event) -> Seen:
        return self.attribution.seen.setdefault(event.line, Seen())


def _copies(event: Event) -> bool:
    """May the fault copy on write?"""
    return event.code in FAULTS and event.numbers[1] & PROTECTION_FAULT == PROTECTION_FAULT
