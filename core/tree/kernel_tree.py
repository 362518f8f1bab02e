"""A kernel source tree: a directory, or an archive of one such as Debian's linux-source-6.12.tar.xz."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tarfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from core.base.caches import cache
from core.tree.errors import TreeError
from core.tree.manifest import GENERIC_GATHER, Version

OLDEST = Version(6, 1)
"""Older trees are not known: their names differ in too many places."""

KNOWN = (Version(6, 1), Version(6, 12))
"""What bindings were made for."""

CAME_WITH = {
    "tlb_delay_rmap": Version(6, 2),  # 5df397dec7c4
    "__tlb_remove_folio_pages": Version(6, 9),
    "HAVE_ARCH_TLB_REMOVE_TABLE": Version(6, 14),  # since 7.0 a CONFIG_
}
"""Names of include/asm-generic/tlb.h, and the version that each came with: they say how old the C of a tree is."""

ARCHIVE = re.compile(r"\.tar(\.\w+)?$")


NO_TREE = "no kernel tree: expected a directory, or an archive such as linux-source-6.12.tar.xz"


def cache_directory() -> Path:
    """Where trees are unpacked and units kept: in the cache."""
    return cache() / "tree"


@dataclass(frozen=True)
class KernelTree:
    """An unpacked tree."""

    root: Path

    @cached_property
    def release(self) -> str:
        """VERSION.PATCHLEVEL.SUBLEVEL of its Makefile, such as 6.12.117."""
        found = re.search(r"^SUBLEVEL\s*=\s*(\d+)", self.text("Makefile"), re.MULTILINE)
        return f"{self.version}.{found[1] if found else 0}"

    @cached_property
    def version(self) -> Version:
        """From its Makefile. TreeError if there is none, or if the version is older than `OLDEST`."""
        makefile = self.root / "Makefile"
        text = makefile.read_text(encoding="utf-8", errors="replace") if makefile.is_file() else ""
        found = {key: re.search(rf"^{key}\s*=\s*(\d+)", text, re.MULTILINE) for key in ("VERSION", "PATCHLEVEL")}
        if not all(found.values()):
            raise TreeError(f"{self.root}: no kernel tree: expected a Makefile with VERSION and PATCHLEVEL")
        version = Version(*(int(match[1]) for match in found.values() if match))
        if version < OLDEST:
            raise TreeError(f"{self.root}: a tree of {version}; expected {OLDEST} or later")
        return version

    @property
    def doubt(self) -> str:
        """Why the C may not be of the version that the Makefile says; '' if nothing says so."""
        if not (self.root / GENERIC_GATHER).is_file():
            return ""
        text, said = self.text(GENERIC_GATHER), f"and its Makefile says {self.version}"
        for name, since in CAME_WITH.items():
            if (name in text) != (self.version >= since):
                there = f"has {name}" if name in text else f"has no {name}"
                return f"{GENERIC_GATHER} {there}, which came with {since}, {said}: is the C of another version?"
        return ""

    def text(self, path: str) -> str:
        """The text of a file of the tree. TreeError if it is missing."""
        try:
            return (self.root / path).read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise TreeError(f"{path}: {error.strerror} in {self.root}") from None


def open_tree(path: Path) -> KernelTree:
    """The tree at `path`, a directory or an archive, which is unpacked into the cache. TreeError if it is neither."""
    if path.is_dir():
        tree = KernelTree(path.resolve())
    elif path.is_file() and ARCHIVE.search(path.name):
        tree = KernelTree(_unpacked(path))
    else:
        raise TreeError(f"{path}: {NO_TREE}")
    assert tree.version  # raises if it is none
    return tree


WANTED = re.compile(r"^[^/]+/(Makefile$|mm/|kernel/|include/|arch/[^/]+/(include|mm|kernel)/)")
"""The parts of an archive that are unpacked."""


def _unpacked(archive: Path) -> Path:
    stat = archive.stat()
    name = f"{archive.resolve()} {stat.st_size} {stat.st_mtime_ns}"
    place = cache_directory() / "unpacked" / hashlib.sha256(name.encode()).hexdigest()[:16]
    if not place.is_dir():
        half = place.with_name(f"{place.name}.{os.getpid()}")
        shutil.rmtree(half, ignore_errors=True)
        try:
            with tarfile.open(archive) as files:
                files.extractall(half, (m for m in files if WANTED.match(m.name)), filter="data")
            half.replace(place)
        except (tarfile.TarError, EOFError, OSError) as error:
            shutil.rmtree(half, ignore_errors=True)
            if not place.is_dir():
                raise TreeError(f"{archive}: cannot be unpacked: {error}") from None
    roots = [one for one in place.iterdir() if one.is_dir()]
    if len(roots) != 1:
        raise TreeError(f"{archive}: expected one directory in it, got {len(roots)}")
    return roots[0]
