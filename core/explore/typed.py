"""Values of cells as plain data: typed, so that whoever reads a trace need not take texts apart.

None, booleans, numbers and strings are themselves.  Everything else says what it is: {"cpu": 1}, {"task": 2},
{"page": 0}, {"set": [...]}, {"type": "Pte", "frame": 0, "write": true, ...}; a tuple is a list.
"""

from __future__ import annotations

import json
from collections.abc import Hashable
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from core.machine.op import Cpu, Page, Tid

NUMBERS: tuple[tuple[type, str], ...] = ((Cpu, "cpu"), (Tid, "task"), (Page, "page"))


def typed(value: Hashable) -> Any:
    """`value` as JSON has it."""
    if value is None or isinstance(value, (bool, str, float)):
        return value
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, int):
        named = [name for kind, name in NUMBERS if isinstance(value, kind)]
        return {named[0]: int(value)} if named else int(value)
    if isinstance(value, (frozenset, set)):
        return {"set": sorted(map(typed, value), key=lambda one: json.dumps(one, sort_keys=True))}
    names = _fields(value)
    if names:
        return {"type": type(value).__name__} | {name: typed(getattr(value, name)) for name in names}
    if isinstance(value, tuple):
        return [typed(one) for one in value]
    return {"type": type(value).__name__}


def shown(value: Hashable) -> str:
    """A value as traces print it: None is '-', a set is sorted, a record without words of its own says its fields."""
    if value is None:
        return "-"
    if isinstance(value, frozenset):
        return "{" + ",".join(sorted(map(shown, value))) + "}"
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, (int, float)) or type(value).__str__ is not object.__str__:
        return str(value)
    names = _fields(value)
    if names:
        return " ".join([type(value).__name__, *(f"{name} {shown(getattr(value, name))}" for name in names)])
    return f"({', '.join(map(shown, value))})" if isinstance(value, tuple) else type(value).__name__


def _fields(value: Hashable) -> tuple[str, ...]:
    if is_dataclass(value):
        return tuple(field.name for field in fields(value))
    return tuple(getattr(value, "_fields", ()))
