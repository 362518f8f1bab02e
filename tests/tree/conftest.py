"""Trees for the tests: one that stands in for a kernel's, and the kernel's own where one is found."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from core.tree.build import compiler
from core.tree.errors import TreeError
from core.tree.kernel_tree import KernelTree, open_tree

TOY = Path(__file__).parent / "toy"
REFERENCE = f"{TOY / 'binding.py'}:BINDING"
"""The binding of the tree that stands in."""

PLACES = {"tlb.c": "arch/toy/mm/tlb.c", "tlbflush.h": "arch/toy/include/asm/tlbflush.h"}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own, and a compiler, or the test is skipped."""
    try:
        compiler()
    except TreeError as error:
        pytest.skip(str(error))
    monkeypatch.setenv("SHOOTDOWN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A tree that stands in for a kernel's."""
    root = tmp_path / "toy-tree"
    for name, place in PLACES.items():
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(TOY / name, root / place)
    (root / "Makefile").write_text("VERSION = 6\nPATCHLEVEL = 12\n")
    return root


Edit = Callable[[str, str, str], None]


@pytest.fixture
def edit(toy: Path) -> Edit:
    """Replaces a text in a file of the toy tree."""

    def replace(place: str, old: str, new: str) -> None:
        file = toy / PLACES[place]
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))

    return replace


def kernel_trees() -> dict[str, Path]:
    """The kernel trees of this machine by version: $SHOOTDOWN_TREE (several, separated by colons), Debian's sources."""
    named = [Path(name) for name in os.environ.get("SHOOTDOWN_TREE", "").split(":") if name]
    debian = sorted(Path("/usr/src").glob("linux-source-*"))
    found: dict[str, Path] = {}
    for path in [*named, *(p for p in debian if p.is_dir()), *(p for p in debian if p.suffix == ".xz")]:
        version = _version(path)
        if version:
            found.setdefault(version, path)
    return found


def _version(path: Path) -> str:
    if path.suffix == ".xz":
        return path.name.removeprefix("linux-source-").removesuffix(".tar.xz")
    try:
        return str(open_tree(path).version)
    except TreeError:
        return ""


TREES = kernel_trees()


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], KernelTree]:
    """The kernel tree of a version; the test is skipped if there is none."""

    def tree(version: str) -> KernelTree:
        if version not in TREES:
            pytest.skip(f"no kernel tree of {version}: set SHOOTDOWN_TREE, or apt-get install linux-source-{version}")
        with pytest.MonkeyPatch.context() as patch:  # unpacked once, and kept for the next run
            patch.delenv("SHOOTDOWN_CACHE", raising=False)
            return open_tree(TREES[version])

    return tree
