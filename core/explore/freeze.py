"""When are two suspended coroutines in the same state?  `freeze` returns a value that can be compared.

How it works.  Two coroutines behave alike if everything that they can still look at is equal: the code, the position in
it, the local variables, the value stack (the iterator of a `for`, a half-evaluated expression, the coroutine being
awaited), and so on recursively.  `freeze` walks all of that and builds a hashable value:

* numbers, strings, enums, classes, modules and code are themselves;
* tuples, lists, dicts, sets, iterators, exceptions and instances go by type and contents; a mutable object that is met
  again is named by its first occurrence, so aliasing is part of the state;
* a frozen dataclass with slots goes by its fields, as a tuple does;
* a function goes by its code, defaults and closure, a closure cell by its contents;
* an operation goes by its name, the cells that it reads and writes, and its step function;
* an object whose class sets `__shootdown_entity__ = True` goes by identity: its owner promises that it never changes;
* anything else raises `Unfreezable`, and the caller compares histories of returned values instead.

CPython shows the locals and the stack of a suspended frame to the garbage collector: gc.get_referents() lists the code
object and, behind it, the locals and the stack in order.  This holds on the interpreters that the tests cover.

Why it is sound, as far as it is.  Comparing histories is always right, only less effective: equal states are then kept
apart.  Where the walk overlooks state (an object that hides it), different states would be merged.  Types implemented
in C whose instances have memory beside their attributes are refused (`attributes.hides`), and `core.explore.learn`
replays random histories, because no check here can exclude the rest.

What was rejected.  copy.deepcopy() and pickle: neither copies a coroutine.  Rewriting programs as explicit state
machines: they would no longer read like the kernel's code.  Open: gc.get_referents() on frames is an implementation
detail of CPython, so each new version has to be tested.
"""

from __future__ import annotations

import gc
import types
from collections import deque
from collections.abc import Callable, Hashable, Iterable
from enum import Enum
from functools import partial
from itertools import chain
from operator import attrgetter
from typing import Any

from core.base.asked import Number
from core.explore.attributes import fields, hides, is_record, slots
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


def freeze(thing: Any) -> Hashable:
    """A hashable value, equal if and only if the states are equal. Raises Unfreezable if `thing` hides state."""
    return Freezer().value(thing)


class Freezer:
    """Freezes several things as parts of one state: what one shares with another is part of it.

    A type is looked at once, and its instances are then frozen by the function in `_ways`.
    """

    def __init__(self) -> None:
        self.met: dict[int, tuple[str, int]] = {}
        self.alive: list[Any] = []  # keeps objects alive, so that no id() is reused

    def value(self, thing: Any) -> Hashable:
        """`thing`, as `freeze`; what has been met before is named by its first occurrence."""
        kind = type(thing)
        if kind in _PLAIN:
            plain: Hashable = thing
            return plain
        fixed = _fixed.get(kind)
        if fixed is not None:
            return fixed(self, thing)
        way = _ways.get(kind)
        if way is None:
            _way(kind)
            return self.value(thing)
        met = self.met
        known = met.get(id(thing))
        if known is not None:
            return known
        met[id(thing)] = "met", len(met)
        self.alive.append(thing)
        return way(self, thing)

    def values(self, things: Iterable[Any]) -> list[Hashable]:
        """Each of `things`; most are plain, and then no function is called for them."""
        return [thing if type(thing) in _PLAIN else self.value(thing) for thing in things]


Way = Callable[[Freezer, Any], Hashable]
"""How things of a type are frozen."""

_ways: dict[type, Way] = {}
"""By type: a cache of `_way`."""

_fixed: dict[type, Way] = {}
"""The ways of types that are in _IMMUTABLE."""


def _way(kind: Any) -> Way:
    way: Way
    if kind is Number:
        way = _number
    elif getattr(kind, "__shootdown_entity__", False):
        way = _equal_to_itself if kind.__eq__ is object.__eq__ and kind.__hash__ is object.__hash__ else _entity
    elif is_record(kind):
        way = _record
    elif issubclass(kind, ATOMS):
        way = _atom
    elif issubclass(kind, tuple):
        way = _tuple
    elif kind in ITERATORS:
        way = _iterator
    else:
        way = _CONTAINERS.get(kind) or _instance_way(kind)
    (_fixed if way in _IMMUTABLE else _ways)[kind] = way
    return way


def _atom(to: Freezer, thing: Any) -> Hashable:
    if type(thing) is bool:
        return _TRUE if thing else _FALSE
    return type(thing), thing  # True is 1, and so is Cpu(1)


_FALSE: Hashable = (bool, False)
_TRUE: Hashable = (bool, True)


def _entity(to: Freezer, thing: Any) -> Hashable:
    return Itself(thing)


def _equal_to_itself(to: Freezer, thing: Any) -> Hashable:
    itself: Hashable = thing
    return itself


_tables: dict[int, tuple[Any, Hashable]] = {}
"""Long tuples of constants met so far, by their ids, which stay theirs as they are kept: each and its frozen form.

A program keeps such a table in its locals, or its functions in their closures, from one local state to the next.
"""

LONG, TABLES = 8, 10_000
"""Items of a tuple that is looked up here; tables that are kept."""


def _tuple(to: Freezer, thing: Any) -> Hashable:
    if len(thing) < LONG:
        return type(thing), *[item if type(item) in _PLAIN else to.value(item) for item in thing]
    known = _tables.get(id(thing))
    if known is not None:
        return known[1]
    frozen = type(thing), *to.values(thing)
    if _constant(thing):
        if len(_tables) >= TABLES:
            _tables.clear()
        _tables[id(thing)] = thing, frozen
    return frozen


def _constant(thing: Iterable[Any]) -> bool:
    """Are there but atoms in it, tuples of them and records?  Its frozen form is then the same in every state."""
    return all(
        isinstance(item, ATOMS)
        or (isinstance(item, tuple) and _constant(item))
        or (is_record(item.__class__) and _constant(fields(item)))
        for item in thing
    )


def _record(to: Freezer, thing: Any) -> Hashable:
    return type(thing), *to.values(fields(thing))


def _number(to: Freezer, thing: Number) -> Hashable:
    return thing.frozen


_IMMUTABLE = {_atom, _entity, _equal_to_itself, _tuple, _record, _number}
"""Ways of types whose instances are compared by contents alone: sharing them is no part of a state."""


def _iterator(to: Freezer, thing: Any) -> Hashable:
    return type(thing), to.value(thing.__reduce__()[1:])


def _list(to: Freezer, thing: Any) -> Hashable:
    return list, *to.values(thing)


def _dict(to: Freezer, thing: Any) -> Hashable:
    return dict, *to.values(chain.from_iterable(thing.items()))


def _set(to: Freezer, thing: Any) -> Hashable:
    return type(thing), frozenset(to.values(thing))


_codes: dict[int, types.CodeType] = {}
"""The code objects met so far, by their ids, which stand for them: the hash of a code object reads all of it."""


def _code(code: types.CodeType) -> int:
    return id(_codes.setdefault(id(code), code))


def _function(to: Freezer, thing: Any) -> Hashable:
    cells = [to.value(cell) for cell in thing.__closure__ or ()]
    return (
        types.FunctionType,
        _code(thing.__code__),
        to.value(thing.__defaults__),
        to.value(thing.__kwdefaults__),
        *cells,
    )


def _cell(to: Freezer, thing: types.CellType) -> Hashable:
    try:
        return types.CellType, to.value(thing.cell_contents)
    except ValueError:
        return types.CellType, "empty", None


def _method(to: Freezer, thing: Any) -> Hashable:
    return types.MethodType, to.value(thing.__func__), to.value(thing.__self__)


def _partial(to: Freezer, thing: Any) -> Hashable:
    return partial, to.value(thing.func), to.value(thing.args), to.value(thing.keywords)


def _op(to: Freezer, thing: Op) -> Hashable:
    touched = to.value(thing.reads), to.value(thing.writes)
    order = thing.order and thing.order._name_  # an Enum's own hash is a function in Python
    return Op, thing.name, touched, to.value(thing.step), order, to.value(thing.cpu)


def _frame(to: Freezer, thing: Any) -> Hashable:
    frame = getattr(thing, "cr_frame", None) or getattr(thing, "gi_frame", None)
    if frame is None:
        return type(thing), "ended"
    code = frame.f_code
    bound = frame.f_locals
    # Which are bound, unless all are: their order depends on earlier accesses to f_locals.
    number = _code(code)
    names = None if _all_bound(number, len(bound)) else tuple(sorted(bound))
    del bound
    lasti = frame.f_lasti
    del frame
    seen = gc.get_referents(thing)
    start = 0
    for _ in range(_MENTIONS):
        start = seen.index(code, start) + 1
    values = to.values([item for item in seen[start:] if type(item) is not _FRAME])
    return type(thing), number, lasti, names, *values


_variables: dict[int, int] = {}
"""How many variables a frame can have bound, by the id of its code, as in _codes."""


def _all_bound(code: int, bound: int) -> bool:
    """Are all variables of a frame bound, if `bound` of them are?"""
    known = _variables.get(code)
    if known is None:
        one = _codes[code]
        known = _variables[code] = len({*one.co_varnames, *one.co_cellvars, *one.co_freevars})
    return bound == known


def _mentions() -> int:
    """How often a suspended frame names its code before its locals, on this interpreter."""
    sample: Any = (number for number in "")
    code = sample.gi_code
    return sum(item is code for item in gc.get_referents(sample))


_MENTIONS = _mentions()
_FRAME = types.FrameType

_CONTAINERS: dict[type, Way] = {
    list: _list,
    dict: _dict,
    set: _set,
    frozenset: _set,
    types.FunctionType: _function,
    types.CellType: _cell,
    types.MethodType: _method,
    partial: _partial,
    Op: _op,
    types.CoroutineType: _frame,
    types.GeneratorType: _frame,
}


def _instance_way(kind: type) -> Way:
    """How instances of a class are frozen: what a base class keeps, then their attributes."""
    base = next((way for bases, way in _BASES if issubclass(kind, bases)), None)
    if base is None and hides(kind):
        return _refused
    names = slots(kind)
    all_slots = attrgetter(*names) if len(names) > 1 else None

    def way(to: Freezer, thing: Any) -> Hashable:
        inside = base(to, thing) if base else ()
        try:
            bound = all_slots(thing) if all_slots else None
        except AttributeError:
            bound = None
        own = _bound(to, thing, names) if bound is None else to.values(bound)
        named = getattr(thing, "__dict__", None)
        if named is None:
            return kind, inside, *own
        return kind, inside, tuple(own), tuple(named), *to.values(named.values())

    return way


def _refused(to: Freezer, thing: Any) -> Hashable:
    kind = type(thing)
    raise Unfreezable(f"{kind.__module__}.{kind.__qualname__}")


def _bound(to: Freezer, thing: Any, names: list[str]) -> list[Hashable]:
    """Slots of which some may have no value, with their names."""
    return [(name, to.value(getattr(thing, name))) for name in names if hasattr(thing, name)]


_BASES: tuple[tuple[tuple[type, ...], Way], ...] = (
    ((BaseException,), lambda to, thing: to.value(thing.args)),
    ((dict,), lambda to, thing: tuple(to.values(chain.from_iterable(dict.items(thing))))),
    ((list, deque), lambda to, thing: (getattr(thing, "maxlen", None), *to.values(thing))),
    ((set, frozenset), lambda to, thing: frozenset(to.values(thing))),
)
"""Types implemented in C whose contents can be seen, and how."""


_PLAIN = {int, str, type(None), bytes}
