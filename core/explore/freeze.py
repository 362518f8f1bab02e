"""When are two suspended coroutines in the same state?  `freeze` answers with a value to compare.

A coroutine that is waiting for its next operation will behave the same as another if everything it can still look at
is the same: the code, where it stands in it, its local variables, its value stack (the iterator of a `for`, half of an
expression, the coroutine it awaits), and so on down.  `freeze` walks all of that and makes a hashable value of it:

* numbers, strings, enums, classes, modules and code are themselves;
* tuples, lists, dicts, sets, iterators, exceptions and instances go by type and contents, and a mutable object that is
  met again is named by its first meeting, so that sharing is part of the state;
* a function goes by its code, defaults and closure, a closure cell by its contents;
* an operation goes by what it reads, writes and does;
* an object whose class says `__shootdown_entity__ = True` is only itself: its owner promises that it does not change;
* anything else raises `Unfreezable`, and the caller falls back to the history of answers, which is always right and
  only larger.

Where the walk is wrong (an object that hides state from it), two different states would be merged.  Nothing here can
exclude that, so `core.explore.learn` checks what it has learned by running random histories again from the start.

CPython shows a suspended frame's locals and stack to the garbage collector: gc.get_referents() lists the code object
and behind it the locals and the stack in order.  That is how it is on 3.11, 3.12 and 3.13, which the tests cover.
"""

from __future__ import annotations

import gc
import struct
import types
from collections import deque
from collections.abc import Hashable
from enum import Enum
from functools import cache, partial
from typing import Any

from core.machine.op import Op


class Unfreezable(Exception):
    """An object whose state cannot be seen."""


POINTER = struct.calcsize("P")

ATOMS = (
    int,
    str,
    float,
    bytes,
    bool,
    type(None),
    type,
    Enum,
    range,
    types.ModuleType,
    types.CodeType,
    types.BuiltinFunctionType,
    types.EllipsisType,
    types.MemberDescriptorType,
)

_SAMPLES: tuple[Any, ...] = (
    iter(()),
    iter([]),
    iter(set()),
    iter(""),
    iter({}),
    iter({}.values()),
    iter({}.items()),
    iter(range(0)),
    iter(range(2**70)),
    reversed([]),
    enumerate(()),
    zip(),
    map(str, ()),
    filter(None, ()),
)
ITERATORS = {type(sample) for sample in _SAMPLES}
"""What tells its position by __reduce__."""


HEAP_TYPE = 1 << 9
"""Py_TPFLAGS_HEAPTYPE: without it a type is written in C, and its instances may hide anything."""


ATOM, TUPLE, ENTITY, OTHER = range(1, 5)

_roles: dict[type, int] = {}
"""What is done with things of a type, as far as that has been asked."""


def _role(kind: type) -> int:
    if issubclass(kind, ATOMS):
        role = ATOM
    elif getattr(kind, "__shootdown_entity__", False):
        role = ENTITY
    else:
        role = TUPLE if issubclass(kind, tuple) else OTHER
    return _roles.setdefault(kind, role)


def freeze(thing: Any) -> Hashable:
    """A hashable value that is equal for equal states, and only for those. Unfreezable if there is none."""
    return _Freezer().value(thing)


class _Freezer:
    def __init__(self) -> None:
        self.met: dict[int, int] = {}
        self.alive: list[Any] = []  # so that no id is used twice

    def value(self, thing: Any) -> Hashable:
        kind = type(thing)
        if kind in _PLAIN:
            plain: Hashable = thing
            return plain
        role = _roles.get(kind) or _role(kind)
        if role == ATOM:
            return (kind, thing)  # True is 1, and so is Cpu(1)
        if role == TUPLE:
            return (kind, *[self.value(item) for item in thing])
        if role == ENTITY:
            return ("entity", id(thing))
        if id(thing) in self.met:
            return ("met", self.met[id(thing)])
        self.met[id(thing)] = len(self.met)
        self.alive.append(thing)
        return (kind, self.contents(thing, kind))

    def contents(self, thing: Any, kind: type) -> Hashable:
        if kind is list:
            return tuple([self.value(item) for item in thing])
        if kind is dict:
            return tuple([(self.value(key), self.value(item)) for key, item in thing.items()])
        if kind in (set, frozenset):
            return frozenset(self.value(item) for item in thing)
        if kind is types.FunctionType:
            cells = [self.value(cell) for cell in thing.__closure__ or ()]
            return (
                thing.__code__,
                tuple(cells),
                self.value(thing.__defaults__),
                self.value(thing.__kwdefaults__),
            )
        if kind is types.CellType:
            return self.cell(thing)
        if kind is types.MethodType:
            return (self.value(thing.__func__), self.value(thing.__self__))
        if kind is partial:
            return (self.value(thing.func), self.value(thing.args), self.value(thing.keywords))
        if kind is Op:
            return (thing.name, self.value(thing.reads), self.value(thing.writes), self.value(thing.step))
        if kind in (types.CoroutineType, types.GeneratorType):
            return self.frame(thing)
        if kind in ITERATORS:
            return self.value(thing.__reduce__()[1:])
        return self.instance(thing, kind)

    def cell(self, cell: types.CellType) -> Hashable:
        try:
            return self.value(cell.cell_contents)
        except ValueError:
            return "empty"

    def frame(self, suspended: Any) -> Hashable:
        frame = getattr(suspended, "cr_frame", None) or getattr(suspended, "gi_frame", None)
        if frame is None:
            return "ended"
        code = frame.f_code
        names = tuple(sorted(frame.f_locals))  # which are bound; their order depends on who looked before, and when
        lasti = frame.f_lasti
        del frame
        seen = gc.get_referents(suspended)
        start = max(i for i, item in enumerate(seen) if item is code) + 1
        values = [self.value(item) for item in seen[start:] if type(item) is not types.FrameType]
        return (code, lasti, names, tuple(values))

    def instance(self, thing: Any, kind: type) -> Hashable:
        inside: Hashable = ()
        if isinstance(thing, BaseException):
            inside = self.value(thing.args)
        elif isinstance(thing, dict):
            inside = tuple([(self.value(key), self.value(item)) for key, item in dict.items(thing)])
        elif isinstance(thing, (list, deque)):
            inside = (getattr(thing, "maxlen", None), *[self.value(item) for item in thing])
        elif isinstance(thing, (set, frozenset)):
            inside = frozenset(self.value(item) for item in thing)
        elif hides(kind):
            raise Unfreezable(f"{kind.__module__}.{kind.__qualname__}")
        own = [(name, self.value(getattr(thing, name))) for name in _slots(kind) if hasattr(thing, name)]
        return (inside, tuple(own), tuple([(k, self.value(v)) for k, v in getattr(thing, "__dict__", {}).items()]))


@cache
def _slots(kind: type) -> list[str]:
    """The attributes with a place of their own, as they are called outside of their class."""
    names = []
    for owner in kind.__mro__:
        slots = owner.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            private = name.startswith("__") and not name.endswith("__")
            if name not in ("__dict__", "__weakref__"):
                names.append(f"_{owner.__name__.lstrip('_')}{name}" if private else name)
    return names


@cache
def hides(kind: type) -> bool:
    """Have instances more in memory than their attributes?  So it is with what is written in C: files, counters ..."""
    attributes = len(_slots(kind)) + (kind.__dictoffset__ > 0) + (kind.__weakrefoffset__ > 0)
    return kind.__itemsize__ != 0 or kind.__basicsize__ != object.__basicsize__ + POINTER * attributes


_PLAIN = {int, str, type(None), bytes}
