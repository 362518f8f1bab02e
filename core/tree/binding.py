"""What an architecture brings so that its C can be explored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from core.plugins.load import PluginError, Wanted, load_object
from core.tree.errors import TreeError
from core.tree.manifest import ManifestOf, Version
from core.tree.vocabulary import Vocabulary

PACKAGE = "arch_plugins.from_c"
"""Where the project's own bindings are: a module for each architecture, which has a `BINDING`."""


@dataclass(frozen=True, eq=False)
class Binding:
    """What is built (`manifest`), what its operations mean (`vocabulary`), and the architecture that walks automata.

    `plugin(automata)` makes that architecture; `beside(version)` refers to the plugin in Python that stands for it.
    """

    __shootdown_entity__ = True

    name: str
    manifest: ManifestOf
    vocabulary: Vocabulary
    plugin: Callable[[Any], object]
    beside: Callable[[Version], str]


BINDING = Wanted("binding", "shootdown.bindings", Binding)


@cache
def binding(reference: str) -> Binding:
    """The binding that `s390`, module:object or file.py:object refers to, the same every time. TreeError if none."""
    full = reference if ":" in reference else f"{PACKAGE}.{reference.replace('-', '_')}:BINDING"
    try:
        found: Binding = load_object(full, BINDING)
    except PluginError as error:
        if ":" not in reference and "No module named" in str(error):
            raise TreeError(f"--arch {reference}: no C of it is known; expected one of {', '.join(names())}") from None
        raise TreeError(str(error)) from None
    return found


def names() -> list[str]:
    """The project's own bindings."""
    import importlib
    import pkgutil

    package = importlib.import_module(PACKAGE)
    return sorted(module.name for module in pkgutil.iter_modules(package.__path__) if not module.name.startswith("_"))
