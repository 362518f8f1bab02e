"""The versions of the installed package and of the words that policies are written in, and conditions on versions."""

from __future__ import annotations

import operator
import re

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
    """The version of the installed package; 'not installed' in a bare source tree."""
    from importlib import metadata

    try:
        return metadata.version("shootdown")
    except metadata.PackageNotFoundError:
        return "not installed"
