"""numpy and numba, which are optional: nothing but the compiled searcher imports this module."""

from __future__ import annotations

import os
from importlib import import_module
from importlib.util import find_spec
from typing import Any


def available() -> bool:
    """Are they installed?  Looks without importing them."""
    return find_spec("numpy") is not None and find_spec("numba") is not None


def numpy() -> Any:
    """The module numpy.

    Nothing here multiplies matrices, and starting threads for that would take as long as the rest of the import; who
    imports numpy first, or sets the variable, has his way.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    return import_module("numpy")


def numba() -> Any:
    """The module numba, which is needed to compile the loops, not to run them."""
    return import_module("numba")
