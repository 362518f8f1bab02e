"""The versions of the installed package and of the words that policies are written in, and conditions on versions."""

from __future__ import annotations

import operator
import os
import re
import sys
from collections.abc import Iterator
from contextlib import suppress

WORDS_VERSION = "0.1"
"""Of core.words and of core.hookspecs together.  While it is 0.x a minor version may change a word."""

CONDITION = re.compile(r"\s*(>=|<=|==|!=|>|<)\s*(\d+(?:\.\d+)*)\s*")
HOLDS = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}


def fulfilled(conditions: str, version: str) -> bool:
    """Does `version` fulfil all of `conditions`, as in '>=1.2, <2'?  No conditions are. ValueError if they are none.

    A version is numbers between dots, and missing ones are 0: 1 is 1.0.
    """
    holds = True
    for condition in filter(str.strip, conditions.split(",")):
        found = CONDITION.fullmatch(condition)
        if found is None:
            raise ValueError(f"expected conditions such as '>=1.2' or '>=1.2, <2', got {conditions!r:.60}")
        holds = holds and HOLDS[found[1]](*_padded(version, found[2]))
    return holds


def _padded(*versions: str) -> list[list[int]]:
    numbers = [[int(part) for part in version.split(".")] for version in versions]
    length = max(map(len, numbers))
    return [own + [0] * (length - len(own)) for own in numbers]


def version() -> str:
    """The version of the installed package; 'not installed' in a bare source tree.

    As importlib.metadata finds it, which takes as long to load as a small search.
    """
    for directory in sys.path:
        for file in _metadata(directory or "."):
            with suppress(OSError), open(file, encoding="utf-8") as lines:
                for line in lines:
                    if line.startswith("Version:"):
                        return line.removeprefix("Version:").strip()
    return "not installed"


def _metadata(directory: str) -> Iterator[str]:
    """The files in `directory` that describe this package, if it is installed there."""
    try:
        names = os.listdir(directory)
    except OSError:  # an archive, or nothing
        return
    for name in sorted(names):
        if name.startswith("shootdown-") and name.endswith(".dist-info"):
            yield os.path.join(directory, name, "METADATA")
        elif name.startswith(("shootdown-", "shootdown.")) and name.endswith(".egg-info"):
            yield os.path.join(directory, name, "PKG-INFO")
