"""What a reference on the command line names: an object of a module, of a file, or of an installed distribution.

Data types
    Wanted    what is wanted, for messages, and the group of entry points in which distributions offer it
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from pathlib import Path
from typing import Any, NamedTuple

from core.base.errortext import describe, short
from core.base.suggest import hint, nearest
from core.base.told import Told
from core.hookspecs import ENTRY_POINT_GROUP


class PluginError(Told):
    """A plugin that cannot be used; the message names the plugin, what is wrong, and what was expected."""


class NoSuchPlugin(PluginError):
    """A reference that names nothing: no such file, module, object or entry point. None of its code has been run."""


class Wanted(NamedTuple):
    """What a reference is to name: `what` it is called in messages, its `group` of entry points, and its type.

    `type` is None for an architecture, which is any object with hooks: a class of the module, in most cases.
    """

    what: str
    group: str
    type: type | None = None

    def of(self, module: Any) -> list[str]:
        """The names in `module` that a reference of this kind may have."""
        if self.type is not None:
            return [n for n, member in vars(module).items() if isinstance(member, self.type)]
        return [n for n, m in vars(module).items() if inspect.isclass(m) and m.__module__ == module.__name__]


PLUGIN = Wanted("plugin", ENTRY_POINT_GROUP)


def load_object(reference: str, of: Wanted = PLUGIN) -> Any:
    """The object of the kind `of` that `module:object`, `file.py:object` or an entry point refers to.

    Modules are also looked for in the current directory, and for a file in its own directory.  A class is instantiated.
    NoSuchPlugin if there is no such object, PluginError if importing it fails.
    """
    location, _, name = reference.rpartition(":")
    if not location:
        found = _entry_point(reference, of)
    elif location.endswith(".py"):
        found = _attribute(_from_file(Path(location), reference, of), name, reference, of)
    else:
        found = _attribute(_import(location, reference, of), name, reference, of)
    if of.type is not None and not isinstance(found, of.type):
        raise PluginError(f"{of.what} {reference}: expected a {of.type.__name__}, got {short(repr(found))}")
    if not inspect.isclass(found):
        return found
    try:
        return found()
    except Exception as error:
        raise PluginError(f"{of.what} {reference}: {name}() raised {describe(error)}") from error


def _entry_point(name: str, of: Wanted) -> Any:
    from importlib.metadata import entry_points  # takes as long as the rest of this room

    points = {p.name: p for p in entry_points(group=of.group)}
    if name not in points:
        known = ", ".join(sorted(points)) or "none is installed"
        near = nearest(name, points)
        raise NoSuchPlugin(
            f"{of.what} {name}: expected module:object, file.py:object, or the name of an entry point in the group "
            f"{of.group} ({known})" + (f"; did you mean {near}?" if near else "")
        )
    try:
        return points[name].load()
    except Exception as error:
        raise PluginError(f"{of.what} {name}: loading its entry point raised {describe(error)}") from error


def _import(module: str, reference: str, of: Wanted) -> Any:
    _importable(Path.cwd())  # not on sys.path in an installed command or under pytest
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        kind = (
            NoSuchPlugin if f"{module}.".startswith(f"{error.name}.") else PluginError
        )  # or what it imports is missing
        raise kind(f"{of.what} {reference}: importing {module} raised {describe(error)}") from error
    except Exception as error:
        raise PluginError(f"{of.what} {reference}: importing {module} raised {describe(error)}") from error


SOURCE = "__shootdown_source__"
"""Of a module from a file: its path and its text.  A file with a plugin and a workload is one module for both."""


def _from_file(path: Path, reference: str, of: Wanted) -> Any:
    if not path.is_file():
        raise NoSuchPlugin(f"{of.what} {reference}: no such file: {path}")
    name, text = f"shootdown_plugin_{path.stem}", path.read_bytes()
    loaded = sys.modules.get(name)
    if getattr(loaded, SOURCE, None) == (path.resolve(), text):
        return loaded
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    _importable(path.resolve().parent)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise PluginError(f"{of.what} {reference}: running it raised {describe(error)}") from error
    setattr(module, SOURCE, (path.resolve(), text))
    return module


def _importable(directory: Path) -> None:
    """Append `directory` to sys.path: last, so that its modules shadow no others."""
    if str(directory) not in sys.path:
        sys.path.append(str(directory))


def _attribute(module: Any, name: str, reference: str, of: Wanted) -> Any:
    try:
        return getattr(module, name)
    except AttributeError:
        own = of.of(module)
        nothing = "no class" if of.type is None else f"no {of.type.__name__}"
        known = hint(name, own, f"it has {', '.join(own) or nothing}")
        raise NoSuchPlugin(f"{of.what} {reference}: there is no {name} in it; {known}") from None
