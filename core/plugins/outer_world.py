"""What a hook may not ask: clocks, dice, the environment, files, memory addresses, other threads.

The explorer takes it that a hook does the same whenever it is in the same state.  What these say differs from call to
call, so that a verdict would be an accident.  Looked at is the code of the plugin's functions: the global names that it
loads and the modules that it imports, with the attributes taken of them.  Nor may a hook set an attribute of a module
or class, where nobody compares it before and after.

A clock that is reached by way of somebody else's function is not seen.  Most of these are found as their effects differ
when a history is replayed (core.explore.learn).
"""

from __future__ import annotations

import builtins
import dis
import types
from collections.abc import Iterator, Mapping
from typing import Any

CLOCKS = frozenset(
    f"{name}{unit}"
    for name in ("time", "monotonic", "perf_counter", "process_time", "thread_time")
    for unit in ("", "_ns")
) | {"localtime", "gmtime", "ctime", "strftime"}

SYSTEM = frozenset({"urandom", "getpid", "getppid", "times", "stat", "listdir", "getloadavg"})

REFUSED: dict[str, frozenset[str] | None] = {
    **dict.fromkeys(("random", "secrets", "uuid", "gc", "ctypes", "threading", "_thread", "contextvars", "queue")),
    **dict.fromkeys(("weakref", "tempfile", "io", "socket", "subprocess", "multiprocessing", "asyncio", "signal")),
    **dict.fromkeys(("_weakref", "_io", "_random", "_queue", "_contextvars", "pathlib", "shelve", "mmap", "select")),
    "time": CLOCKS,
    "datetime": frozenset({"now", "utcnow", "today"}),
    "os": frozenset(
        {"environ", "getenv", "putenv", "urandom", "getpid", "getppid", "times", "stat", "listdir", "path"}
    ),
    "posix": frozenset({"urandom", "getpid", "getppid", "times", "stat", "listdir"}),
    "sys": frozenset({"getrefcount", "_getframe", "argv", "stdin", "modules"}),
    "builtins": frozenset({"id", "open", "input", "globals", "exec", "eval", "compile", "__import__"}),
}
"""By module, the names that a hook may not use of it; None: all."""


def asks_outside(function: types.FunctionType) -> str:
    """What the code of `function` asks of the outer world, or sets there; '' if nothing."""
    return next(_found(function.__code__, function.__globals__), "")


def _found(code: types.CodeType, known: Mapping[str, Any]) -> Iterator[str]:
    held: Any = None
    imported: list[str] = []
    for step in dis.get_instructions(code):
        if step.opname == "LOAD_GLOBAL":
            held = known.get(step.argval, getattr(builtins, step.argval, None))
            yield from _of_object(held, step.argval)
            continue
        if step.opname == "IMPORT_NAME":
            imported.append(step.argval)
            if step.argval in REFUSED and REFUSED[step.argval] is None:
                yield f"uses {step.argval}"
        elif step.opname in ("LOAD_ATTR", "LOAD_METHOD", "IMPORT_FROM"):
            if step.argval == "cache_info":
                yield "asks how often a cache was used"
            yield from _of_attribute(held, imported, step.argval)
            if isinstance(held, types.ModuleType):
                held = getattr(held, step.argval, None)
                continue
        elif step.opname in ("STORE_ATTR", "DELETE_ATTR") and isinstance(
            held, types.ModuleType | types.FunctionType | type
        ):
            yield f"sets {_name(held)}.{step.argval}"
        if step.opname not in ("CACHE", "PRECALL", "PUSH_NULL"):
            held = None
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            yield from _found(inner, known)


def _of_object(thing: Any, name: str) -> Iterator[str]:
    """A function or class that has been imported by name."""
    module = getattr(thing, "__module__", None)
    if isinstance(thing, types.BuiltinFunctionType | types.FunctionType | type) and module in REFUSED:
        names = REFUSED[module]
        if names is None or getattr(thing, "__name__", name) in names:
            yield f"uses {name}() of {module.lstrip('_')}"  # open() is of io, and of _io from Python 3.13 on


def _of_attribute(held: Any, imported: list[str], name: str) -> Iterator[str]:
    places = [held.__name__] if isinstance(held, types.ModuleType) else imported if held is None else []
    if isinstance(held, type):
        places = [held.__module__]
    for place in places:
        if place in REFUSED and (REFUSED[place] is None or name in (REFUSED[place] or ())):
            yield f"uses {place}.{name}"


def _name(thing: Any) -> str:
    return str(getattr(thing, "__name__", thing))
