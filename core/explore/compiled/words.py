"""Memory as the inner loops see it: 64-bit integers behind an address.

Addresses instead of arrays make machine code that needs nothing of Python or numba at run time.  Nothing checks an
index: the loops only follow numbers that `core.explore.compiled.packed` has made.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeVar, cast

from core.explore.compiled.arrays import Arrays
from core.explore.numeric import numba as _numba

numba = _numba()
int64 = numba.types.int64
ir: Any = import_module("llvmlite.ir")

F = TypeVar("F", bound=Callable[..., Any])

OPTIONS = {"boundscheck": False, "error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
"""Nothing raises and nothing is called from Python's side, so there is no code for either."""


def inlined(function: F) -> F:
    """`function` as a part of its callers."""
    return cast(F, numba.njit(forceinline=True, **OPTIONS)(function))


def _place(builder: Any, address: Any, index: Any) -> Any:
    base = builder.inttoptr(address, ir.IntType(64).as_pointer())
    return builder.gep(base, [index])


def _get(typing_context: Any, address: Any, index: Any) -> Any:
    """The number at a place behind an address."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_place(builder, *arguments))

    return int64(int64, int64), code


def _put(typing_context: Any, address: Any, index: Any, value: Any) -> Any:
    """Store a number there."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store(arguments[2], _place(builder, *arguments[:2]))
        return arguments[2]

    return int64(int64, int64, int64), code


def _prefetch(typing_context: Any, address: Any, index: Any) -> Any:
    """Ask for the cache line there without waiting for it."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        byte_pointer, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte_pointer, number, number, number])
        function = builder.module.declare_intrinsic("llvm.prefetch", [byte_pointer], kind)
        place = builder.bitcast(_place(builder, *arguments), byte_pointer)
        builder.call(function, [place, number(1), number(3), number(1)])
        return arguments[0]

    return int64(int64, int64), code


def _arrays(typing_context: Any, address: Any) -> Any:
    """The `Arrays` at an address."""
    kind = numba.types.NamedUniTuple(int64, len(Arrays._fields), Arrays)

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        places = [_place(builder, arguments[0], ir.IntType(64)(number)) for number in range(len(Arrays._fields))]
        return context.make_tuple(builder, kind, [builder.load(place) for place in places])

    return kind(int64), code


get: Any = numba.extending.intrinsic(_get)
put: Any = numba.extending.intrinsic(_put)
prefetch: Any = numba.extending.intrinsic(_prefetch)
arrays: Any = numba.extending.intrinsic(_arrays)
