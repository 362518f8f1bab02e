"""Which files of a kernel tree make a unit, and what of each.

A name in `keep` or `drop` is written as the tree writes it:

    flush_tlb_mm          a function, with all its definitions
    flush_tlb_mm@0        its first definition only (@-1: the last), where #ifdef has two
    #FLUSH_ALL            a macro; what follows # is a regular expression, so that a family is one name
    struct flush_data     a structure
    ;late_initcall        a statement at top level that has this word, up to its semicolon
    ?invlpg               it may be missing: another version has it
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

MOST_CPUS = 4
"""That C sees: the masks that may be answered are all sets of them.  Where a model has more (large runs), the last one
stands for all the others together.
"""

GENERIC_GATHER = "include/asm-generic/tlb.h"


class Version(NamedTuple):
    """VERSION and PATCHLEVEL of a tree's Makefile."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"

    @property
    def number(self) -> int:
        """As the shims compare it: 612."""
        return self.major * 100 + self.minor


@dataclass(frozen=True)
class Source:
    """One file of the tree: `drop` takes names out of it, `keep` leaves nothing but these.

    `name` is how others include it, if not by its path behind include/; `replace` are texts that stand for others, for
    assembly that is written within a function.  `before` is a header of the shim that is included before a file that is
    compiled: what has another meaning in it than in those before.
    """

    path: str
    drop: tuple[str, ...] = ()
    keep: tuple[str, ...] | None = None
    name: str = ""
    replace: tuple[tuple[str, str], ...] = ()
    before: str = ""

    @property
    def is_header(self) -> bool:
        """Is it included by others, and not compiled by itself?"""
        return self.path.endswith(".h")


def names_in(text: str) -> tuple[str, ...]:
    """Names that are separated by white space."""
    return tuple(text.split())


@dataclass(frozen=True)
class Manifest:
    """What a unit is made of: the tree's files, and the shim and the driver that stand around them.

    `shim` and `driver` are texts of C, by their names in messages; `owned` are per-CPU variables that only the thread
    itself uses, so that they are part of its local state; of NAME* it uses the copy of every CPU.
    """

    sources: tuple[Source, ...]
    shim: str
    driver: str
    owned: tuple[str, ...] = ()
    defines: Mapping[str, str] = field(default_factory=dict)


ManifestOf = Callable[[Version], Manifest]
"""The manifest for a version; what a version lacks or has besides is decided there."""
