"""A tree as a row of the table: built, and named by a file that any command takes as a plugin.

The file stands beside the unit in the cache: `row.py:row`.  So a job in a process of its own, `explain` and `run
--plugin` load it as they load any third party's.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from core.base.files import write_atomically
from core.mm.era import ERAS
from core.tree.automata import Automata, digest_of
from core.tree.binding import PACKAGE, Binding, binding
from core.tree.build import Unit, build
from core.tree.errors import LostRequest, TreeError
from core.tree.kernel_tree import KNOWN, KernelTree, cache_directory
from core.tree.manifest import Version
from core.tree.shipped import Shipped, Tree

REQUESTS = f"{PACKAGE}._requests:BINDING"
"""What is asked of kernel/smp.c, wherever it is part of a unit."""

FILE = '''"""{name} of {version}, from its C: written by shootdown."""

from pathlib import Path

from core.tree.row import plugin

row = plugin({reference!r}, {name!r}, Path(__file__).parent, {version!r})
counting = plugin({reference!r}, {name!r}, Path(__file__).parent, {version!r}, counts=True)
'''

FILE_OF_TABLES = '''"""{name} of {release}, from tables that come with shootdown, which has written this."""

from core.tree.shipped import plugin_of_tables

row = plugin_of_tables({reference!r}, {name!r}, {release!r})
'''


@dataclass(frozen=True)
class Built:
    """A unit that was built for `reference`; `plugin` refers to it as --plugin does."""

    reference: str
    binding: Binding
    unit: Unit
    plugin: str

    @property
    def learns(self) -> bool:
        """Is there C to learn from, and not tables alone?"""
        return self.unit.library.is_file()

    @property
    def era(self) -> str:
        """The name of the newest era that is not newer than the tree."""
        return era_of(self.unit.version)


def built(reference: str, tree: Tree) -> Built:
    """Build the architecture that `reference` names from a tree, or find its tables. TreeError if that fails."""
    of = binding(reference)
    if isinstance(tree, Shipped):
        return _of_tables(reference, of, tree)
    manifest = of.manifest(tree.version)
    unit = build(of.name, tree, manifest)
    if any(source.path == "kernel/smp.c" for source in manifest.sources):
        _ask_requests(tree)
    file = unit.directory / "row.py"
    write_atomically(file, FILE.format(reference=reference, name=of.name, version=str(tree.version)))
    return Built(reference, of, unit, f"{file}:row")


def _ask_requests(tree: KernelTree) -> None:
    """TreeError if kernel/smp.c does with requests what the model of an IPI has not.

    One of a version that is not known in detail, which cannot be asked, is judged all the same, and that is said.
    """
    of = binding(REQUESTS)
    try:
        unit = build(of.name, tree, of.manifest(tree.version))
        of.plugin(Automata(unit, REQUESTS, digest_of(REQUESTS)))
    except LostRequest:
        raise
    except TreeError as error:
        if tree.version in KNOWN:
            raise
        print(f"shootdown: what becomes of requests is not asked of kernel/smp.c: {error}", file=sys.stderr)


def _of_tables(reference: str, of: Binding, release: Shipped) -> Built:
    file = cache_directory() / "shipped" / release.release / of.name / "row.py"
    unit = release.unit(of.name)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, FILE_OF_TABLES.format(reference=reference, name=of.name, release=release.release))
    return Built(reference, of, unit, f"{file}:row")


def counting_plugin(plugin: str) -> str:
    """Of the `Built.plugin` of a tree, the one by which workloads are counted: core.tree.counting."""
    return f"{plugin.removesuffix(':row')}:counting"


def plugin(reference: str, name: str, directory: Path, version: str, counts: bool = False) -> object:
    """The architecture of a built unit: for the file that `built` writes. `counts`: as core.tree.counting has it."""
    unit = Unit(name, directory, Version(*map(int, version.split("."))))
    return binding(reference).plugin(Automata(unit, reference, digest_of(reference), counts))


def era_of(version: Version) -> str:
    """The name of the newest era that is not newer than `version`."""
    known = {Version(*map(int, name.split("."))): name for name in ERAS if name.replace(".", "").isdigit()}
    return known[max((one for one in known if one <= version), default=min(known))]
