"""The ground truth that comes with the package: traces of the kernel's code, measured cells, recordings, litmus tests.

A path that is not there, and has the name of such a file, is that file: so what the documents show works in any
directory, from the wheel too.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

DATA = Path(str(files("core.truth").joinpath("data")))


def ground_truth(text: str) -> Path:
    """The file that a path on the command line is: itself, or the one of this name that comes with the package."""
    path = Path(text)
    shipped = DATA / path.name
    return shipped if not path.exists() and shipped.is_file() else path
