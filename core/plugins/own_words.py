"""What a plugin may say of the state that a model begins in: its own words, and nothing of the machine or the kernel.

A policy that could choose the entries, references or TLBs that a scenario begins with would choose its verdict.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping

from core.machine.memory import DECLARED_BY
from core.machine.op import Cell
from core.plugins.arch import PluginError

CORE = "core."


def own_words(hook: str, cells: object) -> Mapping[Cell, Hashable]:
    """The cells that `hook` (cells_on_mm, cells_of_mm) has returned.

    PluginError if they are no mapping of cells to values, or if the core has declared one of them.
    """
    if not isinstance(cells, Mapping) or not all(isinstance(cell, Cell) for cell in cells):
        raise PluginError(f"hook {hook} returned {cells!r}, expected a mapping of cells to values")
    for cell in cells:
        if DECLARED_BY.get(cell.array, "").startswith(CORE):
            raise PluginError(f"hook {hook} sets {cell}, which is the core's: expected words that the plugin declares")
    return cells
