"""What all parts of the weak machine need beside the state: the program, the rules, and where an access goes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from core.memory_model.program import Address, Cell, Operand, Program, is_entry
from core.memory_model.values import NotExpressible, Pointer, describe, is_pending
from core.memory_model.weak.future import NOTHING, Future, futures
from core.memory_model.weak.guarded import Locked, locked
from core.memory_model.weak.state import UNSET, Entries, Register, Rules, WeakCpu, WeakState


@dataclass(frozen=True)
class Context:
    """A program on a machine."""

    program: Program
    rules: Rules
    blocks: bool = True
    """Whether loads are kept in blocks (machine.py); without, every interleaving is searched."""

    @cached_property
    def all_futures(self) -> tuple[tuple[Future, ...], ...]:
        """What each thread may do from each of its instructions on."""
        return futures(self.program)

    @cached_property
    def eager(self) -> bool:
        """Whether a store may enter the buffer at once: a CPU that passes a grace period has an empty buffer, so not
        where there are any, but for SRCU's, which ask for its sections alone."""
        return not self.program.has_grace_periods()

    @cached_property
    def locked(self) -> Locked:
        """The locks, and the cells that they guard."""
        return locked(self.program) if self.blocks else Locked(frozenset(), frozenset())

    def future(self, i: int, pc: int | None) -> Future:
        """What CPU i may do from `pc` on; None is the end."""
        return NOTHING if pc is None else self.all_futures[i][pc]

    def hardware(self, i: int) -> frozenset[str]:
        """What hardware manages for CPU i: 'HA', 'HD'."""
        return self.program.hardware[i] if self.program.hardware else frozenset()


class Destination(NamedTuple):
    """Where an access goes: `cell`, through the `entries` of `page` (None: not translated).

    `address_floor` is that of the address, `walk_floor` when the walk took effect at the earliest; the access takes
    effect before `dies`, when another CPU's TLBI of that entry is complete."""

    cell: Cell
    page: str | None
    entries: Entries
    address_floor: int
    walk_floor: int
    dies: int


class AddressedCell(NamedTuple):
    """What an address names: `cell`, or with `walks` the virtual page `cell`; and the floors of the address."""

    cell: Cell
    walks: bool
    floor: int
    pick: int


def operand(cpu: WeakCpu, of: Operand) -> Register:
    """The value of an operand, with its floors."""
    return cpu.registers.get(of, UNSET) if isinstance(of, str) else Register(of)


def target(cpu: WeakCpu, address: Address) -> AddressedCell | None:
    """What `address` names now; None if that depends on a delayed load.  NotExpressible if it names nothing."""
    floor = pick = 0
    if address.offset is not None:
        index = operand(cpu, address.offset)
        if is_pending(index.value):
            return None
        if index.value != 0 and not isinstance(index.value, Pointer):
            raise NotExpressible("an index that is not zero")
        floor, pick = index.floor, index.pick
    if address.cell is not None:
        return AddressedCell(address.cell, address.translated, floor, pick)
    base = operand(cpu, address.register or "")
    if is_pending(base.value):
        return None
    pointer = base.value
    if address.offset is not None and pointer == 0:  # the register that was written as the index is the pointer
        pointer = operand(cpu, address.offset).value
    if not isinstance(pointer, Pointer):
        raise NotExpressible(f"an access to {describe(pointer)}")
    walks = address.translated and not is_entry(pointer.cell)
    return AddressedCell(pointer.cell, walks, max(floor, base.floor), max(pick, base.pick))


def advance(state: WeakState, i: int) -> WeakState:
    """CPU i goes on to the next instruction."""
    cpu = state.cpus[i]
    assert cpu.pc is not None
    cpu.pc += 1
    cpu.retried = False
    return state
