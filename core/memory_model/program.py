"""The instructions that litmus machines execute.

A test is translated into these once, so that a machine need not know in which notation it was written.  Orderings are
what the words promise, not their names: a DMB ISHLD is `Fence("r", "rw")`, as is RISC-V's `fence r,rw`.

Data types
    Ordering       acquire and release of an access
    Address     what an access addresses
    Load ...    the instructions
    Code        the instructions of one thread, its fault handler behind its main part
    Program     threads, and what the machine starts with
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple, TypeAlias

from core.memory_model.values import Value

Register = str
Operand: TypeAlias = Register | Value
"""A register by name, or a value as such."""

Cell = str
"""A physical page by the name of the variable that owns it, or 'pte:' and a virtual page: its translation-table
entry.  With more than one level, 'pmd:' and 'pud:' are the entries above; '@' and the name of a table stand behind an
entry in another table than the first."""

LEVELS = ("pud", "pmd", "pte")
"""The levels of a table, from the top; each a prefix of cells."""

ENTRIES = tuple(f"{level}:" for level in LEVELS)
"""What the cell of an entry begins with."""


def entry_cell(page: str, level: str = "pte") -> Cell:
    """The cell of the entry that translates `page`, or of the one above it on `level`."""
    return f"{level}:{page}"


def is_entry(cell: Cell) -> bool:
    """Whether `cell` is an entry of a translation table."""
    return cell.startswith(ENTRIES)


def in_table(cell: Cell, table: str) -> Cell:
    """The entry of another `table` that is in the place of `cell` ('' is the table that `cell` is in)."""
    return f"{cell}@{table}" if table else cell


class Ordering(NamedTuple):
    """`acquire` and `release` are '', 'pc' (LDAPR, `lw.aq`) or 'sc': a later acquire of kind 'sc' does not overtake a
    release of kind 'sc'.  `full` is for an atomic that orders everything before it against everything after it."""

    acquire: str = ""
    release: str = ""
    full: bool = False


PLAIN = Ordering()


class Address(NamedTuple):
    """A cell by name (`cell`) or the pointer in `register`; `offset` is a register with the value 0, for the
    dependency. With `translated`, `cell` is a virtual page, and the access walks."""

    cell: Cell | None
    register: Register | None
    offset: Register | None
    translated: bool


class Load(NamedTuple):
    """`reg` := the value at `address`; with `exclusive` it sets the monitor (LDXR, LR)."""

    reg: Register
    address: Address
    order: Ordering = PLAIN
    exclusive: bool = False


class StoreValue(NamedTuple):
    """The value at `address` := `value`."""

    address: Address
    value: Operand
    order: Ordering = PLAIN


class Rmw(NamedTuple):
    """`reg` := the value at `address`, which becomes `op` of it and `operand`, in one.  With `compare` only if it
    equals that; with `spins` the instruction waits until it does.  `reg` is None if the result is discarded."""

    reg: Register | None
    address: Address
    op: str
    operand: Operand
    order: Ordering = PLAIN
    compare: Operand | None = None
    spins: bool = False


class StoreExclusive(NamedTuple):
    """Like StoreValue, if the monitor holds; `status` := 0 if it was stored, 1 if not.  It may always fail; with
    `again` it is in a loop that tries again, of which only the last turn has an effect, so that it never does."""

    status: Register | None
    address: Address
    value: Operand
    order: Ordering = PLAIN
    again: bool = False


class Fence(NamedTuple):
    """What is in `before` (r loads, w stores) is ordered against what is in `after`.  With `tso`, stores before are not
    ordered against loads after."""

    before: str
    after: str
    tso: bool = False

    @property
    def drains(self) -> bool:
        """Whether it orders stores before against loads after, so that it waits for a store buffer."""
        return "w" in self.before and "r" in self.after and not self.tso


class Dsb(NamedTuple):
    """DSB: `reads` and `writes` before it are complete.  With both, TLBIs and hardware updates are, too."""

    reads: bool
    writes: bool

    @property
    def full(self) -> bool:
        """Whether it waits for both, and so for TLBIs."""
        return self.reads and self.writes


class Isb(NamedTuple):
    """ISB, or an exception taken or returned from: context synchronisation."""


class Tlbi(NamedTuple):
    """Translations of `page` (a name, a register with a PageNumber or Pointer, or None for all) are forgotten, on all
    CPUs if `broadcast`.  With `nowhere` the operand is no page of the test; with `last` entries that lead to a table
    may stay cached (VALE1)."""

    page: str | None
    register: Register | None
    broadcast: bool
    nowhere: bool = False
    last: bool = False


class Compute(NamedTuple):
    """`reg` := `op` of `args`."""

    reg: Register
    op: str
    args: tuple[Operand, ...]


class Compare(NamedTuple):
    """The flags := whether `left` equals `right`."""

    left: Operand
    right: Operand


class Select(NamedTuple):
    """`reg` := `then` if the flags say `equal`, else `otherwise` (CSEL)."""

    reg: Register
    then: Operand
    otherwise: Operand
    equal: bool


class BranchIf(NamedTuple):
    """Go to `target` if `operand` is zero (`zero`), or is not."""

    operand: Operand
    zero: bool
    target: int


class BranchFlags(NamedTuple):
    """Go to `target` if the flags say `equal`."""

    equal: bool
    target: int


class Jump(NamedTuple):
    """Go to `target`."""

    target: int


class SetReturn(NamedTuple):
    """The next Return of the handler goes to the label in `operand`."""

    operand: Operand


class Return(NamedTuple):
    """Exception return."""


class End(NamedTuple):
    """The thread ends."""


class ReadLock(NamedTuple):
    """A read-side section of `domain` begins ('' is RCU, anything else an SRCU domain)."""

    domain: str


class ReadUnlock(NamedTuple):
    """The innermost read-side section of `domain` ends."""

    domain: str


class GracePeriod(NamedTuple):
    """The CPU waits until every CPU has been outside the sections of `domain`; with `domain` None until every CPU has
    executed a full barrier (membarrier)."""

    domain: str | None


Instruction: TypeAlias = (
    Load
    | StoreValue
    | Rmw
    | StoreExclusive
    | Fence
    | Dsb
    | Isb
    | Tlbi
    | Compute
    | Compare
    | Select
    | BranchIf
    | BranchFlags
    | Jump
    | SetReturn
    | Return
    | End
    | ReadLock
    | ReadUnlock
    | GracePeriod
)


@dataclass(frozen=True)
class Code:
    """The instructions of a thread.  `handler` is where a fault goes (None: it ends the thread); `labels` are the names
    of the labels directly before an instruction of the main part."""

    instructions: tuple[Instruction, ...]
    handler: int | None = None
    labels: Mapping[int, tuple[str, ...]] = field(default_factory=dict)

    def place_of(self, label: str) -> int:
        """Where `label` is.  KeyError if it is nowhere."""
        for place, names in self.labels.items():
            if label in names:
                return place
        raise KeyError(label)


@dataclass(frozen=True)
class Program:
    """A test as a machine runs it.

    `memory` are the initial values of all cells, `registers` those of registers by (thread, name); all others are 0.
    `hardware` says per thread whether hardware sets the access flag ('HA') and the dirty state ('HD'); `user` are the
    threads at EL0.  `above` are the entries above that of a page, from the top, where there is more than one level.
    `retries`: an instruction that faults is executed once more, and an execution in which it faults
    again does not count.  `skips` are registers that a fault sets before the instruction is skipped, per thread.
    `kept` are the registers that the final state is asked for, `asks_unbroken` whether it is asked about
    break-before-make."""

    threads: tuple[Code, ...]
    memory: Mapping[Cell, Value]
    registers: Mapping[tuple[int, Register], Value] = field(default_factory=dict)
    hardware: tuple[frozenset[str], ...] = ()
    user: frozenset[int] = frozenset()
    retries: bool = False
    skips: Mapping[int, Mapping[Register, Value]] = field(default_factory=dict)
    kept: frozenset[tuple[int, Register]] = frozenset()
    asks_unbroken: bool = False
    above: Mapping[str, tuple[Cell, ...]] = field(default_factory=dict)

    @cached_property
    def pages(self) -> tuple[str, ...]:
        """The virtual pages that have an entry."""
        return tuple(self._cells_of_pages)

    @cached_property
    def pages_of(self) -> Mapping[Cell, tuple[str, ...]]:
        """The pages that an entry may translate, by its cell."""
        pages: dict[Cell, tuple[str, ...]] = {}
        for page, cells in self._cells_of_pages.items():
            for cell in cells:
                pages[cell] = (*pages.get(cell, ()), page)
        return pages

    def entries_of(self, page: str) -> tuple[Cell, ...]:
        """Every entry, on every level and in every table, that may translate `page`."""
        return self._cells_of_pages.get(page, ())

    def output(self, page: str, level: int, oa: str) -> Cell:
        """The physical page that `page` is mapped to by an entry with the address `oa`.  In a block, which `level` 0
        and all others but the last hold, another page than the first has a part of its own."""
        above = self.above.get(page, ())
        return oa if level == len(above) or above[level].partition(":")[2] == page else f"{oa}+{page}"

    @cached_property
    def _cells_of_pages(self) -> dict[str, tuple[Cell, ...]]:
        names = dict.fromkeys(x.partition("@")[0].removeprefix("pte:") for x in self.memory if x.startswith("pte:"))
        names |= dict.fromkeys(self.above)
        entries = [x for x in self.memory if is_entry(x)]
        return {
            page: tuple(x for x in entries if x.partition("@")[0] in (*self.above.get(page, ()), entry_cell(page)))
            for page in names
        }

    def has_grace_periods(self) -> bool:
        """Whether some thread waits until the others have an empty buffer: for RCU or membarrier, not for SRCU."""
        return any(isinstance(x, GracePeriod) and not x.domain for code in self.threads for x in code.instructions)


def reads(instruction: Instruction) -> frozenset[Register]:
    """The registers that `instruction` reads."""
    operands: list[Operand | None] = []
    match instruction:
        case Load(address=address):
            operands += [address.register, address.offset]
        case StoreValue(address=address, value=value) | StoreExclusive(address=address, value=value):
            operands += [address.register, address.offset, value]
        case Rmw(address=address, operand=operand, compare=compare):
            operands += [address.register, address.offset, operand, compare]
        case Tlbi(register=register):
            operands.append(register)
        case Compute(args=args):
            operands += args
        case Compare(left=left, right=right):
            operands += [left, right]
        case Select(then=then, otherwise=otherwise):
            operands += [then, otherwise]
        case BranchIf(operand=operand) | SetReturn(operand=operand):
            operands.append(operand)
    return frozenset(x for x in operands if isinstance(x, str))


def writes(instruction: Instruction) -> Register | None:
    """The register that `instruction` writes, or None."""
    match instruction:
        case Load(reg=reg) | Rmw(reg=reg) | Compute(reg=reg) | Select(reg=reg):
            return reg
        case StoreExclusive(status=status):
            return status
    return None
