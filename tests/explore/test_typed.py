"""Values of cells as plain data, and as a trace shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from core.explore.typed import shown, typed
from core.machine.op import Cpu, Page, Tid
from core.machine.pte import ProtNone, Pte


class Silent(NamedTuple):
    start: int
    who: Cpu | None = None


@dataclass(frozen=True)
class Quiet:
    level: int


def test_every_kind_of_value_says_what_it_is() -> None:
    assert [typed(value) for value in (None, True, 3, "x")] == [None, True, 3, "x"]
    assert [typed(value) for value in (Cpu(1), Tid(2), Page(0))] == [{"cpu": 1}, {"task": 2}, {"page": 0}]
    assert typed(frozenset({Cpu(1), Cpu(0)})) == {"set": [{"cpu": 0}, {"cpu": 1}]}
    assert typed((1, Cpu(2))) == [1, {"cpu": 2}]
    assert typed(Pte(0, dirty=True)) == {"type": "Pte", "frame": 0, "write": True, "dirty": True} | dict.fromkeys(
        ("uffd_wp", "nx", "cont"), False
    )
    assert typed(ProtNone(1, True, False)) == {"type": "ProtNone", "frame": 1, "write": True, "dirty": False}


def test_no_value_is_shown_as_python_writes_it() -> None:
    assert shown(None) == "-"
    assert shown(frozenset({Cpu(1), Cpu(0)})) == "{0,1}"
    assert shown(Silent(3)) == "Silent start 3 who -"
    assert shown((Silent(3, Cpu(1)), None)) == "(Silent start 3 who 1, -)"
    assert shown(Quiet(2)) == "Quiet level 2"
    assert shown(()) == "()"
    assert shown(Pte(0)) == "page0:rw"
