"""What an instance of a class keeps, and whether all of it can be seen from Python."""

from __future__ import annotations

import struct
from functools import cache
from typing import Any

POINTER = struct.calcsize("P")


class Unset:
    """Stands for the value of a slot that has none."""


@cache
def slots(kind: type) -> list[str]:
    """The attributes in __slots__, with private names mangled."""
    names = []
    for owner in kind.__mro__:
        own = owner.__dict__.get("__slots__", ())
        for name in (own,) if isinstance(own, str) else own:
            private = name.startswith("__") and not name.endswith("__")
            if name not in ("__dict__", "__weakref__"):
                names.append(f"_{owner.__name__.lstrip('_')}{name}" if private else name)
    return names


@cache
def hides(kind: type) -> bool:
    """Do instances have memory beside their attributes?  True of most types implemented in C: files, counters, ..."""
    attributes = len(slots(kind)) + (kind.__dictoffset__ > 0) + (kind.__weakrefoffset__ > 0)
    return kind.__itemsize__ != 0 or kind.__basicsize__ != object.__basicsize__ + POINTER * attributes


@cache
def is_record(kind: type) -> bool:
    """Is it a dataclass that is frozen and has slots, so that an instance stays as it was made?"""
    parameters = getattr(kind, "__dataclass_params__", None)
    return parameters is not None and parameters.frozen and kind.__dictoffset__ == 0 and not hides(kind)


def fields(record: Any) -> list[Any]:
    """What a record holds, by `slots`; Unset where it holds nothing."""
    return [getattr(record, name, Unset) for name in slots(record.__class__)]
