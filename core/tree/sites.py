"""The places in a unit's code that make requests, and the lines of the tree that they come from."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from pathlib import Path

from core.tree.tools import printed

TREE = re.compile(r"(?:^|/)((?:arch|include|mm|kernel)/\S+:\d+)")
"""A line of the tree in what addr2line prints, which has no directory of ours before it."""

CALL = re.compile(r"^\s*([0-9a-f]+):.*\bcall\s+[0-9a-f]+ <(__tsan_\w+|op|rmw)(?:@plt)?>")


def lines_of(path: Path, sites: Iterable[int]) -> dict[int, str]:
    """Each site with its line, 'arch/s390/mm/pgtable.c:120': the innermost one in the tree, or in the driver."""
    wanted = sorted(set(sites))
    if not wanted:
        return {}
    command = ["addr2line", "-a", "-i", "-e", str(path), *(hex(site - 1) for site in wanted)]
    said = printed(*command)
    found = {}
    for block in re.split(r"^0x", said, flags=re.MULTILINE)[1:]:
        address, *frames = block.split("\n")
        in_tree = [match[1] for match in map(TREE.search, frames) if match and "/units/" not in match[0]]
        driver = [frame.rpartition("shim/")[2].split(" ")[0] for frame in frames if "shim/" in frame]
        found[int(address, 16) + 1] = in_tree[0] if in_tree else (driver[-1] if driver else "?")
    return found


def all_sites(path: Path) -> list[int]:
    """Every return address of a call to the runtime: where a thread may be suspended."""
    command = ["objdump", "-d", "--no-show-raw-insn", str(path)]
    text = printed(*command).splitlines()
    found = []
    for line, following in itertools.pairwise(text):
        if CALL.match(line):
            behind = re.match(r"^\s*([0-9a-f]+):", following)
            if behind:
                found.append(int(behind[1], 16))
    return found
