"""Memory as the inner loops see it: 64-bit integers at an address.

With addresses instead of arrays the machine code needs neither Python nor numba at run time.  No index is checked: the
loops only follow numbers that `core.explore.compiled.packed` has made.
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
"""No code for exceptions and for calls from Python: neither happens."""


def inlined(function: F) -> F:
    """Compile `function` for inlining into its callers."""
    return cast(F, numba.njit(forceinline=True, **OPTIONS)(function))


def _place(builder: Any, address: Any, index: Any) -> Any:
    base = builder.inttoptr(address, ir.IntType(64).as_pointer())
    return builder.gep(base, [index])


def _get(typing_context: Any, address: Any, index: Any) -> Any:
    """Load the number at address[index]."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_place(builder, *arguments))

    return int64(int64, int64), code


def _put(typing_context: Any, address: Any, index: Any, value: Any) -> Any:
    """Store a number at address[index]."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store(arguments[2], _place(builder, *arguments[:2]))
        return arguments[2]

    return int64(int64, int64, int64), code


def _prefetch(typing_context: Any, address: Any, index: Any) -> Any:
    """Prefetch the cache line of address[index]."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        byte_pointer, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte_pointer, number, number, number])
        function = builder.module.declare_intrinsic("llvm.prefetch", [byte_pointer], kind)
        place = builder.bitcast(_place(builder, *arguments), byte_pointer)
        builder.call(function, [place, number(1), number(3), number(1)])
        return arguments[0]

    return int64(int64, int64), code


def _lowest_bit(typing_context: Any, bits: Any) -> Any:
    """The number of the lowest bit that is set; some bit must be."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.IntType(1)(1))

    return int64(int64), code


def _arrays(typing_context: Any, address: Any) -> Any:
    """The `Arrays` at an address."""
    kind = numba.types.NamedUniTuple(int64, len(Arrays._fields), Arrays)

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        places = [_place(builder, arguments[0], ir.IntType(64)(number)) for number in range(len(Arrays._fields))]
        return context.make_tuple(builder, kind, [builder.load(place) for place in places])

    return kind(int64), code


def _atomic_get(typing_context: Any, address: Any, index: Any) -> Any:
    """Load the number at address[index], in one order with all other atomic operations."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load_atomic(_place(builder, *arguments), "seq_cst", 8)

    return int64(int64, int64), code


def _atomic_put(typing_context: Any, address: Any, index: Any, value: Any) -> Any:
    """Store a number at address[index], in one order with all other atomic operations."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store_atomic(arguments[2], _place(builder, *arguments[:2]), "seq_cst", 8)
        return arguments[2]

    return int64(int64, int64, int64), code


def _atomic_add(typing_context: Any, address: Any, index: Any, value: Any) -> Any:
    """Add to the number at address[index]; what it was before."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.atomic_rmw("add", _place(builder, *arguments[:2]), arguments[2], "seq_cst")

    return int64(int64, int64, int64), code


def _call_at(typing_context: Any, function: Any, one: Any, two: Any) -> Any:
    """Call the C function at an address with two pointers, as int f(void *, void *)."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(number, [pointer, pointer]).as_pointer()
        given = [builder.inttoptr(argument, pointer) for argument in arguments[1:]]
        return builder.sext(builder.call(builder.inttoptr(arguments[0], kind), given), ir.IntType(64))

    return int64(int64, int64, int64), code


get: Any = numba.extending.intrinsic(_get)
put: Any = numba.extending.intrinsic(_put)
prefetch: Any = numba.extending.intrinsic(_prefetch)
lowest_bit: Any = numba.extending.intrinsic(_lowest_bit)
arrays: Any = numba.extending.intrinsic(_arrays)
atomic_get: Any = numba.extending.intrinsic(_atomic_get)
atomic_put: Any = numba.extending.intrinsic(_atomic_put)
atomic_add: Any = numba.extending.intrinsic(_atomic_add)
call_at: Any = numba.extending.intrinsic(_call_at)
