"""Other packages on the module search path that are called what this project's packages are called.

Which one Python finds depends on the directory in which it is started: said in a line, it costs nobody an afternoon.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib.machinery import PathFinder
from pathlib import Path

NAMES = ("core", "arch_plugins", "reports")
HERE = Path(__file__).resolve().parents[2]


def namesakes(path: Iterable[str]) -> list[Path]:
    """Where on the search path `path` other modules or packages of these names are, in its order."""
    found = (_origin(name, entry) for entry in path for name in NAMES)
    return list(dict.fromkeys(place for place in found if place is not None and place.parent != HERE))


def warn_of_namesakes() -> None:
    """Say on stderr, in one line, which packages are used and which others could have been."""
    others = namesakes(sys.path)
    if others:
        print(
            f"shootdown: runs from {HERE}; of the same name, and not used: {', '.join(map(str, others))}",
            file=sys.stderr,
        )


def _origin(name: str, entry: str) -> Path | None:
    """The directory of a package, or the file of a module; None for a mere directory, which hides nothing."""
    spec = PathFinder.find_spec(name, [entry or "."])
    if spec is None or spec.origin is None:
        return None
    origin = Path(spec.origin).resolve()
    return origin.parent if origin.name == "__init__.py" else origin
