"""One schedule of one call on a large layout, and what goes wrong in it.

The call runs alone.  The other CPUs run user code, and have everything cached between any two of its operations.  They
take an interrupt when the call waits for it and no sooner, because the latest moment is the worst.

Data types
    Call           what is done: a program for a layout, and what must hold afterwards
    LargeFailure   what went wrong: the property, the details, and the steps that led to it
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast, overload

from core.conformance.large.layout import KINDS, ZERO_PAGE, LargeLayout, LargeVma
from core.conformance.large.machine import CellChange, LargeMachine
from core.conformance.large.stale import Held, Item
from core.explore.model import Step
from core.machine.early_ack import handler_cell, leave_handler
from core.machine.ipi import csd_cell
from core.machine.op import Cpu, Op, Outcome, Tid
from core.machine.pte import Pte
from core.machine.task import Task
from core.machine.tlb import Entry, Upper
from core.machine.walk import keeps
from core.mm.era import Era
from core.mm.kthread import MM_USERS, current_mm_cell
from core.mm.mm import Choices, Mm
from core.mm.swap import Table
from core.plugins.arch import Arch
from core.plugins.own_words import own_words

MAX_OPERATIONS = 200_000
"""A call that has not returned behind so many hangs."""

CALLER = Tid(1)

WATCHED = frozenset({"ref", "mapcount", "table"})
"""Arrays whose cells say when a page or a table goes, or leaves rmap."""


class _Every:
    def __contains__(self, array: object) -> bool:
        return True


EVERY_ARRAY = _Every()
"""All of them, for a trace."""

Program = Callable[[Mm, LargeMachine], Coroutine[Op, Any, Any]]


class Violation(Exception):
    """The property `args[0]` is broken; `args[1]` says what exactly."""


@dataclass(frozen=True, slots=True)
class Call:
    """`program` makes the call; `end` says what is wrong when it has returned, as (property, what exactly).

    exits      the mm has no users left
    zaps       it unmaps pages that writeback may come upon at any time
    refs       references of each page, of which one is its mapping's
    more       further fields of `Mm`, by name
    """

    program: Program
    end: Callable[[LargeMachine], Iterator[tuple[str, str]]]
    exits: bool = False
    zaps: bool = False
    refs: int = 1
    more: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class LargeFailure:
    """Property `name` is violated on `layout`, as `what` says; the last step of `trace` violates it."""

    name: str
    what: str
    layout: LargeLayout
    trace: tuple[Step, ...] = ()


class Addrs(Sequence[int]):
    """`Mm.addrs`, as it is whenever somebody looks."""

    def __init__(self, machine: LargeMachine) -> None:
        self.machine = machine

    def __iter__(self) -> Iterator[int]:
        return iter(self.machine.addrs())

    def __len__(self) -> int:
        return len(self.machine.addrs())

    @overload
    def __getitem__(self, at: int) -> int: ...

    @overload
    def __getitem__(self, at: slice) -> list[int]: ...

    def __getitem__(self, at: int | slice) -> int | list[int]:
        return self.machine.addrs()[at]


class CallRun:
    """One call on one layout. `traced` keeps its steps."""

    def __init__(self, arch: Arch, era: Era, call: Call, layout: LargeLayout, traced: bool = False) -> None:
        self.call, self.traced = call, traced
        self.layout = layout = placed(arch, layout)
        self.mm = self._mm(arch, era)
        kept = frozenset(level for level in range(3) if keeps(arch.facts.walker, level))
        self.machine = LargeMachine(layout, self.mm.span, kept, not call.exits, call.refs)
        made = self.machine.mapped
        self.mm = replace(
            self.mm,
            addrs=Addrs(self.machine),
            is_anon=made.is_anon,
            folio=made.folio,
            mappings=Mappings(),
            **dict(call.more),
        )
        cells, here = self.machine.cells, self.mm.task.cpu
        cells[MM_USERS] = 0 if call.exits else layout.cpus
        cells[current_mm_cell(here)] = not call.exits
        cells.update(own_words("cells_of_mm", self.mm.hook.cells_of_mm(mm=self.mm, cpus=self.mm.everyone)))
        self.writers = arch.facts.hw_dirty and layout.cpus > 1 and not call.exits
        """Other CPUs write to what is writable, and hardware notes it in the entry."""
        self.delays = call.zaps and era.delays_rmap and arch.facts.smp and arch.facts.gather
        """Who unmaps a dirty page has to leave its rmap to the flush."""
        self.asked = 0
        self.steps: list[Step] = []

    def _mm(self, arch: Arch, era: Era) -> Mm:
        cpus = frozenset(Cpu(n) for n in range(self.layout.cpus))
        return Mm(
            arch.facts,
            era,
            arch.hook,
            Task("call", CALLER, Cpu(self.layout.here)),
            cpus=cpus,
            online=cpus,
            special=lambda page: page == ZERO_PAGE,
            choices=Choices(alloc_fails=True),
            tables=True,
            walked=True,
            long_runs=True,
            run=self._run,
        )

    def result(self) -> LargeFailure | None:
        """Make the call; what is broken, None if nothing is."""
        try:
            self._make(self.call.program(self.mm, self.machine))
            for name, what in self.call.end(self.machine):
                raise Violation(name, what)
            self._nothing_stale("the call returns")
        except Violation as broken:
            return LargeFailure(broken.args[0], broken.args[1], self.layout, tuple(self.steps))
        return None

    def _make(self, program: Coroutine[Op, Any, Any]) -> None:
        value: Any = None
        for _ in range(MAX_OPERATIONS):
            try:
                op = program.send(value)
            except StopIteration:
                return
            value = self._do(op)
        raise Violation("deadlock", f"the call has not returned after {MAX_OPERATIONS} operations")

    def _do(self, op: Op) -> Any:
        if self.writers:
            self.machine.stored(op)
        outcomes = self.machine.outcomes(op)
        if not outcomes:
            self._interrupts(op)
            outcomes = self.machine.outcomes(op)
        if not outcomes:
            raise Violation("deadlock", f"{op.name} waits for ever")
        outcome = outcomes[0] if len(outcomes) == 1 else self._answer(op, outcomes)
        self._step(op, outcome, self.mm.task.cpu, self.mm.task.name)
        return outcome.value

    def _step(self, op: Op, outcome: Outcome, cpu: Cpu, thread: str) -> None:
        changes = self.machine.do(op, outcome, EVERY_ARRAY if self.traced else WATCHED)
        executed = op.event if op.event is not None and op.event[0] == "insn" else ()
        for of in executed[4:]:
            self.machine.stale.execute(executed[1], of)
        if self.traced and (changes or executed or not op.silent):
            self.steps.append(Step(int(cpu), thread, op.name, tuple(_told(changes))))
        if outcome.violated:
            raise Violation(outcome.violated, op.name)
        for change in changes:
            if change.cell.array in WATCHED:
                self._look(change)

    def _interrupts(self, op: Op) -> None:
        """The CPUs that `op` waits for take what the call has asked of them; others may as well take it later."""
        nobody = self.mm.on(Task("nobody", Tid(0), Cpu(0)))
        for cpu in self.machine.stale.cpus:
            asked = csd_cell(CALLER, cpu)
            if asked in op.reads and self.machine.read(asked) is not None:
                if self.machine.read(handler_cell(cpu)) is not None:  # of an earlier one, still in its handler
                    self._serve(leave_handler(cpu, nobody.addrs), cpu)
                self._serve(self.mm.hook.flush_tlb_func(mm=nobody, sender=CALLER, cpu=cpu), cpu)

    def _serve(self, op: Op, cpu: Cpu) -> None:
        for outcome in self.machine.outcomes(op)[:1]:
            self._step(op, outcome, cpu, "interrupt")

    def _answer(self, op: Op, outcomes: Sequence[Outcome]) -> Outcome:
        """An allocation succeeds unless it is one of those that are to fail; of other choices the first is made."""
        if op.event is None or op.event[0] != "ask":
            return outcomes[0]
        self.asked += 1
        granted = self.asked not in self.layout.fails
        return next(outcome for outcome in outcomes if outcome.value == granted)

    def _run(self, addr: int, max_nr: int, span: int) -> int:
        """How many entries from `addr` are alike, up to `max_nr`: the zap and every hook deals with them together.

        Upper entries (`span` above 1) are dealt with one by one.
        """
        if span > 1:
            return 1
        entry, made = self.machine.entry, self.machine.mapped
        first: Any = entry(addr)
        mapped = isinstance(first, Pte) and first.frame != ZERO_PAGE
        folio, anon = (made.folio(first.frame)[1], made.is_anon(first.frame)) if mapped else (0, False)
        for nr in range(1, max_nr):
            pte: Any = entry(addr + nr)
            if first is None:
                alike = pte is None
            elif mapped:
                alike = isinstance(pte, Pte) and pte.frame == first.frame + nr and pte[1:] == first[1:]
                alike = alike and made.folio(pte.frame)[1] == folio and made.is_anon(pte.frame) == anon
            else:
                alike = pte is not None and type(pte) is type(first) and not isinstance(pte, Pte)
            if not alike:
                return nr
        return max_nr

    # ---- what must hold ------------------------------------------------------------------------------------------

    def _look(self, change: CellChange) -> None:
        array, index = change.cell.array, cast(Any, change.cell.index)
        stale = self.machine.stale
        if array == "ref" and change.after == 0:
            if index in stale.of_frame:
                self._nobody_has([stale.of_frame[index]], "use-after-free", f"page {index} is given back")
        elif array == "mapcount" and self.delays and index in self.machine.mapped.files and index in stale.of_frame:
            self._nobody_writes(stale.all[stale.of_frame[index]], index)
        elif array == "table" and not change.after:
            keys = [key for key, item in stale.all.items() if self._walks_to(item, index)]
            self._nobody_has(keys, "walk-of-freed-table", f"{index.level} table {index.index} is given back")

    def _nobody_writes(self, item: Item, page: int) -> None:
        """No other CPU stores to a page of a file that has left rmap, where writeback looks for who does.

        A huge page leaves it before the flush (docs/findings.md).
        """
        others = self.machine.stale.believed[item.key] & ~(1 << self.mm.task.cpu)
        cached = item.cached
        if item.pages == 1 and isinstance(cached, Entry) and cached.write and cached.dirty and others:
            held = Held(self.machine.stale.cpus[(others & -others).bit_length() - 1], item, True)
            if self._counts(held, "unmapped-while-written"):
                raise Violation("unmapped-while-written", f"rmap has page {page} no more: {_said(held)}")

    def _walks_to(self, item: Item, table: Table) -> bool:
        span = self.machine.span[("pte", "pmd", "pud").index(table.level)]
        return isinstance(item.cached, Upper) and item.cached.table == table.index and item.pages == span

    def _nothing_stale(self, when: str) -> None:
        stale = self.machine.stale.all
        self._nobody_has(
            [key for key in sorted(stale) if not self.machine.allows(stale[key])], "stale-after-return", when
        )

    def _nobody_has(self, keys: Iterable[int], name: str, when: str) -> None:
        for key in keys:
            held = self.machine.stale.holder(key)
            if held is not None and self._counts(held, name):
                raise Violation(name if held.believed else "emitted-covers", f"{when}: {_said(held)}")

    def _counts(self, held: Held, name: str) -> bool:
        """Can the CPU use what it has?"""
        able = self.mm.facts.capabilities
        if "flush_mm" in able and held.cpu == self.mm.task.cpu and name != "stale-after-return":
            return False  # the caller has the CPU until it returns, and whoever is switched to pays first
        inside: Any = self.machine.read(handler_cell(held.cpu)) if "early_ack" in able else None
        return inside is None or not inside.covers(held.item.key) or isinstance(held.item.cached, Upper)


class Mappings(dict[int, Sequence[int]]):
    """`Mm.mappings`: each page is mapped at its own number."""

    def __missing__(self, page: int) -> Sequence[int]:
        return (page,)


def placed(arch: Arch, layout: LargeLayout) -> LargeLayout:
    """The layout as the architecture can have it: on one CPU where its facts say so, and without THP no huge pages."""
    if "thp" not in arch.facts.capabilities:
        layout = replace(layout, areas=tuple(map(_of_small_pages, layout.areas)))
    alone = not arch.facts.smp or arch.facts.one_cpu
    return replace(layout, cpus=1, here=0) if alone else replace(layout, here=min(layout.here, layout.cpus - 1))


def _of_small_pages(area: LargeVma) -> LargeVma:
    return area._replace(pieces=tuple(piece for piece in area.pieces if not KINDS[piece.kind].huge))


def _said(held: Held) -> str:
    item = held.item
    if isinstance(item.cached, Upper):
        what = f"the walk to table {item.cached.table}"
    elif item.pages > 1:
        what = f"the huge page at {int(item.key)}"
    else:
        what = f"page {int(item.key)}"
    return f"CPU{held.cpu} still has {what}" + ("" if held.believed else ", by the instructions that were executed")


def _told(changes: Sequence[CellChange]) -> Iterator[tuple[str, str, str]]:
    """Of many cells of one array the first stands for all."""
    arrays: dict[str, list[CellChange]] = {}
    for change in changes:
        arrays.setdefault(change.cell.array, []).append(change)
    for alike in arrays.values():
        first, others = alike[0], len(alike) - 1
        cell = f"{first.cell} and {others} more" if others else str(first.cell)
        yield cell, _value(first.before), _value(first.after)


def _value(value: object) -> str:
    return "-" if value is None else str(value)
