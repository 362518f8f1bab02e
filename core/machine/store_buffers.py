"""Store buffers: what a CPU has stored and others do not see yet, under the words of the kernel.

How it works.  Each CPU has a cell with the stores that wait, oldest first.  `wrapped` turns an operation into one that
also reads and writes its CPU's buffer: a plain store goes in; the CPU's own loads find the youngest store to their cell
there; everybody else, and the walker of the CPU itself, reads memory.  A store becomes visible by a daemon, one for
each CPU and cell.  A barrier is blocked until the buffer is empty.  What an order means says `core.machine.meaning`; no
program knows of buffers, and a search sees operations as before.

    tso     the oldest store leaves first (x86, s390, sparc)
    weak    any store that is the oldest of its cell leaves; a release waits for all that are older, and what is behind
            an smp_wmb() for all before it (arm64, riscv, powerpc)

An atomic operation without order reads memory and leaves its write in the buffer of a weak machine.  Until that is
visible nobody else changes the cell: that is what makes it atomic, and it is all that it promises.

A store of user code waits too, with the TLB entry by which it was made.  An interrupt handler that flushes has drained
the buffer of its CPU.  A flush by hardware has no handler: it is complete only when the stores that other CPUs have
made through the old entries are visible (`Outcome.awaits`).

No barrier orders an invalidation behind a store but those that wait for walkers (DSB, ptesync): not DMB, not sync, not
an atomic operation, which order memory accesses alone (Arm ARM D8.16; Power ISA III 6.9.3.3).  So a weak CPU keeps in
mind whether it has stored to an entry since its last such barrier; then an invalidation by broadcast may have had its
effect before the store, which is none.

Why it is sound.  x86-TSO is exactly such a machine (Owens, Sarkar, Sewell, TPHOLs 2009).  The weak one has less than
Armv8 and RVWMO allow: a load is done in its turn, so that neither load buffering nor the reordering of two loads is
there; an atomic operation without order loads in its turn, too.  That is all: where the program orders its loads, the
two have the same final states (tests/conformance/test_explorer_and_litmus.py), and so they have on the programs of
scenarios that are litmus tests (tests/truth/litmus/test_same_outcomes.py).  A pass is about the order of stores against
everything, which is what flushing is about; `litmus` says which behaviours of real machines are missing.

What is no memory.  A reference count that the model asks for use-after-free, a register, a TLB and who is running are
`core.machine.memory.GHOSTS`: operations change them at once.

Data types
    Waiting                    a store that waits
    cell ('buffer', cpu)       those of a CPU, a `Buffer`
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple

from core.machine.broadcast import UNSYNCED, unsynced_cell
from core.machine.meaning import Meaning, meaning
from core.machine.memory import ENTRIES, GHOSTS, USER, declare
from core.machine.op import Cell, Cpu, Op, Outcome
from core.machine.order import Order


class Waiting(NamedTuple):
    """A store that is not visible yet; without a cell, the mark of a barrier between stores.

    `release`: it leaves behind all that are older. `reserved`: until it is visible no other CPU changes the cell.
    `through` is the TLB entry by which user code has made it.
    """

    cell: Cell | None
    value: Hashable = None
    release: bool = False
    reserved: bool = False
    through: Cell | None = None

    def __str__(self) -> str:
        if self.cell is None:
            return "smp_wmb"
        return f"{self.cell} := {shown(self.value)}"


def shown(value: Hashable) -> str:
    """A value as a trace prints it."""
    if isinstance(value, frozenset):
        return "{" + ",".join(sorted(map(str, value))) + "}"
    return "-" if value is None else str(value)


class Buffer(tuple[Waiting, ...]):
    """The stores of a CPU that wait, oldest first."""

    __slots__ = ()

    def __new__(cls, *stores: Waiting) -> Buffer:
        """As NamedTuple: an item per argument, so that it can be renamed item by item."""
        return super().__new__(cls, stores)

    def __str__(self) -> str:
        return ", ".join(map(str, self)) + " waits" if self else "()"

    def newest(self, cell: Cell) -> Waiting | None:
        """The youngest store to `cell`."""
        return next((store for store in reversed(self) if store.cell == cell), None)

    def reserves(self, cells: frozenset[Cell]) -> bool:
        """Does an atomic operation on one of `cells` wait here?"""
        return any(store.reserved and store.cell in cells for store in self)


EMPTY = Buffer()
BUFFER = declare("buffer", EMPTY, "ghost")


def buffer_cell(cpu: Cpu) -> Cell:
    """The stores of `cpu` that wait."""
    return Cell(BUFFER, Cpu(cpu))


SYNCS = frozenset(
    {Order.DSB_ISH, Order.DSB_ISHST, Order.DSB_NSH, Order.DSB_NSHST, Order.PTESYNC, Order.COMPLETE, Order.FLUSH}
)
"""Orders that put what follows, invalidations too, behind the entries that were stored."""

AWAIT = frozenset({Order.COMPLETE, Order.FLUSH_ALL})
"""Orders that wait for the stores of other CPUs."""

MARK = Waiting(None)


def pushed(buffer: Buffer, store: Waiting, ordered: bool) -> Buffer:
    """The buffer with a further store; if it is not `ordered`, stores that commute stand in one order of several."""
    return Buffer(*buffer, store) if ordered else settled((*buffer, store))


def settled(stores: Sequence[Waiting]) -> Buffer:
    """Stores of a weak machine in a fixed order: those that commute are sorted; a mark with nothing before it is gone.

    Two commute if they are to different cells and neither is a release nor a mark.
    """
    found: list[Waiting] = []
    for store in stores:
        if store.cell is None and (not found or found[-1].cell is None):
            continue
        at = len(found)
        while at and commute(found[at - 1], store) and str(found[at - 1].cell) > str(store.cell):
            at -= 1
        found.insert(at, store)
    return Buffer(*found)


def commute(one: Waiting, two: Waiting) -> bool:
    """Does it make no difference which of the two entered the buffer first?"""
    return None not in (one.cell, two.cell) and one.cell != two.cell and not one.release and not two.release


def leaves(buffer: Buffer, cell: Cell, ordered: bool) -> int | None:
    """The position of the store to `cell` that may become visible next; None if none may."""
    if ordered:
        return 0 if buffer and buffer[0].cell == cell else None
    for at, store in enumerate(buffer):
        if store.cell is None:
            return None
        if store.cell == cell:
            return None if store.release and at else at
    return None


class Wrapped:
    """An operation of one CPU under store buffers. `step` is the operation that a search executes."""

    def __init__(
        self, op: Op, cpu: Cpu, ordered: bool, means: Meaning, buffered: frozenset[Cell], held: KnownStores
    ) -> None:
        self.op, self.ordered, self.means, self.buffered = op, ordered, means, buffered
        self.walks = op.order is Order.WALK
        memory = frozenset(cell for cell in op.writes if cell.array not in GHOSTS)
        self.atomic = memory - buffered if not means.reserves else memory
        self.own = memory - buffered
        stored = held.stored.get(cpu, {}).keys()
        others = {cpu: cells & self.atomic for cpu, cells in held.reserved.items() if cells & self.atomic}
        self.reserved = [(c, cells) for c, cells in sorted(others.items()) if c != cpu]
        self.awaited = [c for c in held.cpus if c != cpu] if op.order in AWAIT else []
        self.before = {cell: n for n, cell in enumerate(op.reads)}
        self.watched = tuple(dict.fromkeys([*[c for c, _ in self.reserved], *self.awaited]))
        self.forwards = not self.walks and op.order is not Order.PRIVATE and not stored.isdisjoint(op.reads)
        self.kept = [n for n, cell in enumerate(op.writes) if cell not in buffered]
        self.matters = bool(buffered or self.forwards or self.watched or not stored.isdisjoint(self.atomic))
        issues = cpu in held.issuers and not ordered
        self.syncs = issues and op.order in SYNCS
        self.unsyncs = issues and not self.walks and any(cell.array in ENTRIES for cell in op.writes)
        self.matters = self.matters or self.syncs or self.unsyncs
        mine = buffer_cell(cpu)
        notes = (unsynced_cell(cpu),) if self.syncs or self.unsyncs else ()
        self.reads = (mine, *map(buffer_cell, self.watched), *op.reads)
        self.writes = (mine, *(op.writes[n] for n in self.kept), *notes)

    def step(self, mine: Buffer, *values: Any) -> list[Outcome]:
        """The outcomes that are possible while these stores wait."""
        if mine and self.means.waits:
            return []
        theirs, values = dict(zip(self.watched, values, strict=False)), values[len(self.watched) :]
        if mine and self.forwards:
            values = tuple(self._seen(mine, cell, value) for cell, value in zip(self.op.reads, values, strict=True))
        made = (self._made(mine, theirs, values, outcome) for outcome in self.op.step(*values))
        return [outcome for outcome in made if outcome is not None]

    def _seen(self, mine: Buffer, cell: Cell, value: Hashable) -> Hashable:
        store = mine.newest(cell)
        return value if store is None else store.value

    def _made(self, mine: Buffer, theirs: dict[Cpu, Buffer], values: Sequence[Any], made: Outcome) -> Outcome | None:
        """The outcome with what it leaves in the buffer; None if it has to wait."""
        changed = self._changed(values, made)
        if mine and changed and (self.walks or any(store.cell in self.own & changed for store in mine)):
            return None  # an older store of its own to the cell first; the walker's update waits for all of them
        if any(theirs[cpu].reserves(cells & changed) for cpu, cells in self.reserved):
            return None
        if made.awaits and any(store.through in made.awaits for cpu in self.awaited for store in theirs[cpu]):
            return None
        written = (self._after(mine, values, made), *(made.written[n] for n in self.kept))
        if self.syncs or self.unsyncs:
            written = (*written, self.unsyncs)
        return made._replace(written=written, stored=(), awaits=frozenset())

    def _writes(self, cell: Cell, values: Sequence[Any], value: Hashable) -> bool:
        """Does the outcome write to the cell?  Where it writes back what it has read, the kernel does not write."""
        return not (cell in self.before and values[self.before[cell]] == value)

    def _changed(self, values: Sequence[Any], made: Outcome) -> frozenset[Cell]:
        """The memory cells that the outcome changes, atomically or at once."""
        pairs = zip(self.op.writes, made.written, strict=True)
        return frozenset(cell for cell, value in pairs if cell in self.atomic and self._writes(cell, values, value))

    def _after(self, mine: Buffer, values: Sequence[Any], made: Outcome) -> Buffer:
        after, means = mine, self.means
        if means.marks and after:
            return pushed(after, MARK, self.ordered)
        for cell, value in zip(self.op.writes, made.written, strict=True):
            if cell in self.buffered and cell.array not in USER and self._writes(cell, values, value):
                after = pushed(after, Waiting(cell, value, means.release, means.reserves), self.ordered)
        for cell, entry in made.stored:
            if cell in self.buffered:
                after = pushed(after, Waiting(cell, True, through=entry), self.ordered)
        return after


class KnownStores:
    """What is known of the stores of a model: by CPU the cells that it stores to, and those that it may reserve.

    `issuers` are the CPUs that invalidate by broadcast.
    """

    def __init__(self, cpus: Sequence[Cpu]) -> None:
        self.stored: dict[Cpu, dict[Cell, None]] = {cpu: {} for cpu in cpus}
        self.reserved: dict[Cpu, frozenset[Cell]] = {}
        self.issuers: set[Cpu] = set()

    @property
    def cpus(self) -> tuple[Cpu, ...]:
        """The CPUs that are known of."""
        return tuple(self.stored)

    def add(self, cpu: Cpu, cells: frozenset[Cell], reserved: bool, waits: Callable[[Cell], bool]) -> bool:
        """Note that `cpu` stores to `cells`. True if that was not known of one that `waits`."""
        before, stored = self.reserved.get(cpu, frozenset()), self.stored.setdefault(cpu, {})
        new = {cell for cell in cells if cell not in stored or (reserved and cell not in before)}
        if new:
            stored.update(dict.fromkeys(sorted(cells, key=str)))
        if reserved:
            self.reserved[cpu] = before | cells
        return any(map(waits, new))

    def issuer(self, cpu: Cpu, op: Op) -> bool:
        """Note whether `op` invalidates by broadcast. True if that was not known of its CPU."""
        new = cpu not in self.issuers and any(cell.array == UNSYNCED for cell in op.reads)
        if new:
            self.issuers.add(cpu)
        return new


def visible(cpu: Cpu, cell: Cell, ordered: bool, held: KnownStores) -> Op:
    """Daemon: a store of `cpu` to `cell` becomes visible."""
    others = [c for c, cells in sorted(held.reserved.items()) if c != cpu and cell in cells]
    only = frozenset({cell})

    def step(mine: Buffer, *theirs: Buffer) -> list[Outcome]:
        at = leaves(mine, cell, ordered)
        if at is None or any(buffer.reserves(only) for buffer in theirs):
            return []
        rest = (*mine[:at], *mine[at + 1 :])
        return [Outcome(None, (Buffer(*rest) if ordered else settled(rest), mine[at].value))]

    mine = buffer_cell(cpu)
    reads = (mine, *map(buffer_cell, others))
    return Op(f"{cell} becomes visible", reads, (mine, cell), step, order=Order.PRIVATE)


def stores(op: Op, means: Meaning) -> frozenset[Cell]:
    """The cells to which an operation stores through the buffer."""
    if op.order is Order.WALK:
        return frozenset(cell for cell in op.writes if cell.array in USER)
    if not means.buffers:
        return frozenset()
    return frozenset(cell for cell in op.writes if cell.array not in GHOSTS | USER)


def _is_apart(op: Op, cpu: Cpu, held: KnownStores) -> bool:
    """Does nothing that waits matter to the operation?  True of most, at a glance."""
    if held.reserved or cpu in held.issuers or op.order in AWAIT:
        return False
    stored = held.stored.get(cpu, {}).keys()
    return stored.isdisjoint(op.reads) and stored.isdisjoint(op.writes)


def wrapped(op: Op, cpu: Cpu, model: str, held: KnownStores) -> Op:
    """`op`, executed on `cpu` of a machine of this memory model, of whose stores those that are `held` wait."""
    means = meaning(model, op)
    if not (means.waits or means.marks) and _is_apart(op, cpu, held):
        return op
    made = Wrapped(op, cpu, model == "tso", means, stores(op, means) & held.stored.get(cpu, {}).keys(), held)
    if not (made.matters or means.waits or means.marks):
        return op
    return Op(op.name, made.reads, made.writes, made.step, event=op.event, order=op.order, cpu=op.cpu)
