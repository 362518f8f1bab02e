"""What a computation asks of a record: so that it need not be done again for another record that answers the same.

How it works.  The computation is given `of(record, notes)` in the place of a frozen dataclass with slots.  What it
reads there is noted, with the answer.  A field that is no integer is asked for its value.  An integer is given as a
`Number`, which is asked only for what the program goes by: is it larger than 3, how often does it go into 5?  Sums and
products with it are numbers again, and nothing is asked.  Where it is used in any other way (as an index, a key, a
text), or where it is frozen as part of a state (core.explore.freeze) after it was computed with, its value is asked.  A
field itself is frozen as what it is, whatever its value: its value is not asked as long as the program does not.

Why that is sound.  A computation that depends on nothing else, and that is not random, does the same as long as it is
answered the same.  So if another record gives every answer in `Notes.answers`, the result is the same
(`Notes.hold_for`).

What was rejected.  To declare what a computation reads: nobody would keep that true.  A number that is an int, too:
much of Python would read its value without asking.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Hashable
from dataclasses import fields, replace
from functools import cache
from typing import Any, TypeVar

Record = TypeVar("Record")

Expression = tuple[Any, ...]
"""(name,) for a field or property of the record, (operator, left, right) where left or right is an expression."""

VALUE = "value"
"""The operator of a question for the value itself."""

COMPARED = ("lt", "le", "gt", "ge", "eq", "ne")
COMPUTED = ("add", "sub", "mul")
DIVIDED = ("floordiv", "mod")
"""Of a number by an integer: a number.  An integer by a number: a question, of which the answer is an integer."""
OTHERS = ("truediv", "pow", "lshift", "rshift", "and_", "or_", "xor")


class Notes:
    """The questions asked of one record, with the answers."""

    def __init__(self, record: Any) -> None:
        self.record = record
        self.answers: dict[tuple[str, Expression, Any], Any] = {}
        self._read: dict[str, Any] = {}
        self._numbers: dict[Expression, Number] = {}
        self._copies: dict[tuple[Any, ...], Any] = {}

    def hold_for(self, other: object) -> bool:
        """Does the record `other` give all these answers?"""
        try:
            return all(
                type(found := _answer(other, *question)) is type(answer) and found == answer
                for question, answer in self.answers.items()
            )
        except ArithmeticError:  # divided by its zero
            return False

    def ask(self, how: str, expression: Expression, operand: Any = None) -> Any:
        """The answer to a question, which is noted."""
        question = how, expression, operand
        if question not in self.answers:
            self.answers[question] = _answer(self.record, *question)
        return self.answers[question]

    def read(self, name: str) -> Any:
        """A field or property of the record: a Number if it is an integer, else its value, which is noted."""
        if name not in self._read:
            integer = type(getattr(self.record, name)) is int
            self.answers["is int", (name,), None] = integer
            self._read[name] = self.number((name,)) if integer else self.ask(VALUE, (name,))
        return self._read[name]

    def number(self, expression: Expression) -> Number:
        """The number that is computed so: always the same object."""
        found = self._numbers.get(expression)
        if found is None:
            found = self._numbers[expression] = Number(self, expression)
        return found

    def copy(self, kind: type, changes: dict[str, Any]) -> Any:
        """The record with some fields changed, of which nothing is asked; the same object for the same changes."""
        key = tuple((name, id(value) if type(value) is Number else value) for name, value in sorted(changes.items()))
        found = self._copies.get(key)
        if found is None:
            found = self._copies[key] = kind(self, changes)
        return found


def of(record: Record, notes: Notes) -> Record:
    """`record`, a frozen dataclass with slots, so that what is asked of it is noted in `notes`, which are of it."""
    kind: Any = type(record)
    asked: Record = _kind(kind)(notes, {})
    return asked


def changed(record: Record, **changes: Any) -> Record:
    """dataclasses.replace(), which asks nothing of a record that is `of` another."""
    if not hasattr(type(record), "_changed"):
        return replace(record, **changes)  # type: ignore[type-var]
    copy: Record = record._changed(changes)  # type: ignore[attr-defined]
    return copy


@cache
def _kind(base: Any) -> Any:
    """A class of records of the class `base` whose fields are noted when they are first read.

    As long as a slot is empty, Python looks for `__getattr__`; then it is filled, and reading it again costs nothing.
    Slots of the names of properties hide these.
    """
    names = frozenset(field.name for field in fields(base))
    properties = tuple(name for name, member in vars(base).items() if isinstance(member, property))

    def made(kind: Any, *asked: Any, **values: Any) -> Any:
        return base(**values) if values else object.__new__(kind)  # values: by dataclasses.replace(), which has asked

    def begin(self: Any, notes: Notes, changes: dict[str, Any]) -> None:
        if not changes.keys() <= names:
            raise TypeError(f"{base.__name__} has no field {min(changes.keys() - names)}")
        for name, value in {"_notes": notes, "_changes": changes, **changes}.items():
            object.__setattr__(self, name, value)

    def first(self: Any, name: str) -> Any:
        if name in properties and self._changes:
            value = vars(base)[name].fget(self)
        elif name in names or name in properties:
            value = self._notes.read(name)
        else:
            raise AttributeError(name)
        object.__setattr__(self, name, value)
        return value

    def change(self: Any, changes: dict[str, Any]) -> Any:
        return self._notes.copy(type(self), {**self._changes, **changes}) if changes else self

    return type(
        base.__name__,
        (base,),
        {
            "__slots__": ("_notes", "_changes", *properties),
            "__new__": made,
            "__init__": begin,
            "__getattr__": first,
            "_changed": change,
            "__shootdown_entity__": True,
        },
    )


def _answer(record: Any, how: str, expression: Expression, operand: Any) -> Any:
    if how == "is int":
        return type(getattr(record, expression[0])) is int
    value = _value(record, expression)
    if how == VALUE:
        return value
    return OPERATORS[how](value, operand)


def _value(record: Any, expression: Any) -> Any:
    if type(expression) is not tuple:
        return expression
    if len(expression) == 1:
        return getattr(record, expression[0])
    how, left, right = expression
    return OPERATORS[how](_value(record, left), _value(record, right))


class Number:
    """An integer of a record, or one computed with it."""

    __slots__ = ("_expression", "_notes")

    def __init__(self, notes: Notes, expression: Expression) -> None:
        self._notes, self._expression = notes, expression

    @property
    def frozen(self) -> Hashable:
        """What it is as part of a state: a field is what it is, anything else its value."""
        return (Number, *self._expression) if len(self._expression) == 1 else self.__index__()

    def __index__(self) -> int:
        """Its value, which is noted."""
        value: int = self._notes.ask(VALUE, self._expression)
        return value

    __int__ = __index__

    def __hash__(self) -> int:
        return hash(self.__index__())

    def __bool__(self) -> bool:
        different: bool = self._notes.ask("ne", self._expression, 0)
        return different

    def __repr__(self) -> str:
        return repr(self.__index__())

    def __format__(self, form: str) -> str:
        return format(self.__index__(), form)

    def __neg__(self) -> int:
        return -self.__index__()


OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    **{name: getattr(operator, name) for name in (*COMPARED, *COMPUTED, *DIVIDED, *OTHERS)},
    "goes into": lambda number, operand: operand // number,
    "leaves of": lambda number, operand: operand % number,
}


def _plain(operand: Any) -> Any:
    return operand.__index__() if type(operand) is Number else operand


def _asks(how: str) -> Callable[[Number, Any], Any]:
    def method(self: Number, operand: Any) -> Any:
        operand = _plain(operand)
        if type(operand) is not int:
            return OPERATORS[how](self.__index__(), operand)
        return self._notes.ask(how, self._expression, operand)

    return method


def _computes(how: str, reflected: bool) -> Callable[[Number, Any], Any]:
    def method(self: Number, operand: Any) -> Any:
        other = operand._expression if type(operand) is Number and operand._notes is self._notes else _plain(operand)
        if type(other) not in (int, tuple):
            mine = self.__index__()
            return OPERATORS[how](other, mine) if reflected else OPERATORS[how](mine, other)
        left, right = (other, self._expression) if reflected else (self._expression, other)
        return self._notes.number((how, left, right))

    return method


def _divides(how: str) -> Callable[[Number, Any], Any]:
    computed = _computes(how, reflected=False)

    def method(self: Number, operand: Any) -> Any:
        return computed(self, _plain(operand))

    return method


def _needs_value(how: str, reflected: bool) -> Callable[[Number, Any], Any]:
    def method(self: Number, operand: Any) -> Any:
        mine, other = self.__index__(), _plain(operand)
        return OPERATORS[how](other, mine) if reflected else OPERATORS[how](mine, other)

    return method


for _how in COMPARED:
    setattr(Number, f"__{_how}__", _asks(_how))
for _how in COMPUTED:
    setattr(Number, f"__{_how}__", _computes(_how, reflected=False))
    setattr(Number, f"__r{_how}__", _computes(_how, reflected=True))
for _how in DIVIDED:
    setattr(Number, f"__{_how}__", _divides(_how))
Number.__rfloordiv__ = _asks("goes into")  # type: ignore[attr-defined]
Number.__rmod__ = _asks("leaves of")  # type: ignore[attr-defined]
for _how in OTHERS:
    setattr(Number, f"__{_how.rstrip('_')}__", _needs_value(_how, reflected=False))
    setattr(Number, f"__r{_how.rstrip('_')}__", _needs_value(_how, reflected=True))
