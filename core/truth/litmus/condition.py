"""Conditions on final states, and the places that they and the published outcomes name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

from core.memory_model.machine import Final
from core.memory_model.program import entry_cell
from core.memory_model.values import CodeLabel, Descriptor, PageNumber, Pointer, TableDescriptor, Value
from core.truth.lines import FileError

Place: TypeAlias = tuple[str, str] | tuple[str, int, str]
"""("reg", thread, register), ("mem", cell), or ("pte", page) and the like for the levels above."""


class All(NamedTuple):
    """Every one of `parts` holds."""

    parts: tuple[Condition, ...]


class Either(NamedTuple):
    """One of `parts` holds."""

    parts: tuple[Condition, ...]


class Not(NamedTuple):
    """`part` does not hold."""

    part: Condition


class Equals(NamedTuple):
    """`place` holds `value` in the final state."""

    place: Place
    value: Value


class Faulted(NamedTuple):
    """`thread` faulted, at `label`, on `page`, in the way `kind`; None is any."""

    thread: int
    label: str | None
    page: str | None
    kind: str | None


Condition: TypeAlias = All | Either | Not | Equals | Faulted

TRUE = All(())


def parse(where: str, given: Any) -> Condition:
    """The condition that a file gives as nested lists.  FileError, located by `where`, if it is none."""
    match given:
        case ["true"]:
            return TRUE
        case ["and", *parts]:
            return All(tuple(parse(where, x) for x in parts))
        case ["or", *parts]:
            return Either(tuple(parse(where, x) for x in parts))
        case ["not", part]:
            return Not(parse(where, part))
        case ["eq", place, wanted]:
            return Equals(parse_place(where, place), parse_value(where, wanted))
        case ["fault", int(thread), label, page, kind] if all(x is None or isinstance(x, str) for x in given[2:]):
            return Faulted(thread, label, page, kind)
    raise FileError(f"{where}: not a condition: {given!r:.60}")


def parse_place(where: str, given: Any) -> Place:
    """A place.  FileError if it is none."""
    match given:
        case ["reg", int(thread), str(register)]:
            return ("reg", thread, register)
        case ["mem" | "pte" | "pmd" | "pud" as kind, str(name)]:
            return (kind, name)
    raise FileError(f"{where}: not a place: {given!r:.60}")


ENTRY_FIELDS = ("valid", "af", "db", "dbm", "el0")


def parse_value(where: str, given: Any) -> Value:
    """An integer, an entry, a table descriptor, or a pointer.  FileError if it is none."""
    if isinstance(given, int) and not isinstance(given, bool):
        return given
    match given:
        case {"&": str(cell)}:
            return Pointer(cell)
        case {"label": [int(), str(name)]}:
            return CodeLabel(name)
        case {"page": str(page)}:
            return PageNumber(page)
        case {"table": None | str() as table} if len(given) == 1:
            return TableDescriptor(table or "")
        case {"valid": _, "oa": oa} if oa is None or isinstance(oa, str):
            return _entry(where, given, oa)
    raise FileError(f"{where}: not a value: {given!r:.60}")


def _entry(where: str, given: Mapping[str, Any], oa: str | None) -> Descriptor:
    fields = [given.get(name) for name in ENTRY_FIELDS]
    attrs = given.get("attrs", "")
    if not all(x in (0, 1) for x in fields) or not isinstance(attrs, str):
        raise FileError(f"{where}: not an entry: {given!r:.60}; expected {', '.join(ENTRY_FIELDS)} as 0 or 1")
    valid, af, db, dbm, el0 = (int(x or 0) for x in fields)
    return Descriptor(oa, valid, af, db, dbm, el0, attrs)


def value_of(place: Place, final: Final) -> Value:
    """What `place` holds in `final`."""
    match place:
        case ("reg", int(thread), str(register)):
            return final.registers.get((thread, register), 0)
        case ("mem", str(cell)):
            return final.memory.get(cell, 0)
        case ("pte" | "pmd" | "pud" as level, str(page)):
            return final.memory.get(entry_cell(page, level), 0)
    raise AssertionError(place)


def holds(condition: Condition, final: Final) -> bool:
    """Whether `condition` holds in `final`."""
    match condition:
        case All(parts):
            return all(holds(x, final) for x in parts)
        case Either(parts):
            return any(holds(x, final) for x in parts)
        case Not(part):
            return not holds(part, final)
        case Equals(place, value):
            return value_of(place, final) == value
    return any(
        fault.thread == condition.thread
        and (condition.label is None or condition.label in fault.labels)
        and condition.page in (None, fault.page)
        and condition.kind in (None, fault.kind)
        for fault in final.faults
    )


def places(condition: Condition) -> Iterator[Place]:
    """The places that `condition` asks for."""
    match condition:
        case All(parts) | Either(parts):
            for part in parts:
                yield from places(part)
        case Not(part):
            yield from places(part)
        case Equals(place, _):
            yield place
