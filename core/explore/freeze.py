"""When are two suspended coroutines in the same state?  `freeze` returns a value that can be compared.

How it works.  Two coroutines behave alike if everything that they can still look at is equal: the code, the position in
it, the local variables, the value stack (the iterator of a `for`, a half-evaluated expression, the coroutine being
awaited), and so on recursively.  `freeze` walks all of that and builds a hashable value:

* numbers, strings, enums, classes, modules and code are themselves;
* tuples, lists, dicts, sets, iterators, exceptions and instances go by type and contents; a mutable object that is met
  again is named by its first occurrence, so aliasing is part of the state;
* a function goes by its code, defaults and closure, a closure cell by its contents;
* an operation goes by its name, the cells that it reads and writes, and its step function;
* an object whose class sets `__shootdown_entity__ = True` goes by identity: its owner promises that it never changes;
* anything else raises `Unfreezable`, and the caller compares histories of returned values instead.

CPython shows the locals and the stack of a suspended frame to the garbage collector: gc.get_referents() lists the code
object and, behind it, the locals and the stack in order.  This holds on the interpreters that the tests cover.

Why it is sound, as far as it is.  Comparing histories is always right, only less effective: equal states are then kept
apart.  Where the walk overlooks state (an object that hides it), different states would be merged.  Types implemented
in C whose instances have memory beside their attributes are refused (`hides`), and `core.explore.learn` replays random
histories, because no check here can exclude the rest.

What was rejected.  copy.deepcopy() and pickle: neither copies a coroutine.  Rewriting programs as explicit state
machines: they would no longer read like the kernel's code.  Open: gc.get_referents() on frames is an implementation
detail of CPython, so each new version has to be tested.
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
    """An object whose state `freeze` cannot see; the message is its type."""


class Itself:
    """An entity in a frozen value: equal to itself alone.

    It is kept alive, as the id of an object that is gone may be that of another one later.
    """

    __slots__ = ("thing",)

    def __init__(self, thing: object) -> None:
        self.thing = thing

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Itself) and other.thing is self.thing

    def __hash__(self) -> int:
        return id(self.thing)


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
"""Iterator types whose __reduce__ tells the position."""


ATOM, TUPLE, ENTITY, OTHER = range(1, 5)

_roles: dict[type, int] = {}
"""ATOM, TUPLE, ENTITY or OTHER by type: a cache of `_role`."""


def _role(kind: type) -> int:
    if issubclass(kind, ATOMS):
        role = ATOM
    elif getattr(kind, "__shootdown_entity__", False):
        role = ENTITY
    else:
        role = TUPLE if issubclass(kind, tuple) else OTHER
    return _roles.setdefault(kind, role)


def freeze(thing: Any) -> Hashable:
    """A hashable value, equal if and only if the states are equal. Raises Unfreezable if `thing` hides state."""
    return _Freezer().value(thing)


class _Freezer:
    def __init__(self) -> None:
        self.met: dict[int, int] = {}
        self.alive: list[Any] = []  # keeps objects alive, so that no id() is reused

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
            return Itself(thing)
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
            touched = self.value((thing.reads, thing.writes))
            return (thing.name, touched, self.value(thing.step), thing.order, thing.cpu)
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
        names = tuple(sorted(frame.f_locals))  # which are bound; their order depends on earlier accesses to f_locals
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
    """The attributes in __slots__, with private names mangled."""
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
    """Do instances have memory beside their attributes?  True of most types implemented in C: files, counters, ..."""
    attributes = len(_slots(kind)) + (kind.__dictoffset__ > 0) + (kind.__weakrefoffset__ > 0)
    return kind.__itemsize__ != 0 or kind.__basicsize__ != object.__basicsize__ + POINTER * attributes


_PLAIN = {int, str, type(None), bytes}
