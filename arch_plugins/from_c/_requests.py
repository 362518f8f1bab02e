"""What kernel/smp.c does with requests, asked of it alone: whoever waits for one waits until its function has run.

The model of an IPI (core.machine.ipi) has each request served by itself, and each sender interrupt whom it asks.  In
the kernel requests of several senders meet in the queue of a CPU: whoever finds it empty interrupts, and the CPU serves
all that it finds.  A search with queues would be far larger, and it need not be: if the C keeps what is asked here, a
request is served after it was queued, its function has run when its sender goes on, and that another's interrupt has
served it is what the model has too, where two interrupts come one behind the other.

Asked are all answers that the C may get (shim/kernel_smp.c):

    a call      of any CPUs, with a condition that any of them fails, of requests that are on their way still: each CPU
                is queued once, and interrupted if its queue was empty; the function runs here if it is to; each CPU
                is waited for if it is to be, whoever has interrupted it
    a queue     of up to three requests of any kind, served in an interrupt or by an idle CPU: each function runs, with
                its own argument, each request is unlocked once, and is not used behind that

A request may be unlocked before its function has run if nobody waits for it: no call may wait for one of that kind.
C that breaks any of this is an error, with its line, of every row that is made of it.  What it breaks where the queues
are empty as well is left to the search, which shows how that ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import product
from typing import Any, NamedTuple

from arch_plugins.from_c import _smp as smp
from core.tree.automata import Automata
from core.tree.automaton import CAutomaton
from core.tree.binding import Binding
from core.tree.errors import LostRequest
from core.tree.manifest import MOST_CPUS, Manifest, Version
from core.tree.vocabulary import Rule, Vocabulary, Word, hidden, masks, truth

HERE = 1
"""The CPU that calls, in a mask."""

ASYNC, SYNC = 1, 2
KINDS = (ASYNC, SYNC, 3, 4)
"""Which CSD_TYPE a request has (`types` of shim/kernel_smp.c); the last two are of irq_work and of the scheduler, and
not looked at.
"""

NAMES = {ASYNC: "CSD_TYPE_ASYNC", SYNC: "CSD_TYPE_SYNC"}
MOST_REQUESTS = 3


def manifest(version: Version) -> Manifest:
    """kernel/smp.c; the queue of a CPU is the thread's own."""
    owned = (*smp.OWNED, "call_single_queue*", "rt_queue")
    return Manifest(smp.sources(smp.SERVING), "kernel_smp.h", "kernel_smp.c", owned=owned)


def _queues(word: Word, cpus: int) -> Iterable[int]:
    """Every queue, a digit for each request (shim/kernel_smp.c)."""
    for length in range(1, MOST_REQUESTS + 1):
        for kinds in product(KINDS, repeat=length):
            yield sum(kind << 4 * at for at, kind in enumerate(kinds))


async def _seen(of: Any, word: Word) -> int:
    """What is looked at here: no search has it."""
    raise AssertionError(f"{word}: asked in a search")


VOCABULARY = Vocabulary(
    (
        Rule("queue", "", _seen, _queues),
        Rule("mask", "", _seen, masks),
        Rule("condition|queue_csd", "*", _seen, truth),
        Rule("send_ipi|wait_csd|called|unlock|sent anew|llist_del_all", "", _seen),
        hidden("*", "*", "no request"),
    )
)


class Break(NamedTuple):
    """What C does that it may not, at a line; `searched`: a search comes to it as well, and shows how it ends."""

    line: str
    what: str
    searched: bool = False
    behind: bool = False
    """Another's request is in a queue."""


def check(automata: Automata) -> None:
    """LostRequest if kernel/smp.c loses one, or says too early that it was served, where no search sees that.

    TreeError if it cannot be learned.
    """
    early: set[int] = set()
    for idle in (0, 1):
        _refuse(broken_queues(automata.of("enter_serve", (idle,), MOST_CPUS), early))
    for here, wait, condition, busy in product((0, 1), repeat=4):
        if here or not condition:
            call = SmpCall(bool(here), bool(wait), bool(busy), ASYNC in early, SYNC in early)
            found = automata.of("enter_call", (here, wait, condition, busy), MOST_CPUS)
            _refuse(unseen(list(broken_calls(found, call))))
    for cpu, wait in product((0, 1), repeat=2):
        call = SmpCall(cpu == 0, bool(wait), not wait, ASYNC in early, SYNC in early)
        _refuse(broken_calls(automata.of("enter_call_single", (cpu, wait), MOST_CPUS), call, 1 << cpu))


def unseen(found: list[Break]) -> Iterable[Break]:
    """Those that a search does not see: none that are made where queues are empty too."""
    seen = any(one.searched for one in found)
    return (one for one in found if not one.searched and not (seen and one.behind))


def _refuse(found: Iterable[Break]) -> None:
    for one in found:
        raise LostRequest(f"{one.line}: {one.what}")


def _walk(
    automaton: CAutomaton, start: Any, step: Callable[[Any, Word, int], tuple[Any, str]], end: Callable[[Any], str]
) -> Iterator[Break]:
    """Every way through an automaton: `step` and `end` say what is wrong, or ''."""
    todo: list[tuple[int, Any, str]] = [(0, start, "kernel/smp.c")]
    met = {(0, start)}
    while todo:
        at, state, before = todo.pop()
        row = automaton.rows[at]
        if row.word is None:
            if what := end(state):
                yield _break(before, what, state)
            continue
        for answer, to in sorted(row.next.items()):
            after, what = step(state, row.word, answer)
            line = row.line if "/" in row.line else before
            if what:
                yield _break(line, what, state, row.word)
            elif (to, after) not in met:
                met.add((to, after))
                todo.append((to, after, line))


def _break(line: str, what: str, state: Any, word: Word | None = None) -> Break:
    """A search has calls with empty queues; what is queued it takes as it comes."""
    of_call, queues = isinstance(state, Sent), word is not None and word.kind == "queue_csd"
    behind = of_call and state.behind > 0
    return Break(line, what, of_call and not behind and not queues, behind and not queues)


# ---- a queue that is served ---------------------------------------------------------------------------------------


class Served(NamedTuple):
    """How far a queue of requests of these kinds has been served, by their numbers."""

    kinds: tuple[int, ...] = ()
    called: frozenset[int] = frozenset()
    unlocked: frozenset[int] = frozenset()

    def name(self, number: int) -> str:
        """Of a request."""
        kinds = ", ".join(NAMES.get(kind, "another") for kind in self.kinds)
        return f"request {number + 1} of a queue of {len(self.kinds)} ({kinds}, the oldest first)"


def broken_queues(automaton: CAutomaton, early: set[int]) -> Iterator[Break]:
    """What is wrong with how a CPU serves its queue; the kinds that it unlocks before they have run go to `early`."""

    def step(at: Served, word: Word, answer: int) -> tuple[Served, str]:
        if word.kind == "queue":
            digits = [answer >> 4 * place & 15 for place in range(MOST_REQUESTS)]
            return Served(tuple(kind for kind in digits if kind)), ""
        if word.kind == "sent anew":
            return at, "uses a request that it has unlocked, which its sender may have sent anew"
        if word.kind == "called":
            if not word.b:
                return at, f"calls the function of {at.name(word.a)} with another argument than its own"
            return at._replace(called=at.called | {word.a}), ""
        if word.kind == "unlock":
            if word.a in at.unlocked:
                return at, f"unlocks {at.name(word.a)} twice"
            if word.a not in at.called:
                early.add(at.kinds[word.a])
            return at._replace(unlocked=at.unlocked | {word.a}), ""
        return at, ""

    def end(at: Served) -> str:
        for number, kind in enumerate(at.kinds):
            if kind in NAMES and number not in at.called:
                return f"the queue was served, and the function of {at.name(number)} has not run"
            if kind in NAMES and number not in at.unlocked:
                return f"the queue was served, and {at.name(number)} is locked still: its sender waits for ever"
        return ""

    return _walk(automaton, Served(), step, end)


# ---- a call -------------------------------------------------------------------------------------------------------


class SmpCall(NamedTuple):
    """What a call is to do: to run its function here too, and to `wait`; `busy`: its requests are in use still.

    `async_early` and `sync_early`: the kinds of requests that a CPU unlocks before it runs their functions.
    """

    here: bool
    wait: bool
    busy: bool
    async_early: bool
    sync_early: bool


class Sent(NamedTuple):
    """How far a call has come: masks of the CPUs that it is of, that have its request, that nobody has interrupted
    yet, and that it has waited for.
    """

    asked: int
    queued: int = 0
    alone: int = 0
    waited: int = 0
    ran: bool = False
    behind: int = 0
    """CPUs in whose queue another's request was."""


def broken_calls(automaton: CAutomaton, call: SmpCall, mask: int = 0) -> Iterator[Break]:
    """What is wrong with a call of the CPUs of `mask`, or of those that are answered."""

    def step(at: Sent, word: Word, answer: int) -> tuple[Sent, str]:
        cpu = word.a
        if word.kind == "mask":
            return at._replace(asked=answer), ""
        if word.kind == "condition":
            return at._replace(asked=at.asked if answer else at.asked & ~(1 << cpu)), ""
        if word.kind == "called":
            return at._replace(ran=True), ""
        if word.kind == "queue_csd":
            return _queued(at, call, word, answer)
        if word.kind == "send_ipi":
            return at._replace(alone=at.alone & ~cpu), ""
        if word.kind == "wait_csd":
            if cpu & at.alone:
                return at, f"waits for {_names(cpu & at.alone)}, which it has put a request for and sent no IPI"
            return at._replace(waited=at.waited | cpu), ""
        return at, ""

    def end(at: Sent) -> str:
        others = at.asked & ~HERE
        if lost := others & ~at.queued:
            return f"the call returns, and {_names(lost)} has no request"
        if at.alone:
            return f"the call returns, and {_names(at.alone)} was sent no IPI, though its queue was empty"
        if call.wait and (left := others & ~at.waited):
            there = f" ({_names(left & at.behind)} had a request of another's in its queue)" if left & at.behind else ""
            return f"the call returns, and has not waited for {_names(left)}{there}"
        if call.here and at.asked & HERE and not at.ran:
            return "the call returns, and its function has not run on the CPU that calls"
        return ""

    return _walk(automaton, Sent(mask), step, end)


def _queued(at: Sent, call: SmpCall, word: Word, answer: int) -> tuple[Sent, str]:
    """llist_add(): the answer is whether the queue had a request of somebody else's."""
    if call.busy and not word.a & at.waited:
        return at, f"queues the request of {_names(word.a)} without a wait for the call before, which has it still"
    if word.a & at.queued & ~at.waited:
        return at, f"queues the request of {_names(word.a)} twice"
    if call.wait and (call.async_early if word.b else call.sync_early):
        kind = NAMES[ASYNC if word.b else SYNC]
        return at, f"waits for a request of {kind}, which is unlocked before its function has run"
    found = at._replace(queued=at.queued | word.a, waited=at.waited & ~word.a)
    return (found._replace(behind=at.behind | word.a) if answer else found._replace(alone=at.alone | word.a)), ""


def _names(mask: int) -> str:
    return " and ".join(f"CPU{cpu}" for cpu in range(MOST_CPUS) if mask >> cpu & 1)


BINDING = Binding("kernel-smp", manifest, VOCABULARY, check, lambda version: "")
"""Of no architecture: what is made of its automata is an answer."""
