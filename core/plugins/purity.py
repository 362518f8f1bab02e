"""Does a plugin keep state?  Compares what it, its classes and their modules hold before and after a job.

The explorer runs a hook once for each local state.  A hook that counts its calls would therefore get an arbitrary
verdict, and the cost of a workload would depend on what was counted before.  Replayed histories (core.explore.learn)
find state that has an effect at once; this finds state that would have one later.  Numbers, strings and containers of
them are compared by value, and so are the attributes of objects and functions of the plugin's own modules, and default
values; everything else by identity.
"""

from __future__ import annotations

import functools
import sys
import types
from array import array
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from core.plugins.arch import PluginError
from core.plugins.parts import attributes, foreign

DEPTH = 8
"""How deeply nested containers are compared by value."""

Snapshot = dict[str, object]
"""Values by their names in error messages."""


def snapshot(plugin: object, *modules: str) -> Snapshot:
    """Everything in which `plugin`, or code of `modules`, could keep state, as immutable values."""
    return {name: _plain(value, DEPTH) for name, value in _places(plugin, modules)}


def changed(before: Snapshot, after: Snapshot, who: str = "the plugin") -> str:
    """An error message about `who` if the snapshots differ, else ''."""
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return f"{', '.join(names)} changed: {who} keeps state outside its programs' local variables" if names else ""


@contextmanager
def remembering_nothing(plugin: object) -> Iterator[None]:
    """Context in which `plugin` must not change. PluginError if it does."""
    before = snapshot(plugin)
    yield
    problem = changed(before, snapshot(plugin))
    if problem:
        raise PluginError(problem)


def _places(plugin: object, modules: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    kinds = [kind for kind in type(plugin).__mro__ if kind is not object]
    yield from _members("self", getattr(plugin, "__dict__", {}))
    for kind in kinds:
        yield from _members(kind.__name__, vars(kind))
    for module in dict.fromkeys((*(kind.__module__ for kind in kinds), *modules)):
        if not foreign(module):
            yield from _members(module, vars(sys.modules[module]) if module in sys.modules else {})


def _members(where: str, members: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(f"{where}.{name}", value) for name, value in members.items() if not name.startswith("__")]


def _plain(value: Any, depth: int, seen: frozenset[int] = frozenset()) -> object:
    kind = type(value)
    if value is None or kind in (bool, int, float, complex, str, bytes):
        return kind, value
    if not depth or id(value) in seen:
        return kind, id(value)
    inner = seen | {id(value)}
    if kind is bytearray:
        return kind, bytes(value)
    if isinstance(value, Mapping):
        items = list(value.items())
        return kind, tuple((_plain(key, depth - 1, inner), _plain(item, depth - 1, inner)) for key, item in items)
    if kind in CONTAINERS:
        parts = (_plain(item, depth - 1, inner) for item in list(value))
        return kind, frozenset(parts) if kind in (set, frozenset) else tuple(parts)
    return kind, id(value), tuple(_plain(part, depth - 1, inner) for part in _parts(value))


CONTAINERS = (list, tuple, set, frozenset, deque, array)


def _parts(value: Any) -> Iterator[Any]:
    """What `value`, compared by identity, holds that may change."""
    kind = type(value)
    if kind is types.FunctionType:
        yield from (value.__defaults__, value.__kwdefaults__, vars(value))
        yield from (_contents(cell) for cell in value.__closure__ or ())
    elif kind is functools.partial:
        yield from (value.func, value.args, value.keywords)
    elif kind in (staticmethod, classmethod, types.MethodType):
        yield from (value.__func__, getattr(value, "__self__", None))
    elif kind is property:
        yield value.fget
    elif isinstance(value, type):
        if not foreign(value.__module__):
            yield from _named(vars(value))
    elif kind is types.SimpleNamespace or not foreign(kind.__module__):
        yield from _named(attributes(value))
        yield type(value)


def _named(members: Mapping[str, Any]) -> Iterator[Any]:
    """Each name and what it names, one by one: a dictionary made for this would be another one each time."""
    for name, member in members.items():
        if not name.startswith("__"):
            yield from (name, member)


def _contents(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return None
