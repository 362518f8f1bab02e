"""A state of the weak machine: cells with histories, TLBI records, and CPUs with floors and a buffer.

Data types
    Rules       what differs between Armv8 and RISC-V
    Tlbi        an issued TLBI
    Register    a value with its floors
    BufferedStore ...   the items of a buffer
    WeakCpu         one CPU
    WeakState       all of it

States are copied before they are changed: `WeakState.with_cpu` gives a new state in which one CPU may be changed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from core.memory_model.machine import Fault
from core.memory_model.program import Cell
from core.memory_model.program import Register as Name
from core.memory_model.values import Placeholder, Value, is_pending

NEVER = 1 << 30
"""A time after all others: when the value that a cell holds now ends, when a TLBI that nobody waited for completes."""

Entries: TypeAlias = tuple[tuple[Cell, int], ...]
"""The entries that a walk found, from the top: each a cell, and since when it held what the walk found."""

FORWARDED = -1
"""The time in a monitor whose load took its value from the own buffer."""


@dataclass(frozen=True)
class Rules:
    """What differs between architectures.

    single_amo      an atomic is one event (RISC-V).  On Armv8 it is a load and a store, which is buffered
    status_orders   the result of a store-exclusive depends on its store (RISC-V)
    ets2            FEAT_ETS2: a translation fault is behind earlier accesses, and a DSB orders later walks
    ets3            FEAT_ETS3: a permission fault, too
    commits         accesses to one cell are committed in program order (POWER; commits.py)
    delays          loads may be delayed; without it the machine is too strong, and smaller"""

    name: str
    single_amo: bool = False
    status_orders: bool = False
    ets2: bool = False
    ets3: bool = False
    commits: bool = False
    delays: bool = True


ARMV8 = Rules("armv8")
RVWMO = Rules("rvwmo", single_amo=True, status_orders=True)
POWER = Rules("power, multi-copy atomic", commits=True)


class TlbiRecord(NamedTuple):
    """CPU `issuer`'s TLBI of `page` (None: all); it acts at `acts`, and is complete at `done`.  With `last` it leaves
    entries that lead to a table."""

    issuer: int
    page: str | None
    broadcast: bool
    last: bool
    acts: int
    done: int

    def covers(self, cpu: int, page: str) -> bool:
        """Whether it takes translations of `page` away from `cpu`."""
        return self.page in (None, page) and (self.broadcast or self.issuer == cpu)


class Register(NamedTuple):
    """A value; `floor` is the time that an address or data made from it cannot be before, `pick` that of a branch or a
    CSEL on it."""

    value: Value
    floor: int = 0
    pick: int = 0


UNSET = Register(0)


class BufferedStore(NamedTuple):
    """A store that is not visible yet.

    view        floor of a load that forwards from it
    page, entries     the virtual page and the entries that translated it (None: not translated)
    release     '', 'pc' or 'sc'
    reserved    for the store of an atomic or exclusive pair, the time at which its load took effect: no other CPU
    writes
                the cell in between.  A Placeholder: that load is delayed
    full        the CPU waits until it is visible
    pick        pick floor of the value
    status      the register value that says that a store-exclusive has stored, if that depends on the store"""

    cell: Cell
    value: Value
    view: int
    page: str | None
    entries: Entries
    release: str
    reserved: int | Placeholder | None
    full: bool
    pick: int
    status: Placeholder | None


class Atomic(NamedTuple):
    """What a delayed atomic will do; `view` is the floor of its address."""

    op: str
    operand: Value
    release: bool
    discards: bool
    view: int


class Delayed(NamedTuple):
    """A load that has not taken effect.  `coherence` is the time of the newest value of the cell that the CPU had seen,
    `limit` that of the oldest one that a later load has seen since."""

    cell: Cell
    name: Placeholder
    floor: int
    page: str | None
    entries: Entries
    coherence: int
    limit: int
    atomic: Atomic | None


class Mark(NamedTuple):
    """A RISC-V fence that holds back later loads only, because what is `before` it is not finished."""

    before: str
    floor: int


class Update(NamedTuple):
    """A hardware update of an access flag or dirty state."""

    cell: Cell
    value: Value


Item: TypeAlias = BufferedStore | Delayed | Mark | Update


class Own(NamedTuple):
    """The own last store to a cell, which became visible at `time`: a load may forward from it as if before that."""

    time: int
    view: int
    reserved: int
    pick: int


class Guess(NamedTuple):
    """A compare-and-swap went on as if `left` and `right` were equal, or as if they were not."""

    left: Value
    right: Value
    equal: bool

    def is_right(self) -> bool | None:
        """Whether it was; None while that is not known."""
        if is_pending(self.left) or is_pending(self.right):
            return None
        return (self.left == self.right) == self.equal


class Flags(NamedTuple):
    """The two sides of the last compare, and its pick floor."""

    left: Value
    right: Value
    pick: int


@dataclass(slots=True)
class WeakCpu:
    """One CPU.

    loads       no load takes effect before this time
    walks       no walk does
    newest_load, newest_store, newest_walk, newest_update  the latest own load, store visible, walk and hardware update
    context     what the next ISB raises the floors to
    tlbi        no TLBI acts before this
    ordered     the latest own store before a DMB ST
    released    the latest own store-release (sc) that is visible
    seen        per cell the time of the newest value that this CPU has read or written
    blocked     it waits until its full atomic is visible
    guesses     what it has assumed of values that are not known yet
    passing     in a grace period: the CPUs that have not passed it (`waits`), and two floors
    done, entry per SRCU domain: the floor that a grace period inherits from this CPU's last section, and the floor that
                its next section inherits from the grace period"""

    pc: int | None = 0
    registers: dict[Name, Register] = field(default_factory=dict)
    buffer: tuple[Item, ...] = ()
    loads: int = 0
    walks: int = 0
    newest_load: int = 0
    newest_store: int = 0
    newest_walk: int = 0
    newest_update: int = 0
    context: int = 0
    tlbi: int = 0
    ordered: int = 0
    released: int = 0
    seen: dict[Cell, int] = field(default_factory=dict)
    own: dict[Cell, Own] = field(default_factory=dict)
    flags: Flags = Flags(0, 0, 0)
    back: Value = 0
    monitor: tuple[Cell, int | Placeholder] | None = None
    retried: bool = False
    faults: frozenset[Fault] = frozenset()
    names: int = 0
    blocked: bool = False
    guesses: tuple[Guess, ...] = ()
    sections: tuple[str, ...] = ()
    waits: frozenset[int] | None = None
    begun: int = 0
    gathered: int = 0
    done: dict[str, int] = field(default_factory=dict)
    entry: dict[str, int] = field(default_factory=dict)

    def copy(self) -> WeakCpu:
        """A copy that may be changed."""
        new = WeakCpu.__new__(WeakCpu)
        for name in _FIELDS:
            setattr(new, name, getattr(self, name))
        new.registers = dict(self.registers)
        new.seen = dict(self.seen)
        new.own = dict(self.own)
        if self.done or self.entry:
            new.done, new.entry = dict(self.done), dict(self.entry)
        return new

    def raise_loads(self, time: int) -> None:
        """No later load takes effect before `time`."""
        if time > self.loads:
            self.loads = time

    def set(self, register: Name | None, value: Value, floor: int, pick: int | None = None) -> None:
        """`register` := `value`; None discards it."""
        if register is not None:
            self.registers[register] = Register(value, floor, floor if pick is None else pick)

    def new_name(self) -> Placeholder:
        """A placeholder that is not in use."""
        self.names += 1
        return Placeholder(self.names - 1)


_FIELDS = tuple(WeakCpu.__dataclass_fields__)

History: TypeAlias = tuple[tuple[int, Value], ...]
"""Values with the times from which they hold; each ends where the next begins."""


@dataclass(slots=True)
class WeakState:
    """`now` is the last time that is in use; `dead` means that the execution does not count, `block` which CPU has
    begun a block (machine.py)."""

    memory: dict[Cell, History]
    tlbis: tuple[TlbiRecord, ...]
    cpus: list[WeakCpu]
    now: int = 0
    dead: bool = False
    unbroken: bool = False
    block: int | None = None

    def with_cpu(self, i: int) -> WeakState:
        """A new state in which CPU i, memory and time may be changed."""
        cpus = list(self.cpus)
        cpus[i] = cpus[i].copy()
        return WeakState(dict(self.memory), self.tlbis, cpus, self.now, self.dead, self.unbroken, self.block)

    def end_of(self, cell: Cell, time: int) -> int:
        """When the value that `cell` has held since `time` ends."""
        return next((t for t, _ in self.memory[cell] if t > time), NEVER)

    def is_taken_away(self, record: TlbiRecord, entries: Entries) -> bool:
        """Whether `record` takes away what a walk that found `entries` has left in a TLB: the first of them that was
        overwritten by then, or, with `last`, the last."""
        return any(record.acts >= self.end_of(cell, time) for cell, time in (entries[-1:] if record.last else entries))

    def newest(self, cell: Cell) -> tuple[int, Value]:
        """The value that `cell` holds now, and since when."""
        return self.memory[cell][-1]

    def append(self, cell: Cell, value: Value) -> int:
        """`value` becomes visible in `cell`: the time at which it does."""
        self.now += 1
        self.memory[cell] = (*self.memory[cell], (self.now, value))
        return self.now


def changes(item: Item) -> bool:
    """Whether `item` will write a cell: a store, or an atomic that is delayed."""
    return type(item) is BufferedStore or (type(item) is Delayed and item.atomic is not None)


def accesses(item: Item, cell: Cell) -> bool:
    """Whether `item` is a store to `cell` or a load of it."""
    return (type(item) is BufferedStore or type(item) is Delayed) and item.cell == cell


def holds_release(cpu: WeakCpu) -> bool:
    """Whether a release (sc) of `cpu` is not visible: a load-acquire (sc) waits for it."""
    for item in cpu.buffer:
        if type(item) is BufferedStore and item.release == "sc":
            return True
        if type(item) is Delayed and item.atomic is not None and item.atomic.release:
            return True
    return False


def is_reserved(state: WeakState, i: int | None, cell: Cell) -> bool:
    """Whether CPU i may not write `cell` now, because another CPU's atomic or a hardware update is under way (None: the
    writer is no CPU)."""
    for j, cpu in enumerate(state.cpus):
        for item in cpu.buffer:
            if type(item) is Update and item.cell == cell:
                return True
            if j != i and type(item) is BufferedStore and item.cell == cell:
                if isinstance(item.reserved, int):
                    return True
                break
    return False
