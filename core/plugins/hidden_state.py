"""State that a plugin keeps where neither the explorer nor a snapshot sees it change: refused, by name.

A hook may use iterators and generators of random numbers of its own, in its locals: they begin anew with each call.
One that outlives the call (on the plugin, its class or its module, in a closure, a default value or an attribute of a
function) moves on with every use, and what moves on inside of C cannot be compared: itertools.count() does not say how
far it has counted, from Python 3.14 on by no means.  The explorer runs a hook once for what it takes to be one local
state, so such a hook would be judged by an accident.

The same goes for what other threads, the garbage collector or the context change (locks, weak references, context
variables, queues), and for what a hook asks of the outer world (core.plugins.outer_world).

Looked at is what the plugin's functions can reach by name: not what Shootdown or the standard library hold.
"""

from __future__ import annotations

import contextvars
import ctypes
import functools
import queue
import random
import threading
import types
import weakref
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from core.plugins.outer_world import asks_outside
from core.plugins.parts import attributes, foreign

MOVES_ON = (Iterator, random.Random)
CHANGED_BY_OTHERS = (
    contextvars.ContextVar,
    ctypes._SimpleCData,
    ctypes.Array,
    queue.Queue,
    queue.SimpleQueue,
    threading.local,
    type(threading.Lock()),
    type(threading.RLock()),
    weakref.ref,
    weakref.WeakKeyDictionary,
    weakref.WeakValueDictionary,
    weakref.WeakSet,
)
"""What nobody can compare by value: threads, the garbage collector and contexts have a part in it."""

DEPTH = 8
"""Of containers, closures and functions that refer to others."""


def hidden_state(plugin: object) -> str:
    """What is wrong with the first such thing, '' if there is none."""
    return _Walk().of(plugin)


class _Walk:
    def __init__(self) -> None:
        self.met: set[int] = set()

    def of(self, plugin: object) -> str:
        places = [("self", getattr(plugin, "__dict__", {}))]
        places += [(kind.__name__, vars(kind)) for kind in type(plugin).__mro__ if not foreign(kind.__module__)]
        return self.first((f"{where}.{name}", value) for where, members in places for name, value in members.items())

    def first(self, things: Iterator[tuple[str, Any]], depth: int = DEPTH) -> str:
        return next(filter(None, (self.wrong(name, thing, depth) for name, thing in things)), "")

    def wrong(self, name: str, thing: Any, depth: int) -> str:
        """What is wrong with `thing`, which is called `name`, or with what it refers to."""
        if id(thing) in self.met or not depth:
            return ""
        self.met.add(id(thing))
        kind = f"{type(thing).__module__}.{type(thing).__qualname__}"
        if isinstance(thing, CHANGED_BY_OTHERS):
            return f"{name} is a {kind}, of which nobody sees how it changes; a policy keeps its words in cells"
        if isinstance(thing, types.FunctionType) and (asked := _asked(thing)):
            return (
                f"{thing.__name__}() {asked}; a hook must do the same whenever it is in the same state, and keep what "
                "it remembers in cells"
            )
        if isinstance(thing, MOVES_ON):
            return (
                f"{name} is a {kind}, which moves on with every use, and nobody sees how far; a policy may not depend "
                "on how often it was asked: make it within the hook that uses it"
            )
        return self.first(self.parts(name, thing), depth - 1)

    def parts(self, name: str, thing: Any) -> Iterator[tuple[str, Any]]:
        """What it refers to."""
        if isinstance(thing, staticmethod | classmethod | types.MethodType | functools.partial):
            yield name, getattr(thing, "__func__", None) or getattr(thing, "func", None)
            yield from ((f"{name}.{key}", getattr(thing, key, None)) for key in ("args", "keywords", "__self__"))
        elif isinstance(thing, types.BuiltinFunctionType | types.MethodWrapperType):
            yield f"what {name} belongs to", thing.__self__
        elif isinstance(thing, property):
            yield name, thing.fget
        elif isinstance(thing, types.FunctionType):
            yield from self.of_function(name, thing)
        elif isinstance(thing, Mapping):
            yield from ((f"{name}[{key!r}]", value) for key, value in list(thing.items()))
        elif isinstance(thing, list | tuple | set | frozenset | deque):
            yield from ((f"{name}[{at}]", value) for at, value in enumerate(thing))
        elif isinstance(thing, type):
            if not foreign(thing.__module__):
                yield from ((f"{thing.__name__}.{key}", value) for key, value in list(vars(thing).items()))
        elif not foreign(type(thing).__module__):
            yield from ((f"{name}.{key}", value) for key, value in attributes(thing).items())

    def of_function(self, name: str, function: types.FunctionType) -> Iterator[tuple[str, Any]]:
        """Its closure, its default values and attributes, and what it reads of its module."""
        for free, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            yield f"{free} of {function.__name__}()", _contents(cell)
        yield from ((f"a default of {function.__name__}()", value) for value in function.__defaults__ or ())
        yield from ((f"{name}.{key}", value) for key, value in list(vars(function).items()))
        if not foreign(function.__module__):
            known = function.__globals__
            names = sorted(_names(function.__code__) & known.keys())
            yield from ((f"{function.__module__}.{key}", known[key]) for key in names)


def _asked(function: types.FunctionType) -> str:
    """What the function asks of the outer world, if the plugin has its text; a dataclass has functions of others."""
    return "" if foreign(function.__globals__.get("__name__")) else asks_outside(function)


def _names(code: types.CodeType) -> set[str]:
    """The global names that the code, or code within it, uses."""
    inner = (const for const in code.co_consts if isinstance(const, types.CodeType))
    return set(code.co_names).union(*map(_names, inner))


def _contents(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return None
