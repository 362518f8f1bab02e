"""mm/pagewalk.c: visiting the page tables and huge entries of a range."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from enum import Enum
from typing import Any, TypeVar

from core.machine.op import Op
from core.mm.mm import Mm
from core.mm.pgtable import read_upper, upper_addr_end


class Action(Enum):
    """walk->action: go on behind the pmd, or look at it once more, because its table has gone."""

    CONTINUE = 0
    AGAIN = 1


Private = TypeVar("Private")
PmdEntry = Callable[[Private, int, int, Any], Coroutine[Op, Any, Action]]
"""mm_walk_ops.pmd_entry: called with walk->private, the first page, the one past the last, and the pmd as read."""


async def walk_page_range(
    mm: Mm, start: int, end: int, pmd_entry: PmdEntry[Private], private: Private, level: int = 2
) -> None:
    """Call `pmd_entry` for each pmd of the range that is not empty; mmap_lock is held.

    walk_pmd_range(), walk_pud_range(), walk_p4d_range(), by `level`.
    """
    addr = start
    while addr != end:
        next_addr = upper_addr_end(mm, level, addr, end)
        entry: Any = await read_upper(mm, level, addr)
        if entry is not None:
            if level:
                await walk_page_range(mm, addr, next_addr, pmd_entry, private, level - 1)
            elif await pmd_entry(private, addr, next_addr, entry) is Action.AGAIN:
                continue
        addr = next_addr
