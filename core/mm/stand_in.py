"""Functions of the core that an architecture may have another text of: the kernel's own C (core.tree)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from core.mm.mm import Mm

P = ParamSpec("P")
F = TypeVar("F")
R = TypeVar("R")

Text = Callable[Concatenate[F, P], R]
"""A program, or a plain function that no other CPU sees."""


def or_c(function: Text[F, P, R]) -> Text[F, P, R]:
    """`function`, or what `Mm.functions` has by its name. Its first argument is the mm, or a gather on it.

    No program of its own: which of the two runs is decided before it begins.
    """
    name = function.__name__

    @wraps(function)
    def either(of: F, *args: P.args, **kwargs: P.kwargs) -> R:
        mm: Mm = of if isinstance(of, Mm) else of.mm  # type: ignore[attr-defined]
        chosen: Text[F, P, R] = mm.functions.get(name, function)
        return chosen(of, *args, **kwargs)

    return cast(Text[F, P, R], either)


def text_of(function: Text[F, P, R]) -> Text[F, P, R]:
    """The core's own text of a function that may have another."""
    return cast(Text[F, P, R], function.__wrapped__)  # type: ignore[attr-defined]


def other_texts(plugin: object, mm: Mm) -> Mapping[str, Callable[..., Any]]:
    """What an architecture has in place of functions of the core in the model of `mm`, by their names."""
    chosen = getattr(plugin, "core_functions", None)
    found: Mapping[str, Callable[..., Any]] = {} if chosen is None else chosen(mm)
    return found


def counted_texts(plugin: object, mm: Mm) -> Mapping[str, Callable[..., Any]]:
    """As `other_texts`, for a workload that is counted: the functions that can be run page by page."""
    chosen = getattr(plugin, "counted_functions", None)
    found: Mapping[str, Callable[..., Any]] = {} if chosen is None else chosen(mm)
    return found
