"""Patches of kernel trees, one table for each part of the kernel: bad ones must be red, good ones green.

A bad patch is red if its scenario, which passes on the tree as it is, fails, and the trace names lines of the tree's C.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

from core.tree.binding import binding
from core.tree.kernel_tree import KernelTree


class Edit(NamedTuple):
    """A text of a file that is replaced where it stands first."""

    path: str
    old: str
    new: str


class Patch(NamedTuple):
    """A text of a tree that is replaced, and what is judged then: `arch` in `scenario`.

    `more` are its other places, `version` is the tree that it is made for.  `lines`: the trace of a bad one has lines
    of C; it has none where the C has become empty.
    """

    arch: str
    path: str
    old: str
    new: str
    scenario: str
    more: tuple[Edit, ...] = ()
    version: str = "6.12"
    lines: bool = True


def scratch(arch: str, tree: KernelTree, root: Path, patch: Patch) -> Path:
    """A copy of what the unit of `arch` is made of, patched."""
    for path in ["Makefile", *(source.path for source in binding(arch).manifest(tree.version).sources)]:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(tree.root / path, root / path)
    for edit in (Edit(patch.path, patch.old, patch.new), *patch.more):
        text = (root / edit.path).read_text()
        assert edit.old in text, f"{edit.path} has no text {edit.old!r}"
        (root / edit.path).write_text(text.replace(edit.old, edit.new, 1))
    return root
