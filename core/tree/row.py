"""A tree as a row of the table: built, and named by a file that any command takes as a plugin.

The file stands beside the unit in the cache: `row.py:row`.  So a job in a process of its own, `explain` and `run
--plugin` load it as they load any third party's.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from core.base.files import write_atomically
from core.mm.era import ERAS
from core.tree.automata import Automata, digest_of
from core.tree.binding import Binding, binding
from core.tree.build import Unit, build
from core.tree.kernel_tree import KernelTree
from core.tree.manifest import Version

FILE = '''"""{name} of {version}, from its C: written by shootdown."""

from pathlib import Path

from core.tree.row import plugin

row = plugin({reference!r}, {name!r}, Path(__file__).parent, {version!r})
'''


@dataclass(frozen=True)
class Built:
    """A unit that was built for `reference`; `plugin` refers to it as --plugin does."""

    reference: str
    binding: Binding
    unit: Unit
    plugin: str

    @property
    def era(self) -> str:
        """The name of the newest era that is not newer than the tree."""
        return era_of(self.unit.version)


def built(reference: str, tree: KernelTree) -> Built:
    """Build the architecture that `reference` names from a tree. TreeError if that fails."""
    of = binding(reference)
    unit = build(of.name, tree, of.manifest(tree.version))
    file = unit.directory / "row.py"
    write_atomically(file, FILE.format(reference=reference, name=of.name, version=str(tree.version)))
    return Built(reference, of, unit, f"{file}:row")


def plugin(reference: str, name: str, directory: Path, version: str) -> object:
    """The architecture of a built unit: for the file that `built` writes."""
    unit = Unit(name, directory, Version(*map(int, version.split("."))))
    return binding(reference).plugin(Automata(unit, reference, digest_of(reference)))


def era_of(version: Version) -> str:
    """The name of the newest era that is not newer than `version`."""
    known = {Version(*map(int, name.split("."))): name for name in ERAS if name.replace(".", "").isdigit()}
    return known[max((one for one in known if one <= version), default=min(known))]
