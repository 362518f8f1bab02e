"""The `shootdown` command, also `python -m shootdown`: `core.compare` of this installation, and of no other `core`.

`core`, `arch_plugins` and `reports` are common names.  A project that has a package of such a name, and is in front on
the module search path, would hide ours; the name of this module is nobody else's.
"""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":  # `python -m` has put the current directory first: nobody has named a pathlib.py there
    _HERE = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [_HERE, *(entry for entry in sys.path if entry and os.path.realpath(entry) != os.getcwd())]

from pathlib import Path

NAMES = ("core", "arch_plugins", "reports")
HERE = Path(__file__).resolve().parent


def prefer_ours() -> str:
    """Let this installation be found first under the names of its packages, in this process and in its children.

    Returns '' or, where it is too late because another package of such a name has been imported, which one.
    """
    for name in NAMES:
        loaded = sys.modules.get(name)
        place = _place(loaded)
        if loaded is not None and place != HERE / name:
            return f"the module {name} is already that of {place or 'another project'}, and not {HERE / name}"
    sys.path.insert(0, str(HERE))
    # A child of multiprocessing would look into the current directory first otherwise.
    os.environ["PYTHONSAFEPATH"] = "1"
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(HERE), os.environ.get("PYTHONPATH"))))
    return ""


def _place(module: object) -> Path | None:
    """The directory of a package, or the file of a module; None for one that has neither."""
    file = getattr(module, "__file__", None)
    if isinstance(file, str):
        path = Path(file).resolve()
        return path.parent if path.name == "__init__.py" else path
    return next((Path(part).resolve() for part in getattr(module, "__path__", ())), None)


def main() -> int:
    """Run the command line and return its exit status."""
    problem = prefer_ours()
    if problem:
        print(f"shootdown: {problem}", file=sys.stderr)
        return 2
    from core.compare import main as compare

    return compare()


if __name__ == "__main__":
    sys.exit(main())
