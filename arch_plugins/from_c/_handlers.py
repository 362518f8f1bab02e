"""What the CPUs do that are interrupted, from C.

The CPU that sends runs the function that it sends, before it sends it and only to be seen (SHOW_HANDLER() of
shim/cpus.h): once as a CPU has it that is on the mm, and once as one that is not, since the one that sends knows of
neither. What is flushed in both cases is what the others are sent. Whether a CPU has a context of the mm is a question
of the plugin's handler: where there is none, nothing is cached that could be used.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from arch_plugins.families.pairs import whole_entries
from arch_plugins.from_c._common import Hook, read_active_mm, read_current_mm, read_users
from core.machine.ipi import FlushRequest, Request, flush_here
from core.tree.vocabulary import Do, Rule, Word, just, truth

Flushes = tuple[FlushRequest, ...]
"""What a CPU flushes, in its order."""

NOTHING = FlushRequest(0, 0)

SHOWN = {"SHOWS_HANDLERS": "1"}
"""What a manifest defines whose unit shows its handlers."""


@dataclass(frozen=True, slots=True)
class FlushPages:
    """A request to flush these pages, which are no range; `leaf` as that of a FlushRequest."""

    flushes: Flushes

    def covers(self, addr: int) -> bool:
        """Is `addr` one of them?"""
        return any(one.covers(addr) for one in self.flushes)

    def forgets(self, addr: int, entry: object) -> bool:
        """Does it flush this TLB entry of `addr`?"""
        return any(one.forgets(addr, entry) for one in self.flushes)

    def __str__(self) -> str:
        return ", ".join(map(str, self.flushes))


@dataclass
class SendingHands(Hook):
    """`request` is what the plugin would send. `on_mm` is None while the CPU does what it does itself; while a handler
    is shown it says as which CPU, and `shown` has what was flushed, for each CPU that it was shown as.
    `pages_per_entry`: C widens a range to whole entries, which here may not reach beyond a page table.
    """

    request: FlushRequest = FlushRequest()
    pages_per_entry: int = 1
    on_mm: bool | None = None
    shown: list[Flushes] = field(default_factory=list)

    async def flush(self, request: FlushRequest, name: str) -> None:
        """A flush of this CPU's, or of the CPU as which a handler is shown."""
        if self.on_mm is None:
            await flush_here(self.mm.task.cpu, self.mm.addrs, request, name)
        else:
            self.shown[-1] = (*self.shown[-1], request)

    def sent(self) -> Request:
        """What the handler that was shown flushes: the plugin's request, if that is the same."""
        found = _in_both(self.shown, self.mm.addrs)
        if found == self.request or _leaf(found) != self.request.leaf:
            return found
        same = _pages(found, self.mm.addrs) == _pages(self.request, self.mm.addrs)
        return self.request if same or found == self._whole() else found

    def _whole(self) -> FlushRequest:
        """The plugin's request, in whole entries."""
        start, end, leaf = self.request
        return self.request if end is None else FlushRequest(*whole_entries(start, end, self.pages_per_entry), leaf)


def _pages(request: Request, addrs: Iterable[int]) -> list[int]:
    return [addr for addr in addrs if request.covers(addr)]


def _leaf(request: Request) -> bool:
    return all(one.leaf for one in (request.flushes if isinstance(request, FlushPages) else (request,)))  # type: ignore[attr-defined]


def _in_both(shown: Iterable[Flushes], addrs: Iterable[int]) -> Request:
    """What is flushed by all of these."""
    requests = [_one(flushes) for flushes in shown]
    if len(set(requests)) == 1:
        return requests[0]
    leaf = any(map(_leaf, requests))
    return FlushPages(
        tuple(FlushRequest(addr, addr + 1, leaf) for addr in addrs if all(r.covers(addr) for r in requests))
    )


def _one(flushes: Flushes) -> Request:
    """Flushes as one request."""
    if any(one.end is None and not one.leaf for one in flushes):
        return FlushRequest()
    distinct = tuple(dict.fromkeys(flushes))
    return distinct[0] if len(distinct) == 1 else FlushPages(distinct) if distinct else NOTHING


async def _handler(of: SendingHands, word: Word) -> int:
    of.shown = [*(() if word.a else of.shown), ()]
    of.on_mm = bool(word.a)
    return 0


async def _handler_end(of: SendingHands, word: Word) -> int:
    of.on_mm = None
    return 0


def _of_cpu(own: Do) -> Do:
    """A question about the CPU's task, or about that of the CPU as which a handler is shown."""

    async def asked(of: SendingHands, word: Word) -> int:
        return await own(of, word) if of.on_mm is None else int(of.on_mm)

    return asked


async def _users(of: SendingHands, word: Word) -> int:
    """A handler that flushes nothing of an mm without users is told apart by what the plugin sends."""
    if of.on_mm is None:
        return await read_users(of, word)
    return 0 if of.request == NOTHING else 2


HANDLER_RULES = (
    Rule("handler", "", _handler),
    Rule("handler end", "", _handler_end),
    Rule("current->mm", "", _of_cpu(read_current_mm), truth),
    Rule("current->active_mm", "", _of_cpu(read_active_mm), truth),
    Rule("atomic_read", "mm.mm_users", _users, just(0, 1, 2)),
)
