"""What a plugin's answers depend on beside the suite: the files of the modules that setting it up brought in."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Collection
from pathlib import Path

PROJECT_PACKAGES = ("core", "arch_plugins")
"""Hashed as the suite (core.table.checkpoint)."""


def digest(plugin: object, before: Collection[str]) -> str:
    """Of the files of every module that was not there `before`, and of those that `plugin`'s classes come from.

    Modules of the standard library are left out.  What a hook imports only when it runs is not seen.
    """
    names = (set(sys.modules) - set(before)) | {kind.__module__ for kind in type(plugin).__mro__}
    found = hashlib.sha256()
    for name in sorted(names):
        top = name.partition(".")[0]
        file = getattr(sys.modules.get(name), "__file__", None)
        if (
            top not in sys.stdlib_module_names
            and top not in PROJECT_PACKAGES
            and isinstance(file, str)
            and Path(file).is_file()
        ):
            found.update(name.encode() + Path(file).read_bytes())
    return found.hexdigest()
