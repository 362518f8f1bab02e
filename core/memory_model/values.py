"""What a register or a cell of a litmus machine may hold, and the arithmetic on it.

Data types
    Descriptor  a translation-table entry that maps a page, or a block of pages
    TableDescriptor  one that leads to a table of the next level
    Pointer     the address of a cell
    PageNumber  such an address shifted right by 12: the operand of a TLBI
    CodeLabel   the address of an instruction
    Placeholder     the value of a load that is delayed
    Expression  an operation on values of which one at least is pending

All other values are integers.  A value that arithmetic cannot express raises `NotExpressible`: the test is then counted
as such, and never as one that agrees.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias


class NotExpressible(Exception):
    """The machine has no meaning for something that the test does; the message says for what."""


class Descriptor(NamedTuple):
    """An entry of a translation table.  `oa` names the physical page (None: unknown), `db` is 1 if the page can be
    written now, `dbm` if hardware may set `db`, `el0` if user code may use it; `attrs` is the memory type ('' the
    usual one)."""

    oa: str | None
    valid: int
    af: int
    db: int
    dbm: int
    el0: int
    attrs: str = ""


@dataclass(frozen=True, slots=True)
class TableDescriptor:
    """A table descriptor: the next level is in the table `name` ('' the one that is there from the start).  It has
    neither access flag nor permissions."""

    name: str


@dataclass(frozen=True, slots=True)
class Pointer:
    """The address of `cell`."""

    cell: str


@dataclass(frozen=True, slots=True)
class PageNumber:
    """The number of the virtual page `page`."""

    page: str


@dataclass(frozen=True, slots=True)
class CodeLabel:
    """The address of the instruction behind the label `name`."""

    name: str


@dataclass(frozen=True, slots=True)
class Differs:
    """The exclusive or of two entries that are not equal: not zero, and nothing else is known."""


@dataclass(frozen=True, slots=True)
class Placeholder:
    """The value that the delayed load `name` of this CPU will have."""

    name: int


@dataclass(frozen=True, slots=True)
class Expression:
    """`op` of `args`, some of which are pending.  The first `picks` of them only choose among the others."""

    op: str
    args: tuple[Value, ...]
    picks: int = 0


Value: TypeAlias = (
    int | Descriptor | TableDescriptor | Pointer | PageNumber | CodeLabel | Differs | Placeholder | Expression
)

FIELDS = {1: "valid", 1 << 7: "db", 1 << 10: "af", 1 << 51: "dbm"}
"""The bits of an Armv8 descriptor that tests change.  Bit 7 (AP[2]) is set in a read-only entry, so it is `db`
inverted."""

_KNOWN = sum(FIELDS)

INVALID = 0
"""The all-zero descriptor."""

_ARITHMETIC: dict[str, Callable[[int, int], int]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "eor": lambda a, b: a ^ b,
    "and": lambda a, b: a & b,
    "orr": lambda a, b: a | b,
    "bic": lambda a, b: a & ~b,
    "lsl": lambda a, b: a << b,
    "lsr": lambda a, b: a >> b,
    "eq": lambda a, b: int(a == b),
    "ne": lambda a, b: int(a != b),
    "lt": lambda a, b: int(a < b),
    "le": lambda a, b: int(a <= b),
    "gt": lambda a, b: int(a > b),
    "ge": lambda a, b: int(a >= b),
    "land": lambda a, b: int(a != 0 and b != 0),
    "lor": lambda a, b: int(a != 0 or b != 0),
}

_UNCHANGED_BY_ZERO = ("add", "sub", "orr", "eor", "bic", "lsl", "lsr")


def is_pending(value: Value) -> bool:
    """Whether `value` is not known yet."""
    return isinstance(value, (Placeholder, Expression))


def holds(value: Value, pending: Placeholder) -> bool:
    """Whether `pending` occurs in `value`."""
    return value == pending or (isinstance(value, Expression) and any(holds(x, pending) for x in value.args))


def only_picks(value: Value, pending: Placeholder) -> bool:
    """Whether `pending` occurs in `value` only to choose among other values, so that no data comes from it."""
    if not isinstance(value, Expression):
        return value != pending
    data = value.args[value.picks :]
    return all(only_picks(x, pending) for x in data)


def replace_pending(value: Value, pending: Placeholder, known: Value) -> Value:
    """`value` with `known` in the place of `pending`, evaluated as far as possible."""
    if value == pending:
        return known
    if isinstance(value, Expression):
        return evaluate(value.op, tuple(replace_pending(x, pending, known) for x in value.args), value.picks)
    return value


def evaluate(op: str, args: tuple[Value, ...], picks: int = 0) -> Value:
    """`op` of `args`: a value, or an Expression while an argument that matters is pending."""
    if op == "select-eq":
        left, right, if_equal, otherwise = args
        if is_pending(left) or is_pending(right):
            return Expression(op, args, picks)
        return if_equal if left == right else otherwise
    if any(is_pending(x) for x in args):
        return Expression(op, args, picks)
    return calculate(op, *args)


def calculate(op: str, *args: Value) -> Value:
    """`op` of known values.  NotExpressible if the result is none of the values of this module."""
    if op == "mov":
        return args[0]
    a, b = args
    if isinstance(a, int) and isinstance(b, int):
        if op not in _ARITHMETIC:
            raise NotExpressible(f"arithmetic {op}")
        return _ARITHMETIC[op](a, b)
    if op in ("eq", "ne"):
        return int((a == b) == (op == "eq"))
    if a == b and op in ("eor", "sub", "bic"):
        return 0
    if a == b and op in ("and", "orr"):
        return a
    if b == 0 and op in _UNCHANGED_BY_ZERO:
        return a
    if a == 0 and op in ("add", "orr", "eor"):
        return b
    if op == "and" and 0 in (a, b):
        return 0
    if op in ("land", "lor"):
        return int(a != 0 and b != 0) if op == "land" else int(a != 0 or b != 0)
    return _of_entries_and_pointers(op, a, b)


def _of_entries_and_pointers(op: str, a: Value, b: Value) -> Value:
    if op == "eor" and isinstance(a, (Descriptor, TableDescriptor)) and isinstance(b, (Descriptor, TableDescriptor)):
        return Differs()
    if op == "lsr" and isinstance(a, Pointer) and b == 12:
        return PageNumber(a.cell)
    if isinstance(a, Descriptor) and isinstance(b, int):
        return _of_bits(op, a, b)
    raise NotExpressible(f"arithmetic {op} on {describe(a)} and {describe(b)}")


def _of_bits(op: str, entry: Descriptor, mask: int) -> Value:
    """`op` of an entry and bits of it; an addition must not carry, and a subtraction not borrow."""
    rest = ~mask & (1 << 64) - 1
    if op == "and" and not rest & ~_KNOWN:
        return with_bits(entry, rest, False)
    bits = [bit for bit in FIELDS if mask & bit]
    if mask & ~_KNOWN:
        raise NotExpressible(f"bits {mask & ~_KNOWN:#x} of an entry")
    on = [bit for bit in bits if bit_of(entry, bit)]
    match op:
        case "and":
            return sum(on)
        case "orr" | "bic":
            return with_bits(entry, mask, op == "orr")
        case "eor":
            return with_bits(with_bits(entry, mask, True), sum(on), False)
        case "add" if not on:
            return with_bits(entry, mask, True)
        case "sub" if on == bits:
            return with_bits(entry, mask, False)
    raise NotExpressible(f"arithmetic {op} on {describe(entry)} and {mask:#x}")


def bit_of(entry: Descriptor, bit: int) -> int:
    """Bit `bit` of the descriptor, 0 or 1."""
    field = FIELDS[bit]
    return 1 - entry.db if field == "db" else int(getattr(entry, field))


def with_bits(entry: Descriptor, mask: int, on: bool) -> Descriptor:
    """`entry` with all bits of `mask`, which are in fields, set or cleared."""
    for bit, field in FIELDS.items():
        if mask & bit:
            entry = Descriptor(**(entry._asdict() | {field: int(on != (field == "db"))}))
    return entry


def updated(op: str, old: Value, operand: Value) -> Value:
    """What an atomic operation `op` (swp, add, set, clr, eor ...) leaves in a cell that held `old`."""
    if op == "swp":
        return operand
    return calculate({"set": "orr", "clr": "bic"}.get(op, op), old, operand)


def updated_later(op: str, old: Value, operand: Value) -> Value:
    """As `updated`, where `old` or `operand` may be the value of a load that is still to come."""
    return operand if op == "swp" else evaluate({"set": "orr", "clr": "bic"}.get(op, op), (old, operand))


def describe(value: Value) -> str:
    """`value` as a trace or an error message shows it."""
    if isinstance(value, Descriptor):
        usual = Descriptor(value.oa, 1, 1, 1, 0, 1)
        marks = [f" {n}={x}" for n, x, y in zip(Descriptor._fields, value, usual, strict=True) if x != y]
        return f"<{value.oa}{''.join(marks)}>"
    if isinstance(value, TableDescriptor):
        return f"<table {value.name}>" if value.name else "<table>"
    if isinstance(value, Pointer):
        return f"&{value.cell}"
    if isinstance(value, PageNumber):
        return f"page of {value.page}"
    if isinstance(value, CodeLabel):
        return f"label {value.name}"
    if isinstance(value, Differs):
        return "not zero"
    if isinstance(value, (Placeholder, Expression)):
        return "not known yet"
    return str(value)
