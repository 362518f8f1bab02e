"""Names that tell the properties of a model apart.

A kind of property may be asked of a model several times: of each page, always and at the end.  A report, a trace and a
test name the one that is violated, so each has a name of its own: 'no-lost-dirty at the end', 'all-freed of ref[1]'.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from core.explore.model import Property

AT_THE_END = "at the end"

Properties = tuple[Property, ...]


def told_apart(
    always: Sequence[Property], finally_: Sequence[Property], sometimes: Sequence[Property]
) -> tuple[Properties, Properties, Properties]:
    """The properties of a model with names of their own: no two share one. A name that only one has stays.

    One that must hold at the end, beside one of its name that must always hold, says so; of several of a kind each is
    called after the first cell that it alone reads, or numbered if there is none.
    """
    throughout = {prop.name for prop in always}
    ended = [replace(p, name=f"{p.name} {AT_THE_END}") if p.name in throughout else p for p in finally_]
    everything = _by_cell([*always, *ended, *sometimes])
    first, second = len(always), len(always) + len(finally_)
    return tuple(everything[:first]), tuple(everything[first:second]), tuple(everything[second:])


def _by_cell(properties: Sequence[Property]) -> list[Property]:
    """Those that share a name are called after what they read."""
    of_name: dict[str, list[Property]] = {}
    for prop in properties:
        of_name.setdefault(prop.name, []).append(prop)
    named, seen = [], Counter[str]()
    for prop in properties:
        others = of_name[prop.name]
        name = prop.name if len(others) == 1 else _after_cell(prop, others)
        seen[name] += 1
        named.append(replace(prop, name=name if seen[name] == 1 else f"{name}, {seen[name]}"))
    return named


def _after_cell(prop: Property, others: Sequence[Property]) -> str:
    """The name of one of several, with the first cell that no other of them reads, if there is one."""
    readers = Counter(cell for other in others for cell in {*other.reads})
    own = next((cell for cell in prop.reads if readers[cell] == 1), None)
    return prop.name if own is None else f"{prop.name} of {own}"
