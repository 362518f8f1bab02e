"""What a run trusts: the files that its interpreters read and run, which foreign code must therefore not write.

Not only the project's.  A module that a plugin leaves beside it, a file in site-packages, a library, machine code in
the cache or another plugin's text would be run in the next child, for another row.
"""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from core.base.caches import cache

ROOT = Path(__file__).resolve().parents[2]
"""Where this installation is found."""

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc")
INSTALLED = ("stdlib", "platstdlib", "purelib", "platlib", "scripts")
"""Python's own directories, as sysconfig names them."""

GUESTS = "guests"


def trusted() -> list[str]:
    """The directories that every interpreter of this project reads modules, programs or machine code from."""
    with suppress(OSError):
        cache().mkdir(parents=True, exist_ok=True)
    named = [str(ROOT), *SYSTEM, *(sysconfig.get_path(name) for name in INSTALLED), str(cache())]
    named += [os.path.dirname(os.path.realpath(sys.executable)), sysconfig.get_config_var("LIBDIR") or ""]
    named += [site.getusersitepackages(), sys.pycache_prefix or ""]
    return outermost([*named, *(entry for entry in sys.path if os.path.isdir(entry) and not _is_shared(entry))])


def code_of(reference: str) -> list[str]:
    """What the plugin or scenario `reference` is read from: the directory of its file, or a module beside us.

    Of a directory that everybody writes into, or the user's own, the file alone.
    """
    where = reference.rpartition(":")[0]
    if where.endswith(".py"):
        directory = os.path.dirname(os.path.realpath(where))
        return [os.path.realpath(where) if _is_shared(directory) else directory]
    beside = os.path.join(os.getcwd(), where.partition(".")[0])
    return [path for path in (beside, f"{beside}.py") if where and os.path.exists(path)]


def outermost(paths: Iterable[str]) -> list[str]:
    """Those of `paths` that exist and lie in none of the others, links followed."""
    there = sorted({os.path.realpath(path) for path in paths if path and os.path.exists(path)})
    found: list[str] = []
    for path in there:  # what contains another comes before it
        if path != "/" and not any(path.startswith(f"{one}/") for one in found):
            found.append(path)
    return found


def without_user_site() -> bool:
    """Are children to look for no modules of the user?  Where there are none, a plugin could make some."""
    return not os.path.isdir(site.getusersitepackages())


def cache_of(guest: str) -> str:
    """A directory for what the children of a guest compute and keep: the guest's own. '' if none can be made."""
    import hashlib  # takes milliseconds, and is needed only where code of third parties runs

    directory = cache() / GUESTS / hashlib.sha256(guest.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    try:
        directory.mkdir(0o700, parents=True, exist_ok=True)
    except OSError:
        return ""
    return str(directory)


def _is_shared(directory: str) -> bool:
    import tempfile  # takes milliseconds, and is needed only where code of third parties runs

    return os.path.realpath(directory) in {os.path.realpath(tempfile.gettempdir()), os.path.expanduser("~"), "/"}
