"""What belongs to a plugin and what does not, and what its objects hold."""

from __future__ import annotations

import sys
from typing import Any

from core.base.digest import PROJECT_PACKAGES


def foreign(module: str | None) -> bool:
    """Is what is defined there none of a plugin's: of this project, or of Python's library?"""
    top = (module or "builtins").partition(".")[0]
    return top in PROJECT_PACKAGES or top in sys.stdlib_module_names


def shipped(plugin: object) -> bool:
    """Is all of the plugin the project's, and has it nothing of its own?"""
    return not getattr(plugin, "__dict__", {}) and all(foreign(kind.__module__) for kind in type(plugin).__mro__)


def attributes(thing: object) -> dict[str, Any]:
    """The attributes of an instance: of its dictionary and of its slots."""
    slots = [name for kind in type(thing).__mro__ for name in _slots(kind)]
    return {n: getattr(thing, n) for n in slots if hasattr(thing, n)} | dict(getattr(thing, "__dict__", {}))


def _slots(kind: type) -> tuple[str, ...]:
    slots = kind.__dict__.get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(n for n in slots if n not in ("__dict__", "__weakref__"))
