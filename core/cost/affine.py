"""Symbolic numbers: one run of a program then speaks for many states.

How it works.  A stretch of the zap is executed by its program's own code, in one state.  Those numbers of the state
that may differ in other states (how full a batch is, how far back the gather's range starts) are put in as `Linear`: a
value, and how much it changes with each of a few variables.  Sums, differences and multiples are linear again.
Whenever the program makes a decision on such a number (it compares it, or divides it), it gets the answer for the
present state, and the condition under which the answer is the same is recorded.  In every state that meets the recorded
conditions the program takes the same path, and all its numbers are what their linear forms say.

Why it is sound.  The conditions are read off the run; nothing is assumed.  An operation without a rule here (a bit
pattern, an index, a dictionary key) fixes the number: "equal to its present value" is recorded as a condition.  That
can only narrow the states for which a run speaks.  Text made from a number shows its present value and decides nothing.

What was rejected.  A solver (z3) or interval arithmetic: the conditions here are bounds on linear forms of three
variables, and comparing them is a few additions.  Open: conditions on products of variables would fix both factors.

Data types
    Slopes        how much a number changes when a variable grows by one, for each variable
    Conditions    bounds on linear forms: what must hold for the run to be the same
    Linear        a number with slopes; once its Conditions are closed it behaves like an ordinary one
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import cache
from math import gcd
from typing import Any

Slopes = tuple[int, ...]


class Conditions:
    """`bounds[slopes]`: minimum and maximum of slopes . (variables - present values); None: no bound."""

    def __init__(self) -> None:
        self.bounds: dict[Slopes, tuple[int | None, int | None]] = {}
        self.open = True

    def require(self, form: Linear, least: int | None, most: int | None) -> None:
        """Record the condition least <= form <= most; None is no bound."""
        slopes, unit = _normal(form.slopes)
        low = None if least is None else least - form.value
        high = None if most is None else most - form.value
        if unit < 0:
            low, high = high, low
        if unit != 1:
            low = None if low is None else -(-low // unit)
            high = None if high is None else high // unit
        lowest, highest = self.bounds.get(slopes, (None, None))
        if low is None or (lowest is not None and lowest > low):
            low = lowest
        if high is None or (highest is not None and highest < high):
            high = highest
        self.bounds[slopes] = (low, high)


@cache
def _normal(slopes: Slopes) -> tuple[Slopes, int]:
    """(primitive slopes, k) with slopes = k * primitive: without a common divisor, the first non-zero one positive."""
    sign = next(slope for slope in slopes if slope)
    unit = gcd(*slopes) if sign > 0 else -gcd(*slopes)
    return tuple([slope // unit for slope in slopes]), unit


class Linear:
    """A number that is `value` now and changes with the variables by `slopes`, while its conditions are open."""

    __slots__ = ("slopes", "under", "value")

    def __init__(self, value: int, slopes: Slopes, under: Conditions) -> None:
        self.value, self.slopes, self.under = value, slopes, under

    # ---- what stays linear -----------------------------------------------------------------------------------

    def __add__(self, other: Any) -> Any:
        if isinstance(other, int):
            return Linear(self.value + other, self.slopes, self.under) if self.under.open else self.value + other
        if not isinstance(other, Linear):
            return NotImplemented
        if not (self.under.open and other.under.open):
            return _apart(self) + _apart(other)
        return _linear(self.value + other.value, tuple(map(operator.add, self.slopes, other.slopes)), self.under)

    __radd__ = __add__

    def __neg__(self) -> Any:
        return self * -1

    def __sub__(self, other: Any) -> Any:
        if isinstance(other, int):
            return Linear(self.value - other, self.slopes, self.under) if self.under.open else self.value - other
        if not isinstance(other, Linear):
            return NotImplemented
        if other.slopes == self.slopes and other.under is self.under:
            return self.value - other.value
        if not (self.under.open and other.under.open):
            return _apart(self) - _apart(other)
        return _linear(self.value - other.value, tuple(map(operator.sub, self.slopes, other.slopes)), self.under)

    def __rsub__(self, other: Any) -> Any:
        return self * -1 + other

    def __mul__(self, other: Any) -> Any:
        if not self.under.open:
            return self.value * other
        other = fixed(other)
        if other == 1:
            return self
        return _linear(self.value * other, tuple([slope * other for slope in self.slopes]), self.under)

    __rmul__ = __mul__

    def __floordiv__(self, other: Any) -> Any:
        if not self._divided_by(other):
            return fixed(self) // fixed(other)
        if all(slope % other == 0 for slope in self.slopes):
            return _linear(self.value // other, tuple([slope // other for slope in self.slopes]), self.under)
        return self._same_quotient(other)

    def __mod__(self, other: Any) -> Any:
        if not self._divided_by(other):
            return fixed(self) % fixed(other)
        if all(slope % other == 0 for slope in self.slopes):
            return self.value % other
        return self - self._same_quotient(other) * other

    def _divided_by(self, other: Any) -> bool:
        return self.under.open and isinstance(other, int) and other > 0

    def _same_quotient(self, by: int) -> int:
        quotient = self.value // by
        self.under.require(self, quotient * by, quotient * by + by - 1)
        return quotient

    def __and__(self, mask: Any) -> Any:
        """The low bits, or all but the low bits: an encoded page pointer and its flags."""
        low = mask + 1 if isinstance(mask, int) and mask >= 0 else 0
        if low and low & mask == 0:
            return self % low
        if isinstance(mask, int) and mask < 0 and mask & -mask == -mask:
            return self - self % -mask
        return fixed(self) & fixed(mask)

    __rand__ = __and__

    def __or__(self, flags: Any) -> Any:
        if not (isinstance(flags, int) and flags >= 0):
            return fixed(self) | fixed(flags)
        low = self % (1 << flags.bit_length())
        return self - low + (fixed(low) | flags)

    __ror__ = __or__

    # ---- decisions -------------------------------------------------------------------------------------------

    def __lt__(self, other: Any) -> bool:
        return _negative(self - other)

    def __gt__(self, other: Any) -> bool:
        return _negative(other - self)

    def __le__(self, other: Any) -> bool:
        return not _negative(other - self)

    def __ge__(self, other: Any) -> bool:
        return not _negative(self - other)

    def __eq__(self, other: object) -> Any:
        if not isinstance(other, int | Linear):
            return NotImplemented
        apart = self - other
        if isinstance(apart, int):
            return apart == 0
        now = apart.value
        apart.under.require(apart, None if now < 0 else min(now, 1), None if now > 0 else max(now, -1))
        return now == 0

    def __bool__(self) -> bool:
        return bool(self != 0)

    def __hash__(self) -> int:
        return hash(fixed(self))

    def __index__(self) -> int:
        return fixed(self)

    __int__ = __index__

    # ---- text ------------------------------------------------------------------------------------------------

    def __str__(self) -> str:
        return str(self.value)

    def __format__(self, spec: str) -> str:
        return format(self.value, spec)

    def __repr__(self) -> str:
        return f"<{self.value} {self.slopes}>"


def _pinning(name: str) -> Callable[[Any, Any], Any]:
    plain: Callable[[int, int], Any] = getattr(operator, name)
    return lambda self, other: plain(fixed(self), fixed(other))


def _reversed(name: str) -> Callable[[Any, Any], Any]:
    plain: Callable[[int, int], Any] = getattr(operator, name)
    return lambda self, other: plain(fixed(other), fixed(self))


for _name in ("lshift", "rshift", "xor", "pow", "truediv"):
    setattr(Linear, f"__{_name}__", _pinning(_name))
for _name in ("lshift", "rshift", "xor", "pow", "truediv", "floordiv", "mod"):
    setattr(Linear, f"__r{_name}__", _reversed(_name))


def fixed(number: Any) -> int:
    """The present value as a plain int, recording the condition that the number is equal to it."""
    if isinstance(number, Linear):
        if number.under.open:
            number.under.require(number, number.value, number.value)
        return number.value
    return number  # type: ignore[no-any-return]


def now(number: Any) -> int:
    """The present value as a plain int, without a condition: only for numbers that are not part of a summary."""
    return number.value if isinstance(number, Linear) else number


def _linear(value: int, slopes: Slopes, under: Conditions) -> Any:
    return Linear(value, slopes, under) if any(slopes) else value


def _apart(number: Linear) -> Any:
    """One of two numbers of different or closed conditions: a plain int if its own are closed."""
    return number if number.under.open else number.value


def _negative(number: Any) -> bool:
    if isinstance(number, int):
        return number < 0
    negative: bool = number.value < 0
    number.under.require(number, None if negative else 0, -1 if negative else None)
    return negative
