"""Tables that come with the project: the automata of kernels that were learned before, for who has no compiler or tree.

A file `tables/RELEASE/NAME.json.xz` has all automata that the suite and the workloads ask for, by their names
(`core.tree.automata.name_of`).  It names symbols, fields and lines of the kernel, and has none of its text.  What
depends on the compiler is left out: addresses in the unit, and how many states were learned before they were minimised.
`tree PATH --tables DIR` writes such a file; a test learns each anew from the tree and compares.

Data types
    Shipped             a release whose tables there are: what stands for a tree
    ShippedAutomata     the tables of one architecture of it, as a plugin walks them
"""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from core.tree.automata import Automata, digest_of, kept_in, name_of
from core.tree.automaton import CAutomaton, from_data, from_json
from core.tree.build import Unit
from core.tree.errors import NotInTables, TreeError
from core.tree.kernel_tree import NO_TREE, KernelTree, open_tree
from core.tree.manifest import Version

TABLES = Path(str(files("core.tree").joinpath("tables")))
ENDING = ".json.xz"


@dataclass(frozen=True)
class Shipped:
    """The tables of a kernel `release` such as 6.12.117."""

    release: str

    @property
    def version(self) -> Version:
        """VERSION and PATCHLEVEL of the release."""
        major, minor, *_ = self.release.split(".")
        return Version(int(major), int(minor))

    def names(self) -> list[str]:
        """The architectures, as bindings are named, whose tables there are."""
        found = (path.name.removesuffix(ENDING) for path in (TABLES / self.release).glob(f"*{ENDING}"))
        return sorted(name.replace("-", "_") for name in found)

    def unit(self, name: str) -> Unit:
        """The unit of the binding called `name`, whose directory is the file. TreeError if there is none."""
        place = TABLES / self.release / f"{name}{ENDING}"
        if not place.is_file():
            raise TreeError(f"--arch {name}: no tables of {self.release}; expected one of {', '.join(self.names())}")
        return Unit(name, place, self.version)


Tree = KernelTree | Shipped
"""Where C comes from: a tree, or tables that were made of one."""


def releases() -> list[str]:
    """The releases whose tables there are, the oldest first."""
    names = (path.name for path in TABLES.iterdir() if path.is_dir()) if TABLES.is_dir() else ()
    return sorted(names, key=lambda name: [int(part) for part in name.split(".")])


def open_kernel(path: Path) -> Tree:
    """The tree at `path`; or, if nothing is there, the tables of a release that is named so: 6.12, 6.12.117.

    TreeError if it is neither.
    """
    if path.exists():
        return open_tree(path)
    named = [one for one in releases() if one == str(path) or one.startswith(f"{path}.")]
    if named:
        return Shipped(named[-1])
    come = f", or a release whose tables come along: {', '.join(releases())}"
    raise TreeError(f"{path}: {NO_TREE}{come if releases() else ''}")


@dataclass(eq=False)
class ShippedAutomata(Automata):
    """Automata of a file of tables; nothing is learned."""

    __shootdown_entity__ = True

    def _found(self, entry: str, args: tuple[int, ...], cpus: int) -> CAutomaton:
        table = tables(self.unit.directory).get(name_of(entry, args, cpus))
        if table is None:
            given = ", ".join(f"{value:#x}" for value in args)
            raise NotInTables(
                f"{entry}({given}) on {cpus} CPUs is not in the tables that come along: give the tree itself"
            )
        return from_data(table)


@cache
def tables(path: Path) -> Mapping[str, dict[str, Any]]:
    """The automata of a file by their names, as `from_data` reads them."""
    found: dict[str, dict[str, Any]] = json.loads(lzma.decompress(path.read_bytes()))
    return found


def plugin_of_tables(reference: str, name: str, release: str) -> object:
    """The architecture of a file of tables: for the file that core.tree.row writes."""
    from core.tree.binding import binding

    return binding(reference).plugin(ShippedAutomata(Shipped(release).unit(name), reference, digest_of(reference)))


def without_addresses(automaton: CAutomaton) -> CAutomaton:
    """What does not depend on the compiler."""
    return replace(automaton, learned=0, reached=())


def write_tables(directory: Path, release: str, name: str, kept: Iterable[Path]) -> Path:
    """Write the file of the automata in `kept`, those of the unit called `name`; returns its path."""
    found = {path.stem: without_addresses(from_json(path.read_text(encoding="utf-8"))) for path in kept}
    text = json.dumps({one: found[one].to_data() for one in sorted(found)}, separators=(",", ":"))
    place = directory / release / f"{name}{ENDING}"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(lzma.compress(text.encode(), preset=9 | lzma.PRESET_EXTREME))
    return place


def all_kept(unit: Unit, reference: str, own: Path) -> list[Path]:
    """The files of all automata of a unit that are kept, also in the cache `own` of a guest."""
    directories = kept_in(unit, digest_of(reference), own)
    return [path for directory in directories for path in sorted(directory.glob("*.json"))]
