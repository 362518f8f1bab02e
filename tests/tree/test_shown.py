"""What the README shows of a kernel tree is what the command prints."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from core.compare import main
from core.tree.kernel_tree import KernelTree
from tests.tree.patches import scratch
from tests.tree.patches.gather import BAD

README = Path(__file__).parents[2] / "README.md"


@pytest.mark.slow
def test_the_patch_of_the_readme(
    unpacked: Callable[[str], KernelTree], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = re.search(
        r"```\n\$ .* tree linux-patched (.*) --against linux (.*)\n((?:.*\n)*?)\.\.\.\n```", README.read_text()
    )
    assert shown is not None
    tree = unpacked("6.12")
    patched = scratch("mmu_gather_merged", tree, tmp_path / "patched", BAD["the gather is freed before it is flushed"])
    flags = [*shown[1].split(), "--against", str(tree.root), *shown[2].split(), "--jobs", "2"]
    assert main(["tree", str(patched), *flags]) == 1
    assert capsys.readouterr().out.startswith(shown[3])
