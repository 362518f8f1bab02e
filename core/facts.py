"""Which values the facts of an architecture may have: one set of rules for arches.toml and for plugins.

Powers of two are asked for where Linux has them by construction: sizes that are shifts (PAGE_SHIFT, PTRS_PER_PTE,
sizeof(void *)).  A batch of any size is possible in a model, so those are any number.
"""

from __future__ import annotations

from dataclasses import fields
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from core.hookspecs import CAPABILITIES, Facts
from core.machine.sched import PREEMPTION

POWERS_OF_TWO = ("page_size", "pointer_size", "ptes_per_table", "upper_entries")
MAY_BE_ZERO = ("bundle", "max_gather_batch_count", "user_asids")
MIN_PAGE = 64
"""Bytes of the smallest page that holds the head of a batch and something behind it."""

MOST = {"page_size": 1 << 24, "levels": 5, "ptes_per_table": 1 << 20, "upper_entries": 1 << 20}
"""Where Linux ends: pages of 1 MiB (hexagon), five levels, tables that fit some pages."""

KINDS: dict[str, Any] = get_type_hints(Facts)


def wrong(key: str, value: object) -> str:
    """What was expected of the fact `key` and what it is instead; '' if `value` will do."""
    problem = _wrong_type(KINDS[key], value)
    if not problem and type(value) is int:
        problem = _wrong_number(key, value)
    if not problem and key == "preemption" and value not in PREEMPTION:
        problem = f"one of {', '.join(PREEMPTION)}"
    if not problem and isinstance(value, frozenset) and value - CAPABILITIES.keys():
        return f"there is no {', '.join(sorted(value - CAPABILITIES.keys()))}; expected of {', '.join(CAPABILITIES)}"
    return f"expected {problem}, got {value!r}" if problem else ""


def first_wrong(facts: Facts) -> str:
    """The first fact that cannot be, as 'key: what is wrong'; '' if all will do."""
    problems = ((f.name, wrong(f.name, getattr(facts, f.name))) for f in fields(Facts))
    return next((f"{name}: {problem}" for name, problem in problems if problem), "")


def _wrong_type(kind: Any, value: object) -> str:
    origin = get_origin(kind)
    if origin in (frozenset, tuple):
        sound = isinstance(value, origin) and all(type(name) is str for name in value)
        return "" if sound else f"a {origin.__name__} of strings"
    kinds = get_args(kind) if origin is UnionType else (kind,)
    return "" if type(value) in kinds else " or ".join(k.__name__ for k in kinds if k is not type(None))


def _wrong_number(key: str, number: int) -> str:
    least = MIN_PAGE if key == "page_size" else 0 if key in MAY_BE_ZERO else 1
    if number > MOST.get(key, number):
        return f"at most {MOST[key]}"
    if key in POWERS_OF_TWO and (number < least or number & (number - 1)):
        return f"a power of two of at least {least}"
    return "" if number >= least else f"a number of at least {least}"
