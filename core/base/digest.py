"""A digest of what a plugin consists of: the modules that were imported when it was set up, and what they read then."""

from __future__ import annotations

import sys
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.base.watch import Seen

PROJECT_PACKAGES = ("core", "arch_plugins")
"""The project's packages; core.table.checkpoint hashes them as a whole."""


def digest(plugin: object, before: Collection[str], seen: Seen) -> str:
    """SHA-256 of the files of modules not imported `before`, of those of `plugin`'s classes, and of what was `seen`.

    Modules of the project and of the standard library are left out.  What a hook imports or reads when it runs is
    missed.
    """
    import hashlib  # takes milliseconds, and only a third party's code is hashed

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
    found.update(seen.digest())
    return found.hexdigest()
