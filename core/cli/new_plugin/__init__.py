"""The subcommand `new-plugin`: an installable package with a policy that is wrong on purpose, its tests and a CI job.

The files beside this module are templates (string.Template).
"""

from __future__ import annotations

import argparse
import keyword
import re
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from string import Template

from core.base.files import write_atomically
from core.cli.arguments import UsageError
from core.mm.era import ERAS
from core.table.rows import DEFAULT_ERA

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")

FILES = {
    "pyproject.toml": "pyproject.toml.txt",
    "$module.py": "module.py.txt",
    "README.md": "README.md.txt",
    ".github/workflows/conformance.yml": "conformance.yml.txt",
}
"""What is written, by its template."""


def add_parsers(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the subcommand with argparse's add_parser."""
    new = add("new-plugin", help="write a package with a policy of your own, to start from")
    new.add_argument("name", metavar="NAME", help="of the distribution and of its entry point, as in my-policy")
    new.add_argument("--era", choices=tuple(ERAS), default=DEFAULT_ERA, help="kernel era that it is judged on")
    new.add_argument("--into", type=Path, default=Path(), metavar="DIR", help="where the directory NAME is made")
    new.set_defaults(command=new_plugin_command)


def new_plugin_command(arguments: argparse.Namespace) -> int:
    """Write the package, and say what to do next. UsageError for a name that is none, or a directory that exists."""
    words, directory = _words(arguments.name, arguments.era), arguments.into / arguments.name
    if directory.exists():
        raise UsageError(f"new-plugin {arguments.name}: {directory} exists")
    for path, template in FILES.items():
        text = files(__package__).joinpath(template).read_text(encoding="utf-8")
        write_atomically(directory / Template(path).substitute(words), Template(text).substitute(words))
    print(f"{directory}: written; its README.md says what to do, in five steps")
    return 0


def _words(name: str, era: str) -> dict[str, str]:
    """What the templates name: the distribution, its module, its class, the era."""
    module = name.replace("-", "_")
    if not NAME.fullmatch(name) or keyword.iskeyword(module):
        raise UsageError(f"new-plugin {name}: expected small letters, digits and hyphens, as in my-policy")
    return {"name": name, "module": module, "cls": "".join(map(str.capitalize, name.split("-"))), "era": era}
