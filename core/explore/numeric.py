"""numpy and numba, which are optional: only the compiled searcher imports this module's functions."""

from __future__ import annotations

import os
from importlib import import_module
from importlib.util import find_spec
from typing import Any


def available() -> bool:
    """Are numpy and numba installed?  Does not import them."""
    return find_spec("numpy") is not None and find_spec("numba") is not None


def numpy() -> Any:
    """The module numpy.

    OpenBLAS would start a thread for each CPU, which takes as long as the rest of the import, and nothing here
    multiplies matrices.  Has no effect if numpy is imported already; a value set by the user is kept.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    return import_module("numpy")


def numba() -> Any:
    """The module numba: needed to compile the loops, not to run them."""
    return import_module("numba")
