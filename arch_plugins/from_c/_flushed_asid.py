"""What a flush reads of the mm's ASID: that there is one; which it is stays with the hook."""

from __future__ import annotations

from dataclasses import dataclass

from arch_plugins.families.asid import context_id
from arch_plugins.from_c._common import Hook
from core.tree.vocabulary import Word

ASID = 1
"""The ASID that a flush has read, whichever it is."""


@dataclass
class FlushedAsid(Hook):
    """`asid` is what was read of the mm's ASID last, None where a model follows none."""

    asid: int | None = None


async def read_asid(of: FlushedAsid, word: Word) -> int:
    """ASID(mm): which one it is stays with the hook."""
    if of.mm.context is not None:
        _, of.asid = await context_id(of.mm.context)
    return ASID
