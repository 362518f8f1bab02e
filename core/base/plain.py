"""Values as JSON and back, by their declared types: a closed format, whose reading runs nobody's code.

A process that has run foreign code may answer anything.  So an answer is read as what it is declared to be, and as
nothing else: there are no type names in the text, nothing is imported, no method of the value is called.  What does
not fit is refused with the place where it does not.  Writing goes by the declared type too, so that an object of a
subclass (a plugin's own Facts, say) is written as what was asked for.

Types that can be written: None, bool, int, float, str, tuples, lists, frozensets, dictionaries, unions, dataclasses and
named tuples.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

LARGEST = 10**60
"""The largest number that is written or read: whoever divides it gets a float."""

LONGEST_SHOWN = 40
"""Characters of a wrong value in a message."""


class PlainError(ValueError):
    """A value or text that is not of the declared type; the message says where and what was expected."""


class Codec(NamedTuple):
    """How values of a type are written as plain data, and read; both raise PlainError."""

    write: Callable[[Any], Any]
    read: Callable[[Any], Any]


def dump(kind: Any, value: Any) -> str:
    """`value`, of the type `kind`, as one line of JSON in ASCII. PlainError if it is not of that type."""
    try:
        return json.dumps(codec(kind).write(value), ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    except (ValueError, RecursionError) as error:
        raise error if isinstance(error, PlainError) else PlainError(str(error)) from None


def load(kind: Any, text: str | bytes) -> Any:
    """The value of the type `kind` that `text` says. PlainError if it says none."""
    try:
        plain = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PlainError(f"not JSON: {error}") from None
    return codec(kind).read(plain)


@cache
def codec(kind: Any) -> Codec:
    """How values of the type `kind` are written and read. TypeError for a type that the format does not have."""
    if kind in (str, int, float, bool, NoneType, None):
        return _atom(NoneType if kind is None else kind)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return _union(kind, [codec(one) for one in arguments])
    if origin is tuple and not (len(arguments) == 2 and arguments[1] is Ellipsis):
        return _row(kind, [codec(one) for one in arguments])
    if origin in (tuple, list, frozenset, Sequence):
        return _many(kind, list if origin is Sequence else origin, codec(arguments[0]))
    if origin in (dict, Mapping):
        return _pairs(kind, codec(arguments[0]), codec(arguments[1]))
    if is_dataclass(kind) and isinstance(kind, type):
        return _record(kind, [field.name for field in fields(kind) if field.init])
    if isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return _record(kind, list(kind._fields))
    raise TypeError(f"{kind!r} has no plain form")


def _atom(kind: Any) -> Codec:
    def same(value: Any) -> Any:
        if type(value) is kind and (kind is not int or -LARGEST <= value <= LARGEST):
            return value
        if kind is float and type(value) is int:
            return float(value)
        if kind is str and isinstance(value, str):  # a plugin's subclass, written as what it holds
            return str.__str__(value)
        raise _not(kind, value)

    return Codec(same, same)


def _union(kind: Any, codecs: list[Codec]) -> Codec:
    """The first member that a value fits; so no two may have the same plain form."""

    def first(ways: list[Callable[[Any], Any]]) -> Callable[[Any], Any]:
        def way(value: Any) -> Any:
            for one in ways:
                try:
                    return one(value)
                except PlainError:
                    continue
            raise _not(kind, value)

        return way

    return Codec(first([one.write for one in codecs]), first([one.read for one in codecs]))


def _row(kind: Any, codecs: list[Codec]) -> Codec:
    def write(value: Any) -> list[Any]:
        _expect(kind, value, tuple, len(codecs))
        return [one.write(item) for one, item in zip(codecs, value, strict=True)]

    def read(value: Any) -> tuple[Any, ...]:
        _expect(kind, value, list, len(codecs))
        return tuple([one.read(item) for one, item in zip(codecs, value, strict=True)])

    return Codec(write, read)


def _many(kind: Any, make: Any, of: Codec) -> Codec:
    def write(value: Any) -> list[Any]:
        _expect(kind, value, make)
        items = [of.write(item) for item in value]
        return sorted(items, key=json.dumps) if make is frozenset else items  # the same text in every process

    def read(value: Any) -> Any:
        _expect(kind, value, list)
        return make([of.read(item) for item in value])

    return Codec(write, read)


def _pairs(kind: Any, key: Codec, of: Codec) -> Codec:
    """A dictionary is a list of pairs: its keys may be anything, and it keeps their order."""

    def write(value: Any) -> list[Any]:
        _expect(kind, value, Mapping)
        return [[key.write(name), of.write(item)] for name, item in value.items()]

    def read(value: Any) -> dict[Any, Any]:
        _expect(kind, value, list)
        for pair in value:
            _expect(kind, pair, list, 2)
        return {key.read(name): of.read(item) for name, item in value}

    return Codec(write, read)


def _record(kind: Any, names: list[str]) -> Codec:
    """A dataclass or named tuple: an object with exactly these keys. Its types are looked up when one is first met."""
    known: list[list[Codec]] = []

    def codecs() -> list[Codec]:
        if not known:
            hints = get_type_hints(kind)
            known.append([codec(hints[name]) for name in names])
        return known[0]

    def write(value: Any) -> dict[str, Any]:
        _expect(kind, value, kind)
        return {name: one.write(getattr(value, name)) for name, one in zip(names, codecs(), strict=True)}

    def read(value: Any) -> Any:
        _expect(kind, value, dict)
        if value.keys() != set(names):
            raise _not(kind, value)
        return kind(*[_read_field(kind, name, one, value[name]) for name, one in zip(names, codecs(), strict=True)])

    return Codec(write, read)


def _read_field(kind: Any, name: str, of: Codec, value: Any) -> Any:
    try:
        return of.read(value)
    except PlainError as error:
        raise PlainError(f"{kind.__name__}.{name}: {error}") from None


def _expect(kind: Any, value: Any, of: Any, length: int | None = None) -> None:
    if not isinstance(value, of) or (length is not None and len(value) != length):
        raise _not(kind, value)


def _not(kind: Any, value: Any) -> PlainError:
    name = kind.__name__ if isinstance(kind, type) else str(kind)
    try:
        shown = repr(value)
    except Exception:  # the value is a plugin's
        shown = type(value).__name__
    return PlainError(f"expected {name}, got {shown[:LONGEST_SHOWN]}")
