"""Which installed distribution a plugin is of: from metadata alone, none of its code is run."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from core.base.version import version
from core.hookspecs import ENTRY_POINT_GROUP

if TYPE_CHECKING:
    from importlib.metadata import Distribution

OWN = "arch_plugins"
"""The package of the project's own plugins."""


class Installed(NamedTuple):
    """An entry point of the group of architectures: its name, what it refers to, and whose it is ('name version')."""

    name: str
    target: str
    distribution: str


def installed(group: str = ENTRY_POINT_GROUP) -> list[Installed]:
    """What installed distributions offer in `group`, by name."""
    from importlib.metadata import entry_points  # takes milliseconds

    points = entry_points(group=group)
    return sorted(Installed(point.name, point.value, _called(point.dist)) for point in points)


def distribution_of(reference: str) -> str:
    """The distribution that a plugin's reference is of, as 'name version'; '' for a file, or a module of none."""
    location = reference.rpartition(":")[0]
    if location.endswith(".py"):
        return ""
    if not location:
        return next((one.distribution for one in installed() if one.name == reference), "")
    top = location.partition(".")[0]
    if top == OWN:
        return f"shootdown {version()}"
    from importlib import metadata

    names = metadata.packages_distributions().get(top, ())
    return ", ".join(f"{name} {metadata.version(name)}" for name in dict.fromkeys(names))


def _called(distribution: Distribution | None) -> str:
    return "" if distribution is None else f"{distribution.name} {distribution.version}"
