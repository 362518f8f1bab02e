"""numpy and numba, which are optional: nothing but the compiled searcher imports this module."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any


def available() -> bool:
    """Are they installed?  Looks without importing them."""
    return find_spec("numpy") is not None and find_spec("numba") is not None


def numpy() -> Any:
    """The module numpy."""
    return import_module("numpy")


def numba() -> Any:
    """The module numba."""
    return import_module("numba")
