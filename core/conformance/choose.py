"""From what a user types after --arch to an architecture: a row of arches.toml, or a plugin."""

from __future__ import annotations

from pathlib import Path

from core.config import ConfigError, Row, load, plugin_row


def choose(name: str, era: str, config: Path | None = None) -> Row:
    """The row called `name`, or else one of the plugin `name` refers to. ConfigError if it cannot be set up."""
    row = next((row for row in load(config) if row.name == name), None)
    row = row if row is not None else plugin_row(name, era)
    if row.problem:
        raise ConfigError(row.problem)
    return row
