"""What an architecture is: the hooks that Linux lets an architecture define, as pluggy specifications.

Names and meanings are the kernel's: include/asm-generic/tlb.h is a list of override points, and so is this module.  The
generic behaviour (`arch_plugins.generic:Generic`) is itself a plugin and is registered first.  An architecture
overrides a part of it; of several implementations of a hook only the one registered last is used.

There are two kinds of hooks:

* a *program* is an `async def`.  It awaits the operations of `core.machine` for everything that another CPU can see,
  and other hooks through `mm.hook`.  Between awaits it may change only its own locals and, if it is given one, the
  gather.  It must be deterministic and keep no state on `self`.
* a *plain* hook is a `def`.  It returns at once and touches nothing shared; it may mark the gather.

The kind is checked when a plugin is registered.  `mm` is the calling task's view of one address space: it has `mm.task`
(and its CPU), `mm.facts`, `mm.hook` and `mm.era`.  Addresses are virtual page numbers; `end` is exclusive.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from core.facts import CAPABILITIES, Facts
from core.hookspecs.batched_unmap import BatchedUnmapSpec
from core.hookspecs.entries import EntriesSpec
from core.hookspecs.flushes import FlushesSpec
from core.hookspecs.lazy_mmu import LazyMmuSpec
from core.hookspecs.marker import PROJECT, hookimpl, hookspec
from core.hookspecs.switching import SwitchingSpec
from core.hookspecs.upper_entries import UpperEntriesSpec

ENTRY_POINT_GROUP = "shootdown.architectures"

__all__ = [
    "CAPABILITIES",
    "ENTRY_POINT_GROUP",
    "PROJECT",
    "SPECS",
    "ArchSpec",
    "Architecture",
    "Facts",
    "hookimpl",
    "hookspec",
    "is_program",
]


class ArchSpec(SwitchingSpec, LazyMmuSpec, EntriesSpec, UpperEntriesSpec, FlushesSpec, BatchedUnmapSpec):
    """The hooks, area by area."""

    @hookspec
    def arch_facts(self) -> Facts:  # type: ignore[empty-body]
        """Plain. Called once, when the architecture is set up. Returns its `Facts`."""


if TYPE_CHECKING:
    Architecture = ArchSpec
else:

    class Architecture:
        """A base for architectures, so that a type checker holds their hooks against `ArchSpec`.

        It is empty when the program runs: a hook that a plugin does not define is the generic one's, by registration,
        not by inheritance.  So `super().flush_tlb_mm(mm)` needs a base class that defines it.
        """


SPECS: dict[str, Callable[..., Any]] = {
    name: member
    for area in (ArchSpec, *ArchSpec.__bases__)
    for name, member in vars(area).items()
    if inspect.isfunction(member)
}
"""Every hook by name."""


def is_program(hook: str) -> bool:
    """Is the hook called `hook` an `async def`?"""
    return inspect.iscoroutinefunction(SPECS[hook])
