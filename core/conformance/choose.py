"""From what a user types after --arch to an architecture: a row of arches.toml, or a plugin."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from core.arch import Arch
from core.config import ConfigError, load, plugin_row
from core.mm.era import Era


@dataclass(frozen=True)
class Choice:
    """An architecture ready to be judged, and what its row declares to fail."""

    arch: Arch
    era: Era
    expect: dict[str, str]


def choose(name: str, era: str, config: Path | None = None) -> Choice:
    """The row called `name`, or else the plugin `name` refers to. ConfigError or PluginError if there is neither."""
    row = next((row for row in load(config) if row.name == name), None)
    row = row if row is not None else plugin_row(name, era)
    if row.problem:
        raise ConfigError(row.problem)
    return Choice(row.arch(), row.era, row.expect)
